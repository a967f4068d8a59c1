"""What the caps and the budgets leave out of a run's plans."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from klingflow.decide.allotment import allotted, caps_of
from klingflow.decide.plan import buys, cost, seconds
from klingflow.model import LeftOut, Limits, Plan, Share, Sum
from tests.planned import plan, request, shot

THREE = Decimal("3.00")


def film(*needs: tuple[str, ...], budget: str | None = None) -> Plan:
    """A plan of new shots at 3.00 CNY, each a name and what it needs."""
    made = plan([], *(shot(*names) for names in needs))
    most = None if budget is None else Decimal(budget)
    return replace(made, manifest=replace(made.manifest, budget=most))


def left_out(made: Plan) -> dict[str, str]:
    return {key: found.reason for key, found in made.left_out.items()}


def bought(made: Plan) -> list[str]:
    return [action.key for action in buys(made)]


def test_without_limits_nothing_is_left_out() -> None:
    (made,) = allotted([film(("a",), ("b", "a"))], Limits())
    assert (made.left_out, bought(made)) == ({}, ["a", "b"])


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(max_tasks=2), "max_tasks: 2 of 2 are used"),
        (
            Limits(max_seconds=14),
            "max_seconds: 10 s of 14 s are used, this shot needs 5 s",
        ),
        (
            Limits(max_spend=Decimal(8)),
            "max_spend: 6.00 of 8.00 CNY are used, this shot costs 3.00",
        ),
    ],
)
def test_what_a_cap_leaves_out_is_not_bought_and_costs_nothing(limits: Limits, reason: str) -> None:
    (made,) = allotted([film(("a",), ("b",), ("c",))], limits)
    assert left_out(made) == {"c": reason}
    assert (bought(made), cost(made), seconds(made)) == (["a", "b"], ({"CNY": Decimal(6)}, 0), 10)


def test_what_still_fits_is_bought() -> None:
    """A dear shot leaves room for a cheap one after it."""
    made = plan([], shot("a"), (shot("b"), request(amount="9.00")), shot("c"))
    assert bought(allotted([made], Limits(max_spend=Decimal(6)))[0]) == ["a", "c"]


def test_what_waits_for_nothing_comes_first() -> None:
    """As in the run, where a shot that waits is queued when those it needs are bought."""
    (made,) = allotted([film(("b", "a"), ("a",), ("c",))], Limits(max_tasks=2))
    assert left_out(made) == {"b": "max_tasks: 2 of 2 are used"}


def test_what_needs_a_shot_that_is_left_out_is_left_out() -> None:
    """By the same cap, and so on along the chain, in whatever order the manifest has them."""
    made = plan([], shot("c", "b"), shot("b", "a"), (shot("a"), request(amount=None)), shot("d"))
    (made,) = allotted([made], Limits(max_spend=Decimal(9)))
    assert left_out(made) == {
        "a": "max_spend: its price is not known;"
        " name a file of prices in the manifest, with kling-3.0-720p in it",
        "b": "max_spend: waits for a, which is left out",
        "c": "max_spend: waits for b, which is left out",
    }


def test_a_budget_counts_the_ledger_and_each_film_has_its_own() -> None:
    one = replace(film(("a",), ("b",), budget="9"), spending={"spent": Sum(2, {"CNY": THREE * 2})})
    other = film(("a",), ("b",), ("c",), budget="6")
    third = film(("a",))
    gone = "CNY are spent or set aside, this shot costs 3.00"
    assert [made.left_out for made in allotted([one, other, third], Limits())] == [
        {"b": LeftOut("budget", f"budget: 9.00 of 9.00 {gone}")},
        {"c": LeftOut("budget", f"budget: 6.00 of 6.00 {gone}")},
        {},
    ]


def test_the_manifests_of_a_run_share_its_caps() -> None:
    """In their order."""
    one, other = allotted([film(("a",), ("b",)), film(("a",), ("b",))], Limits(max_tasks=3))
    assert (bought(one), bought(other)) == (["a", "b"], ["a"])


def test_a_price_of_zero_needs_a_word_where_max_spend_is_the_consent() -> None:
    """Prices came with the folder: they say nothing in the user's name."""
    made = plan([], shot("a"), (shot("b"), request(amount="0")))
    limits = Limits(max_spend=Decimal(9))
    assert bought(allotted([made], limits)[0]) == ["a", "b"]
    assert bought(allotted([made], limits, zero_is_unknown=True)[0]) == ["a"]


def test_allotting_again_begins_anew() -> None:
    """Other limits, other marks."""
    strict = allotted([film(("a",), ("b",))], Limits(max_tasks=1))
    assert bought(allotted(strict, Limits())[0]) == ["a", "b"]
    assert bought(allotted(strict, Limits(max_tasks=0))[0]) == []


def test_only_what_is_selected_is_reserved() -> None:
    (made,) = allotted([plan([], shot("a"), shot("b"), selected={"b"})], Limits(max_tasks=1))
    assert (made.left_out, bought(made)) == ({}, ["b"])


def test_the_caps_of_a_run_begin_with_what_the_ledger_counts() -> None:
    """A refunded task is no money spent."""
    sums: dict[Share, Sum] = {"spent": Sum(1, {"CNY": THREE}), "refunded": Sum(1, {"CNY": THREE})}
    made = replace(film(("a",), budget="9"), spending=sums)
    caps = caps_of([made], Limits(max_spend=Decimal(7), max_tasks=2, max_seconds=30))
    assert (caps.max_spend, caps.max_tasks, caps.max_seconds) == (Decimal(7), 2, 30)
    assert (caps.purses[0].budget, caps.purses[0].before) == (Decimal(9), Sum(1, {"CNY": THREE}))
    assert (caps.spend, caps.tasks, caps.zero_is_unknown) == (Decimal(0), 0, False)
