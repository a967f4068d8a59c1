"""The store of claims that the user's environment names, and what follows from it for a command:
what hosts have bought is taken in first, and a run claims what it buys.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from klingflow.api.site import now
from klingflow.api.state import chosen_state
from klingflow.cluster.address import CLAIMS
from klingflow.errors import StoreAway, UsageError
from klingflow.ledger.book import Book
from klingflow.ledger.places import Site
from klingflow.model import Problem, Purchase

if TYPE_CHECKING:
    from klingflow.cluster.store import PutOnce
    from klingflow.runner.context import Claims


def store_of(site: Site, environ: Mapping[str, str] | None = None) -> PutOnce | None:
    """Return the store of claims of a ledger; None where the environment names none, and for the
    sandbox. Raises UsageError, StoreAway.
    """
    address = (os.environ if environ is None else environ).get(CLAIMS, "").strip()
    if not address or site.in_sandbox:
        return None
    from klingflow.cluster.store import open_store  # for start-up

    return open_store(address, os.environ if environ is None else environ, chosen_state())


def fold_first(
    book: Book,
    site: Site,
    enter: Callable[[Iterable[Purchase]], None] | None,
    *,
    needed: bool = True,
    store: PutOnce | None = None,
) -> None:
    """Let a book know what the store of claims knows: `store`, by default that of the environment.
    `enter` is for a ledger that is written.

    Raises UsageError and StoreAway where the store cannot be read. Who buys nothing does without
    (`needed` False): then it is one of the book's problems.
    """
    try:
        changed = _news(book, store or store_of(site))
    except (StoreAway, UsageError) as error:
        if needed:
            raise
        book.problems.append(Problem("store_away", detail=str(error)))
        return
    for purchase in changed:
        book.put(purchase)
    if enter is not None and changed:
        enter(changed)


def _news(book: Book, store: PutOnce | None) -> list[Purchase]:
    """Return what the store knows and the book does not. Raises StoreAway."""
    if store is None:
        return []
    from klingflow.cluster.follow import folded  # for start-up
    from klingflow.cluster.reading import told_by

    return folded(book, told_by(store, book), now())


def claims_of(site: Site, *, buying: bool = True, store: PutOnce | None = None) -> Claims | None:
    """Return the claims of a run at a `store`, by default that of the environment; None without
    one. Raises UsageError and StoreAway; a run that buys nothing does without a store then.
    """
    try:
        store = store or store_of(site)
    except (StoreAway, UsageError):
        if buying:
            raise
        return None
    if store is None:
        return None
    from klingflow.cluster.claims import Claims  # for start-up
    from klingflow.cluster.store import prove

    if buying:
        prove(store)
    return Claims(store, host=socket.gethostname(), nonce=lambda: secrets.token_hex(16))
