"""Words for money: what has become of it, what is left of a budget, and by which prices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from klingflow.decide.spending import SHARES, ShareRow
from klingflow.model import Share
from klingflow.terminal import console
from klingflow.words import _, joined, many


def show_prices(account: Mapping[str, Any]) -> None:
    """Print whose prices count, where the environment says it.

    Here and below, `account` is that of `klingflow.results.account`.
    """
    prices = account["prices"]
    if prices and prices["from_environment"]:
        console.prose(_("Prices: {file}, which KLINGFLOW_PRICES names", file=prices["file"]))


def show_budget(account: Mapping[str, Any]) -> None:
    """Print the budget and what is left of it; nothing where there is none."""
    if account["budget"] is None:
        return
    prices = account["prices"]
    currency = f" {prices['currency']}" if prices else ""
    parts = joined(", ", [*worded(account["shares"]), _left(account, currency)])
    console.prose(
        _(
            "Budget: {amount}{currency}: {parts}.",
            amount=_amount(account["budget"]),
            currency=currency,
            parts=parts,
        )
    )


def show_money(account: Mapping[str, Any]) -> None:
    """Print what has become of the money, against the budget if there is one."""
    show_budget(account)
    if account["budget"] is None and account["shares"]:
        console.prose(_("Money: {shares}.", shares=joined(", ", worded(account["shares"]))))


def _left(account: Mapping[str, Any], currency: str) -> str:
    left = account["left"]
    return (
        _("unknown how much is left")
        if left is None
        else _("{amount}{currency} left", amount=_amount(left), currency=currency)
    )


def worded(shares: Mapping[str, Any]) -> Iterator[str]:
    """Yield `6.00 CNY spent (2 purchases)` for each heading, in their order."""
    for heading, row in _headings(shares):
        one = shares[heading]
        yield _(
            "{sum} {words} ({purchases})",
            sum=summed(one),
            words=row.words,
            purchases=many(one["purchases"], row.one, row.several),
        )


def amounts(shares: Mapping[str, Any]) -> Iterator[str]:
    """Yield `6.00 CNY spent` for each heading, in their order."""
    for heading, row in _headings(shares):
        yield _("{sum} {words}", sum=summed(shares[heading]), words=row.words)


def _headings(shares: Mapping[str, Any]) -> list[tuple[Share, ShareRow]]:
    return [(heading, row) for heading, row in SHARES.items() if shares.get(heading)]


def summed(one: Mapping[str, Any]) -> str:
    """Return `6.00 CNY + 1 of unknown price` for `amounts` by currency and how many `unpriced`."""
    parts = [f"{_amount(amount)} {currency}" for currency, amount in one["amounts"].items()]
    if one["unpriced"]:
        parts.append(_("{unpriced} of unknown price", unpriced=one["unpriced"]))
    return joined(" + ", parts) or _("nothing")


def _amount(text: str) -> str:
    return f"{Decimal(text):.2f}"
