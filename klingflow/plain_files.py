"""Plain files: opened and read as what they are, through no link and never from a device, and told
from links, pipes and files of other people.

Writing them durably is disk.py.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path
from stat import S_ISLNK, S_ISREG
from typing import BinaryIO

from klingflow.words import _

# Python's page on `os`: O_BINARY is "only available on Windows", O_NONBLOCK "only available on
# Unix", O_NOFOLLOW among the "extensions" that are "not present if they are not defined by the C
# library". Without O_BINARY, Windows changes line ends; without O_NONBLOCK, a pipe waits for its
# other end.
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_PLAIN = getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
_READ = os.O_RDONLY | _PLAIN
# Windows' name for a folder that stands for another one; stat.IO_REPARSE_TAG_MOUNT_POINT is there
# on Windows only.
_JUNCTION = 0xA0000003


def open_itself(path: Path, flags: int, mode: int = 0o666) -> int:
    """Open the very file at `path`, as bytes, and return its descriptor: through no link, because a
    folder from elsewhere may hold links to anything, and without waiting for a pipe. `mode` is for
    a file that is made. Raises OSError.
    """
    if not _NOFOLLOW and is_link(path):  # Windows opens what a link leads to
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    return os.open(path, flags | _PLAIN | _NOFOLLOW, mode)


def opened_itself(path: Path) -> BinaryIO:
    """Open the very file at `path` for reading, as `open_itself` does. Raises OSError, also for a
    pipe, a device or a folder.
    """
    file = os.fdopen(open_itself(path, os.O_RDONLY), "rb")
    if not S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, _("not a regular file"), str(path))
    return file


def is_link(path: Path) -> bool:
    """True for a symbolic link and, on Windows, for a junction. `Path.is_junction` is new in
    Python 3.12.
    """
    try:
        there = path.lstat()
    except (OSError, ValueError):
        return False
    return S_ISLNK(there.st_mode) or getattr(there, "st_reparse_tag", 0) == _JUNCTION


def stays_below(folder: Path, relative: str, tops: Mapping[str, Path] | None = None) -> bool:
    """True if no link on the way to a relative path leads out of its first folder.

    The first folder may itself be a link to the place that `tops` has for it: people keep `outputs`
    on another disk. Where the working folder is gone, a relative `folder` has no place, and no
    link: who writes there gets an OSError.
    """
    top, _, rest = relative.rpartition("/")[0].partition("/")
    try:
        root = (tops or {}).get(top) or Path(os.path.realpath(folder), top)
        return Path(os.path.realpath(folder / top / rest)).is_relative_to(root)
    except FileNotFoundError:
        return True


def is_ours(stat: os.stat_result) -> bool:
    """True if a file is our own and has one name, so that what is written there is found again,
    and is written nowhere else.
    """
    owned = not hasattr(os, "getuid") or stat.st_uid == os.getuid()
    return owned and S_ISREG(stat.st_mode) and stat.st_nlink == 1


def refuse_other_names(fd: int, path: Path) -> None:
    """Raise OSError where the open file has another name (a hard link), or is no regular file: what
    is written to it would change somebody else's file.
    """
    opened = os.fstat(fd)
    if opened.st_nlink > 1 or not S_ISREG(opened.st_mode):
        why = (
            _("it has another name elsewhere (a hard link)")
            if opened.st_nlink > 1
            else _("no file")
        )
        raise OSError(errno.EMLINK, why, str(path))


def read_whole(path: Path) -> bytes:
    """Return what a file holds. Raises OSError, also for a pipe or a device, which may be
    endless.
    """
    return read_head(path, -1)


def read_head(path: Path, size_bytes: int) -> bytes:
    """Return the first bytes of a file, all of them for -1. Raises OSError as `read_whole`."""
    with os.fdopen(os.open(path, _READ), "rb") as file:
        if not S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, _("not a regular file"), str(path))
        return file.read(size_bytes)


def read_ours(path: Path) -> bytes:
    """Return what a file holds that nobody but this user can have written; nothing where there is
    no such file, because anybody may put one into a shared folder. Raises OSError.
    """
    try:
        fd = open_itself(path, os.O_RDONLY)
    except FileNotFoundError:
        return b""
    except OSError:
        if is_link(path):
            return b""
        raise
    with os.fdopen(fd, "rb") as file:
        return file.read() if is_ours(os.fstat(fd)) else b""
