"""Caps: reserved before a purchase, given back only when none was made."""

from __future__ import annotations

from decimal import Decimal

import pytest

from klingflow.decide.caps import Caps
from klingflow.model import Price


def yuan(amount: str, currency: str = "CNY") -> Price:
    return Price(Decimal(amount), currency, "flat")


@pytest.mark.parametrize(
    ("caps", "price", "refusal"),
    [
        (Caps(), None, None),
        (Caps(max_tasks=1), None, "max_tasks"),
        (Caps(max_seconds=9), None, "max_seconds"),
        (Caps(max_seconds=10), None, None),
        (Caps(max_spend=Decimal("6")), yuan("3"), None),
        (Caps(max_spend=Decimal("5.99")), yuan("3"), "max_spend"),
        (Caps(max_spend=Decimal("100")), None, "max_spend: its price is not known"),
        (Caps(max_spend=Decimal("100")), yuan("3", "USD"), "max_spend: it is priced in USD"),
    ],
)
def test_the_second_purchase_of_three_yuan_and_five_seconds(
    caps: Caps, price: Price | None, refusal: str | None
) -> None:
    assert caps.reserve(yuan("3"), 5) is None
    said = caps.reserve(price, 5)
    assert (said is None) == (refusal is None)
    assert (said or "").startswith(refusal or "")


def test_a_refusal_reserves_nothing() -> None:
    caps = Caps(max_spend=Decimal("5"), max_tasks=9, max_seconds=99)
    caps.reserve(yuan("3"), 5)
    caps.reserve(yuan("3"), 5)
    assert (caps.spend, caps.tasks, caps.seconds) == (Decimal("3"), 1, 5)


def test_what_was_not_bought_is_given_back() -> None:
    caps = Caps(max_spend=Decimal("3"), max_tasks=1, max_seconds=5)
    for _ in range(3):
        assert caps.reserve(yuan("3"), 5) is None
        caps.release(yuan("3"), 5)


def test_cents_add_up() -> None:
    caps = Caps(max_spend=Decimal("1"))
    assert [caps.reserve(yuan("0.1"), 1) for _ in range(10)] == [None] * 10
    assert caps.reserve(yuan("0.1"), 1)


@pytest.mark.parametrize(
    ("caps", "price", "refusal"),
    [
        (Caps(max_tasks=2), yuan("3"), "max_tasks: 2 of 2 are bought"),
        (
            Caps(max_seconds=14),
            yuan("3"),
            "max_seconds: 10 s of 14 s are bought, this shot needs 5 s",
        ),
        (
            Caps(max_spend=Decimal("8")),
            yuan("3"),
            "max_spend: 6.00 of 8.00 CNY are spent, this shot costs 3.00",
        ),
        (
            Caps(max_spend=Decimal("8")),
            yuan("1", "USD"),
            "max_spend: it is priced in USD, the others in CNY",
        ),
        (
            Caps(max_spend=Decimal("8")),
            None,
            "max_spend: its price is not known, so it cannot be held to a limit",
        ),
        (Caps(max_spend=Decimal("9"), max_tasks=3, max_seconds=15), yuan("3"), None),
    ],
)
def test_the_third_purchase_is_refused_with_what_is_spent(
    caps: Caps, price: Price | None, refusal: str | None
) -> None:
    """After two of three yuan and five seconds."""
    assert [caps.reserve(yuan("3"), 5), caps.reserve(yuan("3"), 5)] == [None, None]
    assert (caps.spend, caps.tasks, caps.seconds, caps.currency) == (Decimal(6), 2, 10, "CNY")
    assert caps.reserve(price, 5) == refusal


def test_of_several_given_back_the_rest_stays_reserved() -> None:
    """One of three, and one without a price."""
    caps = Caps()
    for price in (yuan("3"), yuan("4"), None):
        caps.reserve(price, 5)
    caps.release(yuan("3"), 5)
    assert (caps.spend, caps.tasks, caps.seconds) == (Decimal(4), 2, 10)
    caps.release(None, 5)
    assert (caps.spend, caps.tasks, caps.seconds, caps.currency) == (Decimal(4), 1, 5, "CNY")


def test_the_first_currency_is_that_of_the_run() -> None:
    """What is bought without a price leaves it open."""
    caps = Caps()
    caps.reserve(None, 5)
    caps.reserve(yuan("1", "USD"), 5)
    caps.reserve(yuan("1"), 5)
    assert caps.currency == "USD"
