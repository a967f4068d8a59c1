"""PURE. Several ledgers of one manifest as one: the same, whatever their order and however they are
grouped.

The rules for purchases are those of every fold (klingflow.ledger.book); here are those for ledgers
as wholes. Of two lineages the smaller one stays and of the serials the largest, so that nothing
depends on who merges whom.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from klingflow.ledger.book import Book, fold, in_order, superseded
from klingflow.model import Purchase


@dataclass(frozen=True, slots=True)
class Telling:
    """What one ledger, or a part of one, says. `doubts` are what its damaged lines may have been
    about.
    """

    accounts: Sequence[Purchase]
    doubts: Sequence[Purchase] = ()
    lineages: frozenset[str] = frozenset()
    serial: int = 0


@dataclass(frozen=True, slots=True)
class United:
    """One ledger out of several: its purchases in the lock's order, and the accounts that
    contradict them.
    """

    purchases: Sequence[Purchase]
    contradicting: Sequence[Purchase]
    lineage: str
    serial: int


def unite(tellings: Iterable[Telling]) -> United:
    """Return all that the ledgers know. No task id is lost: it is in a purchase, or in an account
    that contradicts one.

    Merging in several steps gives the same ledger, with one exception: an account that was set
    aside at one step (another task of the same attempt) is not there at the next. Each purchase
    then has the same task, and less may be known of it.
    """
    tellings = list(tellings)
    accounts = in_order(account for telling in tellings for account in telling.accounts)
    doubts = sorted((d for telling in tellings for d in telling.doubts), key=_evidence)
    told, contradicting = fold(accounts, doubts)
    purchases = in_order(told)
    dropped = superseded(purchases)
    lineages = frozenset[str]().union(*(telling.lineages for telling in tellings))
    return United(
        [p for p in purchases if p.uid not in dropped],
        in_order(contradicting),
        min(lineages, default=""),
        max((telling.serial for telling in tellings), default=0),
    )


def telling_of(book: Book) -> Telling:
    """Return what a book says."""
    return Telling(list(book.purchases.values()), (), frozenset({book.lineage} - {""}), book.serial)


def _evidence(purchase: Purchase) -> str:
    return json.dumps(dict(purchase.evidence or {}), sort_keys=True, default=str)
