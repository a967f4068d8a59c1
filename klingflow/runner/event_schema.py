"""PURE. The JSON Schema of one event of a run, as it stands in a line of a log.

Which events there are, and which facts each has, is in events.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, get_args

from klingflow.manifest.schema import REMARK
from klingflow.manifest.shapes import one_of, record
from klingflow.model import FailureKind, Json, Share
from klingflow.runner.events import EVENTS, EventName, EventRow

_TEXT: Final = {"type": "string"}
_FAILURE: Final = record(
    {
        "kind": one_of(*get_args(FailureKind)),
        "code": {**_TEXT, "description": "The gateway's own."},
        "message": {**_TEXT, "description": "The gateway's own."},
    },
    required=("kind", "code", "message"),
    title="Why it was refused or failed (docs/failures.md)",
)
_SHARE: Final = record(
    {
        "purchases": {"type": "integer", "minimum": 0},
        "amounts": {"type": "object", "additionalProperties": _TEXT},
        "unpriced": {"type": "integer", "minimum": 0},
    },
    required=("purchases", "amounts", "unpriced"),
    title="Purchases added up; amounts are exact decimals, by currency",
)


def _said(schema: Mapping[str, Any], description: str) -> Json:
    return {**schema, "description": description}


# What each fact is, whichever event has it.
FACTS: Final[Mapping[str, Json]] = {
    "uid": _said(_TEXT, "The purchase's own id, as in the ledger."),
    "task_id": _said(_TEXT, "The gateway's id of the task."),
    "tier": _said({"type": ["string", "null"]}, "What the gateway bills it as, if it says so."),
    "predicted_tier": _said(_TEXT, "What it was expected to be billed as."),
    "host": _said(_TEXT, "A host of a cluster: the one that bought the shot."),
    "reason": _said(_TEXT, "Why, in words."),
    "failure": _FAILURE,
    "pause_s": _said({"type": "number", "minimum": 0}, "Seconds until the next try."),
    "status": _said(_TEXT, "What the poll found: running, hiccup, unknown."),
    "progress": _said({"type": ["number", "null"]}, "In percent, where the gateway says it."),
    "after_s": _said({"type": "number"}, "Seconds from the accepted create to this poll."),
    "retry": _said({"type": "boolean"}, "True if the run buys it again, by `retries`."),
    "refunded": _said({"type": "boolean"}, "True if failed tasks are refunded, by the prices."),
    "file": _said(_TEXT, "The video, or the local file that is uploaded."),
    "size_bytes": _said({"type": "integer", "minimum": 0}, "Its size."),
    "remarks": {"type": "array", "items": REMARK},
    "videos": _said({"type": "integer", "minimum": 0}, "So many that nobody has looked at."),
    "takes": _said({"type": "integer", "minimum": 1}, "So many that hosts have been told of."),
    "exit_code": _said({"type": "integer"}, "The command's exit code (docs/commands.md)."),
    "bought": _said(
        {"type": "integer", "minimum": 0}, "Purchases of this run, what is in doubt among them."
    ),
    "seconds": _said({"type": "integer", "minimum": 0}, "Seconds of video in them."),
    "money": record(
        dict.fromkeys(get_args(Share), _SHARE),
        title="What became of the money for this run's purchases",
    ),
}
_ALWAYS: Final[Mapping[str, Json]] = {"at": _said(_TEXT, "UTC, ISO 8601, with milliseconds.")}
_OF_A_SHOT: Final[Mapping[str, Json]] = {
    "manifest": _said(_TEXT, "The film's name."),
    "path": _said(_TEXT, "The manifest's file, as it was named."),
    "shot": _said(_TEXT, "The take: alley, alley#2."),
}


def schema() -> Json:
    """Return the JSON Schema of one event, as a line of a log."""
    return {"type": "object", "anyOf": [_of(name, row) for name, row in EVENTS.items()]}


def _of(name: EventName, row: EventRow) -> Json:
    about = {**_ALWAYS, "event": {"const": name}, **(_OF_A_SHOT if row.of_a_shot else {})}
    facts = {fact: FACTS[fact] for fact in (*row.facts, *row.may)}
    return record({**about, **facts}, required=(*about, *row.facts), title=name)
