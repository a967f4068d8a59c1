"""PURE. How much a run may buy: reserved before each POST, given back only when certainly nothing
was bought.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from klingflow.model import Price


@dataclass(slots=True)
class Caps:
    """Limits on one run; None is no limit. What is in doubt stays reserved."""

    max_spend: Decimal | None = None
    max_tasks: int | None = None
    max_seconds: int | None = None
    spend: Decimal = Decimal(0)
    tasks: int = 0
    seconds: int = 0
    currency: str | None = None

    def reserve(self, price: Price | None, seconds: int) -> str | None:
        """Set aside what one purchase may cost. Returns why it may not be made, and then reserves
        nothing.
        """
        refusal = self._refusal(price, seconds)
        if refusal is None:
            self._add(price, seconds, 1)
        return refusal

    def release(self, price: Price | None, seconds: int) -> None:
        """Give back what was reserved for a purchase that was not made."""
        self._add(price, seconds, -1)

    def _add(self, price: Price | None, seconds: int, sign: int) -> None:
        self.tasks += sign
        self.seconds += sign * seconds
        if price is not None:
            self.spend += sign * price.amount
            self.currency = self.currency or price.currency

    def _refusal(self, price: Price | None, seconds: int) -> str | None:
        if self.max_tasks is not None and self.tasks + 1 > self.max_tasks:
            return f"max_tasks: {self.tasks} of {self.max_tasks} are bought"
        if self.max_seconds is not None and self.seconds + seconds > self.max_seconds:
            bought = f"{self.seconds} s of {self.max_seconds} s are bought"
            return f"max_seconds: {bought}, this shot needs {seconds} s"
        if self.max_spend is not None:
            return self._overspent(price, self.max_spend)
        return None

    def _overspent(self, price: Price | None, most: Decimal) -> str | None:
        if price is None:
            return "max_spend: its price is not known, so it cannot be held to a limit"
        if self.currency not in (None, price.currency):
            return f"max_spend: it is priced in {price.currency}, the others in {self.currency}"
        if self.spend + price.amount > most:
            spent = f"{self.spend:.2f} of {most:.2f} {price.currency} are spent"
            return f"max_spend: {spent}, this shot costs {price.amount:.2f}"
        return None
