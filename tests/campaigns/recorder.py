"""Every file operation of this process under one folder, in the order in which the kernel was
asked.

Python's own `_pyio` stands in for `io` meanwhile, so that files opened with `open` go through `os`
as well, and each function of `os` that changes files is wrapped: what klingflow does and what a
library does for it are the same to it. A test holds the tape against strace's, where there is one,
so that nothing can go by it unseen.
"""

from __future__ import annotations

import builtins
import io
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

_UNKNOWN = (
    "symlink",
    "mkfifo",
    "mknod",
    "truncate",
    "writev",
    "pwrite",
    "pwritev",
    "sendfile",
    "copy_file_range",
)
_WRITABLE = os.O_WRONLY | os.O_RDWR
_IN_PYTHON = import_module("_pyio")  # which has no stubs


class Op(NamedTuple):
    """One operation. Names are relative to the recorded folder; `file` numbers files for as long as
    they live.

    create, link, unlink, mkdir, rmdir: `name`. rename: `name` becomes `to`. write: `data` at
    `offset`. truncate: to `offset`. sync: a file's content. sync_folder: the names in folder
    `name`. taint: a sync of `file` failed. mark: something was promised to somebody.
    """

    kind: str
    name: str = ""
    file: int = 0
    to: str = ""
    offset: int = 0
    data: bytes = b""
    mark: Any = None


# What the disk does instead of an operation: an errno to raise, or None. A write's first half is
# written before.
Trouble = Callable[[Op], int | None]


@dataclass
class Recorder:
    """`ops` is what happened under `root` since `recording` began; `names` is what lies there by
    now, and may be given where the files have numbers already.
    """

    root: Path
    trouble: Trouble = lambda op: None
    ops: list[Op] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)
    _files: int = 0
    _open: dict[int, int | str] = field(
        default_factory=dict
    )  # descriptor → file, or the name of a folder
    _turn: Any = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.root = Path(os.path.realpath(self.root))
        self._files = max(self.names.values(), default=0)
        for path in sorted(self.root.rglob("*")):
            if path.is_file() and (name := self._name(path)) and name not in self.names:
                self.names[name] = self._new()

    def mark(self, what: object) -> None:
        """Note that something was promised at this moment."""
        with self._turn:
            self.ops.append(Op("mark", mark=what))

    @contextmanager
    def recording(self) -> Iterator[Recorder]:
        """Record what this process does, in all its threads."""
        with mock.patch.multiple(os, **self._wrappers()), _sends(self.mark):
            plain = io.open

            def opened(file: Any, *args: Any, **options: Any) -> Any:
                ours = file in self._open if isinstance(file, int) else self._name(file) is not None
                return (_IN_PYTHON.open if ours else plain)(file, *args, **options)

            with mock.patch.object(io, "open", opened), mock.patch.object(builtins, "open", opened):
                yield self

    # -------- the functions of os, each done and noted in one turn

    def _wrappers(self) -> dict[str, Any]:
        wrappers = {name: self._refusing(name) for name in _UNKNOWN if hasattr(os, name)}
        for name, does in (
            ("open", self._opened), ("close", self._closed), ("write", self._written),
            ("fsync", self._synced), ("fdatasync", self._synced), ("ftruncate", self._truncated),
            ("rename", self._renamed), ("replace", self._renamed), ("link", self._linked),
            ("unlink", self._unlinked), ("remove", self._unlinked), ("mkdir", self._made),
            ("rmdir", self._gone),
        ):  # fmt: skip
            wrappers[name] = self._wrapped(getattr(os, name), does)
        return wrappers

    def _wrapped(self, plain: Any, does: Any) -> Any:
        def wrapper(*args: Any, **options: Any) -> Any:
            with self._turn:
                return does(plain, *args, **options)

        return wrapper

    def _refusing(self, name: str) -> Any:
        plain = getattr(os, name)

        def wrapper(*args: Any, **options: Any) -> Any:
            touched = any(
                a in self._open if isinstance(a, int) else self._name(a) is not None for a in args
            )
            assert not touched, f"os.{name} is not recorded: {args}"
            return plain(*args, **options)

        return wrapper

    def _opened(
        self, plain: Any, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None
    ) -> int:
        name = self._name(path, dir_fd)
        if name is None:
            return int(plain(path, flags, mode, dir_fd=dir_fd))
        existed = os.path.lexists(self.root / name)
        if flags & os.O_CREAT and not existed:
            self._obstacle(Op("create", name))
        fd = int(plain(path, flags, mode, dir_fd=dir_fd))
        if (self.root / name).is_dir():
            self._open[fd] = name
            return fd
        if not existed:
            self.names[name] = self._new()
            self.ops.append(Op("create", name, self.names[name]))
        self._open[fd] = self.names[name]
        if flags & os.O_TRUNC and existed and flags & _WRITABLE:
            self.ops.append(Op("truncate", file=self.names[name]))
        return fd

    def _closed(self, plain: Any, fd: int) -> None:
        plain(fd)
        self._open.pop(fd, None)

    def _written(self, plain: Any, fd: int, data: Any) -> int:
        file = self._open.get(fd)
        if file is None:
            return int(plain(fd, data))
        assert isinstance(file, int)
        error = self.trouble(Op("write", self._name_of(file), file, data=bytes(data)))
        written = int(plain(fd, bytes(data)[: len(data) // 2] if error else data))
        end = os.lseek(fd, 0, os.SEEK_CUR)
        part = bytes(data)[:written]
        self.ops.append(Op("write", self._name_of(file), file, offset=end - written, data=part))
        if error:
            raise OSError(error, os.strerror(error))
        return written

    def _synced(self, plain: Any, fd: int) -> None:
        file = self._open.get(fd)
        if isinstance(file, int):
            op = Op("sync", self._name_of(file), file)
            self._obstacle(op, instead=op._replace(kind="taint"))
            plain(fd)
            self.ops.append(op)
        else:
            plain(fd)
            if file is not None:
                self.ops.append(Op("sync_folder", file))

    def _truncated(self, plain: Any, fd: int, length: int) -> None:
        plain(fd, length)
        if isinstance(file := self._open.get(fd), int):
            self.ops.append(Op("truncate", self._name_of(file), file, offset=length))

    def _renamed(self, plain: Any, source: Any, target: Any, **folders: Any) -> None:
        assert not any(folder in self._open for folder in folders.values())
        name, to = self._name(source), self._name(target)
        if name is not None and to is not None:
            assert not (self.root / name).is_dir(), (
                "folders that change their names are not recorded"
            )
            self._obstacle(Op("rename", name, self.names[name], to=to))
        plain(source, target, **folders)
        if name is not None and to is not None and name != to:
            self.names[to] = self.names.pop(name)
            self.ops.append(Op("rename", name, self.names[to], to=to))

    def _linked(self, plain: Any, source: Any, target: Any, **options: Any) -> None:
        name, to = self._name(source), self._name(target)
        if name is not None and to is not None and name in self.names:
            self._obstacle(Op("link", to, self.names[name]))
        plain(source, target, **options)
        if name is not None and to is not None:
            self.names[to] = self.names[name]
            self.ops.append(Op("link", to, self.names[name]))

    def _unlinked(self, plain: Any, path: Any, *, dir_fd: int | None = None) -> None:
        plain(path, dir_fd=dir_fd)
        if (name := self._name(path, dir_fd)) is not None:
            self.ops.append(Op("unlink", name, self.names.pop(name)))

    def _made(self, plain: Any, path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        plain(path, mode, dir_fd=dir_fd)
        if (name := self._name(path, dir_fd)) is not None:
            self.ops.append(Op("mkdir", name))

    def _gone(self, plain: Any, path: Any, *, dir_fd: int | None = None) -> None:
        plain(path, dir_fd=dir_fd)
        if (name := self._name(path, dir_fd)) is not None:
            self.ops.append(Op("rmdir", name))

    # --------

    def _obstacle(self, op: Op, instead: Op | None = None) -> None:
        if error := self.trouble(op):
            if instead:
                self.ops.append(instead)
            raise OSError(error, os.strerror(error), op.name)

    def _new(self) -> int:
        self._files += 1
        return self._files

    def _name(self, path: Any, dir_fd: int | None = None) -> str | None:
        try:
            given = Path(os.fsdecode(path))
        except TypeError:
            return None
        if dir_fd is not None:
            folder = self._open.get(dir_fd)
            return None if folder is None else (Path(str(folder)) / given).as_posix()
        whole = Path(os.path.realpath(given.parent)) / given.name
        return whole.relative_to(self.root).as_posix() if whole.is_relative_to(self.root) else None

    def _name_of(self, file: int) -> str:
        return next((name for name, number in self.names.items() if number == file), "")


@contextmanager
def _sends(mark: Callable[[object], None]) -> Iterator[None]:
    """Mark each HTTP request, by its first bytes, before it goes out on a socket."""

    def wrapped(name: str) -> Any:
        plain = getattr(socket.socket, name)

        def wrapper(self: socket.socket, data: Any, *rest: Any) -> Any:
            first = bytes(b"".join(data) if name == "sendmsg" else data)
            if first.startswith((b"POST ", b"GET ")):
                mark(first)
            return plain(self, data, *rest)

        return wrapper

    with mock.patch.multiple(
        socket.socket, **{n: wrapped(n) for n in ("send", "sendall", "sendmsg")}
    ):
        yield
