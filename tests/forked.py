"""Processes of klingflow that one process forks which has imported klingflow: most of what a start
takes are the imports.

Each runs `__main__` from its first line to the exit code. Its pipes, folder, environment, locks
and signals are its own; it shares with others what Python has imported. A test of how klingflow
starts, or of what ends it before its first line, takes `Pipeline.start`.
"""

from __future__ import annotations

import array
import atexit
import io
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import IO, Any

from klingflow.sandbox.child import Sandbox, start
from klingflow.sandbox.options import Options
from tests.forking import MESSAGE_BYTES, Wish

# What Python, the C library and the loader read before the first line of a program.
_EARLY = ("PYTHON", "LD_", "LC_", "LANG", "LANGUAGE", "TZ", "GCONV_", "MALLOC_", "GLIBC_")
_ENVIRON = {**os.environ, "PYTHONUTF8": "1"}
_STOP_S = 30.0
_PATIENCE_S = 3600.0  # of whoever has none of its own
_LOOK_S = 0.001  # how long a look at a process that runs may take
# A process that is held waits for a line.
_HELD = "import sys; sys.stdin.readline();"


def _early(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name.startswith(_EARLY)}


def can_have(environ: Mapping[str, str]) -> bool:
    """True if a forked process can have this environment."""
    return sys.platform == "linux" and _early(environ) == _early(_ENVIRON)


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

    def close(self) -> None:
        """Give its pipes back, except for `stdin`."""
        for pipe in (self.stdout, self.stderr, self.told):
            os.close(pipe)


class Running:
    """A forked process that goes on beside its test, which asks it what it would ask a Popen."""

    def __init__(self, process: _Process, arguments: Sequence[str]) -> None:
        self._process = process
        self._command = ["klingflow", *arguments]
        self.pid = process.pid
        self.returncode: int | Any = None  # as of a Popen
        read = partial(open, encoding="utf-8", closefd=False)
        self.stdout: IO[str] | None = read(process.stdout)
        self.stderr: IO[str] | None = read(process.stderr)

    def release(self) -> None:
        """Let it go on, where it was `held`, with nothing to read."""
        os.write(self._process.stdin, b"\n")
        os.close(self._process.stdin)

    def poll(self) -> int | None:
        """Return its exit code; None while it runs."""
        told, until = self._process.told, time.monotonic() + _LOOK_S
        if self.returncode is None and self._process.read(until, told):
            self._end()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, and return its exit code. Raises TimeoutExpired."""
        if self.returncode is None:
            self._read(timeout, self._process.told)
            self._end()
        return int(self.returncode)

    def _end(self) -> None:
        self.returncode = self._process.code
        os.close(self._process.told)

    def communicate(self, input: None = None, timeout: float | None = None) -> tuple[str, str]:
        """Wait for its end, and return what nobody had read yet. Raises TimeoutExpired."""
        pipes = self._process.stdout, self._process.stderr
        if self.stdout is not None:
            self._read(timeout, *pipes)
            self.stdout = self.stderr = None
            for pipe in pipes:
                os.close(pipe)
        self.wait(timeout)
        out, err = map(self._process.text, pipes)
        return out, err

    def _read(self, timeout: float | None, *pipes: int) -> None:
        patience_s = _PATIENCE_S if timeout is None else timeout
        until = time.monotonic() + patience_s
        if not self._process.read(until, *pipes):
            said = map(self._process.text, (self._process.stdout, self._process.stderr))
            raise subprocess.TimeoutExpired(self._command, patience_s, *said)

    def send_signal(self, sig: int) -> None:
        """Send it a signal, if it has not ended."""
        if sys.platform == "win32":
            raise NotImplementedError
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, sig)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(9)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)


def run(
    arguments: Sequence[str], folder: Path, environ: Mapping[str, str], patience_s: float
) -> subprocess.CompletedProcess[str]:
    """Run klingflow to its end. Raises TimeoutExpired, with what it said, if that takes longer."""
    wish = Wish("klingflow", [*arguments], str(folder), {**environ})
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
    wish = Wish("klingflow.sandbox", [], str(Path.cwd()), environ, has_session=True)
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


def begin(
    arguments: Sequence[str],
    folder: Path,
    environ: Mapping[str, str],
    *,
    before: str = "",
    held: bool = False,
) -> Running:
    """Begin a process of klingflow that goes on meanwhile, and runs some Python `before`. One that
    is `held` does nothing until it is released.
    """
    before = _HELD * held + before
    process = _fork(Wish("klingflow", [*arguments], str(folder), {**environ}, before=before))
    if not held:
        os.close(process.stdin)
    return Running(process, arguments)


def begin_apart(
    arguments: Sequence[str], folder: Path, environ: Mapping[str, str], before: str, log: IO[bytes]
) -> Running:
    """Begin a process of klingflow in a session of its own, which runs some Python `before` and
    says everything to a `log`.
    """
    wish = Wish("klingflow", [*arguments], str(folder), {**environ}, True, before)
    process = _fork(wish, log.fileno())
    os.close(process.stdin)
    return Running(process, arguments)


def begin_on(
    terminal: int, arguments: Sequence[str], folder: Path, environ: Mapping[str, str]
) -> Running:
    """Begin a process of klingflow whose words are read from a terminal and shown on it."""
    wish = Wish("klingflow", [*arguments], str(folder), {**environ})
    process = _fork(wish, terminal, terminal)
    os.close(process.stdin)
    return Running(process, arguments)


@contextmanager
def _forked(wish: Wish) -> Iterator[_Process]:
    """Have a process forked. Whoever takes it closes its `stdin`."""
    process = _fork(wish)
    try:
        yield process
    finally:
        process.close()


def _fork(wish: Wish, log: int | None = None, typed: int | None = None) -> _Process:
    """Have a process forked, which says everything to an open file, if there is one, otherwise to
    its pipes; and reads what is typed there, if that is given, otherwise its pipe. Whoever takes
    the process closes its pipes.
    """
    if sys.platform == "win32":
        raise NotImplementedError
    (theirs, stdin), *others = [os.pipe() for _ in range(4)]
    stdout, stderr, told = (ours for ours, _ in others)
    out, err, telling = writing = [writing for _, writing in others]
    reading = theirs if typed is None else typed
    handed = [reading, *((out, err) if log is None else (log, log)), telling]
    try:
        _parent().sendmsg(
            [json.dumps(asdict(wish)).encode()],
            [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", handed))],
        )
    finally:
        for pipe in (theirs, *writing):
            os.close(pipe)
    return _Process(stdin, stdout, stderr, told, pid=int(_line(told)))


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
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MESSAGE_BYTES)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.forking", str(theirs.fileno())],
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
