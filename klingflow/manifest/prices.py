"""PURE. The user's prices: what a tier costs, by its exact name or a glob. A tier without a price
costs *unknown*, never 0.

    currency: CNY
    as_of: 2026-06-01
    failed_tasks: refunded
    tiers:
      kling-2.5-motion-std-720p: { per_second: 0.6 }
      kling-3.0-omni-*:          { by_seconds: { 5: 4, 10: 7.5 } }
      kling-identify-face:       { per_second: 0.5, min_seconds: 5 }
      "*":                       { per_request: 9 }

Amounts are Decimals: 0.1 is a tenth.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final

from klingflow.errors import Diagnostic, ManifestError
from klingflow.manifest.coerce import as_mapping
from klingflow.manifest.shapes import AMOUNT, COUNT, TEXT, choices, record
from klingflow.manifest.values import Fault, content_of, faults, place_of
from klingflow.model import FailedTasks, Json, Node, Price, PriceRow, Prices
from klingflow.words import _

_WAYS: Final = {
    "per_second": {**AMOUNT, "description": "For each second of video."},
    "per_request": {**AMOUNT, "description": "For each video, whatever its length."},
    "by_seconds": {
        "type": "object",
        "propertyNames": {"pattern": "^[1-9][0-9]*$", "title": _("a whole number of seconds")},
        "additionalProperties": AMOUNT,
        "minProperties": 1,
        "title": _("a map such as { 5: 4, 10: 7.5 }"),
        "description": "For each length by itself; a length that is not listed has no price.",
    },
}
_ROW: Final = record(
    {**_WAYS, "min_seconds": {**COUNT, "description": "Shorter videos are billed as this long."}},
    title=_("a map such as { per_second: 0.6 }"),
)
_FAILED_TASKS: Final[dict[FailedTasks, str]] = {
    "refunded": "A task that failed costs nothing.",
    "charged": "A task that failed costs as much as one that succeeded.",
}
SCHEMA: Final = record(
    {
        "currency": {**TEXT, "description": "The currency of every amount, such as CNY."},
        "as_of": {**TEXT, "description": "The day these prices were true."},
        "failed_tasks": {
            **choices(_FAILED_TASKS),
            "description": (
                "What the gateway does with the money for a task that failed. While this is not"
                " said, failed tasks count against budgets and caps."
            ),
        },
        "tiers": {
            "type": "object",
            "additionalProperties": _ROW,
            "minProperties": 1,
            "title": _("a map such as { kling-3.0-*: { per_second: 0.6 } }"),
            "description": (
                "Prices by exact name or glob; an exact name wins, then the longest glob."
            ),
        },
    },
    required=("currency", "tiers"),
    title=_("a map with currency: and tiers:"),
)


@lru_cache(maxsize=1024)  # a manifest has few tiers and lengths, and shots may share a Price
def price(prices: Prices, tier: str, seconds: int) -> Price | None:
    """Return what `seconds` of a tier cost, or None if the file has no price for it."""
    row = prices.exact.get(tier)
    if row is None:
        row = next((row for glob, row in prices.globs if fnmatchcase(tier, glob)), PriceRow())
    amount, basis = _amount(row, max(seconds, row.min_seconds))
    return None if amount is None else Price(amount, prices.currency, basis, prices.as_of)


def _amount(row: PriceRow, seconds: int) -> tuple[Decimal | None, str]:
    if row.per_request is not None:
        return row.per_request, _("per request")
    if row.per_second is not None:
        return row.per_second * seconds, f"{seconds} s × {row.per_second}"
    return row.by_seconds.get(seconds), f"{seconds} s"


def parse(root: Node, file: str = "prices.yaml", *, overrules: bool = False) -> Prices:
    """Return the prices in a file, named `file`; `overrules` if the environment named it.

    Raises:
        ManifestError: every mistake in it, each at its place.
    """
    content = content_of(root)
    _check(content, root)
    rows = {tier: _row(row) for tier, row in content["tiers"].items()}
    globs = sorted((name for name in rows if set(name) & set("*?[")), key=len, reverse=True)
    return Prices(
        currency=content["currency"],
        as_of=content.get("as_of"),
        exact={name: row for name, row in rows.items() if name not in globs},
        globs=tuple((glob, rows[glob]) for glob in globs),
        failed_tasks=content.get("failed_tasks"),
        file=file,
        overrules=overrules,
    )


def _check(content: Json, root: Node) -> None:
    found = [*faults(SCHEMA, content, ())]
    wrong = {fault.path[:2] for fault in found}
    found += [fault for fault in _ambiguous(content) if fault.path not in wrong]
    if found:
        mistakes = [Diagnostic(place_of(fault, root), fault.code, fault.message) for fault in found]
        raise ManifestError(sorted(mistakes, key=lambda d: d.mark))


def _ambiguous(content: Json) -> Iterator[Fault]:
    """Yield the rows that do not say one price, which no keyword of a schema says in
    plain words.
    """
    for tier, row in as_mapping(as_mapping(content).get("tiers")).items():
        if isinstance(row, dict) and len(row.keys() & set(_WAYS)) != 1:
            text = _(
                "tier '{tier}' needs one of 'per_second', 'per_request' or 'by_seconds'", tier=tier
            )
            yield Fault(("tiers", tier), "price-unclear", text, at_key=True)


def _row(row: Mapping[str, Json]) -> PriceRow:
    by_seconds = row.get("by_seconds", {})
    return PriceRow(
        per_second=_decimal(row.get("per_second")),
        per_request=_decimal(row.get("per_request")),
        by_seconds={int(s): Decimal(str(amount)) for s, amount in by_seconds.items()},
        min_seconds=row.get("min_seconds", 0),
    )


def _decimal(amount: Json) -> Decimal | None:
    return None if amount is None else Decimal(str(amount))
