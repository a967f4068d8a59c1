"""Where a product lies until it is whole: in a folder of its own beside its place.

Nothing is written over without the caller's word. What is made is the caller's.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from klingflow import disk, plain_files
from klingflow.errors import UsageError
from klingflow.words import _, cause


@contextmanager
def workshop(target: Path, *, over: bool) -> Iterator[Path]:
    """Give a path in an empty folder beside `target`, and move there what was made at it. A death
    leaves the folder, which the next attempt clears. Raises UsageError.
    """
    folder = disk.temporary(target)
    try:
        _make_folder(target.parent)
        _clear(folder)
        folder.mkdir()
        try:
            made = folder / target.name
            yield made
            _put(made, target, over=over)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise UsageError(
            _("{target}: cannot be written: {error}", target=target, error=cause(error))
        ) from error


def _make_folder(folder: Path) -> None:
    """Raises UsageError where the folder, or one above it, is something else."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise UsageError(
            _("{folder} is no folder; name another one with -o", folder=folder)
        ) from error


def _clear(folder: Path) -> None:
    """Remove what a killed export left, and a link in its place, but nothing that it leads to."""
    if plain_files.is_link(folder) or folder.is_file():
        folder.unlink()
    shutil.rmtree(folder, ignore_errors=True)


def _put(made: Path, target: Path, *, over: bool) -> None:
    """Move what was made to its place, durably. Raises UsageError where something is there."""
    for path in sorted(made.rglob("*")) if made.is_dir() else [made]:
        # A second name of a video is durable already, and nobody's to open for writing.
        if path.is_file() and path.stat().st_nlink == 1:
            with path.open("rb+") as file:  # Windows syncs only what can be written
                disk.sync(file.fileno())
    if over and not made.is_dir():
        made.replace(target)
    else:
        _put_new(made, target)
    disk.sync_folder(target.parent)


def _put_new(made: Path, target: Path) -> None:
    try:
        disk.rename_new(made, target)
    except FileExistsError as error:
        raise UsageError(
            _("{target} is there already; nothing was written over it", target=target)
        ) from error
