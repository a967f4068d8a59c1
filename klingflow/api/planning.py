"""What a run would do now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from klingflow.api import links
from klingflow.api.loading import without_collector
from klingflow.api.site import Wish, site_of
from klingflow.decide.allotment import allotted
from klingflow.decide.plan import make_plan
from klingflow.decide.select import select as select_keys
from klingflow.decide.spending import spending
from klingflow.errors import NothingSelected
from klingflow.ledger import files, store
from klingflow.ledger.book import Book
from klingflow.ledger.places import Site
from klingflow.model import Limits, Manifest, Plan


def plan(
    manifest: Manifest, wish: Wish = Wish(), *, origin: str = "", limits: Limits | None = None
) -> Plan:
    """Return what a run would do now. Reads the ledger and the outputs; changes nothing, needs no
    network.

    `origin` is the address of the run's gateway, "" while it is unknown; `limits` are the run's, by
    default the manifest's. Raises NothingSelected,
    LedgerError, UsageError.
    """
    site = site_of(manifest.path, wish, origin)
    book = book_of(manifest, site)
    made = planned(manifest, book, site, selected_keys(manifest, book, wish), wish.rerun)
    return allotted([made], manifest.limits if limits is None else limits)[0]


def selected(manifest: Manifest, wish: Wish) -> set[str] | None:
    """Return the keys of the shots that are meant, None for all. Reads the ledger only if there is
    a selection.
    """
    if not (wish.select or wish.exclude):
        return None
    return selected_keys(manifest, book_of(manifest, site_of(manifest.path, wish)), wish)


def selected_keys(manifest: Manifest, book: Book, wish: Wish) -> set[str] | None:
    """As `selected`, by a book that is read already. Raises NothingSelected."""
    if not (wish.select or wish.exclude):
        return None
    keys = select_keys(manifest.shots, book, wish.select, wish.exclude)
    if not keys:
        raise NothingSelected(f"{manifest.path}: no shot matches the selection")
    return keys


def book_of(manifest: Manifest, site: Site) -> Book:
    """Return what the ledger says, for looking at. Raises LedgerError."""
    book = store.read(site.paths)
    book.problems += links.problems(site, manifest)
    book.recall(manifest.takes)
    return book


def planned(
    manifest: Manifest,
    book: Book,
    site: Site,
    keys: set[str] | None = None,
    rerun: frozenset[str] = frozenset(),
) -> Plan:
    """Return the plan by a book that is read already; `keys` None means every shot."""
    facts = files.facts(site.folder, files_of(book), site.facts)
    placed = site.placed(manifest)
    with without_collector():
        made = make_plan(placed, book, facts, rerun=rerun, origin=site.origin, selected=keys)
        return replace(made, spending=spending([book.everything()], manifest.prices))


def files_of(book: Book) -> Iterable[str]:
    """The outputs that the ledger knows, relative to the manifest's folder."""
    return {p.output for p in book.purchases.values() if p.output and p.sha256}
