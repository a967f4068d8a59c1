"""PURE. The limits of an account, as a person has said them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Self

from klingflow.model import Json, Limits, Rate


@dataclass(frozen=True, slots=True)
class Settings:
    """What a person has said of an account. `max_spend` None is no limit."""

    submit: Rate = field(default_factory=lambda: Limits().submit)
    max_running: int = 5
    max_spend: Decimal | None = None

    def as_json(self) -> dict[str, Json]:
        """Return it as JSON."""
        spend = None if self.max_spend is None else str(self.max_spend)
        submit = [self.submit.count, self.submit.period_s]
        return {"submit": submit, "max_running": self.max_running, "max_spend": spend}

    @classmethod
    def from_json(cls, document: Mapping[str, Json]) -> Self:
        """Return what `as_json` made the document of."""
        spend = document["max_spend"]
        most = None if spend is None else Decimal(spend)
        return cls(Rate(*document["submit"]), document["max_running"], most)
