"""One runner per ledger: an exclusive lock on an open file, which dies with its process."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

from klingflow import plain_files
from klingflow.errors import LedgerError
from klingflow.words import _

_BUSY = frozenset({errno.EACCES, errno.EAGAIN, errno.EDEADLK})
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND
_ATTEMPTS = 100

if sys.platform == "win32":
    import msvcrt

    # Python's page on `msvcrt.locking`: "The locked region of the file extends from the current
    # file position for nbytes bytes, and may continue beyond the end of the file." Microsoft's on
    # `_locking`: "Locking bytes in a file prevents access to those bytes by other processes." So
    # one byte is locked, far behind all that others read.
    _FAR = 1 << 40

    def _try_lock(fd: int) -> None:
        # LK_NBLCK: "If the bytes cannot be locked, OSError is raised", with EACCES.
        os.lseek(fd, _FAR, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)

    def _unlock(fd: int) -> None:
        # LK_UNLCK: "Unlocks the specified bytes, which must have been previously locked."
        os.lseek(fd, _FAR, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_UN)


def acquire(path: Path) -> int | None:
    """Return a descriptor of `path`, for appending, locked until it is closed; None when another
    process holds it.

    The file is created where it is missing. It must still be the one at `path` once it is locked:
    somebody may delete it in between, and a lock on a deleted file keeps nobody out. Raises
    OSError, and LedgerError where there are no locks.
    """
    for _unused in range(_ATTEMPTS):
        fd = plain_files.open_itself(path, _FLAGS)
        try:
            _try_lock(fd)
        except OSError as error:
            os.close(fd)
            if error.errno in _BUSY:
                return None
            raise LedgerError(
                _("{path}: this file system has no locks ({error})", path=path, error=error)
            ) from error
        try:
            plain_files.refuse_other_names(fd, path)
            stays = is_at(fd, path)
            if stays:
                _prove(fd, path)
        except (OSError, LedgerError):
            os.close(fd)
            raise
        if stays:
            return fd
        os.close(fd)
    raise LedgerError(_("{path}: it is deleted again and again while being opened", path=path))


def hold(path: Path) -> int:
    """Return what `acquire` does. Raises BlockingIOError when another process holds it."""
    fd = acquire(path)
    if fd is None:
        raise BlockingIOError(errno.EAGAIN, "locked", str(path))
    return fd


def _prove(held: int, path: Path) -> None:
    """Take the lock that we hold a second time, which must be refused. Raises LedgerError where it
    is given: on some network drives every lock is, so that it keeps nobody out.
    """
    try:
        fd = plain_files.open_itself(path, _FLAGS & ~os.O_CREAT)
    except FileNotFoundError:  # deleted meanwhile: who writes to it next will notice
        return
    try:
        if not os.path.sameopenfile(held, fd):
            return
        _try_lock(fd)
    except OSError:
        return
    finally:
        os.close(fd)
    raise LedgerError(
        _(
            "{path}: this file system's locks keep nobody out (it gave one lock twice), so a second"
            " runner could buy every shot again; nothing is bought here. Put the project on a local"
            " disk",
            path=path,
        )
    )


def anchor(path: Path) -> int | None:
    """Return a locked descriptor of a file that is only read, and that stays where people delete
    folders beside it.

    None where there is no such lock: no file, or a file system that locks only what may be written.
    Raises BlockingIOError when another process holds it. On Windows nothing that is open can be
    deleted or replaced, so no anchor is needed there, and it would be in the way of editors.
    """
    if sys.platform == "win32" or not path.is_file():
        return None
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        _try_lock(fd)
    except OSError as error:
        os.close(fd)
        if error.errno in _BUSY:
            raise BlockingIOError(error.errno, "locked", str(path)) from error
        return None
    return fd


def release(fd: int) -> None:
    """Give the lock back, even while a child that is just being started still has a copy of
    `fd`.
    """
    try:
        _unlock(fd)
    finally:
        os.close(fd)


def is_at(fd: int, path: Path) -> bool:
    """True if the open file is still the one that `path` names."""
    try:
        return os.path.samestat(path.stat(), os.fstat(fd))
    except FileNotFoundError:
        return False
