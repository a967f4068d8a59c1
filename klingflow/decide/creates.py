"""PURE. What the outcome of a create makes of its intent: the very record that becomes durable.

What the reply says is read in klingflow.gateway.create_replies; when to try again is patience.py.
"""

from __future__ import annotations

from klingflow.gateway.outcomes import Accepted, CreateOutcome, Doubtful, Refused, Unsent
from klingflow.ledger.lifecycle import advance
from klingflow.model import Failure, Purchase


def settled(intent: Purchase, outcome: CreateOutcome, at: str) -> Purchase:
    """Return `intent` after `outcome`, which was read at the time `at`."""
    match outcome:
        case Accepted():
            return _accepted(intent, outcome, at)
        case Refused(failure):
            return advance(intent, "refused", at, error=failure)
        case Unsent(reason):
            return advance(intent, "unsent", at, error=Failure("not_sent", "not_sent", reason))
        case Doubtful():
            return _doubted(intent, outcome, at)


def _accepted(intent: Purchase, outcome: Accepted, at: str) -> Purchase:
    """Keep the reply where it names several ids: a person may have to look for the task."""
    told = {"evidence": _with(intent, **outcome.evidence)} if outcome.other_ids else {}
    known = {"task_id": outcome.task_id, "billed_tier": outcome.billed_tier}
    return advance(intent, "accepted", at, **known, **told)


def _doubted(intent: Purchase, outcome: Doubtful, at: str) -> Purchase:
    window = {"from": intent.times["intent"], "to": at}
    failure = outcome.failure or Failure("unknown", "in_doubt", outcome.reason)
    evidence = _with(intent, **window, **outcome.evidence)
    return advance(intent, "doubted", at, error=failure, evidence=evidence)


def _with(intent: Purchase, **more: object) -> dict[str, object]:
    return {**(intent.evidence or {}), **more}
