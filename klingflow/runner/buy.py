"""The one place that sends a POST. Its order is the promise that nothing is bought twice, read top
to bottom:

the schedule has reserved the cap and granted the rate; the body is final; the intent is durable;
the bytes are sent; the reply is read; the outcome is durable; the place is given free. Between the
intent and the outcome only the death of the process can come, and an intent without an outcome is
what the next start finds: in doubt.
"""

from __future__ import annotations

import json
from dataclasses import replace

import anyio

from klingflow.decide.schedule import Flight, Wanted
from klingflow.gateway import outcomes, replies
from klingflow.ledger import lifecycle
from klingflow.manifest.tag import tagged
from klingflow.model import Failure, Purchase
from klingflow.runner.context import Context, as_data

# Failures to connect, in a row, after which the run gives up: soon where the address never
# answered, for it is probably wrong; late where it did, for a night's run has to survive a router's
# restart.
_FIRST_ROUNDS = 5
_PATIENT_ROUNDS = 40
_LONGEST_PAUSE_S = 60.0
# So many redirects or pages in answer to a run's first creates, and nothing else, are a wrong
# address.
_PAGES = 3


async def buy(context: Context, wanted: Wanted) -> None:
    """Buy `wanted`, whose cap and rate the schedule has granted. Raises LedgerBroken."""
    if newcomer := _newcomer(context, wanted):
        context.schedule.answered(proven=False)
        context.schedule.landed(give_back=wanted)
        context.tell(
            "spared",
            wanted,
            reason=f"the ledger has another purchase of it by now ({newcomer.state})",
        )
        return
    purchase = _intent(context, wanted)
    body = json.dumps(purchase.body, ensure_ascii=False).encode()
    with anyio.CancelScope(shield=True):
        await context.jobs[wanted.job].ledger.record(purchase)
        context.tell("intent", wanted, uid=purchase.uid)
        sent_at = context.clock()
        answer = await context.gateway.create(body, f"{purchase.uid}/{purchase.key}")
        refund_5xx = context.jobs[wanted.job].plan.manifest.gateway.refund_5xx
        outcome = replies.read_create(answer, refund_5xx=refund_5xx)
        context.schedule.answered(proven=_proves(outcome))
        await _settle(context, wanted, purchase, outcome, sent_at)


def _proves(outcome: outcomes.CreateOutcome) -> bool:
    """Whether the gateway dealt with the create: the address is one, and the key is good."""
    if isinstance(outcome, outcomes.Refused):
        return outcome.failure.kind not in ("key", "quota")
    if isinstance(outcome, outcomes.Doubtful):
        return not outcome.off_the_mark
    return isinstance(outcome, outcomes.Accepted)


def _newcomer(context: Context, wanted: Wanted) -> Purchase | None:
    """A purchase of this take that the decision to buy knew nothing of: the last line of defence
    against a second charge, whether a lock that was merged meanwhile holds it or a queue of ours is
    wrong.
    """
    assert wanted.action.shot
    book = context.jobs[wanted.job].ledger.book
    others = book.of(wanted.action.shot.id, wanted.action.shot.take)
    return next((p for p in others if p.uid not in wanted.known and p.state != "rejected"), None)


def _intent(context: Context, wanted: Wanted) -> Purchase:
    job, action = context.jobs[wanted.job], wanted.action
    assert action.shot and action.request, "only shots of the manifest are bought"
    attempt = job.ledger.book.next_attempt(action.shot.id, action.shot.take)
    uid = context.new_uid()
    context.bought.append((wanted.job, uid))
    request = action.request
    if job.plan.manifest.limits.tag_media:
        request = replace(request, body=tagged(request.body, uid))
    return lifecycle.begin(
        action.shot, request, uid=uid, attempt=attempt, origin=job.site.origin, at=context.now()
    )


async def _settle(
    context: Context,
    wanted: Wanted,
    purchase: Purchase,
    outcome: outcomes.CreateOutcome,
    sent_at: float,
) -> None:
    if isinstance(outcome, outcomes.Accepted) and _is_taken(context, outcome.task_id):
        reason = (
            f"the gateway answered with {outcome.task_id}, which is the task of another purchase"
        )
        evidence = {**outcome.evidence, "reason": reason, "answered_task_id": outcome.task_id}
        outcome = outcomes.Doubtful(reason, evidence)
    if isinstance(outcome, outcomes.Unsent):
        return await _unsent(context, wanted, purchase, outcome)
    context.reached, context.unsent_in_a_row = True, 0
    if isinstance(outcome, outcomes.Accepted):
        return await _accepted(context, wanted, purchase, outcome, sent_at)
    if isinstance(outcome, outcomes.Refused):
        return await _refused(context, wanted, purchase, outcome, sent_at)
    return await _doubted(context, wanted, purchase, outcome)


def _is_taken(context: Context, task_id: str) -> bool:
    return any(task_id in job.ledger.book.task_ids for job in context.jobs)


async def _accepted(
    context: Context, wanted: Wanted, purchase: Purchase, outcome: outcomes.Accepted, sent_at: float
) -> None:
    kept = {"evidence": dict(outcome.evidence)} if outcome.other_ids else {}
    purchase = await context.record(
        wanted.job,
        purchase,
        "accepted",
        task_id=outcome.task_id,
        billed_tier=outcome.billed_tier,
        **kept,
    )
    now = context.clock()
    context.schedule.submit.accepted(now, sent_at)
    context.schedule.places.accepted()
    context.tell(
        "submitted",
        wanted,
        task_id=purchase.task_id,
        tier=purchase.billed_tier,
        predicted_tier=purchase.predicted_tier,
    )
    flight = Flight(wanted.job, purchase, now, now, now + context.limits.deadline_s, wanted)
    context.schedule.follow(flight, now, context.chance())


async def _refused(
    context: Context, wanted: Wanted, purchase: Purchase, outcome: outcomes.Refused, sent_at: float
) -> None:
    failure = outcome.failure
    await context.record(wanted.job, purchase, "refused", error=failure)
    if failure.kind in ("limited", "capacity"):
        return _limited(context, wanted, outcome, sent_at)
    context.schedule.landed(give_back=wanted)
    context.tell("rejected", wanted, failure=as_data(failure))
    if failure.kind in ("key", "quota"):
        context.refuse(failure)
    elif context.fail_fast:
        context.stop_buying(f"{wanted.action.key} was refused (--fail-fast)")


def _limited(context: Context, wanted: Wanted, outcome: outcomes.Refused, sent_at: float) -> None:
    now, submit = context.clock(), context.schedule.submit
    submit.refused(now, sent_at, outcome.retry_after_s, context.chance())
    context.schedule.again(wanted)
    context.schedule.places.refused(now, sent_at, context.schedule.running)
    context.tell(
        "limited", wanted, failure=as_data(outcome.failure), pause_s=round(submit.delay_s(now), 3)
    )
    # While tasks of ours run there, the limit may be our own, and ends with them.
    if submit.exhausted(now) and not context.schedule.running:
        context.refuse(outcome.failure)


async def _unsent(
    context: Context, wanted: Wanted, purchase: Purchase, outcome: outcomes.Unsent
) -> None:
    failure = Failure("not_sent", "not_sent", outcome.reason)
    await context.record(wanted.job, purchase, "unsent", error=failure)
    pause_s = min(_LONGEST_PAUSE_S, 2.0**context.unsent_in_a_row) * (0.5 + context.chance() / 2)
    context.unsent_in_a_row += 1
    context.schedule.pause_buying(context.clock() + pause_s)
    context.schedule.again(wanted)
    context.tell("unsent", wanted, reason=outcome.reason, pause_s=round(pause_s, 3))
    if context.unsent_in_a_row >= (_PATIENT_ROUNDS if context.reached else _FIRST_ROUNDS):
        context.outcome.unreachable = outcome.reason
        context.stop_buying(f"the gateway cannot be reached: {outcome.reason}")


async def _doubted(
    context: Context, wanted: Wanted, purchase: Purchase, outcome: outcomes.Doubtful
) -> None:
    evidence = {"from": purchase.times["intent"], "to": context.now(), **outcome.evidence}
    failure = outcome.failure or Failure("unknown", "in_doubt", outcome.reason)
    await context.record(wanted.job, purchase, "doubted", error=failure, evidence=evidence)
    context.schedule.landed()
    context.tell("in_doubt", wanted, reason=outcome.reason)
    if outcome.failure is not None:
        context.refuse(outcome.failure)
    context.off_the_mark += outcome.off_the_mark
    if context.off_the_mark >= _PAGES and not context.schedule.proven:
        context.stop_buying(
            f"nothing but {outcome.reason}: is the gateway's address (KLINGFLOW_BASE_URL) right?"
        )
