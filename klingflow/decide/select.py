"""PURE. `--select` and `--exclude`: which shots are meant.

    -s 'opening postcard@*,tag:night state:failed'

A space or another `-s` is union, a comma is intersection. A term is a key (`opening#2`), an id (all
its takes), a glob over either, `tag:` with a glob, or `state:` with a purchase's state or `new`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set
from fnmatch import fnmatchcase
from typing import Final

from klingflow.errors import Mark, NothingSelected, UsageError
from klingflow.ledger.book import Book
from klingflow.ledger.lifecycle import STATES
from klingflow.manifest.spelling import did_you_mean
from klingflow.model import Node, Shot, composed

NEW = "new"  # the state of a take that the ledger does not know


def select(
    shots: Sequence[Shot], book: Book, select: Sequence[str], exclude: Sequence[str]
) -> set[str]:
    """The keys of the shots that `select` names (all, if it is empty) and `exclude` does not.

    A typing mistake must not buy the wrong shots. Raises UsageError for a state that does not exist
    or a comma with nothing beside it, and NothingSelected for an empty text, or a name, glob or tag
    that no shot has.
    """
    if any(not text.split() for text in (*select, *exclude)):
        raise NothingSelected("the selection is empty text; leave it out to mean all shots")
    chosen = _named(shots, book, select) if select else {s.key for s in shots}
    return chosen - _named(shots, book, exclude)


def _named(shots: Sequence[Shot], book: Book, texts: Iterable[str]) -> set[str]:
    keys: set[str] = set()
    for expression in composed(" ".join(texts)).split():
        terms = expression.split(",")
        if not all(terms):
            raise UsageError(f"{expression!r}: a comma stands between two terms, without spaces")
        keys |= set.intersection(*(_matching(term, shots, book) for term in terms))
    return keys


def _matching(term: str, shots: Sequence[Shot], book: Book) -> set[str]:
    test = _test_of(term, book)
    found = {shot.key for shot in shots if test(shot)}
    if not found and not term.startswith("state:"):
        raise NothingSelected(f"no shot matches {term!r}{_hint(term, shots)}")
    return found


def _hint(term: str, shots: Sequence[Shot]) -> str:
    known: set[str] = set()
    for shot in shots:
        known |= {shot.id, shot.key, *(f"tag:{tag}" for tag in shot.tags)}
    return did_you_mean(term, sorted(known))


def orphans(book: Book, wanted: Set[tuple[str, int]]) -> list[Shot]:
    """Return the takes of a ledger that are not `wanted`, as something to select."""
    takes = sorted(set(book.takes()) - wanted)
    return [Shot(shot, take, "", {}, "", _NOBODYS) for shot, take in takes]


_NOBODYS: Final = Node({}, Mark("", 1, 1))

Test = Callable[[Shot], bool]


def _test_of(term: str, book: Book) -> Test:
    kind, colon, rest = term.partition(":")
    if colon and kind in _TESTS:
        return _TESTS[kind](rest, book)
    return _by_name(term)


def _by_name(pattern: str) -> Test:
    def test(shot: Shot) -> bool:
        names = (shot.id, shot.key, f"{shot.id}#{shot.take}")
        return pattern in names or any(fnmatchcase(name, pattern) for name in names)

    return test


def _by_tag(pattern: str, book: Book) -> Test:
    return lambda shot: any(fnmatchcase(composed(tag), pattern) for tag in shot.tags)


def _by_state(state: str, book: Book) -> Test:
    if state not in (*STATES, NEW):
        raise UsageError(f"there is no state {state!r}; there are {', '.join((*STATES, NEW))}")

    def test(shot: Shot) -> bool:
        latest = book.latest(shot.id, shot.take)
        return (latest.state if latest else NEW) == state

    return test


_TESTS: dict[str, Callable[[str, Book], Test]] = {"tag": _by_tag, "state": _by_state}
