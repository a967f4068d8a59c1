"""Purchases of takes that a manifest no longer wants, put away."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from klingflow.api.planning import as_known, standing
from klingflow.api.site import Wish, now, site_for
from klingflow.decide.select import orphans, select
from klingflow.decide.spending import spending
from klingflow.disk import append_new
from klingflow.errors import LedgerError, NothingSelected
from klingflow.ledger import store
from klingflow.ledger.book import Book, in_order
from klingflow.ledger.lifecycle import IN_DOUBT, UNFINISHED
from klingflow.ledger.lines import lock_line
from klingflow.model import Manifest, Purchase, Share, Sum
from klingflow.words import _


@dataclass(frozen=True, slots=True)
class Prunable:
    """Orphans: takes that are in the ledger and not in the manifest. `kept` are those that are not
    settled.
    """

    pruned: Sequence[Purchase]
    kept: Sequence[Purchase]
    spending: Mapping[Share, Sum] = field(default_factory=dict)  # of `pruned`


def prune(
    manifest: Manifest, wish: Wish, agreed: Callable[[Prunable], bool]
) -> tuple[Prunable, bool]:
    """Put the orphans away, if `agreed` says so: into the pruned file, durably, and then out of the
    lock. What goes over to another take with the next run is no orphan, and goes now.

    A take with a purchase in doubt or unfinished stays, with all its purchases. Returns what was
    found and whether it was done. Raises NothingSelected, LedgerHeld, LedgerError, LedgerBroken.
    """
    site = site_for(manifest, wish)
    paths = site.paths
    found = _prunable(manifest, standing(manifest, store.read(paths), site), wish)
    if not found.pruned or not agreed(found):
        return found, False
    meant = {p.uid for p in found.pruned}
    with store.open_ledger(paths, now) as held:
        held.begin_box()
        book = standing(manifest, held.book, site)
        found = _prunable(manifest, book, wish)
        found = replace(found, pruned=[p for p in found.pruned if p.uid in meant])
        try:
            append_new(paths.pruned, map(lock_line, found.pruned))
        except OSError as error:
            raise LedgerError(
                _(
                    "{pruned}: cannot be written, so nothing was pruned: {error}",
                    pruned=paths.pruned,
                    error=error,
                )
            ) from error
        if held.box and found.pruned:
            held.box.keep_pruned([*map(lock_line, found.pruned)])
        held.replace(_without(book, found.pruned))
    return found, True


def _without(book: Book, pruned: Iterable[Purchase]) -> Book:
    """Return the book as it is without what is pruned."""
    gone = {p.uid for p in pruned}
    left = [p for p in book.purchases.values() if p.uid not in gone]
    return Book(left, lineage=book.lineage, serial=book.serial, plans=book.plans, lost=book.lost)


def _prunable(manifest: Manifest, book: Book, wish: Wish) -> Prunable:
    unwanted = orphans(book, as_known(manifest, book).takes)
    if not unwanted:
        if wish.select:
            raise NothingSelected(
                _(
                    "{path}: everything in the ledger is in the manifest; nothing to prune",
                    path=manifest.path,
                )
            )
        return Prunable([], [])
    keys = select(unwanted, book, wish.select, wish.exclude)
    pruned: list[Purchase] = []
    kept: list[Purchase] = []
    for shot in unwanted:
        if shot.key not in keys:
            continue
        purchases = book.of(shot.id, shot.take)
        open_ones = [p for p in purchases if p.state in IN_DOUBT | UNFINISHED]
        if open_ones:
            kept += open_ones
        else:
            pruned += purchases
    spent = spending([pruned], manifest.prices)
    return Prunable(in_order(pruned), in_order(kept), spent)
