"""PURE. Which shots of a plan hosts may buy, and as what orders.

What waits for another shot is ordered with it: hosts go on by themselves. Which take counts for a
shot is decided here, once, by the picks at hand-over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from klingflow.cluster.waits import Supply, supply_of, waiting
from klingflow.decide.needs import is_delivered
from klingflow.decide.picks import present_of, source_of
from klingflow.decide.plan import buys
from klingflow.ledger.book import Book
from klingflow.ledger.handed_over import handed_over
from klingflow.ledger.lifecycle import begin
from klingflow.ledger.uids import try_of, uid_of
from klingflow.manifest.chained import chained
from klingflow.manifest.coerce import as_list
from klingflow.model import Action, Plan, Purchase


def ordered(
    plan: Plan, book: Book, *, origin: str, store: str, batch: str, at: str
) -> list[Purchase]:
    """Return the intents that a plan hands over, each after those that it waits for and under the
    uid that every copy of this ledger makes.

    A shot is left out that waits for one which neither is here nor is among these orders.
    """
    wanted = {action.key: action for action in buys(plan)}
    made: dict[str, Purchase] = {}
    for key in plan.by_key:  # needs come first
        action = wanted.get(key)
        needs = _needs(action, plan, made) if action else None
        if action is not None and needs is not None:
            intent = _intent(action, needs, book, origin=origin, at=at)
            made[key] = handed_over(intent, store=store, batch=batch)
    return [*made.values()]


def _needs(action: Action, plan: Plan, made: Mapping[str, Purchase]) -> dict[str, Supply] | None:
    """Return what meets each need of a shot; None where one comes from elsewhere."""
    assert action.shot, "only shots of the manifest are bought"
    found: dict[str, Supply] = {}
    for need in action.shot.needs:
        key = source_of(need, plan.terms, partial(present_of, plan.by_key)).key
        source = plan.by_key.get(key)
        if (order := made.get(key)) is not None:
            found[need] = Supply(order=order.uid)
        elif source is not None and is_delivered(source) and source.purchase:
            found[need] = supply_of(source.purchase)
        else:
            return None
    return found


def _intent(
    action: Action, needs: Mapping[str, Supply], book: Book, *, origin: str, at: str
) -> Purchase:
    """Return the intent of an action. Its fingerprint is "" while its body is not final."""
    assert action.shot and action.request, "only shots of the manifest are bought"
    shot = action.shot
    attempt = book.next_attempt(shot.id, shot.take)
    uid = next_uid(book, shot.id, shot.take, attempt)
    request = replace(action.request, fingerprint=action.request.fingerprint or "")
    intent = begin(shot, request, uid=uid, attempt=attempt, origin=origin, at=at)
    waits = any(supply.order for supply in needs.values())
    if not waits and not any(chained(request.body)):
        return intent
    allow = [str(code) for code in as_list(shot.fields.get("allow"))]
    return waiting(intent, needs, allow)


def next_uid(book: Book, shot: str, take: int, attempt: int) -> str:
    """Return the uid of the next try of an attempt, which every copy of the ledger makes."""
    tries = [try_of(p.uid) or 0 for p in book.of(shot, take) if p.attempt == attempt]
    return uid_of(book.lineage, shot, take, attempt, 1 + max(tries, default=0))
