"""PURE. The money of a film as data: its budget, what has become of the money, and what is left.

Plan, status and the record of a run hold it in the same shape; `klingflow.decide.spending` adds up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from klingflow.decide.spending import SHARES, added, left
from klingflow.model import Json, Manifest, Share, Sum


def account(manifest: Manifest, sums: Mapping[Share, Sum]) -> dict[str, Json]:
    """Return `{"budget", "left", "shares", "prices"}`; amounts are exact decimals as text.

    `budget` is null where there is none. `left` is null without a budget, and while nobody can tell
    what is left. `shares` are sums by heading, `prices` the file that they are by.
    """
    budget, prices = manifest.budget, manifest.prices
    rest = None if budget is None else left(budget, sums, prices)
    return {
        "budget": None if budget is None else str(budget),
        "left": None if rest is None else str(rest),
        "shares": shares(sums),
        "prices": prices
        and {
            "file": prices.file,
            "currency": prices.currency,
            "failed_tasks": prices.failed_tasks,
            "from_environment": prices.overrules,
        },
    }


def together(several: Iterable[Mapping[str, Json]]) -> dict[str, Json]:
    """Return the `shares` of several films as one."""
    sums: list[Mapping[Share, Sum]] = []
    for one in several:
        sums.append({heading: _sum(one[heading]) for heading in SHARES if heading in one})
    return shares(added(sums))


def _sum(share: Json) -> Sum:
    amounts = {currency: Decimal(amount) for currency, amount in share["amounts"].items()}
    unpriced = {"": share["unpriced"]} if share["unpriced"] else {}
    return Sum(share["purchases"], amounts, unpriced)


def shares(sums: Mapping[Share, Sum]) -> dict[str, Json]:
    """Return sums by heading: how many purchases, amounts by currency, how many without a price."""
    return {
        heading: {
            "purchases": one.number,
            "amounts": {currency: str(amount) for currency, amount in one.amounts.items()},
            "unpriced": sum(one.unpriced.values()),
        }
        for heading, one in sums.items()
    }
