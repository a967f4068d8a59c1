"""Ledgers on disk, for tests: purchases recorded as a run records them."""

from __future__ import annotations

from pathlib import Path

import anyio

from klingflow.ledger.places import LedgerPaths
from klingflow.ledger.store import Ledger, open_ledger, read
from klingflow.model import Purchase
from tests.purchases import LATER


def now() -> str:
    """The time of every record."""
    return LATER


def write(ledger: Ledger, *purchases: Purchase) -> None:
    """Record several purchases at once, as a run does."""

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for purchase in purchases:
                group.start_soon(ledger.record, purchase)

    anyio.run(main)


def write_one(ledger: Ledger, purchase: Purchase) -> None:
    """Record one purchase."""
    anyio.run(ledger.record, purchase)


def keep(paths: LedgerPaths, *purchases: Purchase) -> None:
    """A ledger that was opened, told of these purchases one by one, and closed."""
    with open_ledger(paths, now) as ledger:
        for purchase in purchases:
            write(ledger, purchase)


def keys(paths: LedgerPaths) -> list[tuple[str, str]]:
    """Each purchase's key and state, as the files say."""
    return sorted((p.key, p.state) for p in read(paths).purchases.values())


def files_below(folder: Path) -> dict[Path, bytes]:
    """What every file below a folder holds."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
