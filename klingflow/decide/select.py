"""PURE. `--select` and `--exclude`: which shots are meant.

    -s 'opening postcard@*,tag:night state:failed'

A space or another `-s` is union, a comma is intersection. A term is a key (`opening#2`), an id (all
its takes), a glob over either, `tag:` with a glob, `state:` with a purchase's state, with what
people call it, or with `new`, or `pick:` with what people said of a take.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set
from fnmatch import fnmatchcase
from typing import Final, Literal, NamedTuple, get_args

from klingflow.errors import Mark, NothingSelected, UsageError
from klingflow.gateway.failures import kind_of
from klingflow.ledger.book import Book
from klingflow.ledger.lifecycle import STATES
from klingflow.manifest.spelling import near_id
from klingflow.model import Failure, Node, Said, Shot, State, composed
from klingflow.words import _, joined

NEW: Final = "new"  # the state of a take that the ledger does not know
# What people call a state. An intent without an outcome is a doubt like others; of what was
# certainly not bought, the gateway may have refused it, it was never sent, or a person found out.
Called = Literal["in_doubt", "refused", "not_sent", "not_bought"]
RESUBMITTED: Final = "resubmitted"  # the code of the error that `resolve --resubmit` leaves
STATE_NAMES: Final = (*STATES, NEW, *(name for name in get_args(Called) if name not in STATES))

PICKS: Final = ("picked", "rejected", "open")
# What the picks say of a take.
Saying = Callable[[Shot], Said]


def called(state: State, failure: Failure | None) -> State | Called:
    """Return what a purchase's state is called in a list for people; `failure` is its error."""
    if state == "intent":
        return "in_doubt"
    if state == "abandoned" and failure is not None and failure.code == RESUBMITTED:
        return "not_bought"
    if state != "rejected":
        return state
    was_sent = failure is not None and kind_of(failure).answered
    return "refused" if was_sent else "not_sent"


class _By(NamedTuple):
    """What takes are selected by, beside what the manifest says of them."""

    book: Book
    said: Saying


def select(
    shots: Sequence[Shot],
    book: Book,
    select: Sequence[str],
    exclude: Sequence[str],
    said: Saying = lambda shot: Said(),
) -> set[str]:
    """Return the keys of the shots that `select` names (all, if it is empty) and `exclude` does
    not.

    A typing mistake must not buy the wrong shots. Raises UsageError for a state that does not exist
    or a comma with nothing beside it, and NothingSelected for an empty text, or a name, glob or tag
    that no shot has.
    """
    if any(not text.split() for text in (*select, *exclude)):
        raise NothingSelected(_("the selection is empty text; leave it out to mean all shots"))
    by = _By(book, said)
    chosen = _named(shots, by, select) if select else {s.key for s in shots}
    return chosen - _named(shots, by, exclude)


def _named(shots: Sequence[Shot], by: _By, texts: Iterable[str]) -> set[str]:
    keys: set[str] = set()
    for expression in composed(" ".join(texts)).split():
        terms = expression.split(",")
        if not all(terms):
            raise UsageError(
                _(
                    "{expression!r}: a comma stands between two terms, without spaces",
                    expression=expression,
                )
            )
        keys |= set.intersection(*(_matching(term, shots, by) for term in terms))
    return keys


def _matching(term: str, shots: Sequence[Shot], by: _By) -> set[str]:
    test = _test_of(term, by)
    found = {shot.key for shot in shots if test(shot)}
    if not found and not term.startswith(("state:", "pick:")):
        raise NothingSelected(
            _("no shot matches {term!r}{hint}", term=term, hint=_hint(term, shots))
        )
    return found


def _hint(term: str, shots: Sequence[Shot]) -> str:
    known: set[str] = set()
    for shot in shots:
        known |= {shot.id, shot.key, *(f"tag:{tag}" for tag in shot.tags)}
    return near_id(term, sorted(known))


def orphans(book: Book, wanted: Set[tuple[str, int]]) -> list[Shot]:
    """Return the takes of a ledger that are not `wanted`, as something to select."""
    takes = sorted(set(book.takes()) - wanted)
    return [Shot(shot, take, "", {}, "", _NOBODYS) for shot, take in takes]


_NOBODYS: Final = Node({}, Mark("", 1, 1))

Test = Callable[[Shot], bool]


def _test_of(term: str, by: _By) -> Test:
    kind, colon, rest = term.partition(":")
    if colon and kind in _TESTS:
        return _TESTS[kind](rest, by)
    return _by_name(term)


def _by_name(pattern: str) -> Test:
    def test(shot: Shot) -> bool:
        names = (shot.id, shot.key, f"{shot.id}#{shot.take}")
        return pattern in names or any(fnmatchcase(name, pattern) for name in names)

    return test


def _by_tag(pattern: str, by: _By) -> Test:
    return lambda shot: any(fnmatchcase(composed(tag), pattern) for tag in shot.tags)


def _by_state(state: str, by: _By) -> Test:
    if state not in STATE_NAMES:
        raise UsageError(
            _(
                "there is no state {state!r}; there are {state_names}",
                state=state,
                state_names=joined(", ", STATE_NAMES),
            )
        )

    def test(shot: Shot) -> bool:
        latest = by.book.latest(shot.id, shot.take)
        if latest is None:
            return state == NEW
        return state in (latest.state, called(latest.state, latest.error))

    return test


def _by_pick(word: str, by: _By) -> Test:
    if word not in PICKS:
        raise UsageError(
            _("there is no pick {word!r}; there are {picks}", word=word, picks=joined(", ", PICKS))
        )
    if word == "open":
        return lambda shot: by.said(shot)[:2] == (False, False)
    return lambda shot: bool(getattr(by.said(shot), word))


_TESTS: dict[str, Callable[[str, _By], Test]] = {
    "tag": _by_tag,
    "state": _by_state,
    "pick": _by_pick,
}
