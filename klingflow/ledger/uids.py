"""PURE. How the id of a purchase is made: `new_uid` for one that a single runner buys, `uid_of` for
one that several hosts may try to buy.

Both are the form that traces.py finds in lines: digits, letters and dashes, at most 64.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable

from klingflow.words import _

_PLAIN = re.compile(r"[0-9A-Za-z]{1,32}")
_SHARED = re.compile(r"([0-9A-Za-z]{1,32}-[0-9a-f]{20})-([0-9]{3})")
_HASHED = 20  # hexadecimal digits: 80 bits
# The tries of one attempt sort as texts.
_MOST_TRIES = 999


def new_uid(at: str, random: Callable[[int], str]) -> str:
    """Return an id for a purchase made at the time `at`: sortable by time, and no two alike.
    `random(n)` gives n random bytes as hexadecimal digits.
    """
    digits = "".join(c for c in at if c.isdigit())
    return f"{digits[:17]}-{random(6)}"


def uid_of(lineage: str, shot: str, take: int, attempt: int, number: int = 1) -> str:
    """Return the id of one try to buy one attempt: every copy of a ledger makes the same.

    Only where an exclusive claim stands before each POST: without it two copies of a ledger would
    buy two tasks under one id. The lineage comes out of a file that anybody may have written.
    """
    return _numbered(f"{film_of(lineage)}-{_hashed(shot, take, attempt)}", number)


def film_of(lineage: str) -> str:
    """Return what the ids of `uid_of` begin with for a lineage, before the first dash."""
    return lineage if _PLAIN.fullmatch(lineage) else _hashed(lineage)


def attempt_of(uid: str) -> str | None:
    """Return what all tries of one attempt have in common; None for an id that `uid_of` did not
    make.
    """
    found = _SHARED.fullmatch(uid)
    return found[1] if found else None


def next_try(uid: str) -> str | None:
    """Return the id of the try after the one of `uid`; None for an id that `uid_of` did not make,
    and after the last try.
    """
    found = _SHARED.fullmatch(uid)
    if found is None or int(found[2]) >= _MOST_TRIES:
        return None
    return _numbered(found[1], int(found[2]) + 1)


def try_of(uid: str) -> int | None:
    """Return which try an id is of; None for an id that `uid_of` did not make."""
    found = _SHARED.fullmatch(uid)
    return int(found[2]) if found else None


def _numbered(attempt: str, number: int) -> str:
    if not 1 <= number <= _MOST_TRIES:
        raise ValueError(_("there is no try {number}", number=number))
    return f"{attempt}-{number:03}"


def _hashed(*parts: str | int) -> str:
    text = json.dumps(parts, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_HASHED]
