"""PURE. A task that a person found at the gateway: does what the gateway says of the task fit the
purchase, and what is to be written down?

A wrong id would give one shot another shot's video and leave the real purchase unfound, so whatever
does not fit is a question to the person.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from klingflow.gateway.outcomes import (
    Blind,
    Hiccup,
    Misnamed,
    NoSuchTask,
    Progress,
    QueryOutcome,
    Running,
    Succeeded,
    TaskFailed,
)
from klingflow.gateway.payload import clean
from klingflow.ledger.lifecycle import advance
from klingflow.ledger.moments import moment
from klingflow.model import Purchase, task_named
from klingflow.words import _

# Between the gateway's clock and ours, and from a request to the task's own beginning.
TOLERANCE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Adoption:
    """An adoption: `records` are to be written unless `doubts` speak against it."""

    doubts: tuple[str, ...]
    records: tuple[Purchase, ...]


def judge(adopted: Purchase, outcome: QueryOutcome, at: str) -> Adoption:
    """Compare the purchase with what the gateway said of its task at the time `at`.

    `adopted` is the purchase with the task's id, as it would be recorded.
    """
    if isinstance(outcome, (Running, Succeeded, TaskFailed)):
        return Adoption(tuple(_misfits(adopted, outcome)), tuple(_learned(adopted, outcome, at)))
    return unasked(adopted, _unanswered(outcome, str(adopted.task_id)))


def unasked(adopted: Purchase, doubt: str) -> Adoption:
    """Return an adoption of which nothing was learned from the gateway."""
    return Adoption((doubt,), (adopted,))


def _unanswered(outcome: NoSuchTask | Blind | Hiccup, task_id: str) -> str:
    """Return why the reply says nothing of the task."""
    match outcome:
        case NoSuchTask(failure):
            said = failure.message or failure.code
            because = _(" ({said})", said=said) if said else ""
            return _(
                "the gateway does not know {task_named}{because}",
                task_named=task_named(task_id),
                because=because,
            )
        case Blind(failure):
            return _(
                "the gateway refuses the key ({message}), so it could not be asked",
                message=failure.message,
            )
        case Misnamed(name=name):
            return _("the gateway's reply is about another task, {name}", name=clean(name, 200))
        case Hiccup(reason):
            return _("the gateway could not be asked: {reason}", reason=reason)


def _misfits(adopted: Purchase, outcome: Progress) -> Iterator[str]:
    """Yield what speaks against an adoption: the task bills another tier, began at another time, or
    does not take a known failure back.
    """
    if adopted.state == "failed" and isinstance(outcome, Running):
        yield _("it is not finished; ask again later")
    if adopted.state == "failed" and isinstance(outcome, TaskFailed):
        yield _("it has failed, as is known")
    if not outcome.named:
        yield _("the gateway's reply does not name the task it is about")
    if not _same_tier(adopted, outcome.billed_tier):
        predicted = adopted.predicted_tier
        yield _(
            "it is billed as {billed_tier}, where {predicted} was predicted",
            billed_tier=outcome.billed_tier,
            predicted=predicted,
        )
    if outcome.created_at is not None:
        yield from _at_another_time(adopted, outcome.created_at)


def _learned(known: Purchase, outcome: Progress, at: str) -> list[Purchase]:
    """Return the records to write: the adoption, and what the reply says beyond it."""
    adopted = _with_facts(known, outcome)
    if known.state == "failed":
        if isinstance(outcome, Succeeded) and outcome.named:
            return [advance(adopted, "recovered", at, video_url=outcome.video_url)]
        return [known]
    if isinstance(outcome, Succeeded) and outcome.named:
        return [adopted, advance(adopted, "succeeded", at, video_url=outcome.video_url)]
    if isinstance(outcome, TaskFailed) and outcome.named:
        return [adopted, advance(adopted, "failed", at, error=outcome.failure)]
    return [adopted]


def _with_facts(adopted: Purchase, outcome: Progress) -> Purchase:
    if outcome.created_at is not None:
        created_at = outcome.created_at.isoformat()
        adopted = replace(adopted, evidence={**(adopted.evidence or {}), "created_at": created_at})
    if outcome.billed_tier:
        adopted = replace(adopted, billed_tier=outcome.billed_tier)
    return adopted


def _same_tier(adopted: Purchase, tier: str | None) -> bool:
    """True if the reply's tier may be this purchase's. A reply that repeats the requested model
    says nothing of the tier.
    """
    if not tier or not adopted.predicted_tier:
        return True
    asked = str(adopted.body.get("model") or "").lower()
    return tier.lower() in (adopted.predicted_tier.lower(), asked)


def _at_another_time(adopted: Purchase, begun: datetime) -> Iterator[str]:
    window: Mapping[str, Any] = adopted.evidence or {}
    if "adopted" in window:  # bought elsewhere: at any time
        return
    first = moment(window.get("from") or adopted.times.get("intent"))
    last = moment(window.get("to") or adopted.times.get("in_doubt"))
    if first is None or last is None:
        return
    if not first - TOLERANCE <= begun <= last + TOLERANCE:
        sent = _("between {short} and {short_last}", short=_short(first), short_last=_short(last))
        yield _(
            "it was created at {short}, and the purchase went out {sent}",
            short=_short(begun),
            sent=sent,
        )


def _short(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
