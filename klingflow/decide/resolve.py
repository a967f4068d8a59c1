"""PURE. What a person decides about a purchase that klingflow cannot settle: four answers, as
records to write.

Who names many takes at once settles what is in doubt among them; a task that is parked is given up
by its own name only, because it is paid for, and so is an order that hosts of a cluster have.

They apply to a take that is in doubt or parked, or whose purchase was made at another gateway than
this one. That nothing was charged can be said of a failed or an abandoned purchase, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any, Final, Literal

from klingflow.decide.select import RESUBMITTED
from klingflow.errors import UsageError
from klingflow.gateway.payload import plausible_id
from klingflow.ledger.book import Book
from klingflow.ledger.handed_over import is_at_cluster
from klingflow.ledger.lifecycle import IN_DOUBT, PAID, UNFINISHED, advance, begin, states_before
from klingflow.model import Failure, Purchase, Request, Shot, State, split_key, task_named
from klingflow.words import _, joined, word

# What a person can say of a purchase without knowing its task.
Verdict = Literal["abandon", "not_charged", "resubmit"]

# What the ledger keeps of it as the error of the purchase: code and words.
_SAID: Final[Mapping[Verdict, tuple[str, str]]] = {
    "abandon": ("given_up", _("given up by `klingflow resolve`")),
    "not_charged": ("given_up", _("given up by `klingflow resolve`, and not charged")),
    "resubmit": (RESUBMITTED, _("to be bought once more, by `klingflow resolve --resubmit`")),
}


# What a verdict settles where it is said of many takes.
_OF_MANY: Final[Mapping[Verdict, frozenset[State]]] = {
    "abandon": IN_DOUBT,
    "not_charged": IN_DOUBT | {"failed", "abandoned"},
    "resubmit": IN_DOUBT,
}


def settled_of(book: Book, keys: Set[str], verdict: Verdict) -> list[Purchase]:
    """Return what a verdict that is said of many takes settles, in the ledger's order. A take of
    which something is in doubt counts by its doubts alone.
    """
    found: list[Purchase] = []
    for take in sorted(map(split_key, keys)):
        bought = [p for p in book.bought(*take) if not is_at_cluster(p)]
        found += _settled_of_a_take(bought, _OF_MANY[verdict])
    return found


def _settled_of_a_take(bought: Sequence[Purchase], states: Set[State]) -> list[Purchase]:
    """Return the doubts among a take's purchases. Without one, return what is in `states`; nothing
    if the last purchase is unfinished.
    """
    doubtful = [p for p in bought if p.state in IN_DOUBT]
    if doubtful:
        return doubtful
    if bought and bought[-1].state in UNFINISHED:
        return []
    return [p for p in bought if p.state in states]


def what_there_is(book: Book) -> str:
    """Return what is in doubt, in words for who has named something else."""
    doubtful = (p for p in book.purchases.values() if p.state in IN_DOUBT)
    keys = sorted({p.key for p in doubtful if not is_at_cluster(p)})
    if not keys:
        return _("nothing is in doubt")
    more = _(" and {keys} more", keys=len(keys) - _NAMED) if len(keys) > _NAMED else ""
    return _("in doubt: {keys}{more}", keys=joined(", ", keys[:_NAMED]), more=more)


_NAMED = 10


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
    """Settle a take whose task is `task_id`: its doubt or, if it has none, by a new record of the
    purchase. A task of its own that failed is left as it was; the gateway says once more whether it
    did.

    `wanted` is the shot as the manifest has it, needed only for a take without a doubt. Raises
    UsageError.
    """
    if (owner := _owner(book, task_id)) is not None:
        return [_failed_before(book, owner, key, task_id)]
    if (doubt := _latest_doubt(book, key)) is not None:
        origin = doubt.origin or origin
        return [advance(doubt, "found", at, task_id=task_id, origin=origin)]
    shot, request = _unbought(book, key, wanted)
    attempt = book.next_attempt(shot.id, shot.take)
    intent = begin(shot, request, uid=new_uid(), attempt=attempt, origin=origin, at=at)
    return [advance(intent, "accepted", at, task_id=task_id, evidence={"adopted": at})]


def adopt_order(book: Book, order: Purchase, task_id: str, at: str) -> Purchase:
    """Settle an order of hosts that was bought elsewhere, as the task `task_id`. Whoever says so
    takes the order back first. Raises UsageError.
    """
    if (owner := _owner(book, task_id)) is not None:
        return _failed_before(book, owner, order.key, task_id)
    evidence = {**(order.evidence or {}), "adopted": at}
    return advance(order, "accepted", at, task_id=task_id, evidence=evidence)


def _owner(book: Book, task_id: str) -> str | None:
    """Return the uid of the purchase that has this task. Raises UsageError for no task id."""
    if not plausible_id(task_id):
        raise UsageError(_("{task_id!r} is no task id", task_id=task_id))
    return book.task_ids.get(task_id)


def at_cluster(book: Book, key: str) -> list[Purchase]:
    """Return the orders of a take that hosts of a cluster may be buying at this moment."""
    return [p for p in book.of(*split_key(key)) if is_at_cluster(p)]


def _failed_before(book: Book, owner: str, key: str, task_id: str) -> Purchase:
    """Return this take's failed purchase that has this task. Raises UsageError."""
    known = book.purchases.get(owner) or book.pruned[owner]
    if owner not in book.purchases or (known.key, known.state) != (key, "failed"):
        raise UsageError(
            _(
                "{task_named} already belongs to {key}",
                task_named=task_named(task_id),
                key=known.key,
            )
        )
    return known


def _latest_doubt(book: Book, key: str) -> Purchase | None:
    """Return the purchase of a take that a found task settles: the last in doubt, otherwise the
    last that was abandoned.
    """
    purchases = book.of(*split_key(key))
    _refuse_at_cluster(key, purchases)
    doubtful = [p for p in purchases if p.state in IN_DOUBT]
    abandoned = [p for p in purchases if p.state == "abandoned"]
    return next(reversed(doubtful or abandoned), None)


def _unbought(book: Book, key: str, wanted: tuple[Shot, Request] | None) -> tuple[Shot, Request]:
    """Return shot and request of a take that the ledger has no purchase of. Raises UsageError."""
    paid = [p for p in book.of(*split_key(key)) if p.state in PAID]
    if paid:
        raise UsageError(
            _("{key} is bought: its task is {task_id}", key=key, task_id=paid[-1].task_id)
        )
    if wanted is None:
        raise UsageError(_("{key} is neither in the manifest nor in the ledger", key=key))
    shot, request = wanted
    if request.fingerprint is None:
        needs = joined(", ", shot.needs)
        raise UsageError(
            _(
                "{key} waits for {needs}: its body is not known before that is bought",
                key=key,
                needs=needs,
            )
        )
    return shot, request


def abandon(book: Book, key: str, *, origin: str, at: str) -> list[Purchase]:
    """Give up what nothing came of; it is not bought again by itself. Raises UsageError."""
    return [
        advance(p, "abandoned", at, **_given_up(p, "abandon"))
        for p in _unsettled(book, key, origin, states_before("abandoned"))
    ]


def not_charged(book: Book, key: str, *, origin: str, at: str) -> list[Purchase]:
    """Give up a purchase as `abandon` does; the gateway asked no money for it, so budgets do not
    count it any more.

    Without a doubt or an open task, this is said of every failed and abandoned purchase of the
    take. Raises UsageError.
    """
    purchases = book.bought(*split_key(key))
    settled = [p for p in purchases if p.state in ("failed", "abandoned")]
    is_open = any(p.state in IN_DOUBT for p in purchases)
    if is_open or not settled or purchases[-1].state in UNFINISHED:
        settled = _unsettled(book, key, origin, states_before("abandoned"))
    return [advance(p, "not_charged", at, **_given_up(p, "not_charged")) for p in settled]


def resubmit(book: Book, key: str, *, origin: str, at: str, held: bool) -> list[Purchase]:
    """Give up what nothing came of; the next run may buy it once more. Raises UsageError.

    `held` says that the plan has no other use for it, because its task is at another gateway.
    Without this, what is finished needs no second purchase, and a permission for one would lie in
    wait until its file is missing.
    """
    found = _unsettled(book, key, origin, states_before("resubmitted"))
    finished = [p for p in found if p.state in ("succeeded", "done")]
    if finished and not held:
        raise UsageError(
            _(
                "{key} is {state} and needs no second purchase; to buy it again"
                " nevertheless, there are --rerun changed, and --rerun failed where its video"
                " cannot"
                " be had",
                key=key,
                state=word(finished[0].state, "purchase"),
            )
        )
    return [advance(p, "resubmitted", at, **_given_up(p, "resubmit")) for p in found]


# What is unfinished or undelivered at the run's own gateway still comes by itself.
_COMES = frozenset({"submitted", "succeeded", "done"})


def _given_up(purchase: Purchase, verdict: Verdict) -> dict[str, Any]:
    """Return the error of a purchase that is given up. A doubt keeps its own: it is in the
    evidence. What the gateway said of a failed task stays.
    """
    if purchase.state not in IN_DOUBT | UNFINISHED | {"abandoned"}:
        return {}
    code, words = _SAID[verdict]
    kept = _("; its task id stays in the ledger") if purchase.task_id else ""
    return {"error": Failure("unknown", code, words + kept)}


def _unsettled(book: Book, key: str, origin: str, states: frozenset[str]) -> list[Purchase]:
    """Return every doubt of a take; otherwise its last purchase, if that is in one of `states` and
    does not come by itself. Raises UsageError.
    """
    purchases = book.bought(*split_key(key))
    if not purchases:
        raise UsageError(
            _(
                "{key}: the ledger knows no purchase of it, so there is nothing to resolve;"
                " {what_there_is}",
                key=key,
                what_there_is=what_there_is(book),
            )
        )
    _refuse_at_cluster(key, purchases)
    doubtful = [p for p in purchases if p.state in IN_DOUBT]
    last = purchases[-1]
    if not doubtful and (last.state not in states or _still_comes(last, origin)):
        raise UsageError(
            _(
                "{key} is {state}: only what is in doubt, parked or at another gateway is"
                " resolved; {what_there_is}",
                key=key,
                state=word(last.state, "purchase"),
                what_there_is=what_there_is(book),
            )
        )
    return doubtful or [last]


def _refuse_at_cluster(key: str, purchases: Sequence[Purchase]) -> None:
    """Raise UsageError for a take that hosts of a cluster may be buying at this moment: its order
    is to be taken back first, or they would not hear what is said here.
    """
    if any(is_at_cluster(p) for p in purchases):
        raise UsageError(_("{key} is at the cluster: its hosts may be buying it now", key=key))


def _still_comes(purchase: Purchase, origin: str) -> bool:
    return purchase.state in _COMES and (not origin or purchase.origin == origin)
