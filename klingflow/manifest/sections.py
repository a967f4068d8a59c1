"""PURE. The sections of a document, at its top level: the names that may stand there and their
values.

What stands inside `run:` is in limits.py, inside `gateway:` in settings.py, inside a shot in
fields.py.
"""

from __future__ import annotations

from typing import Final

from klingflow.manifest.fields import TEXT_OR_TEXTS, Field
from klingflow.manifest.shapes import AMOUNT, MAPPING, TEXT, choices
from klingflow.model import Json
from klingflow.words import _

NAMED: Final[dict[str, Json]] = {
    "type": "object",
    "minProperties": 1,
    "title": _("a map of ids such as { opening: { prompt: … } }"),
}
TOP: Final[dict[str, Field]] = {
    name: Field(name, schema, doc)
    for name, schema, doc in (
        ("version", choices({1: "The only one yet."}), "The version of this language."),
        ("name", TEXT, "The manifest's name; by default its file's."),
        (
            "budget",
            AMOUNT,
            "What this film may ever cost: all that its ledger holds, in the currency of its"
            " prices.",
        ),
        ("vars", MAPPING, "Values for expressions."),
        ("gateway", MAPPING, "Where the gateway is."),
        ("run", MAPPING, "Limits of a run."),
        ("assets", MAPPING, "Where local images and videos go, so that the gateway can read them."),
        ("output", TEXT, "Where videos go; {name}, {shot} and {take} are filled in."),
        ("prices", TEXT, "A file of prices beside the manifest."),
        ("defaults", MAPPING, "Fields of every shot."),
        ("presets", MAPPING, "Named sets of fields that shots build on with `use`."),
        (
            "profiles",
            MAPPING,
            "Named sets of fields over every shot, each for drafts with --profile.",
        ),
        ("shots", NAMED, "The videos wanted, by id."),
        ("include", TEXT_OR_TEXTS, "More files with vars, presets and shots."),
    )
}
INCLUDED: Final[dict[str, Field]] = {
    name: TOP[name] for name in ("version", "vars", "presets", "shots")
}
