"""The last resort of a ledger that cannot be written: another file, and room kept free for it on
disk.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG

from klingflow.disk import sync, sync_folder, write_all
from klingflow.ledger import oslock
from klingflow.plain_files import is_ours, open_itself, read_ours
from klingflow.words import _

RESERVE_BYTES = 64 * 1024
# Where temporary files go: the variables and the folders in the order of Python's page on
# `tempfile`.
_VARIABLES = ("TMPDIR", "TEMP", "TMP")
_USUAL = ("/tmp", "/var/tmp")


def places(journal: Path) -> tuple[Path, Path]:
    """Return where records are saved when `journal` fails: beside it, otherwise in the system's
    temporary folder.
    """
    which = hashlib.sha256(os.fsencode(os.path.realpath(journal))).hexdigest()[:16]
    elsewhere = _temporary_folder() / f"klingflow-{journal.stem}-{which}.emergency.jsonl"
    return journal.with_suffix(".emergency.jsonl"), elsewhere


def _places_now(journal: Path) -> Iterable[Path]:
    """Return `places`; none where a relative path leads nowhere any more."""
    try:
        return places(journal)
    except OSError:
        return ()


def _temporary_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the first temporary folder that is there, full or not.

    `tempfile.gettempdir` writes a file into each to try it: where all are full or read-only it
    takes the working folder, in which the next run does not look, or raises, so that a ledger on
    that machine could not even be read.
    """
    named = [environment.get(name, "") for name in _VARIABLES]
    folders = [Path(folder) for folder in (*named, *_USUAL)]
    # `Path.is_dir` raises where it may not look.
    there = (f for f in folders if f.is_absolute() and os.path.isdir(f))  # noqa: PTH112
    return next(there, Path(_USUAL[0]))


def reserve(journal: Path) -> None:
    """Keep 64 KiB of disk for the last records. Raises OSError without such room, so that nothing
    is bought.
    """
    path = reserve_path(journal)
    with suppress(FileNotFoundError):
        there = path.lstat()
        if is_ours(there) and there.st_size == RESERVE_BYTES:
            return
        if S_ISREG(there.st_mode) and there.st_nlink > 1:
            path.unlink()  # one name of another file, which stays as it is
    fd = open_itself(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    with os.fdopen(fd, "wb") as file:
        file.write(os.urandom(RESERVE_BYTES))  # noise, so that no file system stores it in less
        file.flush()
        sync(file.fileno())


def save(journal: Path, lines: bytes, known: Iterable[Path] = ()) -> Path | None:
    """Append whole lines, durably, to the first place that takes them; None when none does.
    `known` are the places as they were, for a journal whose working folder is gone.
    """
    with suppress(OSError):
        reserve_path(journal).unlink(missing_ok=True)
    for place in _places_now(journal) or known:
        with suppress(OSError):
            _append(place, lines)
            return place
    return None


def _append(place: Path, lines: bytes) -> None:
    fd = open_itself(place, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        if not is_ours(os.fstat(fd)):
            raise OSError(_("{place}: somebody else's file", place=place))
        # The newline ends whatever an earlier attempt left torn.
        write_all(fd, b"\n" + lines)
        sync(fd)
        if not oslock.is_at(fd, place):
            raise OSError(_("{place}: another runner took it in and away meanwhile", place=place))
    finally:
        os.close(fd)
    sync_folder(place.parent)


def read(place: Path) -> bytes:
    """Return what was saved at `place`; nothing if the file is not ours, because anybody may put
    one into a shared folder.
    """
    return read_ours(place)


def clear(taken_in: Iterable[Path]) -> None:
    """Forget what was saved, once the lock holds it."""
    for place in taken_in:
        with suppress(OSError):
            place.unlink(missing_ok=True)


def reserve_path(journal: Path) -> Path:
    """Return the file that keeps room free on the disk of `journal`."""
    return journal.with_suffix(".reserve")
