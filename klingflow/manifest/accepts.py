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

from klingflow.manifest.shapes import ADDRESS, TEXT
from klingflow.model import Json, Pending


def accepts(schema: Json, value: Json) -> bool:
    """Return True if the value surely meets the schema."""
    for keyword, wanted in schema.items():
        if keyword not in _KEYWORDS:
            return False
        kind, meets = _KEYWORDS[keyword]
        if isinstance(value, kind) and not meets(wanted, value, schema):
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
    """Return True for a text that only the run knows: it passes where any text or address does."""
    return isinstance(value, Pending) and pattern in (TEXT["pattern"], ADDRESS["pattern"])


_TYPES: Final[dict[str, Callable[[Any], bool]]] = {
    "null": lambda value: value is None,
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
    return fits_later(value, wanted) or bool(re.search(wanted, value))


def _minimum(least: float, value: Json, _: Json) -> bool:
    return not is_number(value) or value >= least


def _required(keys: list[str], value: Json, _: Json) -> bool:
    return all(key in value for key in keys)


def _items(wanted: Json, value: Json, _: Json) -> bool:
    return all(accepts(wanted, item) for item in value)


def _properties(wanted: dict[str, Json], value: Json, _: Json) -> bool:
    return all(accepts(wanted[key], item) for key, item in value.items() if key in wanted)


def _others(wanted: Json, value: Json, schema: Json) -> bool:
    """Check `additionalProperties`: False, or the schema of the keys that `properties` lacks."""
    named = schema.get("properties", ())
    others = [item for key, item in value.items() if key not in named]
    return not others if wanted is False else _items(wanted, others, schema)


def _free(_wanted: Json, _value: Json, _schema: Json) -> bool:
    return True


# Each keyword with the type that it is about: as in JSON Schema, it accepts every other value.
_KEYWORDS: Final[dict[str, tuple[type, Callable[[Any, Any, Json], bool]]]] = {
    "title": (object, _free),
    "description": (object, _free),
    "enumDescriptions": (object, _free),
    "type": (object, _type),
    "enum": (object, _enum),
    "pattern": (str, _pattern),
    "minimum": (object, _minimum),
    "maxLength": (str, lambda most, value, _: len(value) <= most),
    "minItems": (list, lambda least, value, _: len(value) >= least),
    "maxItems": (list, lambda most, value, _: len(value) <= most),
    "minProperties": (dict, lambda least, value, _: len(value) >= least),
    "required": (dict, _required),
    "items": (list, _items),
    "properties": (dict, _properties),
    "additionalProperties": (dict, _others),
    "propertyNames": (dict, _items),
}
