"""PURE. What a run tells while it goes on: one row for each event, with all that any room needs.

An event is a dictionary: `at` (UTC, ISO 8601) and `event` (its name); where it is about one shot,
`manifest` (the manifest's name), `path` (the manifest's file) and `shot` (the shot's key); and its
facts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from klingflow.decide.verbs import Label

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
    "stopped",
    "leaving",
]

# chatty: only `-v` shows it; loud: a live view prints it above its bars.
Volume = Literal["chatty", "plain", "loud"]


@dataclass(frozen=True, slots=True)
class EventRow:
    """What an event means everywhere. No field has a default: a new row has to say it all."""

    label: Label | None  # what its shot is afterwards; None: what it was before
    volume: Volume
    flight: Literal["begins", "ends"] | None  # of a task at the gateway
    finishes: bool  # True if the run does nothing more for the shot, except by `retries`
    spends: bool  # True if the shot was paid for, or perhaps paid for
    words: str  # for people, for `str.format`; see `terminal.progress.FACTS` for the names


EVENTS: Mapping[EventName, EventRow] = {
    "intent": EventRow(
        label="buying",
        volume="chatty",
        flight=None,
        finishes=False,
        spends=False,
        words="intent",
    ),
    "submitted": EventRow(
        label="running",
        volume="plain",
        flight="begins",
        finishes=False,
        spends=True,
        words="bought as {task_id}{billed}",
    ),
    "spared": EventRow(
        label=None,
        volume="plain",
        flight=None,
        finishes=False,
        spends=False,
        words="not bought: {reason}",
    ),
    "limited": EventRow(
        label="to buy",
        volume="plain",
        flight=None,
        finishes=False,
        spends=False,
        words="the gateway is busy: {reason}{pause}",
    ),
    "unsent": EventRow(
        label="to buy",
        volume="plain",
        flight=None,
        finishes=False,
        spends=False,
        words="not sent: {reason}{pause}",
    ),
    "rejected": EventRow(
        label="failed",
        volume="loud",
        flight=None,
        finishes=True,
        spends=False,
        words="refused, not bought: {reason}",
    ),
    "in_doubt": EventRow(
        label="in doubt",
        volume="loud",
        flight=None,
        finishes=True,
        spends=True,
        words="IN DOUBT: {reason}; klingflow resolve settles it",
    ),
    "poll": EventRow(
        label=None,
        volume="chatty",
        flight=None,
        finishes=False,
        spends=False,
        words="{status}{percent}{because}",
    ),
    "blind": EventRow(
        label=None,
        volume="loud",
        flight=None,
        finishes=False,
        spends=False,
        words="the gateway refuses to say ({reason}){pause}",
    ),
    "succeeded": EventRow(
        label="downloading",
        volume="chatty",
        flight="ends",
        finishes=False,
        spends=False,
        words="generated after about {after}",
    ),
    "failed": EventRow(
        label="failed",
        volume="loud",
        flight="ends",
        finishes=True,
        spends=False,
        words="failed: {reason}{refund}{retry}",
    ),
    "parked": EventRow(
        label="parked",
        volume="loud",
        flight="ends",
        finishes=True,
        spends=False,
        words="parked: {reason}",
    ),
    "downloading": EventRow(
        label=None,
        volume="chatty",
        flight=None,
        finishes=False,
        spends=False,
        words="downloading",
    ),
    "download_retry": EventRow(
        label=None,
        volume="plain",
        flight=None,
        finishes=False,
        spends=False,
        words="not downloaded yet: {reason}{pause}",
    ),
    "done": EventRow(
        label="done",
        volume="plain",
        flight=None,
        finishes=True,
        spends=False,
        words="done: {file}",
    ),
    "undelivered": EventRow(
        label="failed",
        volume="loud",
        flight=None,
        finishes=True,
        spends=False,
        words="NOT downloaded: {reason}; klingflow fetch tries again",
    ),
    "stopped": EventRow(
        label=None,
        volume="loud",
        flight=None,
        finishes=False,
        spends=False,
        words="buying has stopped: {reason}",
    ),
    "leaving": EventRow(
        label=None,
        volume="loud",
        flight=None,
        finishes=False,
        spends=False,
        words="leaving: {reason}",
    ),
}
