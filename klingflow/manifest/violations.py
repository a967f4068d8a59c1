"""PURE. Which keywords of its schema a value breaks, by jsonschema; imported only after a value has
failed accepts.py, with the same stricter rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator, ValidationError, validators

from klingflow.manifest.accepts import fits_later, is_integer, is_number
from klingflow.model import Json


def violations(schema: Json, value: Json) -> Iterator[ValidationError]:
    """Yield every keyword of the schema that the value breaks."""
    yield from _Validator(schema).iter_errors(value)


def _pattern(validator: Any, pattern: str, value: Json, schema: Json) -> Iterator[ValidationError]:
    if not fits_later(value, pattern):
        yield from Draft202012Validator.VALIDATORS["pattern"](validator, pattern, value, schema)


_Validator: Any = validators.extend(  # type: ignore[no-untyped-call]  # jsonschema leaves it untyped
    Draft202012Validator,
    {"pattern": _pattern},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"integer": lambda _, value: is_integer(value), "number": lambda _, value: is_number(value)}
    ),
)
