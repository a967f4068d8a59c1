"""Purchases that another ledger holds: which hold a take, and what is said of each."""

from __future__ import annotations

from typing import Any

import pytest

from klingflow.decide.elsewhere import ROWS, asked_about, reason, recalled
from klingflow.ledger.book import Book
from klingflow.model import Elsewhere, ElsewhereKind, Elsewheres, Plan, Purchase
from tests.planned import OTHER, SAME, failed, plan, request, shot
from tests.purchases import ORIGIN, done, submitted

COMMAND = "klingflow lock merge film.yaml old.lock"


def one(kind: ElsewhereKind, origin: str = ORIGIN) -> Elsewhere:
    return Elsewhere(kind, "old.yaml", origin, COMMAND)


def planned(
    *others: Elsewhere,
    bought: tuple[Purchase, ...] = (),
    take: Elsewhere | None = None,
    **more: Any,
) -> Plan:
    """The plan for `a`, whose body is SAME, with these found elsewhere."""
    elsewhere = Elsewheres({SAME: others} if others else {}, {("a", 1): take} if take else {})
    return plan(bought, elsewhere=elsewhere, **more)


def told(made: Plan) -> tuple[str, str]:
    return made.actions[0].verb, made.actions[0].reason


@pytest.mark.parametrize(
    ("kind", "verb", "words"),
    [
        ("place", "held", ("bought at old.yaml", "--same-film", COMMAND, "--buy-again -s a")),
        ("copy", "held", ("a copy of this ledger", COMMAND, "--buy-again -s a")),
        ("former", "held", ("with another body", "--same-film", COMMAND, "--buy-again -s a")),
        ("lost", "held", ("old.yaml, whose manifest is gone", COMMAND, "--buy-again -s a")),
        ("box", "held", ("old.yaml, which is gone", COMMAND, "--buy-again -s a")),
        ("beside", "create", ("never bought; also paid for in old.yaml",)),
        ("gateway", "create", ("never bought; paid for at old.yaml",)),
    ],
)
def test_each_kind_holds_its_take_or_is_said(
    kind: ElsewhereKind, verb: str, words: tuple[str, ...]
) -> None:
    """A held one names every way out."""
    said, reason = told(planned(one(kind)))
    assert said == verb
    assert all(word in reason for word in words)


def test_every_kind_is_planned_here() -> None:
    assert [row for row in ROWS.values() if row.holds] == [
        ROWS[kind] for kind in ("place", "copy", "former", "lost", "box")
    ]


def test_of_several_the_first_row_counts() -> None:
    assert "whose manifest is gone" in told(planned(one("beside"), one("lost")))[1]


def test_what_another_gateway_sold_is_only_named() -> None:
    """This gateway has not got it. Without an address of our own nobody can tell."""
    other = one("lost", "https://other.example.com")
    assert told(planned(other)) == ("create", "never bought; paid for at https://other.example.com")
    assert told(planned(other, origin=""))[0] == "held"


def test_a_take_that_is_bought_asks_nobody() -> None:
    assert told(planned(one("lost"), bought=(submitted("a"),)))[0] == "resume"


def test_a_take_is_held_by_its_id_where_it_was_never_bought_here() -> None:
    """A body that is bought again on purpose is another matter, unless that very body is known."""
    assert told(planned(take=one("place")))[0] == "held"
    assert told(planned(take=one("place"), bought=(failed(),), rerun="failed"))[0] == "create"
    assert told(planned(one("place"), bought=(failed(),), rerun="failed"))[0] == "held"


def test_buy_again_buys_what_it_names() -> None:
    again = frozenset({"a"})
    assert told(planned(one("lost"), take=one("place"), again=again)) == ("create", "never bought")
    assert told(planned(one("lost"), again=frozenset({"b"})))[0] == "held"


def test_what_waits_for_a_held_take_waits_on() -> None:
    found = Elsewheres({SAME: (one("lost"),)})
    made = plan([], shot("a"), (shot("b", "a"), request(OTHER)), elsewhere=found)
    assert [(a.verb, a.reason) for a in made.actions][1] == (
        "waits",
        "waits for a, which is held",
    )


def test_a_question_is_about_the_kinds_that_ask_it() -> None:
    lost, place, beside = (planned(one(kind)) for kind in ("lost", "place", "beside"))
    assert [a.key for a in asked_about(lost, "buy")] == ["a"]
    assert asked_about(lost, "same film") == []
    assert [a.key for a in asked_about(place, "same film")] == ["a"]
    assert asked_about(beside, "buy") == []


def test_only_what_would_be_bought_is_recalled() -> None:
    """By its body and its gateway, whatever the take was called."""
    book = Book([])
    there = done("old")
    book.add_recallable([there, done("c", fingerprint=OTHER)], former=True)
    assert recalled(plan([]), book) == [there]
    assert recalled(plan([], origin="https://other.example.com"), book) == []
    assert recalled(plan([], again=frozenset({"a"})), book) == []
    assert recalled(plan([submitted("a")]), book) == []


@pytest.mark.parametrize(
    ("keys", "selection"),
    [
        (["alley"], "alley"),
        (["opening#2"], "'opening#2'"),
        (["街道", "b"], "'街道 b'"),
        (list("abcdef"), "SHOT"),
    ],
)
def test_the_way_out_can_be_pasted(keys: list[str], selection: str) -> None:
    """Ids with `#`, blanks or Chinese are quoted; of too many takes none is named."""
    held = Elsewhere("lost", "film.lock", ORIGIN, "klingflow lock merge a.yaml film.lock")
    assert reason(held, *keys).endswith(f"--buy-again -s {selection} buys it again")
