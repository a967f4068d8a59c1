"""PURE. What has become of the money: every purchase of a film's ledgers under one heading, added
up by currency.

This is the only account of it. Plan, budget, status and the record of a run take their figures from
here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from klingflow.ledger.handed_over import is_at_cluster
from klingflow.ledger.lifecycle import IN_DOUBT, PAID
from klingflow.manifest import prices as price_list
from klingflow.model import FailedTasks, Price, Prices, Purchase, Share, Sum
from klingflow.words import _


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareRow:
    """What a heading means everywhere. No field has a default: a new row has to say it all."""

    counts: bool  # True if the money is gone, or may be: it counts against a budget
    words: str  # after the amount: `9.00 CNY in doubt`
    one: str  # one purchase under it, and below it several: `2 purchases`
    several: str


SHARES: Final[Mapping[Share, ShareRow]] = {
    "spent": ShareRow(
        counts=True, words=_("spent"), one=_("{number} purchase"), several=_("{number} purchases")
    ),
    "in_doubt": ShareRow(
        counts=True, words=_("in doubt"), one=_("{number} doubt"), several=_("{number} doubts")
    ),
    "at_cluster": ShareRow(
        counts=True,
        words=_("at the cluster, not yet known"),
        one=_("{number} order"),
        several=_("{number} orders"),
    ),
    "failed": ShareRow(
        counts=True,
        words=_("failed, perhaps charged"),
        one=_("{number} task"),
        several=_("{number} tasks"),
    ),
    "abandoned": ShareRow(
        counts=True,
        words=_("abandoned"),
        one=_("{number} purchase"),
        several=_("{number} purchases"),
    ),
    "refunded": ShareRow(
        counts=False, words=_("refunded"), one=_("{number} task"), several=_("{number} tasks")
    ),
    "not_charged": ShareRow(
        counts=False,
        words=_("not charged"),
        one=_("{number} purchase"),
        several=_("{number} purchases"),
    ),
}

_OF_A_FAILED_TASK: Final[Mapping[FailedTasks | None, Share]] = {
    "refunded": "refunded",
    "charged": "spent",
    None: "failed",
}
# What a person said of a purchase that brought nothing, by its name in `times`.
_SAID: Final[Mapping[str, Share]] = {
    "not_charged": "not_charged",
    "resubmitted": "not_charged",
    "abandoned": "abandoned",
}
# A lock may come from anywhere. A larger amount is no price, and would make sums unreadable.
_MOST: Final = Decimal(10) ** 12


def share(purchase: Purchase, failed_tasks: FailedTasks | None) -> Share | None:
    """Return the heading of a purchase; None where certainly nothing was bought.

    `failed_tasks` is what the prices file says of failed tasks. What a person said last of a
    purchase without a video counts for more.
    """
    if purchase.state in PAID:
        return "spent"
    if purchase.state in IN_DOUBT:
        return "at_cluster" if is_at_cluster(purchase) else "in_doubt"
    if purchase.state == "rejected":
        return None
    said = [(at, SHARES[_SAID[n]].counts, n) for n, at in purchase.times.items() if n in _SAID]
    if said:
        return _SAID[max(said)[-1]]
    return "abandoned" if purchase.state == "abandoned" else _OF_A_FAILED_TASK[failed_tasks]


def price_of(purchase: Purchase, prices: Prices | None) -> Price | None:
    """Return what a purchase costs: its frozen price, otherwise the present one of its tier. None
    where neither is known.
    """
    price = purchase.price
    if price is None and prices is not None:
        tier = purchase.tier
        price = price_list.price(prices, tier, purchase.seconds)
    if price is not None and price.amount.is_finite() and 0 <= price.amount <= _MOST:
        return price
    return None


def spending(ledgers: Iterable[Iterable[Purchase]], prices: Prices | None) -> dict[Share, Sum]:
    """Return the sums of several ledgers' purchases by heading, without empty ones."""
    totals: defaultdict[Share, _Total] = defaultdict(_Total)
    failed_tasks = prices.failed_tasks if prices else None
    for ledger in ledgers:
        for purchase in ledger:
            heading = share(purchase, failed_tasks)
            if heading is not None:
                totals[heading].add(purchase, price_of(purchase, prices))
    return {heading: totals[heading].sum() for heading in SHARES if heading in totals}


def added(parts: Iterable[Mapping[Share, Sum]]) -> dict[Share, Sum]:
    """Return several such sums as one."""
    totals: defaultdict[Share, _Total] = defaultdict(_Total)
    for part in parts:
        for heading, one in part.items():
            totals[heading].add_sum(one)
    return {heading: totals[heading].sum() for heading in SHARES if heading in totals}


def counted(sums: Mapping[Share, Sum]) -> Sum:
    """Return what counts against a budget, under one sum."""
    total = _Total()
    for heading, one in sums.items():
        if SHARES[heading].counts:
            total.add_sum(one)
    return total.sum()


def left(budget: Decimal, sums: Mapping[Share, Sum], prices: Prices | None) -> Decimal | None:
    """Return what is left of a budget, less than nothing if it is overspent; None where nobody can
    tell, because a price is unknown or there is another currency than that of the prices.
    """
    gone = counted(sums)
    currencies = gone.amounts.keys() | ({prices.currency} if prices else set())
    if gone.unpriced or len(currencies) > 1:
        return None
    return budget - sum(gone.amounts.values(), Decimal(0))


@dataclass(slots=True)
class _Total:
    number: int = 0
    amounts: defaultdict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    unpriced: Counter[str] = field(default_factory=Counter)

    def add(self, purchase: Purchase, price: Price | None) -> None:
        self.number += 1
        if price is not None:
            self.amounts[price.currency] += price.amount
        else:
            self.unpriced[purchase.tier] += 1

    def add_sum(self, one: Sum) -> None:
        self.number += one.number
        for currency, amount in one.amounts.items():
            self.amounts[currency] += amount
        self.unpriced.update(one.unpriced)

    def sum(self) -> Sum:
        return Sum(self.number, dict(sorted(self.amounts.items())), dict(self.unpriced))
