"""PURE. A schema as the tables have it → the same in the words that every reader of JSON Schema
takes: `ajv` in its strict mode, Python's jsonschema, and the servers behind editors.

One place has one type besides null, required keys are among the properties, and each choice that
has words is a `const` with its `description`, which editors show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from typing import Final

from klingflow.model import Json

# The keywords that say something about one type alone.
_OF_TYPE: Final[Mapping[str, frozenset[str]]] = {
    "string": frozenset(("pattern", "minLength", "maxLength")),
    "integer": frozenset(("minimum", "maximum")),
    "number": frozenset(("minimum", "maximum")),
    "array": frozenset(("items", "minItems", "maxItems")),
    "object": frozenset(
        (
            *("properties", "required", "additionalProperties", "propertyNames", "minProperties"),
            *("dependentRequired", "dependentSchemas"),
        )
    ),
    "boolean": frozenset(),
}
_ALL_OF_TYPES: Final = frozenset().union(*_OF_TYPE.values())


def portable(schema: Json) -> Json:
    """Return the schema in such words.

    It accepts the same, except that keywords about one type, where no type is named, name it.
    """
    if not isinstance(schema, dict):
        return schema
    made = {key: _INNER.get(key, _same)(value) for key, value in schema.items()}
    made = _with_types(_with_choices(made))
    made = _with_required(made)
    return _flat(made)


def _same(value: Json) -> Json:
    return value


def _each(schemas: Json) -> Json:
    return [portable(schema) for schema in schemas]


def _named(schemas: Json) -> Json:
    return {name: portable(schema) for name, schema in schemas.items()}


_INNER: Final[Mapping[str, Callable[[Json], Json]]] = {
    **dict.fromkeys(("properties", "$defs", "dependentSchemas"), _named),
    **dict.fromkeys(("anyOf", "oneOf", "allOf"), _each),
    **dict.fromkeys(("items", "additionalProperties", "not", "if", "then", "else"), portable),
    # `propertyNames` is about texts alone; some readers take the key 1 for a number.
}


def titled(schema: Json) -> Json:
    """Return a schema of choices with its description as a title.

    The words of a choice stand where the description was: an editor shows the title above them.
    """
    if "enumDescriptions" not in schema or "description" not in schema:
        return schema
    return {"title": schema["description"], **schema}


def _with_choices(schema: Json) -> Json:
    """Return a schema whose choices have words with a `const` for each of them."""
    if "enumDescriptions" not in schema:
        return schema
    kept = {key: value for key, value in titled(schema).items() if not key.startswith("enum")}
    words = zip(schema["enum"], schema["enumDescriptions"], strict=True)
    return {**kept, "anyOf": [{"const": value, "description": text} for value, text in words]}


def _with_types(schema: Json) -> Json:
    """Return a schema that names its type, and one type besides null in each place."""
    about = _ALL_OF_TYPES & schema.keys()
    if "type" not in schema:
        kind = _type_of(about)
        return {"type": kind, **schema} if kind else schema
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if len(set(types) - {"null"}) < 2:
        return schema
    kept = {key: value for key, value in schema.items() if key not in (*about, "type")}
    return {**kept, "anyOf": [_of_one_type(kind, schema, about) for kind in types]}


def _type_of(keywords: Set[str]) -> str:
    """Return the type that keywords are about; "" if they are about any."""
    for kind, own in _OF_TYPE.items():
        if keywords & own:
            return kind
    return ""


def _of_one_type(kind: str, schema: Json, about: Set[str]) -> Json:
    own = _OF_TYPE.get(kind, frozenset()) & about
    return {"type": kind, **{key: schema[key] for key in schema if key in own}}


def _with_required(schema: Json) -> Json:
    """Return a schema whose required keys are among its properties."""
    needed = list(schema.get("required", ()))
    needed += [key for keys in schema.get("dependentRequired", {}).values() for key in keys]
    known = schema.get("properties", {})
    others = schema.get("additionalProperties", {})
    missing = [key for key in needed if key not in known]
    if not missing:
        return schema
    rest = others if isinstance(others, dict) else {}
    return {**schema, "properties": {**known, **dict.fromkeys(missing, rest)}}


def _flat(schema: Json) -> Json:
    """Return a schema without an `anyOf` directly inside an `anyOf`."""
    if "anyOf" not in schema:
        return schema
    parts: list[Json] = []
    for part in schema["anyOf"]:
        parts += part["anyOf"] if part.keys() == {"anyOf"} else [part]
    return {**schema, "anyOf": parts}
