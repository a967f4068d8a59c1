"""What a store has lost since it was put back from a backup, given back by those who know it: the
claims and answers of a host from its black boxes, those of a film from its lock.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Final

import anyio.to_thread

from klingflow.cluster import accounts
from klingflow.cluster.hand import Hand, answer_name
from klingflow.cluster.store import PURCHASES, PutOnce, told_of
from klingflow.ledger.book import Book
from klingflow.ledger.handed_over import CLAIM, CLUSTER, claimant, is_withdrawn, store_of
from klingflow.ledger.lifecycle import advance, begun_as
from klingflow.ledger.lines import journal_line
from klingflow.ledger.uids import film_of, try_of
from klingflow.model import Purchase
from klingflow.words import _

_CLAIMED: Final = (CLUSTER, CLAIM)


def lost_of(book: Book, store: str, names: Container[str]) -> Iterator[Purchase]:
    """Yield the purchases of a book that were bought at the store of this identity, or claimed by a
    run that names none, and whose claim, or task, is not among the `names` there any more.
    """
    begin = f"{film_of(book.lineage)}-"
    for purchase in (*book.purchases.values(), *book.pruned.values()):
        at = store_of(purchase)
        is_here = at == store if at else claimant(purchase) is not None
        is_ours = try_of(purchase.uid) is not None and purchase.uid.startswith(begin)
        may_be_bought = purchase.state != "intent" and is_here and is_ours
        if may_be_bought and not _is_told(purchase, names):
            yield purchase


def _is_told(purchase: Purchase, names: Container[str]) -> bool:
    """True if a store of these names has the claim of a purchase, and its answer where that has
    named a task: without it nobody looks after what was bought.
    """
    has_answer = purchase.task_id is None or told_of(purchase.uid, "answer") in names
    return has_answer and told_of(purchase.uid, "intent") in names


def give_back_of(book: Book, store: PutOnce, names: Collection[str] | None = None) -> int:
    """Give a store what a book knows that was bought there, and that the store has lost: whose
    claim is not among the `names` of its film's objects, which by default are asked for. Return of
    how many purchases: a list may be older than the store. Blocks; raises StoreAway.
    """
    if names is None:
        names = store.names(PURCHASES, f"{film_of(book.lineage)}-")
    lost = lost_of(book, store.identity, frozenset(names))
    return sum(_has_put(store, objects_of(purchase)) for purchase in lost)


def _has_put(store: PutOnce, objects: Mapping[str, bytes]) -> bool:
    """Put objects in turn. Return False where all of them are there."""
    made = [store.put(name, line) for name, line in objects.items()]
    return any(made)


def objects_of(purchase: Purchase) -> dict[str, bytes]:
    """Return the objects by which a store knows of a purchase that nobody may buy it again, and
    which task it has: by their names, the claim first.
    """
    name = told_of(purchase.uid, "intent")
    if is_withdrawn(purchase):
        return {name: journal_line(purchase)}
    claim = _claim_of(purchase)
    if purchase.state == "intent":
        return {name: journal_line(claim)}
    answer = purchase if purchase.task_id is None else _accepted(claim, purchase)
    return {name: journal_line(claim), answer_name(answer): journal_line(answer)}


def _claim_of(purchase: Purchase) -> Purchase:
    at = purchase.times.get("intent") or purchase.times["updated"]
    told = purchase.evidence or {}
    evidence = {name: told[name] for name in _CLAIMED if name in told}
    return replace(begun_as(purchase, at), evidence=evidence)


def _accepted(claim: Purchase, purchase: Purchase) -> Purchase:
    at = purchase.times.get("submitted") or purchase.times["updated"]
    answer = advance(claim, "accepted", at, task_id=purchase.task_id)
    return replace(answer, billed_tier=purchase.billed_tier)


async def give_back(hand: Hand) -> None:
    """Give the store what this host has sent, and it does not know. Raises OSError where the black
    boxes cannot be read.
    """
    names = set(await hand.patiently(partial(hand.store.names, PURCHASES)))
    for purchase in await anyio.to_thread.run_sync(hand.box.sent):
        if not _is_told(purchase, names):
            await put_back(hand, purchase)


async def put_back(hand: Hand, purchase: Purchase) -> None:
    """Give the store one purchase that this host has sent."""
    for name, line in objects_of(purchase).items():
        await hand.put(name, line)


async def forgotten(hand: Hand, account: str) -> str:
    """Return why nothing may be bought at this store; "" where it has what this host knows was
    there, or a person has said since that an account may go on.

    What this host has sent is given back first. Then the account is stopped, in the store, as a
    person stops it: hosts that know of nothing read it there. Raises UsageError where nobody can
    read what was said of the account, and OSError as `give_back`.
    """
    if await hand.patiently(hand.ticks.look):
        return ""
    said = await hand.patiently(partial(accounts.last_said, hand.store, account))
    is_stopped = said is not None and said.settings.stopped
    if hand.ticks.stopped is None:
        await give_back(hand)
        if said is None or not is_stopped:
            stop = partial(accounts.say, hand.store, account, {"stopped": True})
            said = await hand.patiently(stop)
        hand.ticks.stop(said.number)
    elif said is not None and not is_stopped and said.number > hand.ticks.stopped:
        await hand.patiently(hand.ticks.accept)
        return ""
    return _(
        "the store {described} has lost what {host} knows was there: was it put back from a"
        " backup? Then it has lost claims as well, and shots may be bought twice. {host} has given"
        " back what it has sent; start every host that has bought, and run every film with"
        " --cluster --detach, before you resume",
        described=hand.store.described,
        host=hand.host,
    )
