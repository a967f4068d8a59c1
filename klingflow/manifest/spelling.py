"""PURE. Which of some names a misspelt word was meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LENGTHS_APART = 3
_NAMES_COMPARED = 5_000  # more would take seconds


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """Return `; did you mean 'alley'?`, or nothing when no name is near."""
    found = nearest(word, names)
    return f"; did you mean '{found}'?" if found else ""


def nearest(word: str, names: Iterable[str]) -> str | None:
    """Return the name that a word was probably meant to be."""
    near = [n for n in names if abs(len(n) - len(word)) <= _LENGTHS_APART and n.isprintable()]
    found = difflib.get_close_matches(word, near[:_NAMES_COMPARED], 1)
    return found[0] if found else None
