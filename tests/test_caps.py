"""Caps: reserved before a purchase, given back only when none was made."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klingflow.decide.caps import Caps, Purse
from klingflow.model import LeftOut, Price, Request, Sum


def yuan(amount: str, currency: str = "CNY") -> Request:
    """Five seconds that cost this much."""
    return Request({}, "sha256:1", TIER, 5, Price(Decimal(amount), currency, "flat"))


TIER = "kling-3.0-720p"
UNPRICED = Request({}, "sha256:1", TIER, 5, None)
SECOND = replace(yuan("0.1"), seconds=1)


def said(refusal: LeftOut | None) -> str | None:
    """The reason of a refusal."""
    return refusal.reason if refusal else None


@pytest.mark.parametrize(
    ("caps", "wanted", "refusal"),
    [
        (Caps(), UNPRICED, None),
        (Caps(max_tasks=1), UNPRICED, "max_tasks"),
        (Caps(max_seconds=9), UNPRICED, "max_seconds"),
        (Caps(max_seconds=10), UNPRICED, None),
        (Caps(max_spend=Decimal("6")), yuan("3"), None),
        (Caps(max_spend=Decimal("5.99")), yuan("3"), "max_spend"),
        (Caps(max_spend=Decimal("100")), UNPRICED, "max_spend: its price is not known"),
        (Caps(max_spend=Decimal("100")), yuan("3", "USD"), "max_spend: it is priced in USD"),
    ],
)
def test_the_second_purchase_of_three_yuan_and_five_seconds(
    caps: Caps, wanted: Request, refusal: str | None
) -> None:
    assert caps.reserve(yuan("3")) is None
    reason = said(caps.reserve(wanted))
    assert (reason is None) == (refusal is None)
    assert (reason or "").startswith(refusal or "")


def test_a_refusal_reserves_nothing() -> None:
    caps = Caps(max_spend=Decimal("5"), max_tasks=9, max_seconds=99)
    caps.reserve(yuan("3"))
    caps.reserve(yuan("3"))
    assert (caps.spend, caps.tasks, caps.seconds) == (Decimal("3"), 1, 5)


def test_what_was_not_bought_is_given_back() -> None:
    caps = Caps(max_spend=Decimal("3"), max_tasks=1, max_seconds=5)
    for _ in range(3):
        assert caps.reserve(yuan("3")) is None
        caps.release(yuan("3"))


def test_cents_add_up() -> None:
    caps = Caps(max_spend=Decimal("1"))
    assert [caps.reserve(SECOND) for _ in range(10)] == [None] * 10
    assert caps.reserve(SECOND)


@pytest.mark.parametrize(
    ("caps", "wanted", "refusal"),
    [
        (Caps(max_tasks=2), yuan("3"), "max_tasks: 2 of 2 are used"),
        (
            Caps(max_seconds=14),
            yuan("3"),
            "max_seconds: 10 s of 14 s are used, this shot needs 5 s",
        ),
        (
            Caps(max_spend=Decimal("8")),
            yuan("3"),
            "max_spend: 6.00 of 8.00 CNY are used, this shot costs 3.00",
        ),
        (
            Caps(max_spend=Decimal("8")),
            yuan("1", "USD"),
            "max_spend: it is priced in USD, the others in CNY",
        ),
        (
            Caps(max_spend=Decimal("8")),
            UNPRICED,
            "max_spend: its price is not known;"
            " name a file of prices in the manifest, with kling-3.0-720p in it",
        ),
        (Caps(max_spend=Decimal("9"), max_tasks=3, max_seconds=15), yuan("3"), None),
    ],
)
def test_the_third_purchase_is_refused_with_what_is_spent(
    caps: Caps, wanted: Request, refusal: str | None
) -> None:
    """After two of three yuan and five seconds."""
    assert [caps.reserve(yuan("3")), caps.reserve(yuan("3"))] == [None, None]
    assert (caps.spend, caps.tasks, caps.seconds, caps.currency) == (Decimal(6), 2, 10, "CNY")
    assert said(caps.reserve(wanted)) == refusal


def test_of_several_given_back_the_rest_stays_reserved() -> None:
    """One of three, and one without a price."""
    caps = Caps()
    for wanted in (yuan("3"), yuan("4"), UNPRICED):
        caps.reserve(wanted)
    caps.release(yuan("3"))
    assert (caps.spend, caps.tasks, caps.seconds) == (Decimal(4), 2, 10)
    caps.release(UNPRICED)
    assert (caps.spend, caps.tasks, caps.seconds, caps.currency) == (Decimal(4), 1, 5, "CNY")


def test_the_first_currency_is_that_of_the_run() -> None:
    """What is bought without a price leaves it open."""
    caps = Caps()
    caps.reserve(UNPRICED)
    caps.reserve(yuan("1", "USD"))
    caps.reserve(yuan("1"))
    assert caps.currency == "USD"


# ---------------------------------------------------------------- a film's budget

CNY = {"CNY": Decimal("6")}
PRICES = "prices.yaml"


def under(budget: str, before: Sum | None = None, **more: Any) -> Caps:
    """Caps of a run of two manifests, of which the first has this budget."""
    caps = Caps(**more)
    caps.purses[0] = Purse(Decimal(budget), PRICES, before or Sum(2, CNY))
    return caps


@pytest.mark.parametrize(
    ("caps", "wanted", "refusal"),
    [
        (under("9"), yuan("3"), None),
        (
            under("8.99"),
            yuan("3"),
            "budget: 6.00 of 8.99 CNY are spent or set aside, this shot costs 3.00",
        ),
        (under("0", Sum()), yuan("0"), None),
        (under("100"), UNPRICED, f"budget: its price is not known; add {TIER} to prices.yaml"),
        (
            under("100"),
            yuan("3", "USD"),
            "budget: it counts in one currency, and there are CNY and USD",
        ),
        (
            under("100", Sum(2, {"CNY": Decimal(1), "USD": Decimal(1)})),
            yuan("3"),
            "budget: it counts in one currency, and there are CNY and USD",
        ),
        (
            under("100", Sum(3, CNY, {"kling-x": 2, "kling-y": 1})),
            yuan("3"),
            "budget: what is spent is not known, 3 in the ledger without a price;"
            " add kling-x, kling-y to prices.yaml",
        ),
        (
            under("100", Sum(1, {}, {"": 1})),
            yuan("3"),
            "budget: what is spent is not known, 1 in the ledger without a price;"
            " `klingflow resolve` settles it",
        ),
    ],
)
def test_a_budget_counts_what_the_ledger_holds(
    caps: Caps, wanted: Request, refusal: str | None
) -> None:
    """What nobody can count is not bought, with a word of what to do."""
    assert said(caps.reserve(wanted)) == refusal
    assert caps.tasks == (refusal is None)


def test_a_cap_names_itself() -> None:
    assert under("1").reserve(yuan("3")) == LeftOut(
        "budget", "budget: 6.00 of 1.00 CNY are spent or set aside, this shot costs 3.00"
    )
    assert under("1", max_tasks=0).reserve(yuan("3")) == LeftOut(
        "max_tasks", "max_tasks: 0 allows none"
    )


@pytest.mark.parametrize(
    ("caps", "wanted", "again"),
    [
        ({"max_tasks": 1}, yuan("3"), True),
        ({"max_seconds": 5}, yuan("3"), True),
        ({"max_seconds": 5}, replace(yuan("3"), seconds=6), False),
        ({"max_spend": Decimal("3")}, yuan("3"), True),
        ({"max_spend": Decimal("3")}, yuan("3.01"), False),
        ({"max_spend": Decimal("3")}, yuan("3", "USD"), True),
        ({"max_spend": Decimal("3")}, UNPRICED, False),
        ({"max_spend": Decimal("3"), "zero_is_unknown": True}, yuan("0"), False),
    ],
)
def test_a_refusal_says_if_another_run_may_buy(
    caps: dict[str, Any], wanted: Request, again: bool
) -> None:
    """A shot without a price, or one that alone costs more than the cap, is never bought so."""
    under_caps = Caps(**caps)
    assert under_caps.reserve(yuan("3")) is None
    refusal = under_caps.reserve(wanted)
    assert refusal is not None and refusal.again is again


def test_every_film_has_its_own_budget_and_the_caps_are_shared() -> None:
    caps = under("9", max_spend=Decimal(6))
    assert [said(caps.reserve(yuan("3"), job)) for job in (1, 0)] == [None, None]
    assert str(said(caps.reserve(yuan("3"), 1))).startswith("max_spend")
    caps.max_spend = None
    assert str(said(caps.reserve(yuan("3"), 0))).startswith("budget: 9.00 of 9.00 CNY")
    assert said(caps.reserve(yuan("3"), 1)) is None


def test_a_refund_gives_back_money_and_no_task() -> None:
    """Of this run to caps and budget, of an earlier run to the budget alone."""
    caps = under("9", max_spend=Decimal(3))
    caps.reserve(yuan("3"))
    price = yuan("3").price
    assert price is not None
    caps.refund(price, 0, reserved=True)
    assert (caps.spend, caps.tasks, caps.purses[0].reserved) == (Decimal(0), 1, Decimal(0))
    caps.max_spend = None
    caps.refund(price, 0, reserved=False)
    assert [said(caps.reserve(yuan("3"))) for _ in range(2)] == [None, None]
    assert caps.reserve(yuan("3"))


def test_a_new_count_of_the_ledger_knows_of_every_refund() -> None:
    """What this run has reserved stays."""
    caps = under("12")
    caps.reserve(yuan("3"))
    caps.purses[0].back = Decimal(3)
    caps.purses[0].count(Sum(3, {"CNY": Decimal(7)}))
    assert said(caps.reserve(yuan("3"))) == (
        "budget: 10.00 of 12.00 CNY are spent or set aside, this shot costs 3.00"
    )


def test_where_nobody_agreed_a_price_of_zero_is_none() -> None:
    """A prices file is no consent; only `max_spend` asks for one."""
    caps = Caps(max_spend=Decimal(9), zero_is_unknown=True)
    assert said(caps.reserve(yuan("0"))) == (
        "max_spend: its price is 0, which nobody has agreed to; pass -y"
    )
    assert said(caps.reserve(yuan("3"))) is None
    assert said(Caps(max_spend=Decimal(9)).reserve(yuan("0"))) is None
    assert said(Caps(max_tasks=9, zero_is_unknown=True).reserve(yuan("0"))) is None


@given(st.lists(st.tuples(st.sampled_from("rgdfo"), st.integers(0, 30)), max_size=60))
def test_whatever_becomes_of_purchases_a_budget_is_never_exceeded(
    outcomes: list[tuple[str, int]],
) -> None:
    """A purchase is refused, given up, in doubt, failed and refunded, or bought: what the ledger
    counts and what is on its way stay within the budget.
    """
    caps = under("50", Sum(1, {"CNY": Decimal(7)}))
    gone, waiting = Decimal(7), Decimal(0)
    for outcome, amount in outcomes:
        wanted = yuan(str(amount))
        if caps.reserve(wanted) is not None:
            assert gone + waiting + amount > 50
            continue
        if outcome == "r":
            caps.release(wanted)
        elif outcome == "f" and wanted.price:
            caps.refund(wanted.price, 0, reserved=True)
        elif outcome == "o":
            waiting += amount
        else:
            gone += amount
        assert gone + waiting == 7 + caps.purses[0].reserved <= 50


@pytest.mark.parametrize(
    "caps",
    [
        Caps(max_spend=Decimal(0)),
        Caps(max_tasks=0),
        Caps(max_seconds=0),
        Caps(purses=defaultdict(Purse, {1: Purse(Decimal(0))})),
    ],
)
def test_any_cap_or_budget_is_a_limit(caps: Caps) -> None:
    """Also one of 0."""
    assert caps.has_limits
    assert not Caps(purses=defaultdict(Purse, {1: Purse()})).has_limits


@pytest.mark.parametrize(
    "caps",
    [
        Caps(),
        Caps(Decimal("9.50"), 3, 15, zero_is_unknown=True),
        under("50", Sum(1, {"CNY": Decimal("7.10")}, {TIER: 2})),
    ],
)
def test_caps_go_into_json_and_back(caps: Caps) -> None:
    """Another process goes on with the same limits and the same reservations."""
    caps.reserve(yuan("3.05"))
    caps.purses[1].back = Decimal("0.10")
    again = Caps.from_state(json.loads(json.dumps(caps.state())))
    assert again == caps
    assert again.reserve(yuan("40")) == caps.reserve(yuan("40"))
    assert again.purses[7] == Purse()
