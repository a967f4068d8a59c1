"""PURE. A purchase's life, as tables: states, events, state × event → state.

Every transition raises the rank of the state, or keeps it and makes `updated` later even if the
clock goes back: so accounts of one purchase can be folded in any order (accounts.py). A task id,
once known, is never replaced.

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
changes it in any state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal

from klingflow.ledger.moments import moment
from klingflow.model import Event, Purchase, Request, Shot, State, task_named
from klingflow.words import _, joined


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
_ORDER = {"intent": 0}
for _row in EVENTS.values():
    _ORDER.setdefault(_row.time, len(_ORDER))
# When a purchase was last given another place, and another take. No event leaves them.
OF_THE_PLACE = frozenset({"placed", "moved"})


def states_before(event: Event) -> frozenset[State]:
    """Return the states to which an event can happen."""
    return frozenset(state for state, happens in TRANSITIONS if happens == event)


def begin(
    shot: Shot, request: Request, *, uid: str, attempt: int, origin: str, at: str
) -> Purchase:
    """Return the intent to buy `shot` with its final `request`; make it durable before a byte is
    sent.
    """
    if request.fingerprint is None:
        raise ValueError(_("{key}: its body is not final", key=shot.key))
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


def begun_as(purchase: Purchase, at: str) -> Purchase:
    """Return the intent to buy, at the time `at`, what a purchase is of; without its evidence."""
    return Purchase(
        uid=purchase.uid,
        shot=purchase.shot,
        take=purchase.take,
        attempt=purchase.attempt,
        state="intent",
        fingerprint=purchase.fingerprint,
        body=purchase.body,
        origin=purchase.origin,
        predicted_tier=purchase.predicted_tier,
        seconds=purchase.seconds,
        price=purchase.price,
        times={"intent": at, "updated": at},
        output=purchase.output,
        further=purchase.further,
    )


def advance(purchase: Purchase, event: Event, at: str, **changes: Any) -> Purchase:
    """Return `purchase` after `event` at the time `at`. `changes` are what else became known, by
    field.

    Raises ValueError for an event that this state does not know, for a second task id, and for an
    `accepted` or `found` without one: programmer's mistakes, all of them.
    """
    state = TRANSITIONS.get((purchase.state, event))
    if state is None:
        raise ValueError(
            _(
                "{key}: a purchase that is {state} cannot be {event}",
                key=purchase.key,
                state=purchase.state,
                event=event,
            )
        )
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
        times=times_in_order(times),
    )


def _refuse_mistakes(purchase: Purchase, event: Event, changes: Mapping[str, Any]) -> None:
    if fixed := changes.keys() & set(_IDENTITY):
        raise ValueError(
            _(
                "{key}: {event} cannot change {fixed}",
                key=purchase.key,
                event=event,
                fixed=joined(", ", sorted(fixed)),
            )
        )
    known, task_id = purchase.task_id, changes.get("task_id", purchase.task_id)
    if known is not None and task_id != known:
        raise ValueError(
            _(
                "{key}: {task_named} cannot become {task_id}",
                key=purchase.key,
                task_named=task_named(known),
                task_id=task_id,
            )
        )
    if EVENTS[event].needs_task_id and not task_id:
        raise ValueError(_("{key}: {event} without a task id", key=purchase.key, event=event))


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
    """Return what happened to a purchase last, by its name in `times`."""
    updated = purchase.times.get("updated")
    other = OF_THE_PLACE | {"updated"}
    names = [name for name, at in purchase.times.items() if at == updated and name not in other]
    return names[-1] if names else None


def times_in_order(times: Mapping[str, str]) -> dict[str, str]:
    """Return the times as a line of the ledger has them, so that one purchase has one text."""
    order = sorted(times, key=lambda name: _when(name, times[name]))
    return {name: times[name] for name in order}


def _when(name: str, at: str) -> tuple[bool, str, int, str]:
    """Times in their order, `updated` last, as `advance` leaves them."""
    return name == "updated", at, _ORDER.get(name, len(_ORDER)), name
