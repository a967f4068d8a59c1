"""The file of picks on disk: read whole, and changed by one writer at a time, atomically.

A person's editor takes no lock. So the file is read again before it is replaced: whatever was saved
meanwhile is changed instead. How its text changes is for klingflow.manifest.amending.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from klingflow import disk, plain_files
from klingflow.errors import ManifestError, UsageError
from klingflow.ledger import oslock
from klingflow.ledger.places import LedgerPaths
from klingflow.manifest.amending import Change, amended
from klingflow.manifest.picklist import parse
from klingflow.model import PickLine
from klingflow.words import _, cause

MAX_BYTES = 64 * 1024 * 1024
# A writer needs milliseconds, unless its disk is far away.
_TRIES, _TRY_AGAIN_S = 100, 0.1


Decide = Callable[[Sequence[PickLine]], Change]


def lines_of(paths: LedgerPaths) -> tuple[PickLine, ...]:
    """Return the lines of the picks file; none where there is no file.

    Raises ManifestError with its mistakes, and UsageError where it cannot be read.
    """
    return _parsed(_text(_data(paths.picks), paths.picks), paths.picks)


def change(paths: LedgerPaths, decide: Decide) -> bool:
    """Do to the picks file what `decide` says of its lines; durably, and with no other writer.
    Return False where there is nothing to do.

    Raises ManifestError as `lines_of`, and UsageError where it cannot be changed or written.
    """
    path = paths.picks
    with _held(paths):
        for _unused in range(_TRIES):
            data = _data(path)
            text = _text(data, path)
            wanted = decide(_parsed(text, path))
            if not wanted:
                return False
            made = amended(text, str(path), wanted).encode()
            if _data(path) == data:
                _write(path, made)
                return True
    raise UsageError(
        _("{path} changes again and again while it is being changed; try again", path=path)
    )


def _data(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(
                _(
                    "{path} is larger than {max_bytes} MB, and no picks file",
                    path=path,
                    max_bytes=MAX_BYTES >> 20,
                )
            )
        return plain_files.read_whole(path)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise UsageError(
            _("{path} cannot be read: {error}", path=path, error=cause(error))
        ) from error


def _text(data: bytes, path: Path) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise UsageError(
            _("{path} is not UTF-8 (byte {start}); save it as UTF-8", path=path, start=error.start)
        ) from error


def _parsed(text: str, path: Path) -> tuple[PickLine, ...]:
    try:
        return parse(text, str(path))
    except ManifestError as error:
        raise ManifestError(error.diagnostics, {str(path): text}) from error


def _write(path: Path, data: bytes) -> None:
    """Replace the file; its mode stays. Raises UsageError."""
    try:
        mode = path.stat().st_mode & 0o777 if path.exists() else None
        disk.atomic_write(path, data)
        if mode is not None:
            path.chmod(mode)
    except OSError as error:
        raise UsageError(
            _("{path} cannot be written: {error}", path=path, error=cause(error))
        ) from error


@contextmanager
def _held(paths: LedgerPaths) -> Iterator[None]:
    """Keep other writers of the picks out. Raises UsageError, LedgerError."""
    fd = _acquired(paths)
    try:
        yield
    finally:
        oslock.release(fd)


def _acquired(paths: LedgerPaths) -> int:
    path = paths.picks_held
    try:
        disk.make_folder(path.parent)
        disk.write_new(paths.hidden / ".gitignore", b"*\n")
        for _unused in range(_TRIES):
            if (fd := oslock.acquire(path)) is not None:
                return fd
            time.sleep(_TRY_AGAIN_S)
    except OSError as error:
        raise UsageError(
            _("{path} cannot be opened: {error}", path=path, error=cause(error))
        ) from error
    raise UsageError(_("another process has held {path} for 10 seconds; try again", path=path))
