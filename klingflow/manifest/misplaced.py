"""PURE. Keys of a document in the wrong place, and values that should be maps: what the author
probably meant.

A field that has lost its indentation reads as a shot, a shot that has lost it as a section; an id
without its colon swallows the map behind it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from types import NoneType
from typing import Final

from klingflow.manifest import foreign
from klingflow.manifest.coerce import as_mapping
from klingflow.manifest.fields import SHOT
from klingflow.manifest.sections import TOP
from klingflow.model import Json, Node
from klingflow.words import _

_SHORT: Final = 30  # characters
_PLAIN: Final = re.compile(r"\w[\w ]*")  # needs no quotes wherever it stands


def fields_at_the_top(root: Node) -> set[str]:
    """Return the fields of shots that stand at a manifest's top, or in a section that is meant to
    be `defaults:`. They are reported there, and are not missing in each shot as well.
    """
    names: list[str] = []
    for key, node in _items(root):
        if key in TOP:
            continue
        names.append(key)
        if foreign.meant(key, TOP) == "defaults":
            names += [name for name, _value in _items(node)]
    fields = {name if name in SHOT else foreign.meant(name, SHOT) for name in names}
    return {field for field in fields if field}


def hint(key: str, value: Node, known: Collection[str]) -> str:
    """Return what completes "unknown field 'key'" in a document."""
    said = foreign.hint(key, known)
    looks_like_a_shot = "shots" in known and not SHOT.keys().isdisjoint(dict(_items(value)))
    if said or not looks_like_a_shot:
        return said
    return _("; if it is a shot, indent it under 'shots:'")


def no_entry(key: str, node: Node, one: str) -> str:
    """Return what to say about a key among shots or presets that is not an id; "" if it is one.
    `one` is what an entry is called there.
    """
    id, brace, _unused = key.partition(" {")
    if brace:
        return _("a ':' is missing behind '{id}'; write '{id}: {{ … }}'", id=id)
    if key in SHOT and not isinstance(node.value, (dict, NoneType)):
        return _(
            "'{key}' is a field; indent it more, so that it stands in its {one}", key=key, one=one
        )
    return ""


def no_map(value: Json, example: str) -> str:
    """Return what to say about a value that must be a map of fields; `example` is one of its
    fields.
    """
    if isinstance(value, list):
        return _(
            "must be a map of fields, not a list; delete the '- ', or write {{ {example} }}",
            example=example,
        )
    short = isinstance(value, str) and len(value) <= _SHORT and _PLAIN.fullmatch(value)
    if short and example.startswith("prompt:"):
        example = _("prompt: {value}", value=value)
    return _("must be a map of fields such as {{ {example} }}", example=example)


def listed(entries: list[Node]) -> str:
    """Return what to say about `shots:` written as a list, which many tools use."""
    id = "s01"
    node = dict(_items(entries[0])).get("id") if entries else None
    if node and isinstance(node.value, str) and node.value.isprintable():
        id = node.value
    return _(
        "'shots' must be a map of ids, not a list; write '{id}: {{ prompt: … }}' instead of"
        " '- {{ id: {id}, prompt: … }}'",
        id=id,
    )


def _items(node: Node | None) -> Iterable[tuple[str, Node]]:
    return as_mapping(node.value).items() if node else ()
