"""PURE. Which of some names a misspelt word was meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LENGTHS_APART = 3
_NAMES_COMPARED = 5_000  # more would take seconds


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """Return `; did you mean 'alley'?`, or nothing when no name is near."""
    near = [n for n in names if abs(len(n) - len(word)) <= _LENGTHS_APART and n.isprintable()]
    found = difflib.get_close_matches(word, near[:_NAMES_COMPARED], 1)
    return f"; did you mean '{found[0]}'?" if found else ""
