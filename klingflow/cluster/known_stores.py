"""Which store lay at an address when it was last used from here, as the user's state folder keeps
it in mind: so an unmounted drive, or a store that was emptied, is noticed.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

from klingflow import disk, plain_files
from klingflow.errors import UsageError
from klingflow.words import _, cause


class Known(NamedTuple):
    """The `identity` of the store at an address, "" for none, and the `note` that says so."""

    note: Path
    identity: str

    def check_there(self, mark: Path) -> None:
        """Raise UsageError where a store that was used from here has lost its mark, or all of its
        folder. Nobody is told to make that: an empty store does not know what was bought.
        """
        if not self.identity or _may_be(mark):
            return
        raise UsageError(
            _(
                "the store that lay in {folder} is not there: mount its drive, or put it back;"
                " without its claims shots could be bought twice. If another store is meant,"
                " delete {note}",
                folder=mark.parent,
                note=self.note,
            )
        )

    def check(self, identity: str, described: str) -> None:
        """Raise UsageError where this is another store; keep the first one in mind."""
        if not self.identity:
            return self._remember(identity)
        if self.identity != identity:
            raise UsageError(
                _(
                    "{described} is another store than before: is its drive mounted? If it is"
                    " meant, delete {note}",
                    described=described,
                    note=self.note,
                )
            )

    def _remember(self, identity: str) -> None:
        try:
            disk.make_folder(self.note.parent)
            disk.atomic_write(self.note, identity.encode() + b"\n")
        except OSError as error:
            raise UsageError(
                _("{note}: cannot be written: {error}", note=self.note, error=cause(error))
            ) from error


def known_at(state: Path, address: str) -> Known:
    """Return which store lay at an address, by a user's state folder. Raises UsageError."""
    note = state / "stores" / hashlib.sha256(address.encode()).hexdigest()[:32]
    try:
        return Known(note, plain_files.read_ours(note).decode("utf-8", "replace").strip())
    except OSError as error:
        raise UsageError(
            _("{note}: cannot be read: {error}", note=note, error=cause(error))
        ) from error


def _may_be(path: Path) -> bool:
    """True if a file is there, or where nobody may look."""
    try:
        return path.exists()
    except OSError:
        return True
