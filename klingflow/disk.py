"""Durable files: written whole or not at all, appended by whole lines, renamed over nothing.

The lowest room that does I/O: the gateway's downloads and the ledger both stand on it.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from itertools import count
from pathlib import Path
from typing import BinaryIO

from klingflow.plain_files import open_itself, read_whole, refuse_other_names

if sys.platform == "darwin":
    import fcntl

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL
# "On Windows, attempting to remove a file that is in use causes an exception to be raised"
# (Python's page on `os.remove`); replacing one does too. A scanner, a backup or git is soon done
# with a file, and elsewhere no such error passes by itself.
_TRIES, _TRY_AGAIN_S = (50 if sys.platform == "win32" else 1), 0.1


def atomic_write(path: Path, *chunks: bytes) -> os.stat_result:
    """Replace `path` by the chunks so that a crash at any moment leaves the old file or the new
    one, durably.

    Two writers of one path must exclude each other. Returns the new file's stat; raises OSError.
    """
    temp = temporary(path)
    try:
        temp.unlink(missing_ok=True)  # it may be another file's second name
        with os.fdopen(open_itself(temp, _NEW), "wb", buffering=1 << 20) as file:
            file.writelines(chunks)
            file.flush()
            sync(file.fileno())
            written = os.fstat(file.fileno())
        _put_in_place(temp, path)
    except OSError:
        temp.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
    return written


def temporary(path: Path) -> Path:
    """Return where a file lies until it is whole; a death in the middle of a write leaves it."""
    return path.with_name(f".{path.name}.tmp")


def _put_in_place(temp: Path, path: Path) -> None:
    """Rename a file over another one; on Windows again and again for some seconds, while another
    program has that one open. Raises OSError.
    """
    for last in (*[False] * (_TRIES - 1), True):
        try:
            temp.replace(path)
            return
        except PermissionError:
            if last:
                raise
        time.sleep(_TRY_AGAIN_S)


def second_name(path: Path, name: Path) -> None:
    """Let `name` be the file at `path` too, so that this version stays when another takes its
    place. Does nothing on a file system without links.
    """
    temp = temporary(name)
    with suppress(OSError):
        temp.unlink(missing_ok=True)
        if not (
            name.exists() and name.samefile(path)
        ):  # renaming a file to another of its own names does nothing
            temp.hardlink_to(path)
            temp.replace(name)
        sync_folder(name.parent)
    with suppress(OSError):  # what a failed rename left
        temp.unlink(missing_ok=True)


def append(path: Path, lines: Sequence[bytes], *, mode: int = 0o666) -> None:
    """Add whole lines to a file, durably and through no link. A torn last line is ended first.
    `mode` is for a file that is made. Raises OSError, also for a file with another name elsewhere.
    """
    with _appended(path, lines, mode) as file:
        sync(file.fileno())
    sync_folder(path.parent)


def append_soon(path: Path, lines: Sequence[bytes]) -> None:
    """Add whole lines as `append` does, for a file that may be lost in a power cut."""
    _appended(path, lines, 0o666).close()


def _appended(path: Path, lines: Sequence[bytes], mode: int) -> BinaryIO:
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
    with ExitStack() as undo:
        file = undo.enter_context(os.fdopen(open_itself(path, flags, mode), "ab+"))
        refuse_other_names(file.fileno(), path)
        if file.seek(0, os.SEEK_END) and (file.seek(-1, os.SEEK_END), file.read())[1] != b"\n":
            file.write(b"\n")
        file.writelines(line.rstrip(b"\n") + b"\n" for line in lines)
        file.flush()
        undo.pop_all()
    return file


def append_new(path: Path, lines: Iterable[bytes]) -> None:
    """Add the lines that the file does not hold yet, durably. Raises OSError."""
    try:
        known = set(read_whole(path).split(b"\n"))
    except FileNotFoundError:
        known = set()
    fresh = [line for line in dict.fromkeys(lines) if line.rstrip(b"\n") not in known]
    if fresh:
        append(path, fresh)


def write_new(path: Path, data: bytes) -> None:
    """Create a file, through no link; an existing file stays as it is. Raises OSError."""
    with suppress(FileExistsError), os.fdopen(open_itself(path, _NEW), "wb") as file:
        file.write(data)


def write_whole_new(path: Path, data: bytes) -> bool:
    """Create a file so that a crash at any moment leaves the whole file or none, durably; return
    False where one is there, which stays as it is. Raises OSError.
    """
    if os.path.lexists(path):
        return False
    temp = path.with_name(f".{path.name}.{os.getpid()}.tmp")  # two writers have two
    try:
        with os.fdopen(open_itself(temp, _NEW), "wb") as file:
            file.write(data)
            file.flush()
            sync(file.fileno())
        rename_new(temp, path)
    except FileExistsError:
        return False
    finally:
        temp.unlink(missing_ok=True)
    return True


def write_all(fd: int, data: bytes) -> None:
    """Write every byte, however few the system takes at a time; raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def sync(fd: int) -> None:
    """Make what was written to `fd` durable; raises OSError.

    `os.fsync`: "On Unix, this calls the native fsync() function; on Windows, the MS _commit()
    function", which takes only what is open for writing.
    """
    if sys.platform == "darwin":
        _sync_through(fd)
    else:
        os.fsync(fd)


if sys.platform == "darwin":
    # What a file system answers that has no such call: a network drive, say.
    _NO_SUCH_CALL = frozenset({errno.ENOTSUP, errno.ENOTTY, errno.EINVAL})

    def _sync_through(fd: int) -> None:
        """Sync what macOS's fsync leaves in the cache of the disk itself (fsync(2) of macOS: "For
        applications that require tighter guarantees … Mac OS X provides the F_FULLFSYNC fcntl").
        """
        try:
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
        except OSError as error:
            if error.errno not in _NO_SUCH_CALL:
                raise
            os.fsync(fd)


def sync_folder(folder: Path) -> None:
    """Make a folder's names durable. On Windows `os.open` opens no folder, so there is nothing to
    sync: NTFS keeps names by a log of its own.
    """
    if sys.platform == "win32":
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        sync(fd)
    finally:
        os.close(fd)


def make_folder(folder: Path) -> None:
    """Create a folder and the missing folders above it, durably; raises OSError."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing:
        sync_folder(path.parent)


def rename_new(source: Path, target: Path) -> None:
    """Give a file another name, never over another file; to another file system it is copied.

    Raises FileExistsError if `target` is there, OSError. A crash leaves one name or both.
    """
    try:
        _link(source, target)
    except FileExistsError:
        if not _are_two_names(source, target):
            raise
    except OSError as error:
        if error.errno != errno.EXDEV:  # a folder, or a file system without links
            _rename_where_free(source, target)
            return
        _copy(source, target)
    sync_folder(target.parent)  # a power cut must not keep the second change alone
    source.unlink()


def copy_new(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where that cannot be; never over another file.

    Raises FileExistsError if `target` is there, OSError.
    """
    try:
        _link(source, target)
    except FileExistsError:
        if not _are_two_names(source, target):
            raise
    except OSError:
        _copy(source, target)


def put_aside(path: Path) -> Path | None:
    """Rename what lies at `path` to `.bak`, `.bak2` and so on, over nothing. Return its new path;
    None if nothing lies there. Raises OSError.
    """
    if not os.path.lexists(path):
        return None
    for number in count(1):
        aside = path.with_name(f"{path.name}.bak{number if number > 1 else ''}")
        with suppress(FileExistsError):
            rename_new(path, aside)
            return aside
    return None


# "If follow_symlinks is … False, and the platform doesn't support it, NotImplementedError" is what
# Python's page on `os` promises; Windows links the link itself in any case.
_THE_LINK_ITSELF = {"follow_symlinks": False} if os.link in os.supports_follow_symlinks else {}


def _link(source: Path, target: Path) -> None:
    os.link(source, target, **_THE_LINK_ITSELF)


def _are_two_names(one: Path, other: Path) -> bool:
    """True if both are names of one file, as a rename that was cut off leaves them."""
    here, there = one.lstat(), other.lstat()
    # One name, where a file system takes the two for the same.
    return os.path.samestat(here, there) and here.st_nlink > 1


def _rename_where_free(source: Path, target: Path) -> None:
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    source.rename(target)


def _copy(source: Path, target: Path) -> None:
    """Copy a file durably; a copy that cannot be finished is removed. Raises OSError."""
    with (
        os.fdopen(open_itself(source, os.O_RDONLY), "rb") as whole,
        os.fdopen(open_itself(target, _NEW), "wb") as copy,
    ):
        try:
            shutil.copyfileobj(whole, copy, 1 << 20)
            copy.flush()
            sync(copy.fileno())
        except OSError:
            target.unlink(missing_ok=True)
            raise
