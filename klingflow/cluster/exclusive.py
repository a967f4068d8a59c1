"""The claim, which one execution makes and nobody else: whoever has it may send the POST. All
others wait for what becomes of it.

Who claims (hands.py, claims.py), and who settles an order by hand (verdicts.py), does so here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, Protocol

import anyio.to_thread

from klingflow.cluster.hand import Waits, answer_name, line_in
from klingflow.cluster.orders import OrdersDamaged, unreadable
from klingflow.cluster.store import Chapter, PutOnce, told_of
from klingflow.errors import StoreAway
from klingflow.ledger.book import doubt
from klingflow.ledger.handed_over import claimant
from klingflow.ledger.lines import journal_line
from klingflow.model import Purchase

# What says what became of a claim; the first that is there counts, except that a person's word
# outranks an answer that names no task.
_ANSWERS: Final[tuple[Chapter, ...]] = ("answer", "resolved", "doubt")


async def claim(
    store: PutOnce,
    intent: Purchase,
    *,
    away: Callable[[StoreAway], None],
    pause: Callable[[], Awaitable[None]],
) -> Purchase | None:
    """Claim the right to send a POST. Return None where it is ours, otherwise the claim that is
    there.

    What is read back counts, by the nonce, and not what the put was answered: nobody may have seen
    its end, and a store may take a second put once in a while. So a claim that is there is never
    put over. `away` is called where the store cannot be reached, and raises to give up; `pause`
    waits before the next try. Raises OrdersDamaged for a claim that nobody can read.
    """
    name, data = told_of(intent.uid, "intent"), journal_line(intent)
    while True:
        try:
            there = await anyio.to_thread.run_sync(store.get, name)
            if there is None:
                await anyio.to_thread.run_sync(partial(store.put, name, data))
                there = await anyio.to_thread.run_sync(store.get, name)
        except StoreAway as error:
            there = None
            away(error)
        if there is not None:
            theirs = line_in(there, name)
            return None if claimant(theirs) == claimant(intent) else theirs
        await pause()


class Waiting(Protocol):
    """Whoever waits for the answer to another's claim, such as a `Hand`."""

    @property
    def waits(self) -> Waits:
        """How long things take."""
        ...

    @property
    def clock(self) -> Callable[[], float]:
        """Gives monotonic seconds."""
        ...

    @property
    def now(self) -> Callable[[], str]:
        """Gives UTC as ISO 8601."""
        ...

    async def put(self, name: str, data: bytes) -> bool:
        """Put an object. Return False where there is one."""
        ...

    async def line(self, name: str) -> Purchase | None:
        """Get the purchase that an object holds; None where there is none. Raises OrdersDamaged."""
        ...

    async def pause(self, seconds: float) -> None:
        """Sleep."""
        ...


async def answered(waiting: Waiting, claim: Purchase, within_s: float | None = None) -> Purchase:
    """Return what became of another's claim. Its answer is waited for as long as the longest create
    takes, or `within_s`; after that it is in doubt, until an answer comes all the same. It is in
    doubt at once where nobody can read what the store has of it.
    """
    if claim.state != "intent":  # the claim itself says that it is not used
        return claim
    began, look_s = waiting.clock(), waiting.waits.look_s
    longest_s = waiting.waits.answer_s if within_s is None else within_s
    while True:
        try:
            if (found := await _answer(waiting, claim.uid)) is not None:
                return found
        except OrdersDamaged:
            told = unreadable(claim, waiting.now())
            await waiting.put(answer_name(told), journal_line(told))
            return told
        if waiting.clock() - began >= longest_s:
            told = doubt(claim, waiting.now())
            await waiting.put(answer_name(told), journal_line(told))
        else:
            await waiting.pause(look_s)
            look_s = min(1.5 * look_s, waiting.waits.longest_look_s)


async def _answer(waiting: Waiting, uid: str) -> Purchase | None:
    """Return the first that says what became of a claim; None where nothing is there. Raises
    OrdersDamaged where nothing that is there can be read.
    """
    damaged: OrdersDamaged | None = None
    for chapter in _ANSWERS:
        try:
            found = await waiting.line(told_of(uid, chapter))
            if found is not None and chapter == "answer" and found.task_id is None:
                found = await waiting.line(told_of(uid, "resolved")) or found
            if found is not None:
                return found
        except OrdersDamaged as error:
            damaged = error
    if damaged is not None:
        raise damaged
    return None
