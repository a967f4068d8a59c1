"""`lock move`: purchases that a person gives to other takes."""

from __future__ import annotations

from collections.abc import Sequence

import anyio

from klingflow.api.planning import ahead, planned
from klingflow.api.site import Wish, now, site_for
from klingflow.decide.relocation import relocate
from klingflow.ledger import store
from klingflow.ledger.book import Book
from klingflow.ledger.places import Site
from klingflow.model import Manifest, Move


def move(manifest: Manifest, old: str, new: str, wish: Wish, *, dry_run: bool) -> Sequence[Move]:
    """Give the purchases of `old` to `new` (klingflow.decide.relocation), durably; `dry_run` only
    says which. Their files follow with the next run.

    Raises UsageError, LedgerHeld, LedgerError, LedgerBroken.
    """
    site = site_for(manifest, wish)
    if dry_run:
        return _decided(manifest, store.read(site.paths), site, old, new)[1]
    with store.open_ledger(site.paths, now) as held:
        before, moves = _decided(manifest, held.book, site, old, new)
        records = [move.purchase for move in (*before, *moves)]
        anyio.run(held.record, *records)
    return moves


def _decided(
    manifest: Manifest, book: Book, site: Site, old: str, new: str
) -> tuple[Sequence[Move], Sequence[Move]]:
    """Return what moves by itself first, as the plan says, and what is asked for."""
    made = planned(manifest, book, site)
    return made.moves, relocate(made, ahead(book, made), old, new, now())
