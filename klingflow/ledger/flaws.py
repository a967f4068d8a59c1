"""PURE. What is wrong with a ledger's purchases taken by themselves: each with what to do. Files
are read elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

from klingflow.errors import ExitCode
from klingflow.ledger.book import held_twice, paid_twice
from klingflow.ledger.lifecycle import IN_DOUBT
from klingflow.ledger.problems import Level
from klingflow.manifest.request import fingerprint, leaves
from klingflow.model import Json, Purchase

# How bad a finding is, and the exit code that says so. A note is nothing that anybody has to mend.
LEVELS: Mapping[Level, ExitCode] = {
    "damaged": ExitCode.INTERNAL,  # the record itself: a line, a sum, a fact that cannot be
    "unsettled": ExitCode.UNSETTLED,  # a person has to say how it came out
    "video": ExitCode.FAILED,  # a video is not as it was bought, or a shot was paid for twice
    "note": ExitCode.OK,
}

_WITH_TASK = frozenset({"submitted", "parked", "succeeded", "done"})
_WITHOUT_TASK = frozenset({"intent", "in_doubt", "rejected", "abandoned"})
_SEQUENCE = ("intent", "submitted", "finished", "done")


class Flaw(NamedTuple):
    """One thing wrong with one purchase, and what to do; `level` is one of LEVELS."""

    purchase: Purchase
    level: Level
    message: str
    todo: str


def examine(purchases: Iterable[Purchase], manifest: str) -> Iterator[Flaw]:
    """Every flaw, purchase by purchase, then those between purchases. `manifest` is the file's
    name, for the commands to give.
    """
    purchases = list(purchases)
    task_ids = {p.task_id for p in purchases if p.task_id}
    for purchase in purchases:
        yield from _facts(purchase)
        yield from _times(purchase)
        yield from _meaning(purchase, task_ids)
        if purchase.state in IN_DOUBT:
            yield Flaw(purchase, "unsettled", "in doubt: perhaps bought", _status(manifest))
        elif purchase.state == "parked":
            yield Flaw(
                purchase,
                "unsettled",
                f"task {purchase.task_id} took too long and is parked",
                _fetch(manifest),
            )
    for a, b in held_twice(purchases):
        yield Flaw(
            b,
            "damaged",
            f"task {b.task_id} is also that of {a.key}, attempt {a.attempt}",
            "look the task up at the gateway: one of the two shots has no video of its own",
        )
    for a, b in paid_twice(purchases):
        yield Flaw(
            b,
            "video",
            f"paid for twice: task {a.task_id} and task {b.task_id}",
            "nothing is lost, both are kept; if the gateway refunds, these are the ids",
        )


def _facts(purchase: Purchase) -> Iterator[Flaw]:
    state = purchase.state
    if state in _WITH_TASK and not purchase.task_id:
        yield _damaged(purchase, f"{state}, but without a task id")
    if state in _WITHOUT_TASK and purchase.task_id:
        yield _damaged(purchase, f"{state}, but with task {purchase.task_id}")
    if state == "done" and not (purchase.sha256 and purchase.output and purchase.size_bytes):
        yield _damaged(purchase, "done, but without its file's name, hash and size")
    if not purchase.fingerprint and state != "in_doubt":
        yield _damaged(purchase, "without a fingerprint")


def _times(purchase: Purchase) -> Iterator[Flaw]:
    known: list[tuple[str, datetime]] = []
    for name in (*_SEQUENCE, *(n for n in purchase.times if n not in _SEQUENCE)):
        if (text := purchase.times.get(name)) is None:
            continue
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            yield _damaged(purchase, f"{name} at {text!r}, which is no time")
            continue
        if at.tzinfo is None:
            yield _damaged(purchase, f"{name} at {text!r}, without a time zone")
        elif name in _SEQUENCE:
            known.append((name, at))
    for (earlier, first), (later, second) in pairwise(known):
        if second < first:
            yield _damaged(
                purchase,
                f"{later} at {purchase.times[later]}, before {earlier} at {purchase.times[earlier]}",
            )


def _meaning(purchase: Purchase, task_ids: set[str]) -> Iterator[Flaw]:
    """The fingerprint again from the body.

    A body with another shot's result in it, an address or an id, has its fingerprint of something
    else, which is not in the ledger.
    """
    if not purchase.body or not purchase.fingerprint:
        return
    body = dict(purchase.body)
    try:
        anew = fingerprint(body)
    except (ValueError, TypeError, AttributeError):
        anew = ""
    if anew != purchase.fingerprint and not _may_refer(body, task_ids):
        yield _damaged(
            purchase, f"its body is not the one of its fingerprint {purchase.fingerprint}"
        )


def _may_refer(body: Json, task_ids: set[str]) -> bool:
    texts = [text for _, text in leaves(body) if isinstance(text, str)]
    return any("://" in text or any(task_id in text for task_id in task_ids) for text in texts)


def _damaged(purchase: Purchase, message: str) -> Flaw:
    return Flaw(
        purchase, "damaged", message, "git may have this line as it was: git log -p on the lock"
    )


def _status(manifest: str) -> str:
    return f"klingflow status {manifest} tells what is known and how to settle it"


def _fetch(manifest: str) -> str:
    return f"klingflow fetch {manifest} asks after it again"
