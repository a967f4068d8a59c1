"""Hands takes to the schedule, or lets them wait: each by what its verb calls for."""

from __future__ import annotations

from klingflow.decide.delivery import FROM_AN_EARLIER_RUN
from klingflow.decide.schedule import Fetch, Flight, Wanted
from klingflow.decide.verbs import VERBS
from klingflow.ledger.moments import moment
from klingflow.model import Purchase
from klingflow.runner.context import Context


def queue(context: Context, wanted: Wanted, *, released: bool = False) -> None:
    """Queue what a take calls for; nothing, where it calls for nothing. `released`: what it waited
    for has come in this run.
    """
    purchase, now = wanted.action.purchase, context.clock()
    match VERBS[wanted.action.verb].work:
        case "buy" if context.patience.buying:
            want(context, wanted, released=released)
        case "poll" if purchase:
            context.schedule.resume(_resumed(context, wanted, purchase, now), now)
        case "download" if purchase:
            bring(context, Fetch(wanted.job, purchase, wanted, FROM_AN_EARLIER_RUN))
        case "wait" if context.patience.buying:
            context.waiting[wanted.job].add(wanted)


def bring(context: Context, fetch: Fetch) -> None:
    """Queue a download. What is taken from its video waits for it."""
    context.sending.coming.add((fetch.job, fetch.purchase.uid))
    context.schedule.fetch(fetch, context.clock())


def want(context: Context, wanted: Wanted, *, released: bool = False) -> None:
    """Queue a take to be bought, or let it wait for its local files. `released` as for `queue`."""
    if context.sending.want(wanted, released=released):
        context.schedule.want(wanted, released=released)


def release(context: Context, number: int, key: str) -> None:
    """Queue what waited for the take `key` of the manifest `number`, and now for nothing more."""
    book = context.jobs[number].ledger.book
    for wanted in context.waiting[number].finished(key, book):
        queue(context, wanted, released=True)


def _resumed(context: Context, wanted: Wanted, purchase: Purchase, now: float) -> Flight:
    """Return a task from the ledger: it is as old as its record says, or new where the record does
    not say; and it gets a whole deadline of this run.
    """
    submitted = moment(purchase.times.get("submitted") or purchase.times.get("updated"))
    here = moment(context.now())
    age_s = (here - submitted).total_seconds() if here and submitted else 0.0
    since = now - max(0.0, age_s)
    return Flight(
        wanted.job, purchase, since, since, now + context.limits.deadline_s, wanted, timed=False
    )
