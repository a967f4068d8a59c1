"""The plan: one action for each take that is wanted or was bought, and what they come to."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from klingflow.decide.plan import (
    buys,
    cost,
    counts,
    make_plan,
    seconds,
)
from klingflow.ledger.book import Book, contradictions
from klingflow.ledger.problems import worded
from klingflow.model import (
    Problem,
    Purchase,
    Terms,
)
from tests.planned import (
    OTHER,
    THERE,
    failed,
    manifest,
    moved,
    pending,
    plan,
    request,
    shot,
    verbs,
)
from tests.purchases import ORIGIN, done, intent, submitted


def test_what_is_not_in_the_manifest_is_kept_and_shown_last() -> None:
    refused = moved(intent("z"), "refused")
    gone = [done("b", fingerprint=OTHER), done("a", take=2, fingerprint=OTHER)]
    made = plan([*gone, refused], shot("a"))
    assert [(a.verb, a.key) for a in made.actions] == [
        ("create", "a"),
        ("orphan", "a#2"),
        ("orphan", "b"),
    ]


def test_only_selected_shots_are_planned_and_others_are_not_bought_for_them() -> None:
    gone = done("z", fingerprint=OTHER)
    made = plan([gone], shot("a"), shot("b", "a"), shot("c"), selected={"b", "c"})
    assert [(a.verb, a.key) for a in made.actions] == [("waits", "b"), ("create", "c")]
    assert [a.key for a in buys(made)] == ["c"]


def test_sums_count_what_would_be_bought_and_what_waits_for_it() -> None:
    made = plan(
        [failed(), done("k", fingerprint=OTHER)],
        shot("a"),
        shot("after-a", "a"),
        shot("b"),
        shot("after-b", "b"),
        shot("after-after-b", "after-b"),
        (shot("unpriced"), request(amount=None)),
    )
    assert counts(made) == {"create": 2, "failed": 1, "waits": 3, "orphan": 1}
    assert [a.key for a in buys(made)] == ["b", "after-b", "after-after-b", "unpriced"]
    assert (cost(made), seconds(made)) == (({"CNY": Decimal("9.00")}, 1), 20)


def test_what_is_bought_again_after_another_is_counted() -> None:
    """`--rerun changed`: both are bought, so both are in the cost that a person agrees to."""
    old = [done("a", fingerprint=OTHER), done("b", fingerprint=OTHER)]
    made = plan(old, shot("a"), shot("b", "a"), shot("c", "b"), rerun="changed")
    assert verbs(made) == ["create", "waits", "waits"]
    assert [a.key for a in buys(made)] == ["a", "b", "c"]
    assert cost(made) == ({"CNY": Decimal("9.00")}, 0)


def test_a_chain_of_ten_thousand_needs_no_recursion() -> None:
    shots = [shot("s0"), *(shot(f"s{i}", f"s{i - 1}") for i in range(1, 10_000))]
    made = plan([], *reversed(shots))
    assert counts(made) == {"create": 1, "waits": 9_999}
    assert len(buys(made)) == 10_000


@pytest.mark.parametrize(
    ("bought", "problems"),
    [
        (
            [done("a", task_id="1"), done("a", task_id="2")],
            ["a was paid for twice: task 1 and task 2; both are kept"],
        ),
        ([done("a"), done("a", attempt=2, fingerprint=OTHER, task_id="2")], []),
        ([moved(done("a"), "undelivered"), done("a", attempt=2, task_id="2")], []),
        (
            [done("a"), done("b", task_id="task_a")],
            ["task_a is in two purchases: a attempt 1 and b attempt 1"],
        ),
        ([failed(), done("a", attempt=2, task_id="2")], []),
    ],
)
def test_a_shot_paid_twice_is_reported(bought: list[Purchase], problems: list[str]) -> None:
    assert [*map(worded, contradictions(bought))] == problems


def test_an_action_knows_its_take() -> None:
    made = plan([done("a")], shot("a"), shot("a", take=2))
    assert [(a.verb, a.key) for a in made.actions] == [("keep", "a"), ("create", "a#2")]


def test_a_plan_carries_what_it_was_made_by() -> None:
    """The manifest, the terms, and the ledger's problems."""
    book = Book([])
    book.problems.append(Problem("empty_lock"))
    film = manifest(shot("a"))
    made = make_plan(film, book, THERE, rerun=frozenset({"failed"}), origin=ORIGIN)
    assert (made.manifest, made.problems) == (film, tuple(book.problems))
    assert made.terms == Terms(THERE, frozenset({"failed"}), ORIGIN)
    assert make_plan(film, Book(), THERE).terms == Terms(THERE)


def test_a_selection_leaves_orphans_alone() -> None:
    assert verbs(plan([submitted("z", fingerprint=OTHER)], selected={"a"})) == ["create"]


def test_what_waits_is_counted_if_all_it_needs_is_here_or_comes() -> None:
    """Not where its needs are here and something else is amiss."""
    bought = [replace(done("here"), video_url=None), replace(failed(), shot="lost")]
    two = shot("two", "here", "new")
    made = plan(
        bought,
        *map(shot, ("here", "new", "lost")),
        two,
        shot("none", "new", "lost"),
        pending("amiss", "here"),
    )
    assert [a.key for a in buys(made)] == ["new", "two"]


def test_every_unknown_price_is_counted() -> None:
    """Two are not one."""
    unpriced = [(shot(name), request(amount=None)) for name in "bcd"]
    assert cost(plan([], *unpriced)) == ({}, 3)
