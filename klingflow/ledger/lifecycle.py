"""PURE. A purchase's life, as tables: states, events, state × event → state; and how several
accounts of one purchase become one.

Every transition raises the rank of the state or keeps it, so accounts of one purchase can be folded
in any order: the higher rank knows more. Where ranks are equal the later `updated` counts, which
every transition makes later even if the clock goes back. A task id, once known, is never replaced.

    intent ──accepted──▶ submitted ◀─unparked/parked─▶ parked
      │ ├─refused, unsent─▶ rejected     │ succeeded, failed │
      │ └─doubted─▶ in_doubt ─found─▶    ▼                   ▼
      │               └─abandoned, not_charged, resubmitted─▶ abandoned
                                                             succeeded ─downloaded─▶ done

A task that failed can have `recovered`: where a person has the gateway asked once more, and it has
succeeded after all. `resubmitted` leaves its time in `times`: the user's permission to buy that
take once more, used up by the next purchase of it (klingflow.decide.take). `not_charged` leaves
its time as well: the user has seen that the gateway asks no money (klingflow.decide.spending).

Where a purchase stands (its take, and the place of its video) is no part of this life: `placed`
changes it in any state, and of several accounts the one that was placed last counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any, Literal

from klingflow.ledger.moments import moment
from klingflow.model import Event, Purchase, Request, Shot, State, task_named


@dataclass(frozen=True, slots=True, kw_only=True)
class StateRow:
    """What a state means everywhere. No field has a default: a new row has to say it all."""

    # What is known for certain, from least to most: a task id outranks its absence, and a video
    # outranks a failure that another branch or the user declared meanwhile.
    rank: int
    paid: bool  # bought, and its video exists or may yet come
    unfinished: bool  # the gateway has still to be asked
    in_doubt: bool  # perhaps bought; an intent without an outcome is a doubt
    task: Literal["named", "none", "either"]  # whether the ledger has to know a task id
    delivered: bool  # its video is on disk: name, hash and size are known


STATES: Mapping[State, StateRow] = {
    "intent": StateRow(
        rank=0, paid=False, unfinished=False, in_doubt=True, task="none", delivered=False
    ),
    "in_doubt": StateRow(
        rank=1, paid=False, unfinished=False, in_doubt=True, task="none", delivered=False
    ),
    "rejected": StateRow(
        rank=2, paid=False, unfinished=False, in_doubt=False, task="none", delivered=False
    ),
    "abandoned": StateRow(
        rank=3, paid=False, unfinished=False, in_doubt=False, task="none", delivered=False
    ),
    "submitted": StateRow(
        rank=4, paid=True, unfinished=True, in_doubt=False, task="named", delivered=False
    ),
    "parked": StateRow(
        rank=4, paid=True, unfinished=True, in_doubt=False, task="named", delivered=False
    ),
    "failed": StateRow(
        rank=5, paid=False, unfinished=False, in_doubt=False, task="either", delivered=False
    ),
    "succeeded": StateRow(
        rank=6, paid=True, unfinished=False, in_doubt=False, task="named", delivered=False
    ),
    "done": StateRow(
        rank=7, paid=True, unfinished=False, in_doubt=False, task="named", delivered=True
    ),
}

RANK: Mapping[State, int] = {state: row.rank for state, row in STATES.items()}
PAID = frozenset(state for state, row in STATES.items() if row.paid)
UNFINISHED = frozenset(state for state, row in STATES.items() if row.unfinished)
IN_DOUBT = frozenset(state for state, row in STATES.items() if row.in_doubt)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """What an event means for a purchase. No field has a default: a new row has to say it all."""

    time: str  # the entry of `times` that it leaves; `updated` is always set
    needs_task_id: bool  # by it a task id becomes known
    clears_error: bool  # what was thought to be wrong is not
    once: bool  # of several accounts the first time counts, otherwise the last
    of_the_attempt: bool  # happens to the attempt, whatever task came of it


# In the order in which times of one moment stand in a line.
EVENTS: Mapping[Event, EventRow] = {
    "accepted": EventRow(
        time="submitted", needs_task_id=True, clears_error=True, once=True, of_the_attempt=False
    ),
    "found": EventRow(
        time="found", needs_task_id=True, clears_error=True, once=True, of_the_attempt=False
    ),
    "refused": EventRow(
        time="rejected", needs_task_id=False, clears_error=False, once=False, of_the_attempt=False
    ),
    "unsent": EventRow(
        time="rejected", needs_task_id=False, clears_error=False, once=False, of_the_attempt=False
    ),
    "doubted": EventRow(
        time="in_doubt", needs_task_id=False, clears_error=False, once=True, of_the_attempt=True
    ),
    "succeeded": EventRow(
        time="finished", needs_task_id=False, clears_error=True, once=True, of_the_attempt=False
    ),
    "failed": EventRow(
        time="finished", needs_task_id=False, clears_error=False, once=True, of_the_attempt=False
    ),
    "recovered": EventRow(
        time="recovered", needs_task_id=False, clears_error=True, once=False, of_the_attempt=False
    ),
    "parked": EventRow(
        time="parked", needs_task_id=False, clears_error=False, once=False, of_the_attempt=False
    ),
    "unparked": EventRow(
        time="unparked", needs_task_id=False, clears_error=False, once=False, of_the_attempt=False
    ),
    "downloaded": EventRow(
        time="done", needs_task_id=False, clears_error=True, once=False, of_the_attempt=False
    ),
    "undelivered": EventRow(
        time="undelivered",
        needs_task_id=False,
        clears_error=False,
        once=False,
        of_the_attempt=False,
    ),
    "abandoned": EventRow(
        time="abandoned", needs_task_id=False, clears_error=False, once=False, of_the_attempt=True
    ),
    "not_charged": EventRow(
        time="not_charged", needs_task_id=False, clears_error=False, once=False, of_the_attempt=True
    ),
    "resubmitted": EventRow(
        time="resubmitted", needs_task_id=False, clears_error=False, once=False, of_the_attempt=True
    ),
}

TRANSITIONS: Mapping[tuple[State, Event], State] = {
    ("intent", "accepted"): "submitted",
    ("intent", "refused"): "rejected",
    ("intent", "unsent"): "rejected",
    ("intent", "doubted"): "in_doubt",
    ("in_doubt", "found"): "submitted",
    ("in_doubt", "abandoned"): "abandoned",
    ("in_doubt", "not_charged"): "abandoned",
    ("in_doubt", "resubmitted"): "abandoned",
    ("abandoned", "found"): "submitted",
    ("abandoned", "abandoned"): "abandoned",
    ("abandoned", "not_charged"): "abandoned",
    ("abandoned", "resubmitted"): "abandoned",
    ("submitted", "parked"): "parked",
    ("submitted", "succeeded"): "succeeded",
    ("submitted", "failed"): "failed",
    ("submitted", "abandoned"): "failed",
    ("submitted", "not_charged"): "failed",
    ("submitted", "resubmitted"): "failed",
    ("parked", "parked"): "parked",
    ("parked", "unparked"): "submitted",
    ("parked", "succeeded"): "succeeded",
    ("parked", "failed"): "failed",
    ("parked", "abandoned"): "failed",
    ("parked", "not_charged"): "failed",
    ("parked", "resubmitted"): "failed",
    ("failed", "recovered"): "succeeded",
    ("failed", "not_charged"): "failed",
    ("succeeded", "downloaded"): "done",
    ("succeeded", "undelivered"): "succeeded",
    ("succeeded", "resubmitted"): "succeeded",
    ("done", "downloaded"): "done",
    ("done", "undelivered"): "done",
    ("done", "resubmitted"): "done",
}

_IDENTITY = ("uid", "shot", "take", "was", "output", "attempt", "state", "times")
# What one account may fill in where a more certain one is silent.
_FILLED = (
    "task_id", "billed_tier", "predicted_tier", "seconds", "price", "fingerprint", "origin", "body",
    "finished_after_s", "video_url", "sha256", "size_bytes", "further",
)  # fmt: skip
# What was settled with the intent, whatever task came of it: accounts of two tasks agree in it.
_OF_THE_ATTEMPT = frozenset(
    {"predicted_tier", "seconds", "price", "fingerprint", "origin", "body", "further"}
)
# Names of times. "intent" is left by `begin`.
_TIMES_OF_THE_ATTEMPT = {"intent", *(row.time for row in EVENTS.values() if row.of_the_attempt)}
_LEARNED = {row.time for row in EVENTS.values() if row.needs_task_id}
_ONCE = {"intent", *(row.time for row in EVENTS.values() if row.once)}
_ORDER = {"intent": 0}
for _row in EVENTS.values():
    _ORDER.setdefault(_row.time, len(_ORDER))
# When a purchase was last given another place, and another take. No event leaves them.
_OF_THE_PLACE = frozenset({"placed", "moved"})


def states_before(event: Event) -> frozenset[State]:
    """The states to which an event can happen."""
    return frozenset(state for state, happens in TRANSITIONS if happens == event)


def begin(
    shot: Shot, request: Request, *, uid: str, attempt: int, origin: str, at: str
) -> Purchase:
    """Return the intent to buy `shot` with its final `request`; make it durable before a byte is
    sent.
    """
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
        further=shot.further or None,
    )


def advance(purchase: Purchase, event: Event, at: str, **changes: Any) -> Purchase:
    """Return `purchase` after `event` at the time `at`. `changes` are what else became known, by
    field.

    Raises ValueError for an event that this state does not know, for a second task id, and for an
    `accepted` or `found` without one: programmer's mistakes, all of them.
    """
    state = TRANSITIONS.get((purchase.state, event))
    if state is None:
        raise ValueError(f"{purchase.key}: a purchase that is {purchase.state} cannot be {event}")
    _refuse_mistakes(purchase, event, changes)
    row = EVENTS[event]
    if row.clears_error:
        changes.setdefault("error", None)
    last = purchase.times.get("updated", at)
    updated = _later(at, last) if RANK[state] == RANK[purchase.state] else max(at, last)
    times = {n: t for n, t in purchase.times.items() if n not in (row.time, "updated")}
    times |= {row.time: updated, "updated": updated}
    return replace(purchase, state=state, times=times, **changes)


def placed(
    purchase: Purchase,
    at: str,
    *,
    shot: str | None = None,
    take: int | None = None,
    output: str | None = None,
) -> Purchase:
    """Return `purchase` as it stands from the time `at` on; what is not given stays.

    `placed` becomes later than it was, `moved` as well where the take is another one. `updated`
    stays: nothing has happened to the task.
    """
    shot, take = shot or purchase.shot, take or purchase.take
    now = _later(at, purchase.times.get("placed", ""))
    times = {**purchase.times, "placed": now}
    if (shot, take) != (purchase.shot, purchase.take):
        times["moved"] = now
    bought_for = purchase.bought_for
    return replace(
        purchase,
        shot=shot,
        take=take,
        was=None if bought_for == (shot, take) else bought_for,
        output=output or purchase.output,
        times=_in_order(times),
    )


def _refuse_mistakes(purchase: Purchase, event: Event, changes: Mapping[str, Any]) -> None:
    if fixed := changes.keys() & set(_IDENTITY):
        raise ValueError(f"{purchase.key}: {event} cannot change {', '.join(sorted(fixed))}")
    known, task_id = purchase.task_id, changes.get("task_id", purchase.task_id)
    if known is not None and task_id != known:
        raise ValueError(f"{purchase.key}: {task_named(known)} cannot become {task_id}")
    if EVENTS[event].needs_task_id and not task_id:
        raise ValueError(f"{purchase.key}: {event} without a task id")


def _later(at: str, last: str) -> str:
    """Return `at`, or a time just after `last` where the clock has stood still or gone back.

    Accounts are folded by these times, and two of them at one time would have no order.
    """
    if at > last:
        return at
    then = moment(last)
    if then is None:  # from a lock that was edited by hand
        return last
    after = then + timedelta(milliseconds=1)
    return after.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def last_event(purchase: Purchase) -> str | None:
    """What happened to a purchase last, by its name in `times`."""
    updated = purchase.times.get("updated")
    other = _OF_THE_PLACE | {"updated"}
    names = [name for name, at in purchase.times.items() if at == updated and name not in other]
    return names[-1] if names else None


def merge(accounts: Sequence[Purchase]) -> tuple[Purchase, list[Purchase]]:
    """One purchase out of all accounts of one uid in any order and grouping, and the accounts that
    contradict it.

    Contradictions are another attempt, also one of another take, or another task id. Of two task
    ids the one learned first stays; what the other accounts say is about another task, so they are
    handed back whole. Where the purchase stands is said by the account that was placed last.
    """
    if all(a == accounts[0] for a in accounts[1:]):
        return accounts[0], []
    told = [a for a in accounts if not _is_witness(a)] or [*accounts]
    with_task = [a for a in told if a.task_id]
    first = min(with_task, key=_age) if with_task else _most_certain_first(told)[0]
    agreeing = [a for a in told if _same_purchase(a, first)]
    contradicting = [a for a in told if not _same_purchase(a, first)]
    merged = _filled(_most_certain_first(agreeing), contradicting)
    return _standing(merged, [a for a in told if _same_attempt(a, first)]), contradicting


def _is_witness(account: Purchase) -> bool:
    """True if it comes from a damaged line: a doubt that counts only where no other line reports
    the purchase.
    """
    damaged = "damaged" in (account.evidence or {})
    return damaged and account.state == "in_doubt" and not account.fingerprint


def _filled(accounts: Sequence[Purchase], contradicting: Sequence[Purchase]) -> Purchase:
    """The first account with what only others know."""
    best, everybody = accounts[0], [*accounts, *contradicting]
    changes: dict[str, Any] = {}
    for name in _FILLED:
        if not getattr(best, name):
            others = everybody if name in _OF_THE_ATTEMPT else accounts
            known = next((value for a in others if (value := getattr(a, name))), None)
            changes |= {name: known} if known else {}
    changes |= _fullest_evidence(best, everybody)
    times = _times(accounts, contradicting)
    if times != best.times:
        changes["times"] = _in_order(times)
    return replace(best, **changes) if changes else best


def _standing(merged: Purchase, accounts: Iterable[Purchase]) -> Purchase:
    """The purchase where the account says that was placed last."""
    last = max(accounts, key=_placing)
    times = {name: at for name, at in merged.times.items() if name not in _OF_THE_PLACE}
    times |= {name: last.times[name] for name in _OF_THE_PLACE & last.times.keys()}
    if times == merged.times and _placing(merged) == _placing(last):
        return merged
    return replace(
        merged,
        shot=last.shot,
        take=last.take,
        was=last.was,
        output=last.output,
        times=_in_order(times),
    )


def _placing(account: Purchase) -> tuple[str, str, int, str, str]:
    """Sort by the time of placing; what was never placed counts least."""
    times = account.times
    place = account.shot, account.take, account.output or ""
    return times.get("placed", ""), *place, times.get("moved", "")


def _fullest_evidence(best: Purchase, accounts: Iterable[Purchase]) -> dict[str, Any]:
    told = [a.evidence for a in accounts if a.evidence]
    if all(evidence == best.evidence for evidence in told):
        return {}
    return {
        "evidence": max(told, key=lambda e: (len(e), json.dumps(e, sort_keys=True, default=str)))
    }


def _times(accounts: Sequence[Purchase], contradicting: Sequence[Purchase]) -> dict[str, str]:
    """When each thing happened: what happens once by its first telling, the rest by its last."""
    times: dict[str, str] = {}
    told = [(name, at) for a in accounts for name, at in a.times.items()]
    apart = [(name, at) for a in contradicting for name, at in a.times.items()]
    told += [(name, at) for name, at in apart if name in _TIMES_OF_THE_ATTEMPT]
    for name, at in told:
        choose = min if name in _ONCE else max
        times[name] = choose(times.get(name, at), at)
    if "updated" in accounts[0].times:
        times["updated"] = accounts[0].times["updated"]
    return times


def _in_order(times: Mapping[str, str]) -> dict[str, str]:
    order = sorted(times, key=lambda name: _when(name, times[name]))
    return {name: times[name] for name in order}


def _when(name: str, at: str) -> tuple[bool, str, int, str]:
    """Times in their order, `updated` last, as `advance` leaves them."""
    return name == "updated", at, _ORDER.get(name, len(_ORDER)), name


def _same_purchase(a: Purchase, b: Purchase) -> bool:
    same_task = a.task_id is None or b.task_id is None or a.task_id == b.task_id
    return same_task and _same_attempt(a, b)


def _same_attempt(a: Purchase, b: Purchase) -> bool:
    return (a.bought_for, a.attempt) == (b.bought_for, b.attempt)


def _most_certain_first(accounts: list[Purchase]) -> list[Purchase]:
    """Return them in a total order, so that a fold does not depend on the order of lines."""
    if len({_certainty(a) for a in accounts}) < len(accounts):
        accounts = sorted(accounts, key=_text)  # slow, so only where it decides
    return sorted(accounts, key=_certainty, reverse=True)


def _certainty(account: Purchase) -> tuple[int, str, str]:
    return RANK[account.state], account.times.get("updated", ""), account.state


def _age(account: Purchase) -> tuple[str, str | None, str, int, int]:
    """Sort by the time the task id was learned, which no later event moves."""
    attempt = *account.bought_for, account.attempt
    learned = min((t for name in _LEARNED if (t := account.times.get(name))), default="")
    return learned or account.times.get("updated", ""), account.task_id, *attempt


def _text(account: Purchase) -> str:
    """All that an account says, except where the purchase stands."""
    shot, take = account.bought_for
    times = {name: at for name, at in account.times.items() if name not in _OF_THE_PLACE}
    told = replace(account, shot=shot, take=take, was=None, output=None, times=times)
    return json.dumps(asdict(told), sort_keys=True, default=str)
