"""PURE. A file of picks: which take of a shot is good, and which is not, one line a take.

    - { shot: alley, take: 2, purchase: 20260608065249123-0123456789ab }
    - { shot: alley, take: 1, reject: true, note: 手变形, purchase: 20260608065249123-ba9876543210 }

A line that names no purchase means the present purchase of its take. klingflow.decide.picks says
what the lines mean for a ledger; amending.py adds and removes lines.
"""

from __future__ import annotations

from typing import Final

from klingflow.errors import Diagnostic, ManifestError
from klingflow.manifest.shapes import BOOLEAN, COUNT, TEXT, record
from klingflow.manifest.source import parse as parse_yaml
from klingflow.manifest.values import content_of, faults, place_of
from klingflow.model import Node, PickLine, composed
from klingflow.words import _

_NOT_A_LIST: Final = _(
    "picks are a list; write one line a take, such as - { shot: alley, take: 1 }"
)
_LINE: Final = record(
    {
        "shot": {**TEXT, "description": "The shot's id."},
        "take": {**COUNT, "description": "The number of the take, from 1."},
        "reject": {
            **BOOLEAN,
            "description": "True for a take that is no good. Any other take is picked.",
        },
        "note": {"type": "string", "title": "text", "description": "Why, for people."},
        "purchase": {
            **TEXT,
            "description": (
                "The uid of the purchase that is meant. Without it the line means the present"
                " purchase of the take."
            ),
        },
    },
    required=("shot", "take"),
    title=_("a line such as { shot: alley, take: 1 }"),
)
SCHEMA: Final = {"type": "array", "items": _LINE, "title": _("a list of takes")}


def parse(text: str, file: str) -> tuple[PickLine, ...]:
    """Return the lines of a picks file in their order. Raises ManifestError with every mistake."""
    root = parse_yaml(text, file)
    if root.value is None:
        return ()
    if not isinstance(root.value, list):
        raise ManifestError([Diagnostic(root.mark, "wrong-type", _NOT_A_LIST)])
    mistakes = [mistake for node in root.value for mistake in _mistakes(node)]
    if mistakes:
        raise ManifestError(mistakes)
    return tuple(map(_line, root.value))


def _mistakes(node: Node) -> list[Diagnostic]:
    found = faults(_LINE, content_of(node), ())
    return [Diagnostic(place_of(fault, node), fault.code, fault.message) for fault in found]


def _line(node: Node) -> PickLine:
    said = content_of(node)
    return PickLine(
        shot=composed(said["shot"]),
        take=said["take"],
        rejects=said.get("reject", False),
        note=said.get("note", ""),
        purchase=said.get("purchase", ""),
        mark=node.mark,
    )
