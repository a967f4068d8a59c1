"""Asks after tasks, and writes down what became of them. Whose reply an answer is, and how long an
unknown task is asked for, is decided in klingflow.decide.

Nothing here can spend, except that a task which failed for want of capacity goes back to the
schedule while the manifest's `retries` allow it.
"""

from __future__ import annotations

from klingflow.decide.patience import Unknown
from klingflow.decide.schedule import Fetch, Flight, Wanted
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
from klingflow.ledger.handed_over import store_of
from klingflow.model import Failure, Json
from klingflow.runner.context import Context, as_data
from klingflow.runner.queues import bring, release, want
from klingflow.words import _


async def poll(context: Context, flight: Flight) -> None:
    """Ask once after `flight`. Raises LedgerBroken."""
    outcome: QueryOutcome | None = None
    asked_at = context.clock()
    with context.leaving():
        outcome = await _asked(context, flight)
    if outcome is None:  # the run left it; the id is in the ledger
        return
    now = context.clock()
    if isinstance(outcome, Blind):
        return _blinded(context, flight, outcome.failure, now)
    context.patience.saw()
    if not isinstance(outcome, Hiccup) and context.patience.ends_pause(asked_at):
        context.schedule.pauses.end()
    flight.answer = LastAnswer(context.now(), _words(outcome))
    match outcome:
        case Succeeded():
            await _succeeded(context, flight, outcome, now)
        case TaskFailed():
            await _failed(context, flight, outcome)
        case NoSuchTask():
            await _unknown(context, flight, outcome.failure, now)
        case Running() | Hiccup():
            await _unfinished(context, flight, outcome, now)


async def _asked(context: Context, flight: Flight) -> QueryOutcome:
    """Ask once about the task, and return as much of the reply as can be believed."""
    task_id, uid = flight.purchase.task_id, flight.purchase.uid
    assert task_id is not None, "only tasks with an id are polled"
    answer = await context.gateway.query(task_id, apart=flight.naming.apart)
    read = read_query(answer, task_id=task_id, body=flight.purchase.body)
    outcome, flight.naming = context.names.believed(uid, flight.naming, read, context.task_ids())
    return outcome


def _words(outcome: QueryOutcome) -> str:
    """Return what the gateway said of a task that has not ended; "" where the purchase itself says
    it.
    """
    match outcome:
        case Running(progress=None):
            return outcome.said
        case Running():
            return _("{said}, {progress:g} %", said=outcome.said, progress=outcome.progress)
        case Hiccup():
            return outcome.reason
        case NoSuchTask():
            return outcome.failure.message
    return ""


async def _unfinished(
    context: Context, flight: Flight, outcome: Running | Hiccup, now: float
) -> None:
    flight.unknown = Unknown()
    if isinstance(outcome, Running):
        context.schedule.unfinished(flight, now, outcome.said, outcome.progress)
        facts = {"status": "running", "progress": outcome.progress}
    else:
        facts = {"status": "hiccup", "reason": outcome.reason}
    context.tell("poll", flight.wanted, uid=flight.purchase.uid, **facts)
    await _again(context, flight, now, outcome.retry_after_s)


async def _again(
    context: Context, flight: Flight, now: float, retry_after_s: float | None = None
) -> None:
    overdue = context.patience.overdue(flight.deadline, now)
    if overdue is not None:
        return await _park(context, flight, overdue)
    context.schedule.follow(flight, now, context.chance(), retry_after_s=retry_after_s)


async def _succeeded(context: Context, flight: Flight, outcome: Succeeded, now: float) -> None:
    bounds = (round(flight.unfinished_at - flight.since, 3), round(now - flight.since, 3))
    purchase = await context.record(
        flight.job,
        flight.purchase,
        "succeeded",
        billed_tier=outcome.billed_tier or flight.purchase.billed_tier,
        video_url=outcome.video_url,
        finished_after_s=bounds if flight.timed else None,
        **_odd_address(flight, outcome),
    )
    context.schedule.succeeded(flight, now)
    bring(context, Fetch(flight.job, purchase, flight.wanted))
    context.tell(
        "succeeded",
        flight.wanted,
        uid=flight.purchase.uid,
        tier=purchase.billed_tier,
        after_s=bounds[1],
    )
    release(context, flight.job, purchase.key)


def _odd_address(flight: Flight, outcome: Succeeded) -> dict[str, Json]:
    """Return what the purchase keeps where the reply has words in place of the video's address."""
    if not outcome.odd_url:
        return {}
    return {"evidence": {**(flight.purchase.evidence or {}), "video_url": outcome.odd_url}}


async def _failed(context: Context, flight: Flight, outcome: TaskFailed) -> None:
    failure, wanted = outcome.failure, flight.wanted
    billed_tier = outcome.billed_tier or flight.purchase.billed_tier
    purchase = await context.record(
        flight.job, flight.purchase, "failed", error=failure, billed_tier=billed_tier
    )
    refunded = context.share(flight.job, purchase) == "refunded"
    if refunded:
        context.schedule.refunded(wanted, purchase)
    wanted.failures += 1
    retry = (
        context.schedule.buying
        and _has_final_body(wanted)
        and not _is_for_hosts(context, flight)
        and context.patience.buys_again(failure, wanted.failures)
    )
    context.schedule.ended(flight)
    context.tell(
        "failed",
        wanted,
        uid=flight.purchase.uid,
        failure=as_data(failure),
        retry=retry,
        refunded=refunded,
    )
    if retry:
        # A new purchase: it reserves again, whatever became of the money for the failed task.
        known = wanted.known | {flight.purchase.uid}
        again = Wanted(wanted.job, wanted.action, known, wanted.chain, failures=wanted.failures)
        want(context, again)
    else:
        context.obey(context.patience.failed(wanted.action.key))


def _is_for_hosts(context: Context, flight: Flight) -> bool:
    """True if hosts of a cluster decide whether the take is bought again: they have ordered it, and
    count its failures. Hosts may have ordered also what a run with claims has bought; a purchase
    that was moved since then would be bought again under another id than theirs.
    """
    purchase = flight.purchase
    is_moved_claim = purchase.was is not None and context.jobs[flight.job].claims is not None
    return store_of(purchase) is not None or is_moved_claim


def _has_final_body(wanted: Wanted) -> bool:
    """False where what the take needs may itself be on its way again."""
    request = wanted.action.request
    return request is not None and request.fingerprint is not None


async def _unknown(context: Context, flight: Flight, failure: Failure, now: float) -> None:
    context.tell(
        "poll", flight.wanted, uid=flight.purchase.uid, status="unknown", reason=failure.message
    )
    flight.unknown = flight.unknown.once_more(now)
    if flight.unknown.is_to_be_parked(now):
        return await _park(context, flight, failure)
    await _again(context, flight, now)


async def _park(context: Context, flight: Flight, failure: Failure) -> None:
    assert flight.answer is not None, "a task is parked after an answer"
    evidence = with_last(flight.purchase, flight.answer)
    await context.record(flight.job, flight.purchase, "parked", error=failure, evidence=evidence)
    context.tell("parked", flight.wanted, uid=flight.purchase.uid, failure=as_data(failure))
    context.schedule.parked(flight)


def _blinded(context: Context, flight: Flight, failure: Failure, now: float) -> None:
    """401 or 403: it says nothing of the task, which is asked for again after the pause."""
    context.schedule.follow(flight, now, context.chance())
    verdict = context.patience.blinded(failure, now)
    if verdict.pause_s is not None:
        context.schedule.pauses.hold(now + verdict.pause_s)
        context.tell(
            "blind",
            flight.wanted,
            uid=flight.purchase.uid,
            failure=as_data(failure),
            pause_s=verdict.pause_s,
        )
    context.obey(verdict)
