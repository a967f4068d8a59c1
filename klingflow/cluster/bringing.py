"""What hosts do after a purchase: look after its task, park it, and bring its video to the store.

Nothing here can buy. Knows no engine: each may run several times, on any host, at once; what is
final is made once in the store, and everybody reads the same of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import anyio.to_thread

from klingflow.cluster.hand import Hand, answer_name
from klingflow.cluster.hands import page
from klingflow.cluster.orders import OrdersDamaged, Ref, Terms, failed, unreadable
from klingflow.cluster.store import VIDEOS, Chapter, told_of
from klingflow.decide.belief import Naming
from klingflow.decide.delivery import Delivery, most_bytes
from klingflow.decide.patience import Unknown
from klingflow.errors import StoreAway
from klingflow.gateway import download
from klingflow.gateway.outcomes import (
    Blind,
    Hiccup,
    NoSuchTask,
    QueryOutcome,
    Running,
    Succeeded,
    TaskFailed,
)
from klingflow.gateway.query_replies import read_query
from klingflow.ledger.answers import LastAnswer, with_last
from klingflow.ledger.handed_over import bought_again
from klingflow.ledger.lifecycle import advance
from klingflow.ledger.lines import journal_line
from klingflow.ledger.moments import moment
from klingflow.model import Failure, FailureKind, Purchase
from klingflow.words import _

# How a task was found. `blind`: the key or the balance is refused, which says nothing of the task.
# `damaged`: nobody can read in the store which task it is.
SeenAs = Literal[
    "running", "hiccup", "unknown", "blind", "succeeded", "failed", "parked", "damaged"
]
_OTHERS_PAUSE_S = 5.0
_FINAL = frozenset({"succeeded", "failed", "parked", "damaged"})
# Where the store says how a task has ended.
_ENDS: Mapping[str, Chapter] = {"done": "done", "failed": "done", "parked": "parked"}


class StoreLost(Exception):
    """A store has lost what a host has put there; the message says what."""


@dataclass(frozen=True, slots=True)
class Seen:
    """How a task was found by the last look, and what the next one has to know. Ages are seconds
    since its create was accepted; `unfinished_s` is when it was last seen unfinished. `again` is
    the uid under which a take is bought again whose task failed, and `is_claimed` says that some
    host has claimed that already.
    """

    state: SeenAs = "running"
    progress: float | None = None
    tier: str | None = None
    kind: FailureKind | None = None
    retry_after_s: float | None = None
    age_s: float = 0.0
    unfinished_s: float = 0.0
    unknown_polls: int = 0
    unknown_since: float = 0.0
    apart: bool = False
    other_name: str | None = None
    other_times: int = 0
    by_its_id: bool = False
    again: str = ""
    is_claimed: bool = False

    @property
    def is_final(self) -> bool:
        """True if nobody at the cluster looks after the task any more."""
        return self.state in _FINAL


@dataclass(frozen=True, slots=True)
class Brought:
    """What a try to bring a video came to. `again` after `pause_s`, with `tries` one higher;
    `undelivered`: no further try at the cluster would bring it, and any klingflow may still fetch.
    """

    state: Literal["done", "again", "undelivered"]
    pause_s: float = 0.0
    tries: int = 0
    received_bytes: int = 0
    size_bytes: int = 0


class _Ordered(NamedTuple):
    """What was handed over, and under which terms."""

    terms: Terms
    order: Purchase


async def look(hand: Hand, ref: Ref, uid: str, seen: Seen) -> Seen:
    """Ask once after the task of a purchase. What failed, is parked or is in doubt is so in the
    store when this returns. Raises OrdersDamaged where nobody can read how long to wait, or which
    task it is.
    """
    orders = await page(hand, ref.batch, ref.page)
    ordered = _Ordered(orders.terms, orders.order(ref.number))
    purchase = await _purchase(hand, uid)
    age_s = _age_s(hand, purchase)
    naming = Naming(seen.apart, seen.other_name, seen.other_times, seen.by_its_id)
    answer = await hand.gateway.query(str(purchase.task_id), apart=naming.apart)
    read = read_query(answer, task_id=str(purchase.task_id), body=purchase.body)
    outcome, naming = hand.names.believed(uid, naming, read, [hand.task_ids])
    known = replace(
        seen,
        age_s=age_s,
        retry_after_s=None,
        apart=naming.apart,
        other_name=naming.other_name,
        other_times=naming.other_times,
        by_its_id=naming.by_its_id,
    )
    return await _seen(hand, ordered, purchase, known, outcome)


async def given_up(hand: Hand, uid: str) -> Seen:
    """Wait no longer for a task whose page is damaged, or that nobody can read. It is in doubt
    then: where its claim can be read, the store says so; otherwise each reader finds what is
    damaged.
    """
    with suppress(OrdersDamaged):
        if await _is_unknown(hand, uid):
            claim = await hand.line(told_of(uid, "intent"))
            if claim is not None and claim.state == "intent":
                told = unreadable(claim, hand.now())
                await hand.put(answer_name(told), journal_line(told))
    return Seen("damaged")


async def _is_unknown(hand: Hand, uid: str) -> bool:
    """True if nobody can read which task a purchase has."""
    try:
        await _purchase(hand, uid)
    except OrdersDamaged:
        return True
    return False


async def _seen(
    hand: Hand, ordered: _Ordered, purchase: Purchase, known: Seen, outcome: QueryOutcome
) -> Seen:
    match outcome:
        case Blind():
            return replace(known, state="blind", kind=outcome.failure.kind)
        case Succeeded():
            tier = outcome.billed_tier or purchase.billed_tier
            return replace(known, state="succeeded", tier=tier)
        case TaskFailed():
            return await _failed(hand, ordered, purchase, known, outcome)
        case NoSuchTask():
            return await _unknown(hand, purchase, known, outcome.failure)
        case Running() | Hiccup():
            return await _unfinished(hand, ordered.terms, purchase, known, outcome)


async def _failed(
    hand: Hand, ordered: _Ordered, purchase: Purchase, known: Seen, outcome: TaskFailed
) -> Seen:
    """Make `.done`, or believe the one that another host has made: it says whether the take is
    bought again.
    """
    tier, name = outcome.billed_tier or purchase.billed_tier, told_of(purchase.uid, "done")
    after = advance(purchase, "failed", hand.now(), error=outcome.failure, billed_tier=tier)
    after = failed(ordered.terms, ordered.order, after)
    if not await hand.put(name, journal_line(after)):
        with suppress(OrdersDamaged):
            after = await hand.line(name) or after
    told = replace(known, state="failed", kind=outcome.failure.kind, tier=tier)
    return await _bought_again(hand, told, after)


async def _bought_again(hand: Hand, told: Seen, failed: Purchase) -> Seen:
    """Add to what is told of a failed task as what its take is bought again."""
    again = bought_again(failed) or ""
    is_claimed = bool(again) and await hand.get(told_of(again, "intent")) is not None
    return replace(told, again=again, is_claimed=is_claimed)


async def _unknown(hand: Hand, purchase: Purchase, known: Seen, failure: Failure) -> Seen:
    now = hand.wall()
    unknown = Unknown(known.unknown_polls, known.unknown_since).once_more(now)
    after = replace(
        known, state="unknown", unknown_polls=unknown.polls, unknown_since=unknown.since
    )
    if unknown.is_to_be_parked(now):
        return await _parked(hand, purchase, after, failure, failure.message)
    return after


async def _unfinished(
    hand: Hand, terms: Terms, purchase: Purchase, known: Seen, outcome: Running | Hiccup
) -> Seen:
    after = replace(
        known,
        state="running" if isinstance(outcome, Running) else "hiccup",
        unfinished_s=known.age_s if isinstance(outcome, Running) else known.unfinished_s,
        progress=outcome.progress if isinstance(outcome, Running) else known.progress,
        retry_after_s=outcome.retry_after_s,
        unknown_polls=0,
        unknown_since=0.0,
    )
    if known.age_s < terms.deadline_s:
        return after
    said = _(
        "not finished after {deadline_s:g} seconds; the next run asks again",
        deadline_s=terms.deadline_s,
    )
    words = outcome.said if isinstance(outcome, Running) else outcome.reason
    return await _parked(hand, purchase, after, Failure("unknown", "deadline", said), words)


async def _parked(
    hand: Hand, purchase: Purchase, after: Seen, failure: Failure, words: str
) -> Seen:
    with suppress(OrdersDamaged):
        # A desk without memory has old tasks watched again, which a gateway may have forgotten.
        ended = await hand.line(told_of(purchase.uid, "done"))
        if ended is not None and ended.state == "failed":
            told = replace(after, state="failed", kind=failure.kind, tier=ended.billed_tier)
            return await _bought_again(hand, told, ended)
    at = hand.now()
    evidence = with_last(purchase, LastAnswer(at, words))
    parked = advance(purchase, "parked", at, error=failure, evidence=evidence)
    await hand.put(told_of(purchase.uid, "parked"), journal_line(parked))
    return replace(after, state="parked", kind=failure.kind)


async def check_told(hand: Hand, uid: str, end: str) -> None:
    """Raise StoreLost where this host has said in the store how a task has ended, and that is gone:
    the store was put back from a backup while the desk was being told.
    """
    chapter = _ENDS.get(end)
    if chapter is not None and await hand.get(name := told_of(uid, chapter)) is None:
        raise StoreLost(_("the store has lost {name}", name=name))


async def bring(
    hand: Hand, uid: str, seen: Seen, scratch: Path, last: Brought | None = None
) -> Brought:
    """Try once to bring the video of a task that has succeeded: downloaded to the folder `scratch`
    of this host, then published in the store under its hash, then `.done`. `last` is what the try
    before this one came to.

    Raises OrdersDamaged, and OSError where the scratch folder cannot be read.
    """
    purchase = await _purchase(hand, uid)
    there = await hand.line(told_of(uid, "done"))
    if there is not None:
        return Brought("done", size_bytes=there.size_bytes or 0)
    delivery = Delivery(last.tries, last.received_bytes) if last else Delivery()
    if uid in hand.bringing:  # a second execution: two must not write one file
        return Brought("again", _OTHERS_PAUSE_S, delivery.tries, delivery.received_bytes)
    hand.bringing.add(uid)
    try:
        return await _fetched(hand, purchase, seen, scratch / f"{uid}.mp4", delivery)
    finally:
        hand.bringing.discard(uid)


async def _fetched(
    hand: Hand, purchase: Purchase, seen: Seen, target: Path, delivery: Delivery
) -> Brought:
    own = await _own_address(hand, purchase)
    content = hand.gateway.content_url(str(purchase.task_id))
    address = delivery.address(own, content)
    most = min(most_bytes(purchase.seconds), download.MAX_BYTES)
    result = await download.fetch(hand.gateway, address, target, max_bytes=most)
    if isinstance(result, download.Downloaded):
        await _publish(hand, result)
        done = await _done(hand, replace(purchase, video_url=own), seen, result)
        result.path.unlink(missing_ok=True)
        return Brought("done", size_bytes=done.size_bytes or 0)
    after = delivery.failed(download.received_bytes(target))
    is_permanent = isinstance(result, download.DownloadFailed) and result.permanent
    if is_permanent or after.is_over:
        return Brought("undelivered", 0.0, after.tries, after.received_bytes)
    pause_s = after.pause_s(result.retry_after_s)
    return Brought("again", pause_s, after.tries, after.received_bytes)


async def _own_address(hand: Hand, purchase: Purchase) -> str | None:
    """Return the result's own address, asked for each time because no engine may be told it."""
    task_id = str(purchase.task_id)
    outcome = read_query(await hand.gateway.query(task_id), task_id=task_id)
    is_named = isinstance(outcome, Succeeded) and outcome.named
    return outcome.video_url if is_named and isinstance(outcome, Succeeded) else None


async def _publish(hand: Hand, video: download.Downloaded) -> None:
    """Give the store a video under its hash, however long the store is away."""
    keep = partial(hand.store.keep, f"{VIDEOS}/{video.sha256}.mp4", video.path)
    while True:
        try:
            return await anyio.to_thread.run_sync(keep)
        except StoreAway:
            await hand.pause(hand.waits.longest_look_s)


async def _done(hand: Hand, purchase: Purchase, seen: Seen, video: download.Downloaded) -> Purchase:
    """Make `.done`, or return the one that another host has made."""
    at, name = hand.now(), told_of(purchase.uid, "done")
    bounds = (round(seen.unfinished_s, 3), round(max(seen.age_s, seen.unfinished_s), 3))
    tier = seen.tier or purchase.billed_tier
    done = advance(purchase, "succeeded", at, billed_tier=tier, finished_after_s=bounds)
    facts = {"sha256": video.sha256, "size_bytes": video.size_bytes}
    done = advance(done, "downloaded", at, **facts)
    made = await hand.put(name, journal_line(done))
    return done if made else await hand.line(name) or done


async def _purchase(hand: Hand, uid: str) -> Purchase:
    """The purchase as its answer has it. Raises OrdersDamaged."""
    if (known := hand.answers.get(uid)) is not None:
        return known
    found = await hand.line(told_of(uid, "answer"))
    if found is None:  # a person has found the task, and died before the answer was in the store
        found = await hand.line(told_of(uid, "intent"))
    if found is None or not found.task_id:
        name = told_of(uid, "answer")
        raise OrdersDamaged(_("{name} names no task", name=name))
    hand.answers[uid] = found
    return found


def _age_s(hand: Hand, purchase: Purchase) -> float:
    """Seconds since the create was accepted, by this host's clock."""
    submitted = moment(purchase.times.get("submitted") or purchase.times.get("updated"))
    return max(0.0, hand.wall() - submitted.timestamp()) if submitted else 0.0
