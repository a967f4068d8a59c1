"""Asks after tasks, and writes down what became of them. Nothing here can spend, save that a task
that failed for want of capacity goes back to the schedule while the manifest's `retries` allow it.
"""

from __future__ import annotations

from dataclasses import replace

from klingflow.decide.plan import decide_one
from klingflow.decide.schedule import Fetch, Flight, Wanted
from klingflow.gateway import outcomes, replies
from klingflow.model import Failure
from klingflow.runner.context import Context, as_data

# An id that the gateway does not know is common in a task's first seconds, and while one of its
# servers takes over from another; after so long, and so often in a row, the task is parked: the
# money was spent, so the next run asks again (gateway.md 4, "sometimes only for the first
# seconds").
_UNKNOWN_GRACE_S = 60.0
_UNKNOWN_POLLS = 3
# So many rounds of 401 or 403 in a row end the run: somebody has to look at the account. The pauses
# between them double from `poll_floor` on.
_BLIND_ROUNDS = 5
# Progress reports kept of a task, for telling whether they are honest.
_PROGRESS_KEPT = 20


async def poll(context: Context, flight: Flight) -> None:
    """Ask once after `flight`. Raises LedgerBroken."""
    task_id = flight.purchase.task_id
    assert task_id is not None, "only tasks with an id are polled"
    answer = await context.gateway.query(task_id, apart=flight.apart)
    outcome = _believed(context, flight, replies.read_query(answer, task_id=task_id))
    now = context.clock()
    if isinstance(outcome, outcomes.Blind):
        return _blinded(context, flight, outcome.failure, now)
    context.blind_rounds = 0
    if isinstance(outcome, outcomes.Succeeded):
        return await _succeeded(context, flight, outcome, now)
    if isinstance(outcome, outcomes.TaskFailed):
        return await _failed(context, flight, outcome, now)
    if isinstance(outcome, outcomes.NoSuchTask):
        return await _unknown(context, flight, outcome.failure, now)
    if isinstance(outcome, outcomes.Running):
        flight.unfinished_at = now
        if outcome.progress is not None:
            flight.progress = [
                *flight.progress[-_PROGRESS_KEPT:],
                (flight.age_s(now), outcome.progress),
            ]
    flight.unknown_polls = 0
    context.tell("poll", flight.wanted, **_facts(outcome))
    await _again(context, flight, now, outcome.retry_after_s)


def _believed(
    context: Context, flight: Flight, outcome: outcomes.QueryOutcome
) -> outcomes.QueryOutcome:
    """The outcome, or a Hiccup in place of one that may be another task's.

    A reply left over from another request bears no sign of it but its id. So one without our id
    counts only when it came on a connection of its own; one with another id moreover only when it
    has borne that id there before, and no other task has it: a relay may know a task by two names,
    one at its creation and one in queries. Where a query has called the task by our id, that is its
    name there, and another name is another task's.
    """
    asked_apart, flight.apart = flight.apart, False
    if isinstance(outcome, outcomes.Misnamed):
        flight.apart = True
        ours = asked_apart and not flight.goes_by_its_id and _is_ours(context, flight, outcome.name)
        return outcome.answer if ours else outcome
    if not isinstance(outcome, (outcomes.Running, outcomes.Succeeded, outcomes.TaskFailed)):
        return outcome
    flight.goes_by_its_id |= outcome.named
    if not (outcome.named or asked_apart or isinstance(outcome, outcomes.Running)):
        flight.apart = True
        return outcomes.Hiccup("a final answer that does not name the task")
    return outcome


def _is_ours(context: Context, flight: Flight, name: str) -> bool:
    """Whether a task goes by `name`, too; called with what replies on connections of their own say."""
    uid = flight.purchase.uid
    first = context.other_names.setdefault(name, uid)
    if first != uid or any(name in job.ledger.book.task_ids for job in context.jobs):
        context.other_names[name] = ""  # nobody's any more
        return False
    before, flight.other_name = flight.other_name, name
    return before == name


async def _again(
    context: Context, flight: Flight, now: float, retry_after_s: float | None = None
) -> None:
    if now >= flight.deadline:
        minutes = context.limits.deadline_s / 60
        late = Failure(
            "unknown",
            "deadline",
            f"not finished after {minutes:g} minutes; the next run asks again",
        )
        return await _park(context, flight, late)
    context.schedule.follow(flight, now, context.chance(), retry_after_s=retry_after_s)


async def _succeeded(
    context: Context, flight: Flight, outcome: outcomes.Succeeded, now: float
) -> None:
    bounds = (round(flight.unfinished_at - flight.since, 3), round(now - flight.since, 3))
    purchase = await context.record(
        flight.job,
        flight.purchase,
        "succeeded",
        billed_tier=outcome.billed_tier or flight.purchase.billed_tier,
        video_url=outcome.video_url,
        finished_after_s=bounds if flight.timed else None,
    )
    if flight.timed:
        context.schedule.durations.learn(flight.tier, *bounds, flight.progress)
    context.schedule.landed()
    context.schedule.fetch(Fetch(flight.job, purchase, flight.wanted), now)
    context.tell("succeeded", flight.wanted, tier=purchase.billed_tier, after_s=bounds[1])
    if purchase.take == 1:  # the take that serves the others
        release(context, flight.job, purchase.shot)


async def _failed(
    context: Context, flight: Flight, outcome: outcomes.TaskFailed, now: float
) -> None:
    billed_tier = outcome.billed_tier or flight.purchase.billed_tier
    await context.record(
        flight.job, flight.purchase, "failed", error=outcome.failure, billed_tier=billed_tier
    )
    wanted = flight.wanted
    wanted.failures += 1
    retry = (
        outcome.failure.kind == "capacity"
        and wanted.failures <= context.limits.retries
        and context.buying
        and context.schedule.buying
        and wanted.action.request is not None
        and wanted.action.request.fingerprint
        is not None  # what it needs may itself be on its way again
    )
    context.schedule.landed()
    context.tell("failed", wanted, failure=as_data(outcome.failure), retry=retry)
    if retry:
        # A new purchase: it reserves anew, since no rule says that a failed task is refunded.
        known = wanted.known | {flight.purchase.uid}
        context.schedule.want(Wanted(wanted.job, wanted.action, known, failures=wanted.failures))
    elif context.fail_fast:
        context.stop_buying(f"{wanted.action.key} failed (--fail-fast)")


async def _unknown(context: Context, flight: Flight, failure: Failure, now: float) -> None:
    context.tell("poll", flight.wanted, status="unknown", reason=failure.message)
    flight.unknown_polls += 1
    if flight.unknown_polls == 1:
        flight.unknown_since = now
    if flight.unknown_polls >= _UNKNOWN_POLLS and now - flight.unknown_since >= _UNKNOWN_GRACE_S:
        return await _park(context, flight, failure)
    await _again(context, flight, now)


async def _park(context: Context, flight: Flight, failure: Failure) -> None:
    if flight.purchase.state != "parked":
        await context.record(flight.job, flight.purchase, "parked", error=failure)
    context.tell("parked", flight.wanted, failure=as_data(failure))
    context.schedule.landed()


def _blinded(context: Context, flight: Flight, failure: Failure, now: float) -> None:
    """401 or 403: it says nothing of the task. Polls that were on their way together count as one
    round.

    One round may be a proxy's whim, so it pauses buying with the polls; the second stops it.
    """
    context.schedule.follow(flight, now, context.chance())
    if context.schedule.is_paused(now):
        return
    context.blind_rounds += 1
    pause_s = context.limits.poll_floor_s * 2 ** (context.blind_rounds - 1)
    context.schedule.pause(now + pause_s)
    context.tell("blind", flight.wanted, failure=as_data(failure), pause_s=pause_s)
    if context.blind_rounds > 1:
        context.refuse(failure)
    if context.blind_rounds >= _BLIND_ROUNDS:
        context.stop(
            "the key or the balance is refused on every route; the task ids are in the ledger"
        )


def release(context: Context, job: int, shot_id: str) -> None:
    """Queue what waited for `shot_id` and now waits for nothing more."""
    plan, book = context.jobs[job].plan, context.jobs[job].ledger.book
    for key in context.waiting_for.pop((job, shot_id), ()):
        waiting = context.waiting.get((job, key))
        if waiting is None:
            continue  # it waited for several, and another one has released it
        action = waiting.action
        assert action.shot and action.request
        anew = decide_one(action.shot, action.request, plan, book)
        if anew.verb != "waits":
            del context.waiting[job, key]
        if anew.verb == "create":
            context.schedule.want(replace(waiting, action=anew))


def _facts(outcome: outcomes.Running | outcomes.Hiccup) -> dict[str, object]:
    if isinstance(outcome, outcomes.Running):
        return {"status": "running", "progress": outcome.progress}
    return {"status": "hiccup", "reason": outcome.reason}
