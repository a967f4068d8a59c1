"""PURE. What a run tells while it goes on: one row for each event, with all that any room needs.

An event is a dictionary: `at` (UTC, ISO 8601) and `event` (its name); where it is about one shot,
`manifest` (the manifest's name), `path` (the manifest's file) and `shot` (the shot's key); and its
facts. Its form is schemas/log.schema.json (event_schema.py). A run that was left at once, or
killed, has no `end`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from klingflow.decide.verbs import Label
from klingflow.model import Json, Purchase
from klingflow.words import _

Event = dict[str, Any]
Emit = Callable[[Event], None]

EventName = Literal[
    "intent",
    "submitted",
    "spared",
    "limited",
    "unsent",
    "rejected",
    "in_doubt",
    "poll",
    "blind",
    "succeeded",
    "failed",
    "parked",
    "downloading",
    "download_retry",
    "done",
    "undelivered",
    "remarked",
    "looking",
    "uploading",
    "uploaded",
    "unsendable",
    "stopped",
    "leaving",
    "handed_over",
    "away",
    "halted",
    "given_back",
    "silent",
    "end",
]

# chatty: only `-v` shows it; loud: a live view prints it above its bars; urgent: so too, and `-q`
# shows it on stderr, because the run waits for a person.
Volume = Literal["chatty", "plain", "loud", "urgent"]


@dataclass(frozen=True, slots=True)
class EventRow:
    """What an event means everywhere. No field has a default: a new row has to say it all."""

    label: Label | None  # what its shot is afterwards; None: what it was before
    volume: Volume
    flight: Literal["begins", "ends"] | None  # of a task at the gateway
    spends: bool  # True if the shot was paid for, or perhaps paid for
    words: str  # for people, for `str.format`; see `terminal.progress.FACTS` for the names
    of_a_shot: bool  # True if it is about one shot
    facts: tuple[str, ...]  # by the names of `event_schema.FACTS`
    may: tuple[str, ...]  # what it may tell


EVENTS: Mapping[EventName, EventRow] = {
    "intent": EventRow(
        label="buying",
        volume="chatty",
        flight=None,
        spends=False,
        words=_("intent"),
        of_a_shot=True,
        facts=("uid",),
        may=(),
    ),
    "submitted": EventRow(
        label="running",
        volume="plain",
        flight="begins",
        spends=True,
        words=_("bought as {task_id}{billed}{by}"),
        of_a_shot=True,
        facts=("uid", "task_id", "tier", "predicted_tier"),
        may=("host",),
    ),
    "spared": EventRow(
        label=None,
        volume="plain",
        flight=None,
        spends=False,
        words=_("not bought: {reason}"),
        of_a_shot=True,
        facts=("reason",),
        may=(),
    ),
    "limited": EventRow(
        label="to buy",
        volume="plain",
        flight=None,
        spends=False,
        words=_("the gateway is busy: {reason}{pause}"),
        of_a_shot=True,
        facts=("uid", "failure"),
        may=("pause_s",),
    ),
    "unsent": EventRow(
        label="to buy",
        volume="plain",
        flight=None,
        spends=False,
        words=_("not sent: {reason}{pause}"),
        of_a_shot=True,
        facts=("uid", "reason"),
        may=("pause_s",),
    ),
    "rejected": EventRow(
        label="failed",
        volume="loud",
        flight=None,
        spends=False,
        words=_("refused, not bought: {reason}"),
        of_a_shot=True,
        facts=("uid", "failure"),
        may=("host",),
    ),
    "in_doubt": EventRow(
        label="in doubt",
        volume="loud",
        flight=None,
        spends=True,
        words=_("IN DOUBT: {reason}; klingflow resolve settles it"),
        of_a_shot=True,
        facts=("uid", "reason"),
        may=("host",),
    ),
    "poll": EventRow(
        label=None,
        volume="chatty",
        flight=None,
        spends=False,
        words=_("{status}{percent}{because}"),
        of_a_shot=True,
        facts=("uid", "status"),
        may=("progress", "reason"),
    ),
    "blind": EventRow(
        label=None,
        volume="loud",
        flight=None,
        spends=False,
        words=_("the gateway refuses to say ({reason}){pause}"),
        of_a_shot=True,
        facts=("uid", "failure", "pause_s"),
        may=(),
    ),
    "succeeded": EventRow(
        label="downloading",
        volume="chatty",
        flight="ends",
        spends=False,
        words=_("generated after about {after}"),
        of_a_shot=True,
        facts=("uid", "tier", "after_s"),
        may=("host",),
    ),
    "failed": EventRow(
        label="failed",
        volume="loud",
        flight="ends",
        spends=False,
        words=_("failed: {reason}{refund}{retry}"),
        of_a_shot=True,
        facts=("uid", "failure", "retry", "refunded"),
        may=("host",),
    ),
    "parked": EventRow(
        label="parked",
        volume="loud",
        flight="ends",
        spends=False,
        words=_("parked: {reason}"),
        of_a_shot=True,
        facts=("uid", "failure"),
        may=("host",),
    ),
    "downloading": EventRow(
        label=None,
        volume="chatty",
        flight=None,
        spends=False,
        words=_("downloading"),
        of_a_shot=True,
        facts=("uid",),
        may=(),
    ),
    "download_retry": EventRow(
        label=None,
        volume="plain",
        flight=None,
        spends=False,
        words=_("not downloaded yet: {reason}{pause}"),
        of_a_shot=True,
        facts=("uid", "reason", "pause_s"),
        may=(),
    ),
    "done": EventRow(
        label="done",
        volume="plain",
        flight=None,
        spends=False,
        words=_("done: {file}"),
        of_a_shot=True,
        facts=("uid", "file", "size_bytes"),
        may=("host",),
    ),
    "undelivered": EventRow(
        label="failed",
        volume="loud",
        flight=None,
        spends=False,
        words=_("NOT downloaded: {reason}; klingflow fetch tries again"),
        of_a_shot=True,
        facts=("uid", "reason"),
        may=(),
    ),
    "remarked": EventRow(
        label=None,
        volume="loud",
        flight=None,
        spends=False,
        words=_("look at it: {remarks}"),
        of_a_shot=True,
        facts=("uid", "remarks"),
        may=(),
    ),
    "looking": EventRow(
        label=None,
        volume="loud",
        flight=None,
        spends=False,
        words=_("looking at {videos} videos (Ctrl-C leaves that to the next run)"),
        of_a_shot=False,
        facts=("videos",),
        may=(),
    ),
    "uploading": EventRow(
        label=None,
        volume="chatty",
        flight=None,
        spends=False,
        words=_("uploading {file}"),
        of_a_shot=False,
        facts=("file",),
        may=(),
    ),
    "uploaded": EventRow(
        label=None,
        volume="plain",
        flight=None,
        spends=False,
        words=_("uploaded {file}"),
        of_a_shot=False,
        facts=("file", "size_bytes"),
        may=(),
    ),
    "unsendable": EventRow(
        label="failed",
        volume="loud",
        flight=None,
        spends=False,
        words=_("NOT sent, not bought: {reason}"),
        of_a_shot=True,
        facts=("reason",),
        may=(),
    ),
    "stopped": EventRow(
        label=None,
        volume="loud",
        flight=None,
        spends=False,
        words=_("buying has stopped: {reason}"),
        of_a_shot=False,
        facts=("reason",),
        may=(),
    ),
    "leaving": EventRow(
        label=None,
        volume="loud",
        flight=None,
        spends=False,
        words=_("leaving: {reason}"),
        of_a_shot=False,
        facts=("reason",),
        may=(),
    ),
    "handed_over": EventRow(
        label=None,
        volume="plain",
        flight=None,
        spends=False,
        words=_("{takes} handed over to the hosts"),
        of_a_shot=False,
        facts=("takes",),
        may=(),
    ),
    "away": EventRow(
        label=None,
        volume="loud",
        flight=None,
        spends=False,
        words=_("waiting: {reason}"),
        of_a_shot=False,
        facts=("reason",),
        may=(),
    ),
    "halted": EventRow(
        label=None,
        volume="urgent",
        flight=None,
        spends=False,
        words=_("a person is needed: {reason}"),
        of_a_shot=False,
        facts=("reason",),
        may=(),
    ),
    "given_back": EventRow(
        label=None,
        volume="loud",
        flight=None,
        spends=False,
        words=_("the store had lost claims: {reason}"),
        of_a_shot=False,
        facts=("reason",),
        may=(),
    ),
    "silent": EventRow(
        label=None,
        volume="loud",
        flight=None,
        spends=False,
        words=_("no word from {host} for a minute; other hosts go on with its work"),
        of_a_shot=False,
        facts=("host",),
        may=(),
    ),
    "end": EventRow(
        label=None,
        volume="chatty",
        flight=None,
        spends=False,
        words=_("ended with exit code {exit_code}"),
        of_a_shot=False,
        facts=("exit_code", "bought", "seconds", "money"),
        may=(),
    ),
}


def facts_of_end(exit_code: int, purchases: Sequence[Purchase], money: Json) -> dict[str, Any]:
    """Return the facts of a run's last event: the command's exit code, and what this run's
    purchases are and have cost.
    """
    seconds = sum(purchase.seconds for purchase in purchases)
    bought = len(purchases)
    return {"exit_code": int(exit_code), "bought": bought, "seconds": seconds, "money": money}
