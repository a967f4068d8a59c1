"""What the user has approved, and is not asked again: a file of JSON lines in the state folder.

An approval has a kind, a key and a value; the last line about a kind and a key counts. Reading is
forgiving: a line that is not understood approves nothing, so that the user is asked again. What is
asked, and when, is for the commands.
"""

from __future__ import annotations

import json
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple

from klingflow.disk import append
from klingflow.plain_files import is_ours, read_ours
from klingflow.words import _

# A gateway's address, to which the key may go; the address of a service of buckets, to which local
# files may go; a link, by its path, with its target as the value.
ApprovalKind = Literal["address", "endpoint", "link"]

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class Approval(NamedTuple):
    """One yes: `at` is when it was said, as the ledger writes times."""

    kind: str
    key: str
    value: str
    at: str


def approvals(state: Path, kind: ApprovalKind) -> dict[str, Approval]:
    """Return every approval of a kind that stands, by key, in the order in which they were said.

    `state` is the state folder (`boxplaces.state_folder`). A file that another user owns or can
    change, a link and a damaged line approve nothing.
    """
    found: dict[str, Approval] = {}
    for said in _lines(_book(state)):
        if said.kind == kind:
            found.pop(said.key, None)
            found[said.key] = said
    return {key: said for key, said in found.items() if said.at}


def approve(state: Path, kind: ApprovalKind, key: str, value: str, at: str) -> None:
    """Remember a yes, durably: the folder is made with mode 700, the file with 600.

    Raises OSError, also for a file that is not this user's alone.
    """
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    book = _book(state)
    with suppress(FileNotFoundError):
        there = book.lstat()
        if not is_ours(there):
            raise PermissionError(
                _("{book} is a link, or not yours alone; move it away", book=book)
            )
        if os.name == "posix" and there.st_mode & _OTHERS:
            book.chmod(0o600)
    entry = {"kind": kind, "key": key, "value": value, "at": at}
    append(book, [json.dumps(entry).encode()], mode=0o600)


def forget(state: Path, kind: ApprovalKind, key: str) -> bool:
    """Take a yes back, durably: False where there is none. Raises OSError."""
    if key not in approvals(state, kind):
        return False
    approve(state, kind, key, "", at="")
    return True


def _book(state: Path) -> Path:
    return state / "approved.jsonl"


def _lines(book: Path) -> list[Approval]:
    """Return the entries of the book that can be read, oldest first."""
    try:
        is_open = os.name == "posix" and book.lstat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        data = b"" if is_open else read_ours(book)
    except OSError:
        return []
    return [said for raw in data.split(b"\n") if (said := _read(raw))]


def _read(raw: bytes) -> Approval | None:
    try:
        entry = json.loads(raw)
        said = Approval(*(entry[name] for name in Approval._fields))
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return said if all(isinstance(text, str) for text in said) else None
