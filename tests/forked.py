"""Processes of klingflow that one process forks which has imported klingflow: most of what a start
takes are the imports.

Each runs `__main__` from its first line to the exit code. Its pipes, folder, environment, locks
and signals are its own; it shares with others what Python has imported. A test of how klingflow
starts, or of what ends it meanwhile, takes `Pipeline.start`.
"""

from __future__ import annotations

import array
import atexit
import gc
import importlib
import io
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import NoReturn

from klingflow.sandbox.child import Sandbox, start
from klingflow.sandbox.options import Options

# What Python, the C library and the loader read before the first line of a program.
_EARLY = ("PYTHON", "LD_", "LC_", "LANG", "LANGUAGE", "TZ", "GCONV_", "MALLOC_", "GLIBC_")
_IMPORTED = (
    *(f"klingflow.terminal.{kind}_commands" for kind in
      ("cluster", "cut", "look", "lock", "pick", "read", "resolve", "run", "setup")),
    *("klingflow.sandbox.server", "jsonschema"),
)  # fmt: skip
_OF_EXTRAS = ("klingflow.cluster.temporal.client", "klingflow.media.frames")
_ENVIRON = {**os.environ, "PYTHONUTF8": "1"}
_STOP_S = 30.0
_MESSAGE_BYTES = 1 << 18


def _early(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name.startswith(_EARLY)}


def can_have(environ: Mapping[str, str]) -> bool:
    """True if a forked process can have this environment."""
    return sys.platform == "linux" and _early(environ) == _early(_ENVIRON)


@dataclass(frozen=True)
class _Wish:
    """What a process is to be."""

    module: str
    arguments: Sequence[str]
    folder: str
    environ: Mapping[str, str]
    has_session: bool = False  # of its own


@dataclass
class _Process:
    """A forked process. `told` is where its pid and, at its end, its exit code are read."""

    stdin: int
    stdout: int
    stderr: int
    told: int
    pid: int = 0
    said: dict[int, bytearray] = field(default_factory=dict)

    def read(self, until: float, *wanted: int) -> bool:
        """Read all that comes on these pipes until each of them has ended; False if that takes
        longer than `until`.
        """
        with selectors.DefaultSelector() as selector:
            for pipe in wanted:
                selector.register(pipe, selectors.EVENT_READ)
            while selector.get_map():
                if (left := until - time.monotonic()) < 0:
                    return False
                for key, _ in selector.select(left):
                    piece = os.read(key.fd, 65_536)
                    self.said.setdefault(key.fd, bytearray()).extend(piece)
                    if not piece:
                        selector.unregister(key.fd)
        return True

    def text(self, pipe: int) -> str:
        """What came on a pipe."""
        data = io.BytesIO(bytes(self.said.get(pipe, b"")))
        return io.TextIOWrapper(data, "utf-8").read()

    @property
    def code(self) -> int:
        """Its exit code, once `told` has ended."""
        words = self.text(self.told).split()
        assert words, "the process that forks has ended"
        return int(words[0])

    def kill(self) -> None:
        """End it, if it has not ended, and wait for its end."""
        if sys.platform == "win32":
            raise NotImplementedError
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.read(time.monotonic() + _STOP_S, self.told)


def run(
    arguments: Sequence[str], folder: Path, environ: Mapping[str, str], patience_s: float
) -> subprocess.CompletedProcess[str]:
    """Run klingflow to its end. Raises TimeoutExpired, with what it said, if that takes longer."""
    wish = _Wish("klingflow", [*arguments], str(folder), {**environ})
    with _forked(wish) as process:
        os.close(process.stdin)
        until, command = time.monotonic() + patience_s, ["klingflow", *arguments]
        is_over = process.read(until, process.stdout, process.stderr, process.told)
        said = process.text(process.stdout), process.text(process.stderr)
        if not is_over:
            process.kill()
            raise subprocess.TimeoutExpired(command, patience_s, *said)
        return subprocess.CompletedProcess(command, process.code, *said)


@contextmanager
def sandbox_with(options: Options) -> Iterator[Sandbox]:
    """Start a sandbox, as `klingflow.sandbox.child` does, and stop it on leaving."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("KLINGFLOW_")}
    environ["PYTHONUTF8"] = "1"
    if not can_have(environ):
        with start(options) as sandbox:
            yield sandbox
        return
    wish = _Wish("klingflow.sandbox", [], str(Path.cwd()), environ, has_session=True)
    with _forked(wish) as process:
        os.write(process.stdin, f"{options.as_json()}\n".encode())
        try:
            with open(process.stdout, encoding="utf-8", closefd=False) as stdout:
                address = stdout.readline().strip()
            assert address, "the sandbox did not start"
            yield Sandbox(address)
        finally:
            os.close(process.stdin)
            if not process.read(time.monotonic() + _STOP_S, process.told):
                process.kill()


@contextmanager
def _forked(wish: _Wish) -> Iterator[_Process]:
    """Have a process forked. Whoever takes it closes its `stdin`."""
    if sys.platform == "win32":
        raise NotImplementedError
    pipes = [os.pipe() for _ in range(4)]
    (theirs, stdin), *others = pipes
    stdout, stderr, told = ours = [reading for reading, _ in others]
    handed = [theirs, *(writing for _, writing in others)]
    try:
        _parent().sendmsg(
            [json.dumps(asdict(wish)).encode()],
            [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", handed))],
        )
    finally:
        for pipe in handed:
            os.close(pipe)
    process = _Process(stdin, stdout, stderr, told)
    try:
        process.pid = int(_line(process.told))
        yield process
    finally:
        for pipe in ours:
            os.close(pipe)


def _line(pipe: int) -> bytes:
    found = b""
    while (byte := os.read(pipe, 1)) not in (b"\n", b""):
        found += byte
    return found


_starting = threading.Lock()


def _parent() -> socket.socket:
    """The way to the process that forks; it is started when it is first needed."""
    with _starting:
        return _started()


@cache
def _started() -> socket.socket:
    if sys.platform == "win32":
        raise NotImplementedError
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _MESSAGE_BYTES)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.forked", str(theirs.fileno())],
            cwd=Path(__file__).parent.parent,
            env=_ENVIRON,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


# ---------------------------------------------------------------- in the process that forks


def _serve(way: socket.socket) -> None:
    """Fork a process for each message, until nobody is left who could send one."""
    if sys.platform == "win32":
        raise NotImplementedError
    for name in _IMPORTED:
        importlib.import_module(name)
    for name in _OF_EXTRAS:
        with suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # so that a collection in a child copies no page of what all share
    while True:
        data, handed, _, _ = socket.recv_fds(way, _MESSAGE_BYTES, 4)
        if not data:
            return
        threads = [*Path("/proc/self/task").iterdir()]
        assert len(threads) == 1, "a fork takes no other thread along"
        if os.fork() == 0:
            way.close()
            _watch(_Wish(**json.loads(data)), handed)
        for pipe in handed:
            os.close(pipe)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _watch(wish: _Wish, handed: Sequence[int]) -> NoReturn:
    """Fork once more, and tell what becomes of that process."""
    if sys.platform == "win32":
        raise NotImplementedError
    *pipes, told = handed
    if (pid := os.fork()) == 0:
        os.close(told)
        _be(wish, pipes)
    for pipe in pipes:
        os.close(pipe)
    os.write(told, f"{pid}\n".encode())
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with suppress(BrokenPipeError):
        os.write(told, f"{code}\n".encode())
    os._exit(0)


def _be(wish: _Wish, pipes: Sequence[int]) -> NoReturn:
    """Go on as `python -m` does in a new process."""
    if sys.platform == "win32":
        raise NotImplementedError
    code = 1
    try:
        for number, pipe in enumerate(pipes):
            os.dup2(pipe, number)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        _open_streams()
        os.environ.clear()
        os.environ.update(wish.environ)
        os.chdir(wish.folder)
        if wish.has_session:
            os.setsid()
        sys.path[0] = wish.folder
        sys.argv = [wish.module, *wish.arguments]
        runpy.run_module(wish.module, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _open_streams() -> None:
    """Open Python's streams again: an object knows from its opening whether its file can seek."""
    utf8 = partial(open, encoding="utf-8", closefd=False)
    sys.stdin = utf8(0, errors=sys.stdin.errors)
    sys.stdout = utf8(1, "w", errors=sys.stdout.errors)
    sys.stderr = utf8(2, "w", buffering=1, errors=sys.stderr.errors)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
