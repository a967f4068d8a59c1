"""PURE. What local references held when they were bought, as far as a ledger knows."""

from __future__ import annotations

from collections.abc import Iterable

from klingflow.manifest.held_files import records
from klingflow.model import Purchase


def contents(purchases: Iterable[Purchase]) -> dict[str, str]:
    """Return the SHA-256 of each local file by its path, as the last purchase that used it has
    it.
    """
    known: dict[str, str] = {}
    for purchase in sorted(purchases, key=lambda p: p.times.get("intent", "")):
        for _, record in records(purchase.body):
            if type(content := record.get("sha256")) is str:
                known[record["file"]] = content
    return known
