"""Between a ledger and the store: shots are handed over, and what became of them comes back.

The lock stays the record. Whoever folds the store into it, and however often, ends in the same
purchase lines: all of them are made of what the store holds, by the rules by which any two
accounts of one purchase become one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial

import anyio
import anyio.to_thread

from klingflow.cluster.orders import Page, Terms, as_bytes, page_name, pages
from klingflow.cluster.reading import Reader, Told
from klingflow.cluster.store import PutOnce
from klingflow.cluster.waits import Supply, Waits, finished, supply_of, waits_of
from klingflow.errors import StoreAway
from klingflow.ledger.book import Book, contradicting, doubt, fold
from klingflow.ledger.handed_over import bought_again, is_at_cluster, retry_of, store_of
from klingflow.ledger.moments import moment
from klingflow.ledger.store import Ledger
from klingflow.ledger.uids import attempt_of, film_of
from klingflow.model import Purchase

_PAUSE_S = 1.0
# A create ends within minutes (`Waits`); the clocks of two hosts may differ by more.
_ANSWERED_WITHIN_S = 3600.0


def _finished(told: Told, book: Book) -> Iterator[Purchase]:
    """The orders that waited, with their final bodies, as soon as what they need is done: so a shot
    that was given another id meanwhile is found again by its body.

    Each is the same for whoever makes it: it is as old as what it waited for.
    """
    waiting = _waiting(told, book)
    if not waiting:
        return
    done = _done([*told.accounts, *book.purchases.values()])
    for order, waits in waiting:
        sources = {attempt_of(uid) for uid in waits.orders}
        if sources <= done.keys():
            with suppress(KeyError):  # a text that the gateway did not give: its host says so
                yield _final(order, waits, {attempt: done[attempt] for attempt in sources})


def _waiting(told: Told, book: Book) -> list[tuple[Purchase, Waits]]:
    """Return the orders whose bodies the book does not know as final, with what each waits for."""
    orders = (*told.ordered.values(), *filter(is_at_cluster, book.purchases.values()))
    open_ = [order for order in orders if _is_open(book.purchases.get(order.uid, order))]
    return [(order, waits) for order in open_ if (waits := waits_of(order))]


def _final(order: Purchase, waits: Waits, sources: Mapping[str | None, Purchase]) -> Purchase:
    """Return an order as its sources make it. Raises KeyError for a text that none of them has."""
    needs = {need: _supplied(supply, sources) for need, supply in waits.needs.items()}
    last = finished(order, waits, needs)
    updated = max(p.times["updated"] for p in (order, *sources.values()))
    return replace(last, times={**order.times, "updated": updated})


def _done(known: Iterable[Purchase]) -> dict[str | None, Purchase]:
    """Return the purchases that have their videos, by what the uids of all tries of their orders
    have in common: those that were bought again for failed ones stand for these.
    """
    known = [*known]
    done = {attempt_of(p.uid): p for p in known if p.state == "done"}
    failed = {attempt_of(p.uid): attempt_of(uid) for p in known if (uid := bought_again(p))}
    for attempt in failed:
        passed, last = {attempt}, failed[attempt]
        while last in failed and last not in passed:
            passed.add(last)
            last = failed[last]
        if last in done:
            done.setdefault(attempt, done[last])
    return done


def _is_open(purchase: Purchase) -> bool:
    return purchase.state == "intent" and not purchase.fingerprint


def _supplied(supply: Supply, done: Mapping[str | None, Purchase]) -> Supply:
    return supply_of(done[attempt_of(supply.order)]) if supply.order else supply


def folded(book: Book, told: Told, now: str) -> list[Purchase]:
    """Return the purchases of which the store knows more than the book, as they are by both. What
    contradicts is among the book's problems; the store keeps it.

    A claim of another runner's is left out while its answer may be on its way: it is no doubt, and
    whoever tries to buy the shot meets the claim itself. After that it is a doubt: its runner died,
    perhaps before its own ledger had the intent, and nobody else would ever tell of it.
    """
    news, doubts = [], []
    for purchase in _merged(book, told):
        if book.purchases.get(purchase.uid) == purchase:
            continue
        if not _is_others_claim(purchase, book):
            news.append(purchase)
        elif is_late(purchase, now):
            doubts.append(doubt(purchase, None))
    return news + doubts


def _merged(book: Book, told: Told) -> list[Purchase]:
    """Return what the store and the book know together of the purchases that the store names.
    Pruned ones stay away.
    """
    stay_away = book.pruned.keys()
    accounts = [a for a in (*told.accounts, *_finished(told, book)) if a.uid not in stay_away]
    doubts = [doubt for doubt in told.doubts if doubt.uid not in stay_away]
    named = {account.uid for account in (*accounts, *doubts)}
    known = [book.purchases[uid] for uid in named & book.purchases.keys()]
    merged, contradicted = fold([*known, *accounts], doubts)
    problems = (*told.problems, *map(contradicting, contradicted))
    book.problems += [problem for problem in problems if problem not in book.problems]
    return merged


def _is_others_claim(purchase: Purchase, book: Book) -> bool:
    is_open = purchase.state == "intent" and not is_at_cluster(purchase)
    return is_open and purchase.uid not in book.purchases


def is_late(claim: Purchase, now: str) -> bool:
    """True if no answer of a claim is on its way any more, however the clocks of hosts differ."""
    begun, here = moment(claim.times.get("intent")), moment(now)
    return not (begun and here) or (here - begun).total_seconds() > _ANSWERED_WITHIN_S


# ---------------------------------------------------------------- handing over


def left_over(book: Book, told: Told, store: PutOnce) -> list[Purchase]:
    """Return the intents that were to be handed over at this store, but no page holds them: the
    follower died in between.
    """
    return [
        purchase
        for purchase in book.purchases.values()
        if is_at_cluster(purchase)
        and store_of(purchase) == store.identity
        and attempt_of(purchase.uid) not in told.ordered
        and not retry_of(purchase)  # its order is that of the one that failed
    ]


def batch_of(lineage: str, at: str, nonce: str) -> str:
    """Return the name of a new batch: a store lists a film's batches together, oldest first."""
    digits = "".join(c for c in at if c.isdigit())
    return f"{film_of(lineage)}-{digits[:17]}-{nonce}"


async def hand_over(
    ledger: Ledger,
    store: PutOnce,
    terms: Terms,
    intents: Iterable[Purchase],
    addresses: Mapping[str, str] | None = None,
) -> list[Page]:
    """Hand intents over: first they are in the lock, durably, so that nobody beside the cluster
    buys them; then their pages are in the store, however long it is away. `addresses` as for
    `pages`.

    Raises LedgerBroken, and then nothing was handed over.
    """
    wanted = list(intents)
    if not wanted:
        return []
    await ledger.record(*wanted)
    await ledger.fold()
    made = pages(terms, wanted, addresses)
    for page in made:
        name = page_name(terms.batch, page.number)
        await _patiently(partial(store.put, name, as_bytes(page)))
    return made


async def _patiently(work: Callable[[], bool]) -> bool:
    while True:
        try:
            return await anyio.to_thread.run_sync(work)
        except StoreAway:
            await anyio.sleep(_PAUSE_S)


async def fold_in(ledger: Ledger, reader: Reader, now: str) -> Mapping[str, Purchase]:
    """Let a ledger that is held know what the store knows, durably. Return what has changed, by
    uid. Raises StoreAway, LedgerBroken.
    """
    told = await anyio.to_thread.run_sync(reader.told, ledger.book)
    changed = folded(ledger.book, told, now)
    if changed:
        await ledger.record(*changed)
    return {purchase.uid: purchase for purchase in changed}
