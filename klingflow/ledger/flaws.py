"""PURE. What is wrong with a ledger's purchases taken by themselves, and what to do about each
flaw.

Only purchases are looked at: what is wrong with a line is for lines.py, what is wrong with a video
is for `lock check`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

from klingflow.errors import ExitCode
from klingflow.ledger.book import alike, held_twice, paid_twice, same_video
from klingflow.ledger.handed_over import is_at_cluster
from klingflow.ledger.lifecycle import IN_DOUBT, STATES
from klingflow.ledger.moments import moment
from klingflow.ledger.problems import ROWS, Level, found
from klingflow.manifest.request import fingerprint, leaves
from klingflow.model import Json, Purchase, task_named
from klingflow.words import _, word

# How bad a finding is, and the exit code that says so. A note is nothing that anybody has to mend.
LEVELS: Mapping[Level, ExitCode] = {
    "damaged": ExitCode.INTERNAL,  # the record itself: a line, a sum, a fact that cannot be
    "unsettled": ExitCode.UNSETTLED,  # a person has to say how it came out
    "video": ExitCode.FAILED,  # a video is not as it was bought, or a shot was paid for twice
    "note": ExitCode.OK,
}

# What must have happened in this order, by the names of times.
_SEQUENCE = ("intent", "submitted", "finished", "done")


class Flaw(NamedTuple):
    """One thing wrong with one purchase, and what to do; `level` is one of LEVELS."""

    purchase: Purchase
    level: Level
    message: str
    todo: str


def examine(purchases: Iterable[Purchase], manifest: str) -> Iterator[Flaw]:
    """Yield every flaw of each purchase, then the flaws between purchases.

    `manifest` is how the commands that mend a flaw name the manifest.
    """
    purchases = list(purchases)
    task_ids = {p.task_id for p in purchases if p.task_id}
    for purchase in purchases:
        yield from _facts(purchase)
        yield from _times(purchase)
        yield from _meaning(purchase, task_ids)
        yield from _unsettled(purchase, manifest)
    for a, b in held_twice(purchases):
        yield Flaw(
            b,
            "damaged",
            _(
                "{task_named} is also that of {key}, attempt {attempt}",
                task_named=task_named(b.task_id),
                key=a.key,
                attempt=a.attempt,
            ),
            _("look the task up at the gateway: one of the two shots has no video of its own"),
        )
    for several in alike(purchases):
        problem = same_video(several)
        yield Flaw(several[-1], "note", found(problem), ROWS[problem.kind].todo)
    for a, b in paid_twice(purchases):
        yield Flaw(
            b,
            "video",
            _(
                "paid for twice: {one} and {other}",
                one=task_named(a.task_id),
                other=task_named(b.task_id),
            ),
            _("nothing is lost, both are kept; if the gateway refunds, these are the ids"),
        )


def _facts(purchase: Purchase) -> Iterator[Flaw]:
    """Yield a flaw for each fact that the state requires and the purchase lacks."""
    task_id, row = purchase.task_id, STATES[purchase.state]
    state = word(purchase.state, "purchase")
    has_file = all((purchase.sha256, purchase.output, purchase.size_bytes))
    is_a_doubt = purchase.state == "in_doubt"  # and may come from a damaged line
    if row.task == "named" and not task_id:
        yield _damaged(purchase, _("{state}, but without a task id", state=state))
    if row.task == "none" and task_id:
        named = task_named(task_id)
        yield _damaged(purchase, _("{state}, but with {task_named}", state=state, task_named=named))
    if row.delivered and not has_file:
        said = _("{state}, but without its file's name, hash and size", state=state)
        yield _damaged(purchase, said)
    if not purchase.fingerprint and not is_a_doubt:
        yield _damaged(purchase, _("without a fingerprint"))


def _unsettled(purchase: Purchase, manifest: str) -> Iterator[Flaw]:
    """Yield what a person has to settle."""
    if is_at_cluster(purchase):
        yield Flaw(purchase, "unsettled", _("at the cluster"), _("its hosts buy it, or give it up"))
    elif purchase.state in IN_DOUBT:
        todo = _(
            "klingflow status {manifest} shows what is known and how to settle it",
            manifest=manifest,
        )
        yield Flaw(purchase, "unsettled", _("in doubt: perhaps bought"), todo)
    elif purchase.state == "parked":
        message = _(
            "{task_named} took too long and is parked", task_named=task_named(purchase.task_id)
        )
        todo = _("klingflow fetch {manifest} asks after it again", manifest=manifest)
        yield Flaw(purchase, "unsettled", message, todo)


def _times(purchase: Purchase) -> Iterator[Flaw]:
    """Yield a flaw for each text that is no time, and for times in an impossible order."""
    known: list[tuple[str, datetime]] = []
    times = purchase.times
    for name in dict.fromkeys((*_SEQUENCE, *times)):
        if name not in times:
            continue
        at, fault = _read(times[name])
        if at is None:
            said = _("{name} at {text!r}, {fault}", name=name, text=times[name], fault=fault)
            yield _damaged(purchase, said)
        elif name in _SEQUENCE:
            known.append((name, at))
    for (earlier, first), (later, second) in pairwise(known):
        if second < first:
            said = _(
                "{later} at {times}, before {earlier} at {times_earlier}",
                later=later,
                times=times[later],
                earlier=earlier,
                times_earlier=times[earlier],
            )
            yield _damaged(purchase, said)


def _read(text: str) -> tuple[datetime | None, str]:
    """Return a time with its zone; or None, and what is wrong with the text."""
    at = moment(text)
    if at is not None:
        return at, ""
    is_without_zone = moment(f"{text}Z") is not None
    return None, _("without a time zone") if is_without_zone else _("which is no time")


def _meaning(purchase: Purchase, task_ids: set[str]) -> Iterator[Flaw]:
    """Yield a flaw if the body has another fingerprint than the purchase.

    A body that holds another shot's result (an address, an id) is excused: its fingerprint is that
    of the reference, which is not in the ledger.
    """
    if not purchase.body or not purchase.fingerprint:
        return
    body = dict(purchase.body)
    try:
        again = fingerprint(body)
    except (ValueError, TypeError, AttributeError):
        again = ""
    if again != purchase.fingerprint and not _may_refer(body, task_ids):
        message = _(
            "its body is not the one of its fingerprint {fingerprint}",
            fingerprint=purchase.fingerprint,
        )
        yield _damaged(purchase, message)


def _may_refer(body: Json, task_ids: set[str]) -> bool:
    texts = [text for _, text in leaves(body) if isinstance(text, str)]
    return any("://" in text or any(task_id in text for task_id in task_ids) for text in texts)


def _damaged(purchase: Purchase, message: str) -> Flaw:
    todo = _("git may have this line as it was: git log -p on the lock")
    return Flaw(purchase, "damaged", message, todo)
