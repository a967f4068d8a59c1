"""How a single runner buys where hosts of a cluster may buy too: it makes the same claims, under
the same ids, and tells the store its answers.

The ledger is the runner's black box: what the store has not taken is handed in at its next start.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import anyio
import anyio.to_thread

from klingflow.cluster import batches
from klingflow.cluster.exclusive import claim
from klingflow.cluster.giving_back import give_back_of
from klingflow.cluster.hand import Since, Waits, answer_name
from klingflow.cluster.ordering import next_uid
from klingflow.cluster.orders import OrdersDamaged
from klingflow.cluster.reading import Reader, Told, told_by
from klingflow.cluster.store import PutOnce
from klingflow.errors import StoreAway
from klingflow.ledger.book import Book
from klingflow.ledger.handed_over import claimant, claimed
from klingflow.ledger.lifecycle import RANK
from klingflow.ledger.lines import journal_line
from klingflow.model import Purchase
from klingflow.runner.context import Job
from klingflow.words import _

T = TypeVar("T")
_PAUSE_S: Final = 1.0


class Claims:
    """The claims of one runner for one ledger. `goes_on` says whether the run still wants to wait
    for the store.
    """

    def __init__(
        self,
        store: PutOnce,
        *,
        host: str,
        nonce: Callable[[], str],
        waits: Waits | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._host, self._nonce = store, host, nonce
        self._waits = waits or Waits()
        self._clock, self._wall = clock, wall
        self._since: dict[str, Since] = {}

    def uid(self, book: Book, shot: str, take: int, attempt: int) -> str:
        """Return the uid of the next try of an attempt."""
        return next_uid(book, shot, take, attempt)

    def named(self, intent: Purchase) -> Purchase:
        """Return an intent as this execution claims it."""
        return claimed(intent, host=self._host, nonce=self._nonce())

    async def claim(self, intent: Purchase, goes_on: Callable[[], bool]) -> Purchase | None:
        """Claim the right to send the POST of a `named` intent. Return None where it is ours,
        otherwise the claim that is there. Raises StoreAway once the run does not go on, and for a
        claim that nobody can read.
        """
        self._since[intent.uid] = Since(self._clock(), self._wall())

        def away(error: StoreAway) -> None:
            if not goes_on():
                raise error

        try:
            pause = partial(anyio.sleep, _PAUSE_S)
            return await claim(self._store, intent, away=away, pause=pause)
        except OrdersDamaged as error:
            raise StoreAway(_("its claim cannot be read: {error}", error=error)) from error

    def is_fresh(self, intent: Purchase) -> bool:
        """True if a claim is so young that nobody can have called it a doubt."""
        since = self._since.pop(intent.uid)
        age_s = max(self._clock() - since.clock, self._wall() - since.wall)
        return age_s <= self._waits.claim_s

    async def answered(self, purchase: Purchase, goes_on: Callable[[], bool]) -> None:
        """Tell the store what became of a claim of ours. Where the run does not go on, the next
        start tells it.
        """
        work = partial(self._store.put, answer_name(purchase), journal_line(purchase))
        try:
            await self._patiently(work, goes_on)
        except StoreAway:
            return

    async def hand_in(self, book: Book) -> None:
        """Tell the store what a ledger knows of claims that nobody has answered there, and of those
        that it has lost. Raises StoreAway.
        """
        await anyio.to_thread.run_sync(give_back_of, book, self._store)
        told = await anyio.to_thread.run_sync(told_by, self._store, book)
        for purchase in owed(book.purchases.values(), told, self._host):
            work = partial(self._store.put, answer_name(purchase), journal_line(purchase))
            await anyio.to_thread.run_sync(work)

    async def video(self, purchase: Purchase, target: Path) -> bool:
        """Copy the video that a host has brought to where the bytes for `target` go. Return False
        where the store does not have it, or is away.
        """
        with suppress(StoreAway):
            return await anyio.to_thread.run_sync(batches.has_copied, self._store, purchase, target)
        return False

    async def fold(self, job: Job, at: str) -> None:
        """Let the ledger know what hosts have done meanwhile, and bring their videos home. A store
        that is away says nothing. Raises LedgerBroken.
        """
        with suppress(StoreAway):
            await batches.fold_in(job, Reader(self._store, job.ledger.book.lineage), at)

    async def _patiently(self, work: Callable[[], T], goes_on: Callable[[], bool]) -> T:
        while True:
            try:
                return await anyio.to_thread.run_sync(work)
            except StoreAway:
                if not goes_on():
                    raise
            await anyio.sleep(_PAUSE_S)


def owed(purchases: Iterable[Purchase], told: Told, host: str) -> Iterator[Purchase]:
    """Yield what a ledger knows of claims in the store, and the store does not. A doubt counts for
    claims of this `host` alone: only there does its ledger's lock tell that nobody sends them.
    """
    claims = {a.uid: who[0] for a in told.accounts if (who := claimant(a)) is not None}
    known: dict[str, int] = {}
    for account in told.accounts:
        known[account.uid] = max(known.get(account.uid, 0), RANK[account.state])
    for purchase in purchases:
        is_ours = purchase.state != "in_doubt" or claims.get(purchase.uid) == host
        if purchase.uid in claims and is_ours and _says_more(purchase, known[purchase.uid]):
            yield purchase


def _says_more(purchase: Purchase, rank: int) -> bool:
    """True if it has an outcome, and the store has none that says as much of whether it was
    bought.
    """
    if purchase.state == "intent":
        return False
    return min(RANK[purchase.state], RANK["submitted"]) > rank
