"""PURE. What a person decides about a purchase that klingflow cannot settle: three answers, as
records to write.

They apply to a take that is in doubt or parked, or whose purchase was made at another gateway than
this one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from klingflow.errors import UsageError
from klingflow.gateway.payload import plausible_id
from klingflow.ledger.book import Book
from klingflow.ledger.lifecycle import IN_DOUBT, PAID, UNFINISHED, advance, begin, states_before
from klingflow.model import Failure, Purchase, Request, Shot, split_key

_GIVEN_UP = "given up by `klingflow resolve`"


def adopt(
    book: Book,
    key: str,
    task_id: str,
    *,
    wanted: tuple[Shot, Request] | None,
    origin: str,
    new_uid: Callable[[], str],
    at: str,
) -> list[Purchase]:
    """The take was bought: its task is `task_id`. Settles its doubt or, if it has none, records the
    purchase. A task of its own that failed is as it was; whether it did is for the gateway to say
    once more.

    `wanted` is the shot as the manifest has it, needed only for a take without a doubt. Raises
    UsageError.
    """
    if not plausible_id(task_id):
        raise UsageError(f"{task_id!r} is no task id")
    if (owner := book.task_ids.get(task_id)) is not None:
        known = book.purchases.get(owner)
        if known is not None and (known.key, known.state) == (key, "failed"):
            return [known]
        raise UsageError(f"task {task_id} is already that of {(known or book.pruned[owner]).key}")
    purchases = book.of(*split_key(key))
    open_ones = [p for p in purchases if p.state in (*IN_DOUBT, "abandoned")]
    if doubtful := [p for p in open_ones if p.state in IN_DOUBT] or open_ones:
        return [
            advance(
                doubtful[-1], "found", at, task_id=task_id, origin=doubtful[-1].origin or origin
            )
        ]
    if paid := [p for p in purchases if p.state in PAID]:
        raise UsageError(f"{key} is bought: its task is {paid[-1].task_id}")
    if wanted is None:
        raise UsageError(f"{key} is neither in the manifest nor in the ledger")
    shot, request = wanted
    if request.fingerprint is None:
        raise UsageError(
            f"{key} waits for {', '.join(shot.needs)}: its body is not known before that is bought"
        )
    attempt = book.next_attempt(shot.id, shot.take)
    intent = begin(shot, request, uid=new_uid(), attempt=attempt, origin=origin, at=at)
    return [advance(intent, "accepted", at, task_id=task_id, evidence={"adopted": at})]


def abandon(book: Book, key: str, *, origin: str, at: str) -> list[Purchase]:
    """Nothing came of it, and it is not to be bought again by itself. Raises UsageError."""
    return [
        advance(p, "abandoned", at, **_given_up(p))
        for p in _unsettled(book, key, origin, states_before("abandoned"))
    ]


def resubmit(book: Book, key: str, *, origin: str, at: str, held: bool) -> list[Purchase]:
    """Nothing came of it: the next run may buy it once more. Raises UsageError.

    `held` says that the plan has no other use for it, because its task is at another gateway.
    Without this, what is finished needs no second purchase, and a permission for one would lie in
    wait until its file is missing.
    """
    found = _unsettled(book, key, origin, states_before("resubmitted"))
    if not held and (finished := [p for p in found if p.state in ("succeeded", "done")]):
        raise UsageError(
            f"{key} is {finished[0].state} and needs no second purchase; to buy it anew nevertheless,"
            " there are --rerun changed, and --rerun failed where its video cannot be had"
        )
    return [advance(p, "resubmitted", at, **_given_up(p)) for p in found]


# What is unfinished or undelivered at the run's own gateway still comes by itself.
_COMES = frozenset({"submitted", "succeeded", "done"})


def _given_up(purchase: Purchase) -> dict[str, Any]:
    """What was thought to be wrong before is in the evidence of a doubt."""
    if purchase.state not in (*IN_DOUBT, *UNFINISHED):
        return {}
    kept = "; its task id stays in the ledger" if purchase.task_id else ""
    return {"error": Failure("unknown", "given_up", _GIVEN_UP + kept)}


def _unsettled(book: Book, key: str, origin: str, states: frozenset[str]) -> list[Purchase]:
    purchases = [p for p in book.of(*split_key(key)) if p.state != "rejected"]
    if not purchases:
        raise UsageError(
            f"{key}: the ledger knows no purchase of it, so there is nothing to resolve"
        )
    doubtful = [p for p in purchases if p.state in IN_DOUBT]
    found = doubtful or [
        p for p in purchases[-1:] if p.state in states and not _still_comes(p, origin)
    ]
    if not found:
        last = purchases[-1]
        raise UsageError(
            f"{key} is {last.state}: only what is in doubt, parked or at another gateway is resolved"
        )
    return found


def _still_comes(purchase: Purchase, origin: str) -> bool:
    return purchase.state in _COMES and (not origin or purchase.origin == origin)
