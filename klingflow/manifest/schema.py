"""PURE. The JSON Schemas (draft 2020-12) that klingflow publishes, generated from the tables.

schemas/NAME.schema.json holds each as committed; a test compares. That of a manifest is made in
authoring.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, get_args

from klingflow.manifest import authoring
from klingflow.manifest.body import BODY
from klingflow.manifest.fields import KINDS, SHOT, Field
from klingflow.manifest.picklist import SCHEMA as PICKS
from klingflow.manifest.portable import portable
from klingflow.manifest.prices import SCHEMA as PRICES
from klingflow.manifest.shapes import COUNT, one_of, record
from klingflow.model import FailureKind, Json, Label, PickWord, RemarkName, Share, Sound, State

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def generate(name: str) -> dict[str, Json]:
    """Return one published schema. Raises KeyError for a name that is not in NAMES."""
    return published(*_PUBLISHED[name])


def published(title: str, description: str, schema: Mapping[str, Any]) -> dict[str, Json]:
    """Return a schema as a document of its own."""
    made = portable(schema)
    return {"$schema": _DIALECT, **made, "title": title, "description": description}


def strict(kind: str) -> Json:
    """Return what a rendered shot of a kind may hold: no expressions, no null."""
    fields = {name: _documented(field) for name, field in SHOT.items() if kind in field.kinds}
    return record(fields, required=KINDS[kind].required, title=KINDS[kind].doc)


def _documented(field: Field) -> Json:
    return _described(field.schema, field.doc)


def _described(schema: Json, description: str) -> Json:
    return {**schema, "description": description}


_STRING: Final = {"type": "string"}
_OPTIONAL: Final = {"type": ["string", "null"]}
_WHOLE: Final = {"type": "integer", "minimum": 0}
_STATES: Final = one_of(*get_args(State))
_SIZE: Final = _described({"type": ["integer", "null"], "minimum": 0}, "The file's size.")
_CRC: Final = _described(_STRING, "Of the line without it: a flipped bit is never taken for an id.")
_TIMES: Final = {
    "type": "object",
    "additionalProperties": {  # as `klingflow.ledger.moments` reads a time
        "type": "string",
        "pattern": (
            "^[12][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,6})?"
            "(Z|[+-][0-9]{2}:[0-9]{2})$"
        ),
    },
    "description": "UTC, ISO 8601, by event.",
}
_ERROR: Final = {
    "type": ["object", "null"],
    "properties": {
        "kind": _described(_STRING, f"One of {', '.join(get_args(FailureKind))}."),
        "code": _STRING,
        "message": _STRING,
        "words": {
            "type": "object",
            "description": "Of a message of klingflow's own: template and values, for translation.",
        },
    },
    "required": ["kind", "code", "message"],
    "additionalProperties": False,
    "description": "Why it was refused or failed (docs/failures.md).",
}
_PRICE: Final = {
    "type": ["object", "null"],
    "properties": {
        "amount": _described(
            _STRING, "A decimal number, as the prices file has it; text, so that it stays exact."
        ),
        "currency": _STRING,
        "basis": _STRING,
        "as_of": _STRING,
    },
    "required": ["amount", "currency", "basis"],
    "additionalProperties": False,
    "description": "The price used, frozen when it was bought.",
}
_WAS: Final = {
    "type": ["object", "null"],
    "properties": {"shot": _STRING, "take": COUNT},
    "required": ["shot", "take"],
    "additionalProperties": False,
    "description": "The take that it was bought for, where that is another one.",
}
_PURCHASE: Final[dict[str, Json]] = {
    "shot": _described(_STRING, "The shot's id."),
    "take": COUNT,
    "attempt": _described(COUNT, "Counts the purchases of the take that it was bought for."),
    "uid": _described(_STRING, "This attempt's own id."),
    "was": _WAS,
    "further": _described(
        {"type": ["boolean", "null"]},
        "True for one that --rerun rejected bought beyond the takes that the manifest asks for.",
    ),
    "state": _described(_STATES, "Where the purchase is in its life."),
    "fingerprint": _described(_STRING, "sha256 of what the body means."),
    "body": _described({"type": "object"}, "What was sent."),
    "origin": _described(_STRING, "The gateway it was sent to."),
    "task_id": _described(_OPTIONAL, "The gateway's id of the task."),
    "predicted_tier": _described(_STRING, "What it was expected to be billed as."),
    "billed_tier": _described(_OPTIONAL, "What the gateway says it is billed as."),
    "seconds": _described(_WHOLE, "Billable seconds."),
    "price": _PRICE,
    "times": _TIMES,
    "finished_after_s": {
        "type": ["array", "null"],
        "items": {"type": "number"},
        "minItems": 2,
        "maxItems": 2,
        "description": (
            "Seconds to the last poll that found it unfinished, and to the first that did not."
        ),
    },
    "video_url": _described(_OPTIONAL, "Where the gateway offers the video."),
    "output": _described(_OPTIONAL, "The video's file, beside the manifest."),
    "sha256": _described(_OPTIONAL, "The file's hash."),
    "size_bytes": _SIZE,
    "error": _ERROR,
    "evidence": _described(
        {"type": ["object", "null"]},
        "Of one in doubt: what is known of it. Of one whose reply named several ids: the reply."
        " Of one that was parked: when the gateway answered last, and what (`last_answer`). Of one"
        " whose video has no usable address: the words in its place (`video_url`). A sentence of"
        " klingflow's own has its template and values beside it, as `reason_words`.",
    ),
}


def _lock() -> dict[str, Json]:
    header = {
        "type": "object",
        "properties": {
            "klingflow_lock": {"const": 1},
            "lineage": _described(_STRING, "Tells this ledger from every other."),
            "serial": _described(_WHOLE, "Grows with every fold."),
            "purchases": _described(_WHOLE, "How many lines follow."),
            "plans": {
                "type": "object",
                "additionalProperties": _STRING,
                "description": "The saved plans that were used: when, by their ids.",
            },
            "profile": _described(_STRING, "Of a ledger of drafts: their profile."),
            "crc": _CRC,
        },
        "required": ["klingflow_lock", "lineage", "serial"],
        "description": "The first line.",
    }
    purchase = {
        "type": "object",
        "properties": {**_PURCHASE, "crc": _CRC},
        "required": ["shot", "take", "attempt", "uid", "state", "fingerprint"],
        "additionalProperties": False,
        "description": "One attempt to buy one take.",
    }
    return {
        "anyOf": [{"$ref": "#/$defs/header"}, {"$ref": "#/$defs/purchase"}],
        "$defs": {"header": header, "purchase": purchase},
    }


_BOTH: Final = {"type": ["number", "string"]}
# What is remarkable about a video: `klingflow.results.arrived`.
REMARK: Final = record(
    {
        "kind": one_of(*get_args(RemarkName)),
        "got": _described(_BOTH, "What arrived, where the two are compared."),
        "bought": _described(_BOTH, "What was bought."),
    },
    required=("kind",),
    title="A remark about a video",
)


def _media() -> Json:
    """Return the schema of what a video really is, by its packets and pictures, not by its
    header.
    """
    number = {"type": "number", "minimum": 0}
    facts = {
        "width": _described(_WHOLE, "In pixels, as it is shown."),
        "height": _described(_WHOLE, "In pixels, as it is shown."),
        "seconds": _described(number, "How long the picture lasts."),
        "fps": _described(number, "Frames a second, on average."),
        "sound": _described(
            one_of(*get_args(Sound)), "none: no track; silent: nothing is heard in it."
        ),
        "labels": _described(
            {"type": "array", "items": one_of(*get_args(Label))},
            "Marks of AI-made video: AIGC (GB 45438-2025), C2PA; not verified.",
        ),
        "remarks": {"type": "array", "items": REMARK},
    }
    return record(facts, required=("remarks",), title="What the video really is")


_OR_WANTED: Final = "or of the manifest while nothing was bought"
# The keys that every entry of a run manifest's shots has, orphans and pruned ones included.
_OF_A_SHOT: Final = ("id", "take", "state", "attempts")


def _run_manifest() -> Json:
    amounts = {"type": "object", "additionalProperties": {"type": ["number", "string"]}}
    return record(
        {
            "klingflow_run_manifest": {"const": 1},
            "name": _STRING,
            "manifest": _described(_STRING, "The manifest's path."),
            "profile": _described(_OPTIONAL, "Of drafts: their profile."),
            "generated_at": _described(_STRING, "UTC, ISO 8601."),
            "gateway": _described(_OPTIONAL, "The gateway's address."),
            "shots": {
                "type": "array",
                "items": record(_shot_of_a_run(), required=_OF_A_SHOT, title="A shot"),
            },
            "orphans": {
                "type": "array",
                "items": {"type": "object", "required": list(_OF_A_SHOT)},
                "description": (
                    "What was bought for shots that are no longer in the manifest;"
                    " entries as in shots."
                ),
            },
            "pruned": {
                "type": "array",
                "items": {"type": "object", "required": list(_OF_A_SHOT)},
                "description": "What was bought and then taken out of the ledger by `lock prune`.",
            },
            "totals": {
                "type": "object",
                "properties": _totals(amounts),
                "required": ["shots", "by_state", "by_tier"],
            },
            "money": _money(amounts),
        },
        required=("klingflow_run_manifest", "name", "generated_at", "shots", "totals"),
        title="",
    )


def _shot_of_a_run() -> Json:
    attempt = {name: _PURCHASE[name] for name in _PURCHASE if name not in ("shot", "take", "body")}
    return {
        "id": _described(_STRING, "The shot's id."),
        "kind": _described(_OPTIONAL, "The way it was generated."),
        "tags": {"type": "array", "items": _STRING},
        **{name: _described(_STRING, SHOT[name].doc) for name in ("scene", "title", "note")},
        "dialogue": _described({"type": ["string", "array"]}, SHOT["dialogue"].doc),
        "model": _described(_STRING, f"Of the purchase, {_OR_WANTED}."),
        "prompt": _described(_STRING, f"Of the purchase, {_OR_WANTED}."),
        "ratio": _described(_STRING, f"Width to height that was asked for, {_OR_WANTED}."),
        **{name: _PURCHASE[name] for name in _SHOT_FACTS},
        "predicted_tier": _described(_OPTIONAL, "What it is expected to be billed as."),
        "state": _described(_STRING, "The latest purchase's state, or why there is none."),
        "last_answer": _described(
            {"type": "object", "properties": {"at": _STRING, "said": _STRING}},
            "Of one that is parked: when the gateway answered last, and what.",
        ),
        "pick": _described(
            one_of(*get_args(PickWord)), "What the picks file says of the take's present video."
        ),
        "pick_note": _described(_STRING, "Why, in the words of who said it."),
        "pick_of_an_earlier_version": _described(
            one_of(*get_args(PickWord)),
            "What it says of a video that is not the present one, and that counts for nothing.",
        ),
        "counts": _described(
            {"type": "boolean"},
            "True for the take that stands for its shot: the picked one, otherwise the first that"
            " is not rejected.",
        ),
        "bytes": _SIZE,
        "file": _described(_OPTIONAL, "The video, beside the manifest."),
        "media": _media(),
        "attempts": {
            "type": "array",
            "items": {"type": "object", "properties": attempt, "required": ["uid", "state"]},
            "description": "Every purchase of it, oldest first.",
        },
    }


def _totals(amounts: Json) -> Json:
    return {
        "shots": _WHOLE,
        "by_state": {"type": "object", "additionalProperties": _WHOLE},
        "by_tier": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "properties": {
                    "tasks": _WHOLE,
                    "seconds": _WHOLE,
                    "amounts": amounts,
                    "unpriced": _WHOLE,
                    "failed": _WHOLE,
                },
                "required": ["tasks"],
            },
            "description": "What was billed, by the gateway's own names.",
        },
        "money": _described(
            _shares(amounts), "What became of the money for these shots, pruned ones included."
        ),
    }


def _shares(amounts: Json) -> Json:
    share = {
        "type": "object",
        "properties": {"purchases": _WHOLE, "amounts": amounts, "unpriced": _WHOLE},
        "required": ["purchases", "amounts", "unpriced"],
    }
    return {
        "type": "object",
        "properties": dict.fromkeys(get_args(Share), share),
        "additionalProperties": False,
    }


def _money(amounts: Json) -> Json:
    return {
        "type": "object",
        "properties": {
            "budget": _described(_OPTIONAL, "What the film may ever cost; null where nobody said."),
            "left": _described(_OPTIONAL, "What is left of it; null where nobody can tell."),
            "shares": _described(
                _shares(amounts), "What became of the money for all purchases of the film."
            ),
            "prices": _described(
                {"type": ["object", "null"]}, "The file of prices, and who named it."
            ),
        },
        "required": ["budget", "left", "shares", "prices"],
    }


_SHOT_FACTS: Final = (
    "take",
    "was",
    "task_id",
    "billed_tier",
    "seconds",
    "price",
    "sha256",
    "times",
    "error",
)
_PUBLISHED: Final[Mapping[str, tuple[str, str, Mapping[str, Any]]]] = {
    "manifest": (
        "klingflow manifest",
        "What is wanted: shots and their limits. Any value may be an expression, ${{ … }}.",
        authoring.manifest(),
    ),
    "request": (
        "klingflow request",
        "A body of POST /v1/videos, as the gateway's document has it.",
        BODY,
    ),
    "lock": ("klingflow lock line", "One line of a ledger: its header, or one purchase.", _lock()),
    "run-manifest": (
        "klingflow run manifest",
        "What came of a run: every shot with its tasks, billed tiers, prices, files and errors.",
        _run_manifest(),
    ),
    "prices": ("klingflow prices", "What the gateway's tiers cost, by the user.", PRICES),
    "picks": ("klingflow picks", "Which takes of a film are good, and which are not.", PICKS),
}
NAMES: Final = tuple(_PUBLISHED)
