"""The process that forks klingflow for `tests/forked.py`: it has imported what a command needs, and
makes a process of each message.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import runpy
import socket
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NoReturn

import anyio

import klingflow

# What a command imports of others only once it needs that.
_IMPORTED_LATE = ("jsonschema", "anyio.streams.tls", "encodings.utf_8_sig")
MESSAGE_BYTES = 1 << 18


@dataclass(frozen=True)
class Wish:
    """What a process is to be."""

    module: str
    arguments: Sequence[str]
    folder: str
    environ: Mapping[str, str]
    has_session: bool = False  # of its own
    before: str = ""  # Python that it begins with


def _serve(way: socket.socket) -> None:
    """Fork a process for each message, until nobody is left who could send one."""
    if sys.platform == "win32":
        raise NotImplementedError
    ours = [module.name for module in pkgutil.walk_packages(klingflow.__path__, "klingflow.")]
    for name in (*ours, *_IMPORTED_LATE):
        if not name.endswith("__main__"):
            with suppress(ImportError):  # an extra that is not installed
                importlib.import_module(name)
    anyio.run(anyio.sleep, 0)  # whose backend is imported by its first run
    gc.collect()
    gc.freeze()  # so that a collection in a child copies no page of what all share
    while True:
        data, handed, _, _ = socket.recv_fds(way, MESSAGE_BYTES, 4)
        if not data:
            return
        threads = [*Path("/proc/self/task").iterdir()]
        assert len(threads) == 1, "a fork takes no other thread along"
        if os.fork() == 0:
            way.close()
            _watch(Wish(**json.loads(data)), handed)
        for pipe in handed:
            os.close(pipe)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _watch(wish: Wish, handed: Sequence[int]) -> NoReturn:
    """Fork once more, and tell what becomes of that process."""
    if sys.platform == "win32":
        raise NotImplementedError
    *pipes, told = handed
    if (pid := os.fork()) == 0:
        if wish.has_session:
            os.setsid()
        os.write(told, f"{os.getpid()}\n".encode())
        os.close(told)
        _be(wish, pipes)
    for pipe in pipes:
        os.close(pipe)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with suppress(BrokenPipeError):
        os.write(told, f"{code}\n".encode())
    os._exit(0)


def _be(wish: Wish, pipes: Sequence[int]) -> NoReturn:
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
        sys.path[0] = wish.folder
        sys.argv = [wish.module, *wish.arguments]
        exec(wish.before, {})
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
