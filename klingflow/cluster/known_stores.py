"""Which store lay at an address when it was last used from here, as the user's state folder keeps
it in mind: so an unmounted drive, or a store that was emptied, is noticed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from klingflow import disk, plain_files
from klingflow.errors import UsageError
from klingflow.words import _, cause


class Known(NamedTuple):
    """What the notes of an address say: the identity of the store that lay there, "" for none."""

    said: Mapping[Path, str]

    def check_there(self, mark: Path) -> None:
        """Raise UsageError where a store that was used from here has lost its mark, or all of its
        folder. Nobody is told to make that: an empty store does not know what was bought.
        """
        note = next((note for note, identity in self.said.items() if identity), None)
        if note is None or _may_be(mark):
            return
        raise UsageError(
            _(
                "the store that lay in {folder} is not there: mount its drive, or put it back;"
                " without its claims shots could be bought twice. If another store is meant,"
                " delete {note}",
                folder=mark.parent,
                note=note,
            )
        )

    def check(self, identity: str, described: str) -> None:
        """Raise UsageError where this is another store; keep the first one in mind."""
        for note, before in self.said.items():
            if before not in ("", identity):
                raise UsageError(
                    _(
                        "{described} is another store than before: is its drive mounted? If it is"
                        " meant, delete {note}",
                        described=described,
                        note=note,
                    )
                )
        for note, before in self.said.items():
            if not before:
                _remember(note, identity)


def plain_address(address: str) -> str:
    """Return the address of a bucket or a folder as it is written shortest: s3://b/p for s3://b/p/,
    and a folder without file://.
    """
    parts = urlsplit(address)
    if parts.scheme in ("", "file"):
        return str(Path(address.removeprefix("file://")))
    if not parts.netloc:
        return address
    return f"{parts.scheme}://{parts.netloc}/{parts.path.strip('/')}".rstrip("/")


def known_at(state: Path, address: str) -> Known:
    """Return which store lay at a `plain_address`, by a user's state folder. Raises UsageError.

    A folder has a note by its address, and one by where its links lead. Neither replaces the other:
    a link is not there while its drive is not mounted.
    """
    is_bucket = "://" in address
    places = dict.fromkeys([address, address if is_bucket else os.path.realpath(address)])
    names = [hashlib.sha256(place.encode()).hexdigest()[:32] for place in places]
    return Known({note: _read(note) for note in (state / "stores" / name for name in names)})


def _read(note: Path) -> str:
    try:
        return plain_files.read_ours(note).decode("utf-8", "replace").strip()
    except OSError as error:
        raise UsageError(
            _("{note}: cannot be read: {error}", note=note, error=cause(error))
        ) from error


def _remember(note: Path, identity: str) -> None:
    try:
        disk.make_folder(note.parent)
        disk.atomic_write(note, identity.encode() + b"\n")
    except OSError as error:
        raise UsageError(
            _("{note}: cannot be written: {error}", note=note, error=cause(error))
        ) from error


def _may_be(path: Path) -> bool:
    """True if a file is there, or where nobody may look."""
    try:
        return path.exists()
    except OSError:
        return True
