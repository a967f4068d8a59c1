"""Buying at a cluster: `page`, `buy` and `hand_in`. Knows no engine: each may run
several times, on any host, at once.

`buy` reads from top to bottom: the order is read; its body becomes final, and what it refers to has
an address; the granted moment is waited for; the black box has that a claim is about to be made; it
is made, exclusively; the black box has that it is about to be used; the bytes are sent, once; the
reply is read; the black box has the answer; the store has it. Whoever finds the claim taken sends
nothing and waits for the answer. Whatever dies in between, no second execution ever gets the claim;
and a host that starts again knows which of its claims it has certainly not used.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import anyio.to_thread

from klingflow.cluster import handbox, supplies
from klingflow.cluster.address import CLAIMS
from klingflow.cluster.exclusive import answered, claim
from klingflow.cluster.giving_back import put_back
from klingflow.cluster.hand import Hand, Leave, Since, answer_name, bought, unbroken
from klingflow.cluster.orders import (
    OrdersDamaged,
    Page,
    Ref,
    Terms,
    contents,
    from_bytes,
    is_answer,
    page_name,
    unused,
    withdrawn,
)
from klingflow.cluster.reports import Bought
from klingflow.cluster.store import told_of
from klingflow.cluster.supplies import NotComeYet, Unsendable
from klingflow.cluster.waits import allowed_by
from klingflow.decide import patience
from klingflow.decide.belief import believed_of_create
from klingflow.decide.creates import settled
from klingflow.errors import LedgerBroken, StoreAway
from klingflow.gateway.create_replies import read_create
from klingflow.gateway.outcomes import CreateOutcome, Doubtful, Refused, Unsent
from klingflow.ledger.book import doubt
from klingflow.ledger.handed_over import claimant, claimed
from klingflow.ledger.lines import journal_line
from klingflow.model import Purchase
from klingflow.words import _

# A grant that is older has missed its turn: after an outage all of them would go at once.
LATE_S: Final = 5.0
_PAGES_KEPT = 64


class PageMissing(Exception):
    """The store of this host does not have a page of a `batch`. Another host's may have it."""

    def __init__(self, batch: str, why: str) -> None:
        super().__init__(why)
        self.batch = batch


@dataclass(frozen=True, slots=True)
class _Ready:
    """An order whose body is final, and the bytes that are sent for it; or the claim that somebody
    has made, and no bytes.
    """

    order: Purchase
    body: bytes
    theirs: Purchase | None = None


@dataclass(frozen=True, slots=True)
class _Sent:
    """What became of a claim of ours. The black box has the answer, except where it is `broken`."""

    answer: Purchase
    outcome: CreateOutcome
    broken: LedgerBroken | None = None


async def page(hand: Hand, batch: str, number: int) -> Page:
    """Return a page of orders, however long the store is away.

    Raises OrdersDamaged for one that cannot be believed, and PageMissing for one that the store
    does not come to have.
    """
    known = hand.pages.get((batch, number))
    if known is not None:
        return known
    name = page_name(batch, number)
    if (data := await hand.get(name)) is None:
        data = await _awaited(hand, batch, name)
    found = from_bytes(data, batch, number)
    if len(hand.pages) >= _PAGES_KEPT:
        hand.pages.clear()
    hand.pages[batch, number] = found
    return found


async def _awaited(hand: Hand, batch: str, name: str) -> bytes:
    """Return a page that a store does not have: the wrong store, or one that is behind. Raises
    PageMissing.
    """
    why = _(
        "{store} does not have {name}: {claims} has to lead to one store on every host, and"
        " where `run --cluster` hands over",
        store=hand.store.described,
        name=name,
        claims=CLAIMS,
    )
    if name not in hand.missed:
        hand.missed.add(name)
        hand.told(why)
    began = hand.clock()
    while (data := await hand.get(name)) is None:
        if hand.clock() - began >= hand.waits.page_s:
            raise PageMissing(batch, _("host {host}: {why}", host=hand.host, why=why))
        await hand.pause(hand.waits.longest_look_s)
    hand.missed.discard(name)
    return data


async def buy(
    hand: Hand,
    ref: Ref,
    *,
    try_: int = 1,
    retry: int = 0,
    wait_s: float = 0.0,
    too_late: bool = False,
) -> Bought:
    """Buy an order, `wait_s` seconds from now, unless anybody has claimed this try of it before;
    `retry`: after so many of its tasks that have failed.

    `too_late`: the moment that was granted has passed; claim nothing, and only say what became of
    a claim that is there. Nothing is claimed at a store that has lost what it had. May be called
    again without end. Raises OrdersDamaged, and LedgerBroken
    where this host's black box cannot be written: then the host must buy nothing more. Cancelled
    after the claim, it first makes the answer durable in the black box.
    """
    found = await page(hand, ref.batch, ref.page)
    order, began = found.order(ref.number, try_, retry), hand.clock()
    ready = await _ready_or_not(hand, found, order, too_late=too_late)
    if isinstance(ready, Bought):
        return ready
    theirs = ready.theirs
    if theirs is None:
        left_s = wait_s - (hand.clock() - began)
        if too_late or left_s < -LATE_S:
            return Bought(order.uid, "late")
        await hand.pause(left_s)
        if not await hand.patiently(hand.ticks.leave):
            return Bought(order.uid, "late")
        try:
            done = await unbroken(partial(_claim_and_send, hand, found.terms, ready))
        except OrdersDamaged:
            done = ready.order  # somebody has claimed it, and nobody can read who
        if isinstance(done, _Sent):
            return await _delivered(hand, done)
        theirs = done
    if not is_answer(ready.order, theirs):
        return Bought(order.uid, "stale", reason=_("another body has its claim"))
    return bought(await answered(hand, theirs))


async def _ready_or_not(
    hand: Hand, page: Page, order: Purchase, *, too_late: bool
) -> _Ready | Bought:
    """Return an order as `_ready` does, or what is told of one that cannot be sent from here."""
    if order.origin != hand.origin:
        return Bought(order.uid, "stale", reason=_("it is for {origin}", origin=order.origin))
    try:
        return await _ready(hand, page, order, too_late=too_late)
    except NotComeYet:
        return Bought(order.uid, "stale", reason=_("what it needs has not come"))
    except Unsendable as error:
        return await _given_up(hand, order, str(error))


async def _ready(hand: Hand, page: Page, order: Purchase, *, too_late: bool) -> _Ready:
    """Return an order with the bytes to be sent for it, or with the claim that somebody has made.

    Raises NotComeYet, Unsendable.
    """
    last = page.named(await supplies.final(hand, order))
    refers = any(True for _ in contents(last.body))
    if too_late or refers:
        theirs = await _claim_there(hand, last)
        if theirs is not None or too_late:
            return _Ready(last, b"", theirs)
    found = await supplies.addresses(hand, page, last, allowed_by(order)) if refers else {}
    body = json.dumps(supplies.sent(last, found), ensure_ascii=False)
    return _Ready(last, body.encode())


async def _claim_there(hand: Hand, order: Purchase) -> Purchase | None:
    """Return the claim of an order; None where nobody has made it. One that nobody can read counts
    as a claim of this very order.
    """
    try:
        return await hand.line(told_of(order.uid, "intent"))
    except OrdersDamaged:
        return order


async def _given_up(hand: Hand, order: Purchase, why: str) -> Bought:
    """Claim an order that cannot be sent, for good: the claim says why, and no host waits for it.
    Where somebody has claimed it before, tell what became of that.
    """
    refused = withdrawn(order, host=hand.host, nonce=hand.nonce(), at=hand.now(), why=why)
    if await hand.put(told_of(order.uid, "intent"), journal_line(refused)):
        return bought(refused)
    theirs = await _claim_there(hand, order)
    assert theirs is not None, "claims stay"
    return bought(await answered(hand, theirs))


async def hand_in(hand: Hand, state: Path) -> list[Purchase]:
    """Give the store what ended processes of this host have left in their black boxes: answers,
    doubts for claims that may have been used, and for others the word that they were not. Return
    the purchases whose answer the store has otherwise; their files stay, and so does a file with a
    torn line, which may name a task. Raises OSError.
    """
    odd: list[Purchase] = []
    with handbox.left_behind(state, hand.store.identity) as found:
        for left in found:
            for claim in left.claiming:
                await _let_go(hand, claim, is_unused=left.is_whole and not left.is_copy)
            others = [p for p in left.purchases if not await _handed_in(hand, p)]
            odd += others
            if left.is_whole and not others:
                hand.box.retire(left)
    return odd


async def _let_go(hand: Hand, claim: Purchase, *, is_unused: bool) -> None:
    """Say of a claim that it was never used, or else that it is in doubt, if it was made at all. A
    claim of another host's is that host's to speak of, even where both share a disk.
    """
    try:
        there = await hand.line(told_of(claim.uid, "intent"))
    except OrdersDamaged:  # nobody can read whose it is
        return
    who = claimant(claim)
    is_ours = there is not None and claimant(there) == who
    if is_ours and who is not None and who[0] == hand.host:
        answer = unused(claim, hand.now()) if is_unused else doubt(claim, hand.now())
        await hand.put(answer_name(answer), journal_line(answer))


async def _handed_in(hand: Hand, purchase: Purchase) -> bool:
    """True if the store now has what a black box says of a purchase."""
    if purchase.state == "intent":
        purchase = doubt(purchase, hand.now())
    return await _is_taken(hand, purchase)


async def _is_taken(hand: Hand, answer: Purchase) -> bool:
    """Give the store an answer, however long the store is away. Return False where the store has
    another one, which stays.
    """
    name = answer_name(answer)
    if await hand.put(name, journal_line(answer)) or answer.state == "in_doubt":
        return True
    try:
        there = await hand.line(name)
    except OrdersDamaged:
        return False
    return there is not None and there.task_id == answer.task_id


def _intent(hand: Hand, order: Purchase) -> Purchase:
    """The order as this execution claims it."""
    at = hand.now()
    begun = replace(order, times={"intent": at, "updated": at})
    return claimed(begun, host=hand.host, nonce=hand.nonce())


async def _claim_and_send(
    hand: Hand, terms: Terms, ready: _Ready, leave: Leave
) -> _Sent | Purchase:
    """Send the POST if the claim is ours; otherwise return the claim that is there. What was sent
    from here before is never sent again, also where the store knows nothing of it.
    """
    if hand.box.has_sent(ready.order.uid):
        return await _given_back(hand, ready.order)
    intent, since = _intent(hand, ready.order), hand.begun()
    await hand.box.claiming(intent)
    theirs = await _claim(hand, intent, leave)
    if theirs is not None:
        hand.box.is_in_store(intent)
        return theirs
    hand.ticks.claimed(told_of(intent.uid, "intent"), journal_line(intent))
    outcome, broken = await _posted(hand, terms, intent, ready.body, since)
    answer = settled(intent, outcome, hand.now())
    try:
        await hand.box.keep(answer)
    except LedgerBroken as error:
        await hand.put(answer_name(answer), journal_line(answer))  # the only place that is left
        broken = broken or error
    if answer.task_id:
        hand.task_ids.add(answer.task_id)
    return _Sent(answer, outcome, broken)


async def _given_back(hand: Hand, order: Purchase) -> Purchase:
    """Give the store what this host has sent of an order, and return its claim."""
    for known in await anyio.to_thread.run_sync(hand.box.sent):
        if known.uid == order.uid:
            await put_back(hand, known)
    return await _claim_there(hand, order) or order


async def _claim(hand: Hand, intent: Purchase, leave: Leave) -> Purchase | None:
    def away(error: StoreAway) -> None:
        hand.note_away(error)
        if leave.wanted:
            raise asyncio.CancelledError from error

    pause = partial(hand.pause, hand.waits.look_s)
    return await claim(hand.store, intent, away=away, pause=pause)


async def _posted(
    hand: Hand, terms: Terms, intent: Purchase, body: bytes, since: Since
) -> tuple[CreateOutcome, LedgerBroken | None]:
    """Send the POST, once, and read what it comes to."""
    try:
        await hand.box.keep(intent)
    except LedgerBroken as error:
        return Unsent(_("this host's black box cannot be written")), error
    if hand.age_s(since) > hand.waits.claim_s:
        return Unsent(_("its claim took too long")), None  # others may hold it in doubt by now
    answer = await hand.gateway.create(body, f"{intent.uid}/{intent.key}")
    read = read_create(answer, body=intent.body, refund_5xx=terms.refund_5xx)
    return believed_of_create(read, [hand.task_ids]), None


async def _delivered(hand: Hand, done: _Sent) -> Bought:
    """Give the store an answer. Whoever leaves meanwhile leaves the answer in the black box, where
    an answer stays too that the store has otherwise: a later start tells a person.
    """
    answer, outcome = done.answer, done.outcome
    if done.broken is not None:
        raise done.broken
    if await _is_taken(hand, answer):
        hand.box.is_in_store(answer)
    return replace(
        bought(answer),
        retry_after_s=outcome.retry_after_s if isinstance(outcome, Refused) else None,
        sent=not isinstance(outcome, Unsent),
        proven=patience.proves(outcome),
        off_the_mark=isinstance(outcome, Doubtful) and outcome.off_the_mark,
        lost=isinstance(outcome, Doubtful) and outcome.lost,
        host=hand.host,
    )
