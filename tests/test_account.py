"""The money of a film as data."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from klingflow.model import Prices, Share, Sum
from klingflow.results.account import account, shares, together
from tests.planned import manifest

FILM = manifest()
PRICES = Prices("CNY", None, {}, (), failed_tasks="refunded", file="mine.yaml", overrules=True)


def test_without_a_budget_there_is_nothing_left() -> None:
    """Null is no amount."""
    assert account(FILM, {}) == {"budget": None, "left": None, "shares": {}, "prices": None}


def test_an_account_has_exact_amounts_and_the_prices_they_are_by() -> None:
    sums: dict[Share, Sum] = {"spent": Sum(2, {"CNY": Decimal("6.10")})}
    film = replace(FILM, budget=Decimal("10.00"), prices=PRICES)
    assert account(film, sums) == {
        "budget": "10.00",
        "left": "3.90",
        "shares": {"spent": {"purchases": 2, "amounts": {"CNY": "6.10"}, "unpriced": 0}},
        "prices": {
            "file": "mine.yaml",
            "currency": "CNY",
            "failed_tasks": "refunded",
            "from_environment": True,
        },
    }


@pytest.mark.parametrize(
    "unknown", [Sum(1, {}, {"x": 1}), Sum(1, {"A": Decimal(1), "B": Decimal(1)})]
)
def test_what_is_left_is_null_where_nobody_can_tell(unknown: Sum) -> None:
    assert account(replace(FILM, budget=Decimal(9)), {"in_doubt": unknown})["left"] is None


def test_purchases_without_a_price_are_counted_over_all_tiers() -> None:
    assert shares({"failed": Sum(3, {}, {"x": 1, "y": 2})})["failed"]["unpriced"] == 3


def test_the_money_of_several_films_is_one_sum() -> None:
    """Heading by heading, currencies apart."""
    one = shares({"spent": Sum(2, {"CNY": Decimal("6.10")}), "refunded": Sum(1, {}, {"x": 1})})
    other = shares({"spent": Sum(1, {"CNY": Decimal("0.90"), "USD": Decimal(1)})})
    assert together([one, other]) == {
        "spent": {"purchases": 3, "amounts": {"CNY": "7.00", "USD": "1"}, "unpriced": 0},
        "refunded": {"purchases": 1, "amounts": {}, "unpriced": 1},
    }
