"""PURE. A quick answer whether a value surely meets its schema; jsonschema says why it does not.

Nearly every value is right, and jsonschema takes a tenth of a second to import: only the first
mistake pays for it. The keywords known here are those of the tables; a schema with another keyword
accepts nothing here and is left to jsonschema.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, Final

from klingflow.manifest.shapes import TEXT, URL
from klingflow.model import Json, Pending


def accepts(schema: Json, value: Json) -> bool:
    """Return True if the value surely meets the schema."""
    for keyword, wanted in schema.items():
        meets = _KEYWORDS.get(keyword)
        if meets is None or not meets(wanted, value, schema):
            return False
    return True


def is_integer(value: object) -> bool:
    """Return True for a whole number, stricter than JSON Schema: gateways drop a duration of 5.0
    without a word.
    """
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    """Return True for a number that is finite; true and false are not numbers."""
    return is_integer(value) or (isinstance(value, float) and math.isfinite(value))


def fits_later(value: Json, pattern: str) -> bool:
    """Return True for a text that only the run knows: it passes where any text or URL does."""
    return isinstance(value, Pending) and pattern in (TEXT["pattern"], URL["pattern"])


_TYPES: Final[dict[str, Callable[[Any], bool]]] = {
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": is_integer,
    "number": is_number,
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


def _type(wanted: str | list[str], value: Json, _: Json) -> bool:
    names = [wanted] if isinstance(wanted, str) else wanted
    return any(_TYPES[name](value) for name in names)


def _enum(wanted: list[Json], value: Json, _: Json) -> bool:
    return any(type(value) is type(choice) and value == choice for choice in wanted)


def _pattern(wanted: str, value: Json, _: Json) -> bool:
    return not isinstance(value, str) or fits_later(value, wanted) or bool(re.search(wanted, value))


def _items(wanted: Json, value: Json, _: Json) -> bool:
    return not isinstance(value, list) or all(accepts(wanted, item) for item in value)


def _properties(wanted: dict[str, Json], value: Json, _: Json) -> bool:
    return not isinstance(value, dict) or all(
        accepts(wanted[key], item) for key, item in value.items() if key in wanted
    )


def _others(wanted: Json, value: Json, schema: Json) -> bool:
    """Check `additionalProperties`: False, or the schema of the keys that `properties` lacks."""
    if not isinstance(value, dict):
        return True
    others = [item for key, item in value.items() if key not in schema.get("properties", ())]
    return not others if wanted is False else all(accepts(wanted, item) for item in others)


def _names(wanted: Json, value: Json, _: Json) -> bool:
    return not isinstance(value, dict) or all(accepts(wanted, key) for key in value)


def _free(_wanted: Json, _value: Json, _schema: Json) -> bool:
    return True


# As JSON Schema has it, a keyword says nothing of values that are not of its type.
_KEYWORDS: Final[dict[str, Callable[[Any, Json, Json], bool]]] = {
    "title": _free,
    "description": _free,
    "type": _type,
    "enum": _enum,
    "pattern": _pattern,
    "minimum": lambda least, value, _: not is_number(value) or value >= least,
    "maxLength": lambda most, value, _: not isinstance(value, str) or len(value) <= most,
    "minItems": lambda least, value, _: not isinstance(value, list) or len(value) >= least,
    "maxItems": lambda most, value, _: not isinstance(value, list) or len(value) <= most,
    "minProperties": lambda least, value, _: not isinstance(value, dict) or len(value) >= least,
    "required": lambda keys, value, _: (
        not isinstance(value, dict) or all(key in value for key in keys)
    ),
    "items": _items,
    "properties": _properties,
    "additionalProperties": _others,
    "propertyNames": _names,
}
