"""PURE. A task that a person found at the gateway: whether what the gateway says of it fits the
purchase it is to be.

A wrong id would give one shot another one's video and leave the real purchase unfound, so whatever
does not fit is a question to the person.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from klingflow.gateway import outcomes, replies
from klingflow.gateway.outcomes import Answer
from klingflow.ledger.lifecycle import advance
from klingflow.model import Purchase

# Between the gateway's clock and ours, and from a request to the task's own beginning.
TOLERANCE = timedelta(minutes=10)
_MILLISECONDS_FROM = 1e11  # as seconds that would be the year 5138


def created_at(answer: Answer) -> datetime | None:
    """The `created_at` of a reply to a query, in s or ms; None where it has none that can be a
    time.
    """
    try:
        document: Any = json.loads(answer.body) if isinstance(answer, outcomes.Reply) else {}
        task = document["data"] if isinstance(document.get("data"), dict) else document
        value = task["created_at"]
        seconds = float(value)
        if isinstance(value, bool) or not seconds > 0:
            return None
        return datetime.fromtimestamp(
            seconds / 1000 if seconds > _MILLISECONDS_FROM else seconds, UTC
        )
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        OverflowError,
        OSError,
        RecursionError,
    ):
        return None


def misfits(adopted: Purchase, answer: Answer) -> list[str]:
    """What speaks against it: the gateway does not know the task, bills another tier, or made it at
    another time.

    `adopted` is the purchase with the task's id, as it would be recorded.
    """
    outcome = replies.read_query(answer, task_id=str(adopted.task_id))
    if isinstance(outcome, outcomes.NoSuchTask):
        said = outcome.failure.message or outcome.failure.code
        return [f"the gateway knows no task {adopted.task_id}" + (f" ({said})" if said else "")]
    if isinstance(outcome, outcomes.Blind):
        return [
            f"the gateway refuses the key ({outcome.failure.message}), so it could not be asked"
        ]
    if isinstance(outcome, outcomes.Misnamed):
        return [f"the gateway's reply is about another task, {replies.clean(outcome.name, 200)}"]
    if not isinstance(outcome, (outcomes.Running, outcomes.Succeeded, outcomes.TaskFailed)):
        reason = getattr(outcome, "reason", type(outcome).__name__)
        return [f"the gateway could not be asked: {reason}"]
    found = []
    if adopted.state == "failed" and not isinstance(outcome, outcomes.Succeeded):
        unfinished = isinstance(outcome, outcomes.Running)
        found.append(
            "it is not finished; ask again later" if unfinished else "it has failed, as is known"
        )
    if not getattr(outcome, "named", True):
        found.append("the gateway's reply does not name the task it is about")
    if not _same_tier(adopted, outcome.billed_tier):
        found.append(
            f"it is billed as {outcome.billed_tier}, where {adopted.predicted_tier} was predicted"
        )
    found += _at_another_time(adopted, created_at(answer))
    return found


def learned(adopted: Purchase, answer: Answer | None, at: str) -> list[Purchase]:
    """The records to write: the adoption, and what the gateway's reply says beyond it, at the time
    `at`.
    """
    if answer is None:
        return [adopted]
    outcome = replies.read_query(answer, task_id=str(adopted.task_id))
    if not isinstance(outcome, (outcomes.Running, outcomes.Succeeded, outcomes.TaskFailed)):
        return [adopted]
    known = adopted
    if (begun := created_at(answer)) is not None:
        adopted = replace(
            adopted, evidence={**(adopted.evidence or {}), "created_at": begun.isoformat()}
        )
    if outcome.billed_tier:
        adopted = replace(adopted, billed_tier=outcome.billed_tier)
    if known.state == "failed":
        if isinstance(outcome, outcomes.Succeeded) and outcome.named:
            return [advance(adopted, "recovered", at, video_url=outcome.video_url)]
        return [known]
    if isinstance(outcome, outcomes.Succeeded) and outcome.named:
        return [adopted, advance(adopted, "succeeded", at, video_url=outcome.video_url)]
    if isinstance(outcome, outcomes.TaskFailed) and outcome.named:
        return [adopted, advance(adopted, "failed", at, error=outcome.failure)]
    return [adopted]


def _same_tier(adopted: Purchase, tier: str | None) -> bool:
    """A reply that repeats the requested model says nothing of the tier."""
    asked = str(adopted.body.get("model") or "").lower()
    return (
        not tier
        or not adopted.predicted_tier
        or tier.lower() in (adopted.predicted_tier.lower(), asked)
    )


def _at_another_time(adopted: Purchase, begun: datetime | None) -> list[str]:
    window: Mapping[str, Any] = adopted.evidence or {}
    if begun is None or "adopted" in window:  # bought elsewhere: at any time
        return []
    try:
        first = datetime.fromisoformat(str(window.get("from") or adopted.times["intent"]))
        last = datetime.fromisoformat(str(window.get("to") or adopted.times.get("in_doubt") or ""))
    except (ValueError, KeyError):
        return []
    if (
        first.tzinfo is None
        or last.tzinfo is None
        or first - TOLERANCE <= begun <= last + TOLERANCE
    ):
        return []
    return [
        f"it was created at {_short(begun)}, and the purchase went out between {_short(first)} and {_short(last)}"
    ]


def _short(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
