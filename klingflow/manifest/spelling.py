"""PURE. Which of some names a misspelt word was meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LENGTHS_APART = 3
_NAMES_COMPARED = 5_000  # more would take seconds
_LETTERS_FOR_A_SLIP = 3  # one slip is likely in so many letters


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """Return `; did you mean 'alley'?`, or nothing when no name is near."""
    found = nearest(word, names)
    return f"; did you mean '{found}'?" if found else ""


def nearest(word: str, names: Iterable[str]) -> str | None:
    """Return the name that a word was probably meant to be: one slip away, or one slip for each
    three letters. `sound` has letters of `seconds` in their order, and is another word.
    """
    near = [n for n in names if abs(len(n) - len(word)) <= _LENGTHS_APART and n.isprintable()]
    similar = difflib.get_close_matches(word, near[:_NAMES_COMPARED], 3)
    return next((name for name in similar if _slips(word, name) <= _most(word, name)), None)


def _most(word: str, name: str) -> int:
    return max(1, max(len(word), len(name)) // _LETTERS_FOR_A_SLIP)


def _slips(a: str, b: str) -> int:
    """Return how many letters were added, left out, mistaken or swapped with the next one, without
    case.
    """
    a, b = a.casefold(), b.casefold()
    before: list[int] = []
    last = list(range(len(b) + 1))
    for i, letter in enumerate(a, 1):
        row = [i]
        for j, other in enumerate(b, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != other))
            swapped = i > 1 and j > 1 and letter == b[j - 2] and a[i - 2] == other
            row.append(min(cost, before[j - 2] + 1) if swapped else cost)
        before, last = last, row
    return last[-1]
