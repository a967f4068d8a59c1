"""The user's prices: what a tier costs, by its exact name or a glob. A tier without a price costs
*unknown*, never 0.

    currency: CNY
    as_of: 2026-06-01
    tiers:
      kling-2.5-motion-std-720p: { per_second: 0.6 }
      kling-3.0-omni-*:          { by_seconds: { 5: 4, 10: 7.5 } }
      kling-identify-face:       { per_second: 0.5, min_seconds: 5 }
      "*":                       { per_request: 9 }

Amounts are Decimals: what stands in the file, to the last digit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase

from klingflow.model import Node, Price


@dataclass(frozen=True, slots=True)
class Row:
    """What one tier costs. One of the first three is set; `min_seconds` is the least that is billed."""

    per_second: Decimal | None = None
    per_request: Decimal | None = None
    by_seconds: Mapping[int, Decimal] | None = None
    min_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Prices:
    """A prices file: rows by exact name, and globs with the longest first."""

    currency: str
    as_of: str | None
    exact: Mapping[str, Row]
    globs: tuple[tuple[str, Row], ...]


def price(prices: Prices, tier: str, seconds: int) -> Price | None:
    """What `seconds` of a tier cost, or None where the file has no price for it."""
    row = prices.exact.get(tier)
    if row is None:
        row = next((row for glob, row in prices.globs if fnmatchcase(tier, glob)), None)
    found = row and _amount(row, max(seconds, row.min_seconds))
    return Price(found[0], prices.currency, found[1], prices.as_of) if found else None


def _amount(row: Row, seconds: int) -> tuple[Decimal, str] | None:
    if row.per_request is not None:
        return row.per_request, "per request"
    if row.per_second is not None:
        return row.per_second * seconds, f"{seconds} s × {row.per_second}"
    amount = (row.by_seconds or {}).get(seconds)
    return None if amount is None else (amount, f"{seconds} s")


def parse(root: Node) -> Prices:
    """A prices file. Raises ManifestError with every mistake in it."""
    raise NotImplementedError
