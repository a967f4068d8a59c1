"""Buying at a cluster: `page`, `buy` and `hand_in`. Knows no engine: each may run
several times, on any host, at once.

`buy` reads from top to bottom: the order is read; the granted moment is waited for; the claim is
made, exclusively; the black box has it; the bytes are sent, once; the reply is read; the black box
has the answer; the store has it. Whoever finds the claim taken sends nothing and waits for the
answer. Whatever dies in between, no second execution ever gets the claim.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from klingflow.cluster import handbox
from klingflow.cluster.exclusive import answered, claim
from klingflow.cluster.hand import Hand, Leave, Since, answer_name, bought, unbroken
from klingflow.cluster.orders import (
    OrdersDamaged,
    Page,
    Ref,
    Terms,
    from_bytes,
    is_answer,
    page_name,
)
from klingflow.cluster.reports import Bought
from klingflow.cluster.store import told_of
from klingflow.decide import patience
from klingflow.decide.belief import believed_of_create
from klingflow.decide.creates import settled
from klingflow.errors import LedgerBroken, StoreAway
from klingflow.gateway.outcomes import CreateOutcome, Doubtful, Refused, Unsent
from klingflow.gateway.replies import read_create
from klingflow.ledger.book import doubt
from klingflow.ledger.handed_over import claimed
from klingflow.ledger.lines import journal_line
from klingflow.manifest.chained import chained
from klingflow.manifest.held_files import records
from klingflow.model import Json, Purchase
from klingflow.words import _

_PAGES_KEPT = 64


@dataclass(frozen=True, slots=True)
class _Sent:
    """What became of a claim of ours. The black box has the answer, except where it is `broken`."""

    answer: Purchase
    outcome: CreateOutcome
    broken: LedgerBroken | None = None


async def page(hand: Hand, batch: str, number: int) -> Page:
    """Return a page of orders, however long the store is away or does not have it yet.

    Raises OrdersDamaged for one that cannot be believed.
    """
    known = hand.pages.get((batch, number))
    if known is not None:
        return known
    while (data := await hand.get(page_name(batch, number))) is None:
        await hand.pause(hand.waits.longest_look_s)  # the wrong store, or one that is behind
    found = from_bytes(data, batch, number)
    if len(hand.pages) >= _PAGES_KEPT:
        hand.pages.clear()
    hand.pages[batch, number] = found
    return found


async def buy(
    hand: Hand, ref: Ref, *, try_: int = 1, wait_s: float = 0.0, too_late: bool = False
) -> Bought:
    """Buy an order, `wait_s` seconds from now, unless anybody has claimed this try of it before.

    `too_late`: the moment that was granted has passed; claim nothing, and only say what became of
    a claim that is there. May be called again without end. Raises OrdersDamaged, and LedgerBroken
    where this host's black box cannot be written: then the host must buy nothing more. Cancelled
    after the claim, it first makes the answer durable in the black box.
    """
    terms, order = await _order(hand, ref, try_)
    if order.origin != hand.origin:
        return Bought(order.uid, "stale", reason=_("it is for {origin}", origin=order.origin))
    theirs = await hand.line(told_of(order.uid, "intent")) if too_late else None
    if theirs is None:
        if too_late:
            return Bought(order.uid, "late")
        _check_whole(terms, order.body)
        body = json.dumps(order.body, ensure_ascii=False).encode()
        await hand.pause(wait_s)
        done = await unbroken(partial(_claim_and_send, hand, terms, order, body))
        if isinstance(done, _Sent):
            return await _delivered(hand, done)
        theirs = done
    if not is_answer(order, theirs):
        return Bought(order.uid, "stale", reason=_("another body has its claim"))
    return bought(await answered(hand, theirs))


async def hand_in(hand: Hand, state: Path) -> list[Purchase]:
    """Give the store what ended processes of this host have left in their black boxes: answers, and
    doubts for claims without one. Return the purchases whose answer the store has otherwise; their
    files stay, and so does a file with a torn line, which may name a task. Raises OSError.
    """
    odd: list[Purchase] = []
    with handbox.left_behind(state, hand.store.identity) as found:
        for left in found:
            others = [p for p in left.purchases if not await _handed_in(hand, p)]
            odd += others
            if left.is_whole and not others:
                left.path.unlink(missing_ok=True)
    return odd


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


async def _order(hand: Hand, ref: Ref, try_: int) -> tuple[Terms, Purchase]:
    found = await page(hand, ref.batch, ref.page)
    return found.terms, found.order(ref.number, try_)


def _check_whole(terms: Terms, body: Mapping[str, Json]) -> None:
    """Raise OrdersDamaged for a body that has a record where the gateway reads an address."""
    for _unused, record in records(body):
        raise OrdersDamaged(
            _("{batch}: {record} was not handed over", batch=terms.batch, record=record.get("file"))
        )
    if any(chained(body)):
        raise OrdersDamaged(
            _("{batch}: hosts have no videos to take frames from", batch=terms.batch)
        )


def _intent(hand: Hand, order: Purchase) -> Purchase:
    """The order as this execution claims it."""
    at = hand.now()
    begun = replace(order, times={"intent": at, "updated": at})
    return claimed(begun, host=hand.host, nonce=hand.nonce())


async def _claim_and_send(
    hand: Hand, terms: Terms, order: Purchase, body: bytes, leave: Leave
) -> _Sent | Purchase:
    """Send the POST if the claim is ours; otherwise return the claim that is there."""
    intent, since = _intent(hand, order), hand.begun()
    theirs = await _claim(hand, intent, leave)
    if theirs is not None:
        return theirs
    outcome, broken = await _posted(hand, terms, intent, body, since)
    answer = settled(intent, outcome, hand.now())
    try:
        await hand.box.keep(answer)
    except LedgerBroken as error:
        await hand.put(answer_name(answer), journal_line(answer))  # the only place that is left
        broken = broken or error
    if answer.task_id:
        hand.task_ids.add(answer.task_id)
    return _Sent(answer, outcome, broken)


async def _claim(hand: Hand, intent: Purchase, leave: Leave) -> Purchase | None:
    def away(error: StoreAway) -> None:
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
        hand.box.is_in_store(answer.uid)
    return replace(
        bought(answer),
        retry_after_s=outcome.retry_after_s if isinstance(outcome, Refused) else None,
        sent=not isinstance(outcome, Unsent),
        proven=patience.proves(outcome),
        off_the_mark=isinstance(outcome, Doubtful) and outcome.off_the_mark,
    )
