"""PURE. A purchase's life, as one table: state × event → state; and how several accounts of one
become one.

Every transition raises the RANK of the state or keeps it, so accounts of one purchase can be folded
in any order: the higher rank knows more. Where ranks are equal the later `updated` counts, which
every transition makes later even if the clock goes back. A task id, once known, is never replaced.

    intent ──accepted──▶ submitted ◀─unparked/parked─▶ parked
      │ ├─refused, unsent─▶ rejected     │ succeeded, failed │
      │ └─doubted─▶ in_doubt ─found─▶    ▼                   ▼
      │               └─abandoned, resubmitted─▶ abandoned   succeeded ─downloaded─▶ done

A task that failed can have `recovered`: where a person has the gateway asked once more, and it has
succeeded after all.

`resubmitted` leaves its time in `times`: the user's permission to buy that take once more, used up
by the next purchase of it (klingflow.decide.plan).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

from klingflow.model import Purchase, Request, Shot

TRANSITIONS: dict[tuple[str, str], str] = {
    ("intent", "accepted"): "submitted",
    ("intent", "refused"): "rejected",
    ("intent", "unsent"): "rejected",
    ("intent", "doubted"): "in_doubt",
    ("in_doubt", "found"): "submitted",
    ("in_doubt", "abandoned"): "abandoned",
    ("in_doubt", "resubmitted"): "abandoned",
    ("abandoned", "found"): "submitted",
    ("abandoned", "resubmitted"): "abandoned",
    ("submitted", "parked"): "parked",
    ("submitted", "succeeded"): "succeeded",
    ("submitted", "failed"): "failed",
    ("submitted", "abandoned"): "failed",
    ("submitted", "resubmitted"): "failed",
    ("parked", "unparked"): "submitted",
    ("parked", "succeeded"): "succeeded",
    ("parked", "failed"): "failed",
    ("parked", "abandoned"): "failed",
    ("parked", "resubmitted"): "failed",
    ("failed", "recovered"): "succeeded",
    ("succeeded", "downloaded"): "done",
    ("succeeded", "undelivered"): "succeeded",
    ("succeeded", "resubmitted"): "succeeded",
    ("done", "downloaded"): "done",
    ("done", "undelivered"): "done",
    ("done", "resubmitted"): "done",
}

# What is known for certain, from least to most. A task id outranks its absence; a video outranks a
# failure that another branch or the user declared meanwhile.
RANK: dict[str, int] = {
    "intent": 0,
    "in_doubt": 1,
    "rejected": 2,
    "abandoned": 3,
    "submitted": 4,
    "parked": 4,
    "failed": 5,
    "succeeded": 6,
    "done": 7,
}
STATES = tuple(RANK)

PAID = frozenset(
    {"submitted", "parked", "succeeded", "done"}
)  # bought, and its video exists or may yet come
UNFINISHED = frozenset({"submitted", "parked"})
IN_DOUBT = frozenset({"intent", "in_doubt"})  # an intent without an outcome is a doubt

# The entry of `times` that an event leaves; `updated` is always set.
TIMES: dict[str, str] = {
    "accepted": "submitted",
    "found": "found",
    "refused": "rejected",
    "unsent": "rejected",
    "doubted": "in_doubt",
    "succeeded": "finished",
    "failed": "finished",
    "recovered": "recovered",
    "parked": "parked",
    "unparked": "unparked",
    "downloaded": "done",
    "undelivered": "undelivered",
    "abandoned": "abandoned",
    "resubmitted": "resubmitted",
}

_NEEDS_TASK_ID = frozenset({"accepted", "found"})
_CLEARS_ERROR = frozenset({"accepted", "found", "succeeded", "recovered", "downloaded"})
_IDENTITY = ("uid", "shot", "take", "attempt", "state", "times")
# What one account may fill in where a more certain one is silent.
_FILLED = (
    "task_id", "billed_tier", "predicted_tier", "seconds", "price", "fingerprint", "origin", "body",
    "finished_after_s", "video_url", "output", "sha256", "size_bytes",
)  # fmt: skip
# What was settled with the intent, whatever task came of it: accounts of two tasks agree in it.
_OF_THE_ATTEMPT = frozenset(
    {"predicted_tier", "seconds", "price", "fingerprint", "origin", "body", "output"}
)
_WITHOUT_TASK = frozenset({"intent", "in_doubt", "abandoned", "resubmitted"})
_LEARNED = ("submitted", "found")
_ONCE = frozenset({"intent", "in_doubt", "submitted", "found", "finished"})
_ORDER = {name: number for number, name in enumerate(dict.fromkeys(("intent", *TIMES.values())))}


def begin(
    shot: Shot, request: Request, *, uid: str, attempt: int, origin: str, at: str
) -> Purchase:
    """The intent to buy `shot` with its final `request`, to be made durable before a byte is sent."""
    if request.fingerprint is None:
        raise ValueError(f"{shot.key}: its body is not final")
    return Purchase(
        uid=uid,
        shot=shot.id,
        take=shot.take,
        attempt=attempt,
        state="intent",
        fingerprint=request.fingerprint,
        body=request.body,
        origin=origin,
        predicted_tier=request.predicted_tier,
        seconds=request.seconds,
        price=request.price,
        times={"intent": at, "updated": at},
        output=shot.output,
    )


def advance(purchase: Purchase, event: str, at: str, **changes: Any) -> Purchase:
    """`purchase` after `event` at the time `at`. `changes` are what else became known, by field.

    Raises ValueError for an event that this state does not know, for a second task id, and for an
    `accepted` or `found` without one: programmer's mistakes, all of them.
    """
    state = TRANSITIONS.get((purchase.state, event))
    if state is None:
        raise ValueError(f"{purchase.key}: a purchase that is {purchase.state} cannot be {event}")
    if fixed := changes.keys() & set(_IDENTITY):
        raise ValueError(f"{purchase.key}: {event} cannot change {', '.join(sorted(fixed))}")
    task_id = changes.get("task_id", purchase.task_id)
    if purchase.task_id is not None and task_id != purchase.task_id:
        raise ValueError(f"{purchase.key}: task {purchase.task_id} cannot become {task_id}")
    if event in _NEEDS_TASK_ID and not task_id:
        raise ValueError(f"{purchase.key}: {event} without a task id")
    if event in _CLEARS_ERROR:
        changes.setdefault("error", None)
    last = purchase.times.get("updated", at)
    updated = _later(at, last) if RANK[state] == RANK[purchase.state] else max(at, last)
    before = {
        name: t for name, t in purchase.times.items() if name not in (TIMES[event], "updated")
    }
    times = {**before, TIMES[event]: updated, "updated": updated}
    return replace(purchase, state=state, times=times, **changes)


def _later(at: str, last: str) -> str:
    """`at`, or just after `last` where the clock has stood still or gone back: accounts are folded
    by these times, so that two of one purchase at one time would be in no order.
    """
    if at > last:
        return at
    try:
        after = datetime.fromisoformat(last) + timedelta(milliseconds=1)
    except (ValueError, OverflowError):  # nobody's time, from a lock edited by hand
        return last
    return after.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def last_event(purchase: Purchase) -> str | None:
    """What happened to a purchase last, by its name in `times`."""
    updated = purchase.times.get("updated")
    latest = (
        name
        for name, at in reversed([*purchase.times.items()])
        if at == updated and name != "updated"
    )
    return next(latest, None)


def merge(accounts: Sequence[Purchase]) -> tuple[Purchase, list[Purchase]]:
    """One purchase out of all accounts of one uid in any order and grouping, and the accounts that
    contradict it.

    Contradictions are another shot, take or attempt, or another task id. Of two task ids the one
    learned first stays; what the other accounts say is about another task, so they are handed back
    whole.
    """
    if all(a == accounts[0] for a in accounts[1:]):
        return accounts[0], []
    told = [a for a in accounts if not _is_witness(a)] or [*accounts]
    first = (
        min((a for a in told if a.task_id), key=_age, default=None) or _most_certain_first(told)[0]
    )
    agreeing = [a for a in told if _same_purchase(a, first)]
    contradicting = [a for a in told if not _same_purchase(a, first)]
    return _filled(_most_certain_first(agreeing), contradicting), contradicting


def _is_witness(account: Purchase) -> bool:
    """Whether it comes from a damaged line: a doubt that counts where nothing else tells."""
    return (
        account.state == "in_doubt"
        and not account.fingerprint
        and "damaged" in (account.evidence or {})
    )


def _filled(accounts: Sequence[Purchase], contradicting: Sequence[Purchase]) -> Purchase:
    best = accounts[0]
    changes: dict[str, Any] = {}
    for name in _FILLED:
        if not getattr(best, name):
            others = [*accounts, *contradicting] if name in _OF_THE_ATTEMPT else accounts
            known = next((v for a in others if (v := getattr(a, name))), None)
            if known:
                changes[name] = known
    told = [a.evidence for a in (*accounts, *contradicting) if a.evidence]
    if any(evidence != best.evidence for evidence in told):
        changes["evidence"] = max(
            told, key=lambda e: (len(e), json.dumps(e, sort_keys=True, default=str))
        )
    times = _times(accounts, contradicting)
    if times != best.times:
        changes["times"] = {
            name: times[name] for name in sorted(times, key=lambda n: _when(n, times[n]))
        }
    return replace(best, **changes) if changes else best


def _times(accounts: Sequence[Purchase], contradicting: Sequence[Purchase]) -> dict[str, str]:
    """When each thing happened: what happens once by its first telling, the rest by its last."""
    times: dict[str, str] = {}
    without_task = ({n: t for n, t in a.times.items() if n in _WITHOUT_TASK} for a in contradicting)
    for told in (*(a.times for a in accounts), *without_task):
        for name, at in told.items():
            known = times.setdefault(name, at)
            if known != at:
                times[name] = (min if name in _ONCE else max)(known, at)
    if "updated" in accounts[0].times:
        times["updated"] = accounts[0].times["updated"]
    return times


def _when(name: str, at: str) -> tuple[bool, str, int]:
    """Times in their order, `updated` last, as `advance` leaves them."""
    return name == "updated", at, _ORDER.get(name, len(_ORDER))


def _same_purchase(a: Purchase, b: Purchase) -> bool:
    place = (a.shot, a.take, a.attempt) == (b.shot, b.take, b.attempt)
    return place and (a.task_id is None or b.task_id is None or a.task_id == b.task_id)


def _most_certain_first(accounts: list[Purchase]) -> list[Purchase]:
    """In a total order, so that what is folded does not depend on the order of lines."""
    if len({_certainty(a) for a in accounts}) < len(accounts):
        accounts = sorted(accounts, key=_text)  # slow, so only where it decides
    return sorted(accounts, key=_certainty, reverse=True)


def _certainty(account: Purchase) -> tuple[int, str, str]:
    return RANK[account.state], account.times.get("updated", ""), account.state


def _age(account: Purchase) -> tuple[str, str | None, str, int, int]:
    """When its task id was learned, which no later event moves."""
    place = account.shot, account.take, account.attempt
    learned = min((t for name in _LEARNED if (t := account.times.get(name))), default="")
    return learned or account.times.get("updated", ""), account.task_id, *place


def _text(account: Purchase) -> str:
    return json.dumps(asdict(account), sort_keys=True, default=str)
