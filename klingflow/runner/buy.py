"""The one place that sends a POST. Its order is the promise that nothing is bought twice, and `buy`
reads in that order, from top to bottom:

the schedule has reserved the cap and granted the rate; the body is final; the claim is made, where
hosts of a cluster may buy too; the intent is durable; the bytes are sent; the reply is read; the
outcome is durable; the place is given free. Between the intent and the outcome only two things can
come: the death of the process, and a person who asks twice to leave at once. An intent without an
outcome is what the next start finds: in doubt.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from itertools import chain

from klingflow.decide import patience
from klingflow.decide.belief import believed_of_create
from klingflow.decide.creates import settled
from klingflow.decide.moves import is_spare
from klingflow.decide.patience import Verdict
from klingflow.decide.schedule import Flight, Wanted
from klingflow.errors import StoreAway
from klingflow.gateway.create_replies import read_create
from klingflow.gateway.outcomes import Accepted, CreateOutcome, Doubtful, Refused, Unsent
from klingflow.ledger import lifecycle
from klingflow.ledger.handed_over import claimant
from klingflow.manifest.tag import tagged
from klingflow.model import Purchase
from klingflow.runner.context import Context, Job, as_data
from klingflow.words import _, word


@dataclass(frozen=True, slots=True)
class _Sent:
    """A create that went out at `at` (monotonic seconds), and the intent that was written first."""

    wanted: Wanted
    purchase: Purchase
    at: float


async def buy(context: Context, wanted: Wanted) -> None:
    """Buy `wanted`, whose cap and rate the schedule has granted. Raises LedgerBroken."""
    newcomer = _newcomer(context, wanted)
    if newcomer is not None:
        reason = _(
            "the ledger has another purchase of it by now ({state})",
            state=word(newcomer.state, "purchase"),
        )
        return _spare(context, wanted, reason)
    job = context.jobs[wanted.job]
    purchase = _intent(context, wanted)
    body = json.dumps(context.sent(wanted.job, purchase.body), ensure_ascii=False).encode()
    if taken := await _claimed(context, wanted, purchase):
        return _spare(context, wanted, taken)
    context.bought.append((wanted.job, purchase.uid))
    with context.shielded():
        await job.ledger.record(purchase)
        context.tell("intent", wanted, uid=purchase.uid)
        sent = _Sent(wanted, purchase, context.clock())
        outcome = await _posted(context, job, purchase, body)
        context.schedule.answered(proven=patience.proves(outcome))
        await _settle(context, sent, outcome)


async def _posted(context: Context, job: Job, purchase: Purchase, body: bytes) -> CreateOutcome:
    """Send the POST, once, and read its reply."""
    if job.claims is not None and not job.claims.is_fresh(purchase):
        return Unsent(_("its claim took too long"))  # others may hold it in doubt by now
    answer = await context.gateway.create(body, f"{purchase.uid}/{purchase.key}")
    refund_5xx = job.plan.manifest.gateway.refund_5xx
    read = read_create(answer, body=purchase.body, refund_5xx=refund_5xx)
    return believed_of_create(read, context.task_ids())


async def _claimed(context: Context, wanted: Wanted, purchase: Purchase) -> str | None:
    """Claim the purchase where hosts of a cluster may buy it too. Return why it is not ours to buy;
    None where it is.
    """
    claims = context.jobs[wanted.job].claims
    if claims is None:
        return None
    try:
        theirs = await claims.claim(purchase, lambda: context.schedule.buying)
    except StoreAway as error:
        return str(error)
    if theirs is None:
        return None
    return _("another host has claimed it ({host})", host=_host_of(theirs))


def _host_of(claim: Purchase) -> str:
    found = claimant(claim)
    return found[0] if found else "unknown"


def _newcomer(context: Context, wanted: Wanted) -> Purchase | None:
    """Return a purchase of this take, or one of this body that stands for no other take, that the
    decision to buy did not know.

    This is the last check against a second charge: a lock that was merged meanwhile may hold the
    purchase, or a queue of ours may be wrong.
    """
    action, job = wanted.action, context.jobs[wanted.job]
    assert action.shot and action.request and action.request.fingerprint, "as it was granted"
    alike = job.ledger.book.bought_as(action.request.fingerprint)
    free = (p for p in alike if is_spare(p, job.plan.by_key, job.site.origin))
    others = chain(job.ledger.book.bought(action.shot.id, action.shot.take), free)
    return next((p for p in others if p.uid not in wanted.known), None)


def _spare(context: Context, wanted: Wanted, reason: str) -> None:
    """Send nothing: the take is bought, or perhaps bought, by somebody else."""
    context.schedule.answered(proven=False)
    context.schedule.landed(give_back=wanted)
    context.tell("spared", wanted, reason=reason)


def _intent(context: Context, wanted: Wanted) -> Purchase:
    """Return the purchase as it is written down before a byte is sent: its body is final."""
    job, action = context.jobs[wanted.job], wanted.action
    assert action.shot and action.request, "only shots of the manifest are bought"
    attempt = job.ledger.book.next_attempt(action.shot.id, action.shot.take)
    claims, shot = job.claims, action.shot
    book = job.ledger.book
    uid = claims.uid(book, shot.id, shot.take, attempt) if claims else context.new_uid()
    request = action.request
    if job.plan.manifest.limits.tag_media:
        request = replace(request, body=tagged(request.body, uid))
    intent = lifecycle.begin(
        shot, request, uid=uid, attempt=attempt, origin=job.site.origin, at=context.now()
    )
    return claims.named(intent) if claims else intent


async def _settle(context: Context, sent: _Sent, outcome: CreateOutcome) -> None:
    """Make the outcome durable first; then give the place free, tell, and do what patience says."""
    if isinstance(outcome, Unsent):
        return await _unsent(context, sent, outcome)
    if not (isinstance(outcome, Doubtful) and outcome.lost):
        context.patience.answered()
        context.schedule.pauses.missed = False
    match outcome:
        case Accepted():
            await _accepted(context, sent, outcome)
        case Refused() if patience.passes(outcome.failure):
            await _limited(context, sent, outcome)
        case Refused():
            await _refused(context, sent, outcome)
        case Doubtful():
            await _doubted(context, sent, outcome)


async def _kept(context: Context, sent: _Sent, outcome: CreateOutcome) -> Purchase:
    """Make what the outcome makes of the intent durable. Raises LedgerBroken."""
    purchase = settled(sent.purchase, outcome, context.now())
    job = context.jobs[sent.wanted.job]
    await job.ledger.record(purchase)
    if job.claims is not None:
        await job.claims.answered(purchase, lambda: context.schedule.working)
    return purchase


async def _accepted(context: Context, sent: _Sent, outcome: Accepted) -> None:
    purchase = await _kept(context, sent, outcome)
    now = context.clock()
    context.schedule.submit.accepted(now, sent.at)
    context.schedule.places.accepted()
    context.tell(
        "submitted",
        sent.wanted,
        uid=purchase.uid,
        task_id=purchase.task_id,
        tier=purchase.billed_tier,
        predicted_tier=purchase.predicted_tier,
    )
    deadline = now + context.limits.deadline_s
    flight = Flight(sent.wanted.job, purchase, now, now, deadline, sent.wanted)
    context.schedule.follow(flight, now, context.chance())


async def _limited(context: Context, sent: _Sent, outcome: Refused) -> None:
    """Pause as the gateway asks: the take keeps its turn."""
    failure, schedule = outcome.failure, context.schedule
    await _kept(context, sent, outcome)
    now, pace = context.clock(), schedule.submit
    schedule.again(sent.wanted)  # first, so that the create itself is not counted as running
    running = schedule.running
    pace.refused(now, sent.at, outcome.retry_after_s, context.chance(), running=running)
    schedule.places.refused(now, sent.at, running)
    endless = pace.exhausted(now)
    verdict = context.patience.limited(failure, endless=endless, running=schedule.running)
    again = _again(context, verdict, pace.delay_s(now))
    context.tell("limited", sent.wanted, uid=sent.purchase.uid, failure=as_data(failure), **again)
    context.obey(verdict)


async def _refused(context: Context, sent: _Sent, outcome: Refused) -> None:
    wanted, failure = sent.wanted, outcome.failure
    await _kept(context, sent, outcome)
    context.schedule.landed(give_back=wanted)
    context.tell("rejected", wanted, uid=sent.purchase.uid, failure=as_data(failure))
    context.obey(context.patience.refused(failure, wanted.action.key))


async def _unsent(context: Context, sent: _Sent, outcome: Unsent) -> None:
    await _kept(context, sent, outcome)
    now, u = context.clock(), context.chance()
    verdict = context.patience.unsent(outcome.reason, u, now=now, sent_at=sent.at)
    pause_s = verdict.pause_s or 0.0
    context.schedule.pauses.miss(now + pause_s)
    context.schedule.again(sent.wanted)
    again = _again(context, verdict, pause_s)
    context.tell("unsent", sent.wanted, uid=sent.purchase.uid, reason=outcome.reason, **again)
    context.obey(verdict)


def _again(context: Context, verdict: Verdict, pause_s: float) -> dict[str, float]:
    """Return when creates go on, as a fact of an event; nothing where none will follow."""
    goes_on = context.schedule.buying and verdict.stop == "nothing"
    return {"pause_s": round(pause_s, 3)} if goes_on else {}


async def _doubted(context: Context, sent: _Sent, outcome: Doubtful) -> None:
    wanted = sent.wanted
    await _kept(context, sent, outcome)
    context.schedule.landed()
    context.tell("in_doubt", wanted, uid=sent.purchase.uid, reason=outcome.reason)
    if outcome.lost:
        _hold_others(context, sent, outcome)
    context.obey(context.patience.doubted(outcome, proven=context.schedule.proven))


def _hold_others(context: Context, sent: _Sent, outcome: Doubtful) -> None:
    """Pause creates: those that follow a lost one at once would be in doubt, too."""
    now, u = context.clock(), context.chance()
    verdict = context.patience.lost(outcome.reason, u, now=now, sent_at=sent.at)
    context.schedule.pauses.miss(now + (verdict.pause_s or 0.0))
    context.obey(verdict)
