"""PURE. How much may be bought: the caps of a run, and the budget of each of its films. Reserved
before each POST, given back only when certainly nothing was bought.

What a ledger has spent already is summed in spending.py; which shots of a plan the caps leave out
is decided in allotment.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Self

from klingflow.model import Json, LeftOut, Price, Request, Sum
from klingflow.words import _, joined


@dataclass(slots=True)
class Purse:
    """What one film may cost. `budget` None is no limit. `prices` is the file of its prices.

    `before` is what its ledger counts beside the purchases of this run, `reserved` what this run
    has set aside, and `back` what the gateway has refunded of `before` since it was counted.
    """

    budget: Decimal | None = None
    prices: str | None = None
    before: Sum = field(default_factory=Sum)
    reserved: Decimal = Decimal(0)
    back: Decimal = Decimal(0)

    def count(self, before: Sum) -> None:
        """Take the ledger's present sum, which knows of every refund."""
        self.before, self.back = before, Decimal(0)

    def state(self) -> dict[str, Json]:
        """Return all of it as JSON."""
        amounts = {currency: str(amount) for currency, amount in self.before.amounts.items()}
        return {
            "budget": _told(self.budget),
            "prices": self.prices,
            "number": self.before.number,
            "amounts": amounts,
            "unpriced": dict(self.before.unpriced),
            "reserved": str(self.reserved),
            "back": str(self.back),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Json]) -> Self:
        """Return the purse that `state` was made of."""
        amounts = {currency: Decimal(amount) for currency, amount in state["amounts"].items()}
        before = Sum(state["number"], amounts, state["unpriced"])
        reserved, back = Decimal(state["reserved"]), Decimal(state["back"])
        return cls(_heard(state["budget"]), state["prices"], before, reserved, back)

    def refusal(self, request: Request) -> str | None:
        """Return why the budget has no room for a purchase; None where it has."""
        if self.budget is None:
            return None
        if unknown := self._unknown(request):
            return unknown
        assert request.price is not None, "a request without a price is refused as unknown"
        price, gone = request.price, self._gone()
        if gone + price.amount <= self.budget:
            return None
        return _(
            "budget: {gone:.2f} of {budget:.2f} {currency} are spent or set aside,"
            " this shot costs {amount:.2f}",
            gone=gone,
            budget=self.budget,
            currency=price.currency,
            amount=price.amount,
        )

    def _gone(self) -> Decimal:
        return sum(self.before.amounts.values(), self.reserved - self.back)

    def _unknown(self, request: Request) -> str | None:
        """Return why nobody can tell what is left; None where that is known."""
        if tiers := self.before.unpriced:
            many = _("{values} in the ledger without a price", values=sum(tiers.values()))
            named = joined(", ", filter(None, sorted(tiers)))
            todo = to_price(named, self.prices) if named else _("`klingflow resolve` settles it")
            return _("budget: what is spent is not known, {many}; {todo}", many=many, todo=todo)
        if request.price is None:
            todo = to_price(request.predicted_tier, self.prices)
            return _("budget: its price is not known; {todo}", todo=todo)
        currencies = sorted({request.price.currency, *self.before.amounts})
        if len(currencies) > 1:
            return _(
                "budget: it counts in one currency, and there are {currencies}",
                currencies=joined(_(" and "), currencies),
            )
        return None


def _told(amount: Decimal | None) -> str | None:
    """Return an amount as JSON has it: a text, because a float has no exact cents."""
    return None if amount is None else str(amount)


def _heard(amount: str | None) -> Decimal | None:
    return None if amount is None else Decimal(amount)


def to_price(tier: str, prices: str | None) -> str:
    """Return what to do about a tier without a price; `prices` is the file of prices."""
    if prices is None:
        return _("name a file of prices in the manifest, with {tier} in it", tier=tier)
    return _("add {tier} to {prices}", tier=tier, prices=prices)


@dataclass(slots=True)
class Caps:
    """Limits on one run; None is no limit. What is in doubt stays reserved.

    `purses` are those of the run's manifests, by number. `zero_is_unknown`: a price of 0 does not
    count as a price under `max_spend`, because nobody agreed to it.
    """

    max_spend: Decimal | None = None
    max_tasks: int | None = None
    max_seconds: int | None = None
    zero_is_unknown: bool = False
    purses: defaultdict[int, Purse] = field(default_factory=lambda: defaultdict(Purse))
    spend: Decimal = Decimal(0)
    tasks: int = 0
    seconds: int = 0
    currency: str | None = None

    @property
    def has_limits(self) -> bool:
        """True if there is a purchase that these caps could refuse."""
        limits = [self.max_spend, self.max_tasks, self.max_seconds]
        limits += [purse.budget for purse in self.purses.values()]
        return any(limit is not None for limit in limits)

    def state(self) -> dict[str, Json]:
        """Return the limits and what is reserved under them, as JSON."""
        return {
            "max_spend": _told(self.max_spend),
            "max_tasks": self.max_tasks,
            "max_seconds": self.max_seconds,
            "zero_is_unknown": self.zero_is_unknown,
            "purses": {str(job): purse.state() for job, purse in self.purses.items()},
            "spend": str(self.spend),
            "tasks": self.tasks,
            "seconds": self.seconds,
            "currency": self.currency,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Json]) -> Self:
        """Return the caps that `state` was made of, so that another process goes on with them."""
        purses = {int(job): Purse.from_state(told) for job, told in state["purses"].items()}
        return cls(
            max_spend=_heard(state["max_spend"]),
            max_tasks=state["max_tasks"],
            max_seconds=state["max_seconds"],
            zero_is_unknown=state["zero_is_unknown"],
            purses=defaultdict(Purse, purses),
            spend=Decimal(state["spend"]),
            tasks=state["tasks"],
            seconds=state["seconds"],
            currency=state["currency"],
        )

    def reserve(self, request: Request, job: int = 0) -> LeftOut | None:
        """Set aside what one purchase for manifest number `job` may cost. Returns why it may not be
        made, and then reserves nothing.
        """
        refusal = self._refusal(request, job)
        if refusal is None:
            self._add(request, job, 1)
        return refusal

    def enter(self, request: Request, job: int = 0) -> None:
        """Set aside what a purchase costs that was made already, whether or not it has room."""
        self._add(request, job, 1)

    def release(self, request: Request, job: int = 0) -> None:
        """Give back what was reserved for a purchase that was not made."""
        self._add(request, job, -1)

    def refund(self, price: Price, job: int, *, reserved: bool) -> None:
        """Give back the money for a task that failed: of this run if it was `reserved`, otherwise
        of an earlier run. It stays a task that was created.
        """
        if reserved:
            self.spend -= price.amount
            self.purses[job].reserved -= price.amount
        else:
            self.purses[job].back += price.amount

    def _add(self, request: Request, job: int, sign: int) -> None:
        self.tasks += sign
        self.seconds += sign * request.seconds
        if request.price is not None:
            self.spend += sign * request.price.amount
            self.purses[job].reserved += sign * request.price.amount
            self.currency = self.currency or request.price.currency

    def _refusal(self, request: Request, job: int) -> LeftOut | None:
        if self.max_tasks is not None and self.tasks + 1 > self.max_tasks:
            most = self.max_tasks
            used = (
                _("{tasks} of {most} are used", tasks=self.tasks, most=most)
                if most
                else _("0 allows none")
            )
            return LeftOut("max_tasks", _("max_tasks: {used}", used=used), most > 0)
        if self.max_seconds is not None and self.seconds + request.seconds > self.max_seconds:
            used = _(
                "{seconds} s of {max_seconds} s are used",
                seconds=self.seconds,
                max_seconds=self.max_seconds,
            )
            needs = _("this shot needs {seconds} s", seconds=request.seconds)
            fits = request.seconds <= self.max_seconds
            return LeftOut(
                "max_seconds", _("max_seconds: {used}, {needs}", used=used, needs=needs), fits
            )
        if unpriced := self._unpriced(request, job):
            return LeftOut("max_spend", unpriced)
        if overspent := self._overspent(request):
            return overspent
        refusal = self.purses[job].refusal(request)
        return LeftOut("budget", refusal) if refusal else None

    def _unpriced(self, request: Request, job: int) -> str | None:
        """Return why a purchase can never be made under `max_spend`; None where it can."""
        if self.max_spend is None:
            return None
        if request.price is None:
            todo = to_price(request.predicted_tier, self.purses[job].prices)
            return _("max_spend: its price is not known; {todo}", todo=todo)
        if self.zero_is_unknown and not request.price.amount:
            return _("max_spend: its price is 0, which nobody has agreed to; pass -y")
        return None

    def _overspent(self, request: Request) -> LeftOut | None:
        """Return why `max_spend` has no room for a purchase of known price; None where it has."""
        price, most = request.price, self.max_spend
        if most is None or price is None:
            return None
        fits = price.amount <= most
        if self.currency not in (None, price.currency):
            said = _(
                "it is priced in {currency}, the others in {others}",
                currency=price.currency,
                others=self.currency,
            )
            return LeftOut("max_spend", _("max_spend: {said}", said=said), fits)
        if self.spend + price.amount > most:
            used = _(
                "{spend:.2f} of {most:.2f} {currency} are used",
                spend=self.spend,
                most=most,
                currency=price.currency,
            )
            said = _("{used}, this shot costs {amount:.2f}", used=used, amount=price.amount)
            return LeftOut("max_spend", _("max_spend: {said}", said=said), fits)
        return None
