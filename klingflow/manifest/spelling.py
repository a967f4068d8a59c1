"""PURE. Which one of some names a misspelt word was meant to be."""

from __future__ import annotations

import difflib
import posixpath
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from klingflow.manifest.folds import same_file
from klingflow.manifest.invisible import difference, plainly
from klingflow.words import _

_LENGTHS_APART = 3
_LONGEST = 200  # characters of a word; comparing longer ones takes seconds
_NAMES_COMPARED = 5_000  # more would take seconds
_LETTERS_FOR_A_SLIP = 3  # one slip is likely in so many letters
_NUMBER = re.compile(r"\d{1,300}")  # longer ones are no numbers for Python


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """Return `; did you mean 'alley'?`, or "" if no name is near.

    If the two names look the same, the text names the character that differs.
    """
    found = nearest(word, names)
    if not found:
        return ""
    hint = _("; did you mean '{found}'?", found=found)
    if odd := difference(word, found):
        return _("{hint} Here stands {odd}", hint=hint, odd=odd)
    if odd := difference(found, word):
        return _("{hint} There stands {odd}", hint=hint, odd=odd)
    return hint


def near_id(word: str, ids: Iterable[str]) -> str:
    """Return what completes a message about an unknown shot's id, as `did_you_mean` does. Ids that
    differ in a number are different shots: `s20` is not proposed for `s40`, but named as the last
    of its kind.
    """
    ids = [id for id in ids if id.isprintable()]
    numbers = _numbers(word)
    if not numbers:
        return did_you_mean(word, ids)
    alike = _of_its_kind(word, ids)
    if not alike:
        return did_you_mean(word, (id for id in ids if _numbers(id) in (numbers, ())))
    for id in alike:
        if _is_slip(word, id):
            return _("; did you mean '{slip}'?", slip=id)
    return _around(word, alike)


def _of_its_kind(word: str, ids: Iterable[str]) -> list[str]:
    """Return the ids that differ from `word` in numbers only, in the order of their numbers."""
    before_any, shape = _NUMBER.split(word, 1)[0], _shape(word)
    found = []
    for id in ids:
        # The shape of most ids need not be made.
        if id.startswith(before_any) and _shape(id) == shape:
            found.append(id)
    return sorted(found, key=lambda id: (_numbers(id), id))


def _around(word: str, alike: Sequence[str]) -> str:
    """Return the ids of the same kind between which `word` would stand."""
    numbers = _numbers(word)
    before = [id for id in alike if _numbers(id) < numbers]
    after = [id for id in alike if _numbers(id) > numbers]
    if not before:
        return _("; the first is '{after}'", after=after[0])
    if not after:
        return _("; the last is '{before}'", before=before[-1])
    return _("; the nearest are '{before}' and '{after}'", before=before[-1], after=after[0])


def _is_slip(word: str, id: str) -> bool:
    """Return True if two ids have the same numbers, as `s1` and `s01`, or the same digits in
    another order, as `s72` and `s27`.
    """
    return _numbers(word) == _numbers(id) or sorted(word) == sorted(id)


def _numbers(id: str) -> tuple[int, ...]:
    return tuple(int(number) for number in _NUMBER.findall(id))


def _shape(id: str) -> str:
    return _NUMBER.sub("0", id)


def nearest(word: str, names: Iterable[str]) -> str | None:
    """Return the name that a word was probably meant to be: one slip away, or one slip for each
    three letters. `sound` has letters of `seconds` in their order, but is another word.
    """
    if len(word) > _LONGEST:
        return None
    near = (name for name in names if _is_as_long(word, name) and name.isprintable())
    return _nearest(word, tuple(near))


@lru_cache(maxsize=256)  # one mistake is often in a thousand shots
def _nearest(word: str, near: Sequence[str]) -> str | None:
    looks = plainly(word)
    for name in near:
        if plainly(name) == looks:
            return name
    for name in difflib.get_close_matches(word, near[:_NAMES_COMPARED], 3):
        if _slips(word, name) <= _most(word, name):
            return name
    return None


def _is_as_long(word: str, name: str) -> bool:
    return abs(len(name) - len(word)) <= _LENGTHS_APART


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
            added, left_out = last[j] + 1, row[j - 1] + 1
            mistaken = last[j - 1] + (letter != other)
            cost = min(added, left_out, mistaken)
            if before and j > 1 and (letter, other) == (b[j - 2], a[i - 2]):
                swapped = before[j - 2] + 1
                cost = min(cost, swapped)
            row.append(cost)
        before, last = last, row
    return last[-1]


# Suffixes for the same content. A video is never meant, a ledger only by its suffix.
_LEDGER = ".lock"
_MANIFESTS = (".yaml", ".yml")
_TABLES = (".csv", ".jsonl", ".json", ".xlsx", ".xls", ".numbers")


def nearest_file(name: str, names: Iterable[str]) -> str | None:
    """Return the file that was probably meant: of the same letters, of another suffix, with a
    suffix that the system hides, or a slip away.
    """
    files = [file for file in names if file.isprintable()]
    wanted = same_file(name)
    for file in files:
        if same_file(file) == wanted:
            return file
    if found := _of_another_suffix(name, files):
        return found
    for file in files:
        if _stem(file) == wanted:
            return file
    return _a_slip_away(name, files)


def _of_another_suffix(name: str, files: Iterable[str]) -> str | None:
    by_suffix = {_suffix(file): file for file in files if _stem(file) == _stem(name)}
    for suffix in _kinds_like(name):
        if suffix in by_suffix:
            return by_suffix[suffix]
    return None


def _a_slip_away(name: str, files: Iterable[str]) -> str | None:
    kinds = _kinds_like(name)
    by_stem = {_stem(file): file for file in files if _suffix(file) in kinds}
    found = nearest(_stem(name), by_stem)
    return None if found is None else by_stem[found]


def _kinds_like(name: str) -> tuple[str, ...]:
    """Return the suffixes that a file called `name` may have, the likeliest first."""
    suffix = _suffix(name)
    if suffix == _LEDGER:
        return (_LEDGER,)
    return _MANIFESTS if suffix in ("", *_MANIFESTS) else (*_TABLES, *_MANIFESTS)


def _suffix(name: str) -> str:
    return posixpath.splitext(name)[1].lower()


def _stem(name: str) -> str:
    return same_file(posixpath.splitext(name)[0])
