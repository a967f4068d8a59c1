"""PURE. The schema of a value as an author may write it: an expression in its place, null for a
field that layers merge, another shot's video beside an address, no limits where `allow` lifts them.

authoring.py says where in a manifest such values stand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from klingflow.manifest.functions import FILTERS, FUNCTIONS
from klingflow.manifest.names import ROOTS
from klingflow.manifest.portable import titled
from klingflow.manifest.shapes import ADDRESS, IMAGE, IMAGE_OR_VIDEO, PATH, TEXT, VIDEO
from klingflow.model import Json

_CONSTANTS: Final = ("true", "false", "none", "True", "False", "None", "not")


def _one_of_words(words: Iterable[str]) -> str:
    return rf"(?:{'|'.join(sorted(words))})\b"


# Mistakes that can be seen in an expression's text: no end, nothing inside, a name that is no root;
# and, before the first quotation mark, an unknown filter or a call of a method.
MISTAKEN: Final = (
    r"(?:^|[^$])\$\{\{(?:"
    r"(?![\s\S]*\}\})"
    r"|\s*\}\}"
    rf"|\s*(?!{_one_of_words((*ROOTS, *FUNCTIONS, *_CONSTANTS))})[A-Za-z_\u0080-\uffff]"
    rf"|[^'\x22}}]*\|\s*(?!{_one_of_words(FILTERS)})[A-Za-z_]"
    r"|[^'\x22}]*\.\w+\("
    r")"
)
_NO_MISTAKE: Final = {"not": {"$ref": "#/$defs/mistaken-expression"}}
EXPRESSION: Final = {
    "type": "string",
    "pattern": r"\$\{\{",
    "title": "an expression",
    **_NO_MISTAKE,
}
TO_EXPRESSION: Final = {"$ref": "#/$defs/expression"}
NULL: Final = {"type": "null", "description": "Takes away what a lower layer says."}
# One schema instead of two in an `anyOf`: an editor shows the words of all in an `anyOf`.
NO_VALUE: Final = {
    "type": ["string", "null"],
    "pattern": EXPRESSION["pattern"],
    "title": "a field of another kind of shot",
}
PUBLIC_VIDEO: Final = {
    **VIDEO,
    "pattern": rf"^[Hh][Tt][Tt][Pp][Ss]://[^\s/]\S*$|^{PATH}$",
    "title": "a public https URL or the path of a file",
}
# What of another shot's video may stand beside an address, by the name of its map in `$defs`. In a
# layer each field of the map may be null.
_OF_A_VIDEO: Final[Mapping[str, Json]] = {
    "frame-of-a-video": IMAGE,
    "whole-video": VIDEO,
    "frame-or-video": IMAGE_OR_VIDEO,
}
_IN_A_LAYER: Final = "-in-a-layer"
_OF_A_MAP: Final = ("properties", "required", "additionalProperties")


def documented(schema: Json, doc: str) -> Json:
    """Return a schema with a description, which editors show."""
    return {**schema, "description": doc}


def either(schema: Json, *others: Json) -> Json:
    """Return a schema that accepts what it or one of the others accepts; its title and description
    stand above them all.
    """
    inner = dict(titled(schema))
    words = {key: inner.pop(key) for key in ("title", "description") if key in inner}
    return {**words, "anyOf": [inner, *others]}


def loosened(schema: Json, *, null: bool = False, inner_null: bool = False) -> Json:
    """Return a schema that accepts an expression in place of each value, with `null` also null, and
    with `inner_null` null for each field of a map that layers merge.
    """
    others = [NULL] if null else []
    if schema.get("type") == IMAGE["type"]:
        return _address(schema, others, is_in_layer=inner_null)
    inner = dict(schema)
    for keyword in ("anyOf", "properties", "additionalProperties", "items"):
        if keyword in inner:
            inner[keyword] = _LOOSENED[keyword](inner[keyword], inner_null)
    if inner.get("pattern") == TEXT["pattern"]:
        inner |= _NO_MISTAKE
        return either(inner, *others) if others else inner
    return either(inner, TO_EXPRESSION, *others)


def _address(schema: Json, others: list[Json], *, is_in_layer: bool) -> Json:
    """Return the schema of an address, with another shot's video beside it."""
    text = {key: value for key, value in schema.items() if key not in _OF_A_MAP}
    to_map = {"$ref": f"#/$defs/{_map_of_video(schema, is_in_layer)}"}
    return either({**text, "type": "string"}, to_map, TO_EXPRESSION, *others)


def _choices(parts: list[Json], _inner_null: bool) -> Json:
    return [loosened(part) if part else part for part in parts]


def _fields(fields: dict[str, Json], inner_null: bool) -> Json:
    return {
        name: loosened(part, null=inner_null, inner_null=inner_null)
        for name, part in fields.items()
    }


def _other_fields(other: Json, inner_null: bool) -> Json:
    if not isinstance(other, dict):
        return other
    return loosened(other, null=inner_null, inner_null=inner_null)


def _items(items: Json, _inner_null: bool) -> Json:
    return loosened(items)


_LOOSENED: Final[Mapping[str, Callable[[Json, bool], Json]]] = {
    "anyOf": _choices,
    "properties": _fields,
    "additionalProperties": _other_fields,
    "items": _items,
}


def _map_of_video(schema: Json, is_in_layer: bool) -> str:
    """Return the name in `$defs` of the map that may stand in place of an address."""
    for name, of_video in _OF_A_VIDEO.items():
        if all(of_video[key] == schema[key] for key in _OF_A_MAP):
            return name + (_IN_A_LAYER if is_in_layer else "")
    raise AssertionError("each address has its map")


def maps_of_videos() -> Iterator[tuple[str, Json]]:
    """Yield the maps that may stand in place of an address, by their names in `$defs`."""
    for name, schema in _OF_A_VIDEO.items():
        of_map = {key: schema[key] for key in _OF_A_MAP}
        for end, null in (("", False), (_IN_A_LAYER, True)):
            fields = {field: loosened(of, null=null) for field, of in schema["properties"].items()}
            yield name + end, {"type": "object", **of_map, "properties": fields}


def lifted(schema: Json) -> Json:
    """Return a schema without the gateway's limits on single values, as `allow` lifts them."""
    made = {key: value for key, value in schema.items() if key not in ("maxItems", "maxLength")}
    if made.get("pattern") in (ADDRESS["pattern"], PUBLIC_VIDEO["pattern"]):
        del made["pattern"]
    if "enum" in made:
        return either(made, {})
    if "properties" in made:
        made["properties"] = {name: lifted(part) for name, part in made["properties"].items()}
    if "items" in made:
        made["items"] = lifted(made["items"])
    return made


def partial(schema: Json) -> Json:
    """Return a schema of a map without its required keys: layers may add them."""
    return {key: value for key, value in schema.items() if key != "required"}
