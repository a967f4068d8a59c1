"""What has become of the money: every purchase under one heading, added up."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import permutations
from typing import get_args

import pytest

from klingflow.decide.spending import (
    SHARES,
    added,
    counted,
    left,
    price_of,
    share,
    spending,
)
from klingflow.ledger.accounts import merge
from klingflow.ledger.handed_over import handed_over
from klingflow.ledger.lifecycle import advance
from klingflow.model import (
    FailedTasks,
    Price,
    PriceRow,
    Prices,
    Purchase,
    Share,
    State,
    Sum,
)
from tests.purchases import AT, LATER, done, doubtful, intent, submitted, succeeded

FAILED = advance(submitted("f"), "failed", AT)
DOUBT = doubtful("d")
PRICES = Prices("CNY", None, {"kling-3.0-720p": PriceRow(per_second=Decimal("0.7"))}, ())


def test_every_heading_has_its_row() -> None:
    """In the order in which they are shown, what counts first."""
    assert set(SHARES) == set(get_args(Share))
    assert [heading for heading, row in SHARES.items() if row.counts] == [
        "spent", "in_doubt", "at_cluster", "failed", "abandoned",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("purchase", "heading"),
    [
        (intent("a"), "in_doubt"),
        (DOUBT, "in_doubt"),
        (handed_over(intent("a"), store="s", batch="b"), "at_cluster"),
        (advance(intent("a"), "refused", AT), None),
        (submitted("a"), "spent"),
        (advance(submitted("a"), "parked", AT), "spent"),
        (succeeded("a"), "spent"),
        (done("a"), "spent"),
        (advance(done("a"), "resubmitted", AT), "spent"),
        (advance(DOUBT, "abandoned", AT), "abandoned"),
        (advance(DOUBT, "not_charged", AT), "not_charged"),
        (advance(DOUBT, "resubmitted", AT), "not_charged"),
        (advance(submitted("a"), "abandoned", AT), "abandoned"),
        (advance(submitted("a"), "resubmitted", AT), "not_charged"),
        (advance(FAILED, "not_charged", LATER), "not_charged"),
        (replace(DOUBT, state="abandoned", times={}), "abandoned"),
        (advance(advance(DOUBT, "not_charged", AT), "found", AT, task_id="t"), "spent"),
    ],
)
def test_what_has_become_of_the_money(purchase: Purchase, heading: Share | None) -> None:
    """Whatever the prices file says of failed tasks."""
    for said in (None, *get_args(FailedTasks)):
        assert share(purchase, said) == heading


@pytest.mark.parametrize(
    ("said", "heading"), [("refunded", "refunded"), ("charged", "spent"), (None, "failed")]
)
def test_a_failed_task_is_what_the_prices_say(said: FailedTasks | None, heading: Share) -> None:
    """What is said of the single purchase counts for more."""
    assert share(FAILED, said) == heading
    assert share(advance(submitted("a"), "abandoned", AT), said) == "abandoned"


@pytest.mark.parametrize(
    "words", [("abandoned", "not_charged"), ("not_charged", "abandoned"), ("abandoned",) * 2]
)
def test_of_two_words_the_last_counts(words: tuple[str, str]) -> None:
    """A word that was said in error can be taken back."""
    purchase = DOUBT
    for word in words:
        purchase = advance(purchase, word, LATER)  # type: ignore[arg-type]  # from the table above
    assert share(purchase, None) == words[-1]


def test_words_of_two_colleagues_merge_in_any_order() -> None:
    """At one moment the word that counts the money is the safe one."""
    told = [advance(DOUBT, word, LATER) for word in ("abandoned", "not_charged")]
    told.append(advance(DOUBT, "resubmitted", AT))
    merged = [merge(order)[0] for order in permutations(told)]
    assert {share(purchase, None) for purchase in merged} == {"abandoned"}


@pytest.mark.parametrize("state", get_args(State))
def test_every_state_has_a_heading_or_bought_nothing(state: State) -> None:
    """A new state has to say what it costs."""
    heading = share(replace(submitted("a"), state=state, times={}), None)
    assert (heading is None) == (state == "rejected")


def test_sums_are_by_heading_and_currency() -> None:
    """Over all ledgers of a film."""
    dollars = replace(done("a"), price=Price(Decimal("1.50"), "USD", "x"))
    bare = replace(done("a"), price=None)
    sums = spending(
        [[done("a"), dollars, DOUBT], [FAILED, bare, advance(intent("r"), "refused", AT)]], None
    )
    assert sums == {
        "spent": Sum(3, {"CNY": Decimal("3.00"), "USD": Decimal("1.50")}, {"kling-3.0-720p": 1}),
        "in_doubt": Sum(1, {"CNY": Decimal("3.00")}),
        "failed": Sum(1, {"CNY": Decimal("3.00")}),
    }
    assert [*sums] == ["spent", "in_doubt", "failed"]


def test_what_has_no_frozen_price_is_summed_by_the_present_prices() -> None:
    """What has none at all is counted by its tier, the billed one if it is known."""
    bare = [replace(done("a"), price=None), replace(DOUBT, price=None)]
    unknown = [replace(p, billed_tier=tier) for p, tier in zip(bare * 2, "xxyx", strict=True)]
    assert spending([bare], PRICES) == {
        "spent": Sum(1, {"CNY": Decimal("3.5")}),
        "in_doubt": Sum(1, {"CNY": Decimal("3.5")}),
    }
    assert spending([unknown], PRICES) == {
        "spent": Sum(2, {}, {"x": 1, "y": 1}),
        "in_doubt": Sum(2, {}, {"x": 2}),
    }
    assert spending([bare], None)["in_doubt"] == Sum(1, {}, {"kling-3.0-720p": 1})


def test_what_does_not_count_is_in_no_sum_of_what_counts() -> None:
    refunds = replace(PRICES, failed_tasks="refunded")
    sums = spending([[done("a"), FAILED, DOUBT, advance(DOUBT, "not_charged", AT)]], refunds)
    assert counted(sums) == Sum(2, {"CNY": Decimal("6.00")})


def test_sums_of_parts_are_the_sums_of_the_whole() -> None:
    parts = [[done("a"), DOUBT], [FAILED, replace(done("b"), price=None)]]
    assert added([spending([part], None) for part in parts]) == spending(parts, None)


@pytest.mark.parametrize(
    ("purchase", "amount"),
    [
        (done("a"), "3.00"),
        (replace(done("a"), price=None), "3.5"),
        (replace(done("a"), price=None, billed_tier="other"), None),
        (replace(intent("a"), price=None), "3.5"),
        (replace(done("a"), price=Price(Decimal(0), "CNY", "x")), "0"),
        *(
            (replace(done("a"), price=Price(Decimal(odd), "CNY", "x")), None)
            for odd in ("-3", "NaN", "Infinity", "1e13")
        ),
    ],
)
def test_a_frozen_price_counts_and_otherwise_the_present_one(
    purchase: Purchase, amount: str | None
) -> None:
    """An amount that nobody pays is no price."""
    found = price_of(purchase, PRICES)
    assert (found and found.amount) == (None if amount is None else Decimal(amount))
    assert price_of(replace(purchase, price=None), None) is None


@pytest.mark.parametrize(
    ("bought", "rest"),
    [
        ([], "10"),
        ([done("a"), DOUBT], "4.00"),
        ([done(shot) for shot in "abcd"], "-2.00"),
        ([replace(done("a"), price=None)], None),
        ([done("a"), replace(DOUBT, price=Price(Decimal(1), "USD", "x"))], None),
    ],
)
def test_what_is_left_is_known_or_said_to_be_unknown(
    bought: list[Purchase], rest: str | None
) -> None:
    found = left(Decimal(10), spending([bought], None), None)
    assert found == (None if rest is None else Decimal(rest))


@pytest.mark.parametrize(("currency", "rest"), [("CNY", "7.00"), ("USD", None)])
def test_a_budget_is_in_the_currency_of_its_prices(currency: str, rest: str | None) -> None:
    found = left(Decimal(10), spending([[done("a")]], PRICES), replace(PRICES, currency=currency))
    assert found == (None if rest is None else Decimal(rest))
