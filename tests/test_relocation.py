"""A person's word gives a purchase to another take, also where the body changed."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from klingflow.decide.plan import make_plan
from klingflow.decide.relocation import relocate
from klingflow.errors import UsageError
from klingflow.ledger.book import Book
from klingflow.ledger.lifecycle import placed
from klingflow.model import Move, Purchase
from tests.planned import manifest, request, shot
from tests.purchases import LATER, ORIGIN, done, submitted


def relocated(
    bought: Sequence[Purchase], old: str, new: str, *wanted: tuple[str, str]
) -> list[Move]:
    """The moves, where the manifest wants these keys and bodies."""
    takes = [(key.partition("#"), body) for key, body in wanted]
    shots = [(shot(name, take=int(k or 1)), request(body)) for (name, _, k), body in takes]
    book = Book(bought)
    return relocate(make_plan(manifest(*shots), book, {}, origin=ORIGIN), book, old, new, LATER)


def went(moves: Sequence[Move]) -> list[tuple[str, str]]:
    return [(move.before, move.purchase.key) for move in moves]


def test_all_takes_of_a_shot_go_to_another_whatever_their_body() -> None:
    """What has a video keeps its file until the next run; what has none gets its new place."""
    bought = [done("alley"), done("alley", attempt=2), submitted("alley", take=2)]
    moves = relocated(bought, "alley", "night", ("night", "N"), ("night#2", "N"))
    first, second, running = bought
    assert moves == [
        Move(placed(first, LATER, shot="night"), "alley"),
        Move(placed(second, LATER, shot="night"), "alley"),
        Move(placed(running, LATER, shot="night", output="outputs/film/night.mp4"), "alley#2"),
    ]


def test_one_take_may_go_to_a_shot_of_its_own() -> None:
    bought = [done("alley"), done("alley", take=2)]
    moves = relocated(bought, "alley#2", "night", ("night", "N"))
    assert went(moves) == [("alley#2", "night")]


def test_a_star_stands_for_the_same_text_in_both() -> None:
    bought = [done(f"post@{city}") for city in ("a", "b")] + [done("other")]
    wanted = [(f"card@{city}", "N") for city in ("a", "b")]
    moves = relocated(bought, "post@*", "card@*", *wanted)
    assert went(moves) == [("post@a", "card@a"), ("post@b", "card@b")]


def test_a_ring_goes_in_one_step() -> None:
    """A take whose purchase leaves is free."""
    bought = [done(name) for name in ("s1", "s2")]
    wanted = [("s2", "N2"), ("s2x", "N3")]
    assert went(relocated(bought, "s*", "s*x", ("s1x", "A"), ("s2x", "B"), ("s2", "C"))) == [
        ("s1", "s1x"),
        ("s2", "s2x"),
    ]
    assert went(relocated(bought, "s2", "s2x", *wanted)) == [("s2", "s2x")]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("nothing", "night", "nothing: the ledger has no purchase of such a take"),
        ("alley", "moon", "moon is not in the manifest"),
        ("alley", "alley", "alley is there already"),
        ("alley", "bought", "bought has a purchase that serves it (done); nothing was moved"),
        ("alley", "running", "running has a purchase that serves it (submitted)"),
        ("bought", "night", "bought is in the manifest with the body that was bought"),
        ("a*", "night", "both have one *, or neither has"),
        ("a*e*", "b*e*", "both have one *, or neither has"),
    ],
)
def test_what_cannot_be_is_refused_with_a_word(old: str, new: str, says: str) -> None:
    bought = [
        done("alley"),
        done("bought", fingerprint="B"),
        submitted("running", fingerprint="old"),
    ]
    with pytest.raises(UsageError) as error:
        relocated(bought, old, new, ("night", "N"), ("bought", "B"), ("running", "R"))
    assert says in str(error.value)
