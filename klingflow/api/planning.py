"""What a run would do now."""

from __future__ import annotations

from collections.abc import Iterable

from klingflow.api.loading import without_collector
from klingflow.api.site import Wish, folder_of, in_sandbox, paths_of, takes_of
from klingflow.decide.plan import make_plan
from klingflow.decide.select import select as select_keys
from klingflow.errors import NothingSelected
from klingflow.ledger import files, store
from klingflow.ledger.book import Book
from klingflow.model import Manifest, Plan


def plan(manifest: Manifest, wish: Wish = Wish(), *, origin: str = "") -> Plan:
    """What a run would do now. Reads the ledger and the outputs; changes nothing, needs no network.

    Raises NothingSelected, LedgerError, UsageError.
    """
    book = book_of(manifest, wish)
    manifest = in_sandbox(manifest) if wish.sandbox else manifest
    return planned(manifest, book, selected_keys(manifest, book, wish), wish.rerun, origin)


def selected(manifest: Manifest, wish: Wish) -> set[str] | None:
    """The keys of the shots that are meant; None for all. Reads the ledger only if there is a
    selection.
    """
    if not (wish.select or wish.exclude):
        return None
    return selected_keys(manifest, book_of(manifest, wish), wish)


def selected_keys(manifest: Manifest, book: Book, wish: Wish) -> set[str] | None:
    if not (wish.select or wish.exclude):
        return None
    keys = select_keys(manifest.shots, book, wish.select, wish.exclude)
    if not keys:
        raise NothingSelected(f"{manifest.path}: no shot matches the selection")
    return keys


def book_of(manifest: Manifest, wish: Wish) -> Book:
    """What the ledger says, for looking at. Raises LedgerError, UsageError."""
    book = store.read(paths_of(manifest, wish))
    book.recall(takes_of(manifest))
    return book


def planned(
    manifest: Manifest, book: Book, keys: set[str] | None, rerun: frozenset[str], origin: str
) -> Plan:
    hidden = store.ledger_paths(manifest.path).hidden
    facts = files.facts(folder_of(manifest), files_of(book), hidden / "files.json")
    with without_collector():
        return make_plan(manifest, book, facts, rerun=rerun, origin=origin, selected=keys)


def files_of(book: Book) -> Iterable[str]:
    """The outputs that the ledger knows, relative to the manifest's folder."""
    return {p.output for p in book.purchases.values() if p.output and p.sha256}
