"""A schema in the words that every reader takes: what changes, and that it accepts the same."""

from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator

from klingflow.api.schemas import NAMES, generate
from klingflow.manifest.portable import portable
from klingflow.manifest.shapes import AMOUNT, SECONDS, choices
from klingflow.model import Json

_CHOICES = {"anyOf": [{"const": 1, "description": "One."}, {"const": "a", "description": "A."}]}


@pytest.mark.parametrize(
    ("schema", "made"),
    [
        (True, True),
        (
            {"type": ["string", "null"], "pattern": "a"},
            {"type": ["string", "null"], "pattern": "a"},
        ),
        (
            {"type": ["integer", "string"], "minimum": 1, "pattern": "a", "title": "t"},
            {
                "title": "t",
                "anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": "a"}],
            },
        ),
        (choices({1: "One.", "a": "A."}), _CHOICES),
        (
            {"anyOf": [_CHOICES, {"type": "null"}]},
            {"anyOf": [*_CHOICES["anyOf"], {"type": "null"}]},
        ),
        (
            {"items": {"pattern": "a"}},
            {"type": "array", "items": {"type": "string", "pattern": "a"}},
        ),
        ({"required": ["a"]}, {"type": "object", "required": ["a"], "properties": {"a": {}}}),
        (
            {"type": "object", "required": ["a"], "additionalProperties": {"type": "null"}},
            {
                "type": "object",
                "required": ["a"],
                "additionalProperties": {"type": "null"},
                "properties": {"a": {"type": "null"}},
            },
        ),
    ],
)
def test_a_schema_becomes_one_type_in_each_place(schema: Json, made: Json) -> None:
    """Choices get a description each, required keys a property, and inner schemas likewise."""
    assert portable(schema) == made


@pytest.mark.parametrize("schema", [SECONDS, AMOUNT])
@pytest.mark.parametrize("value", [5, "5", 0, "0", -1, "x", None, 2.5, "2.5", [], {}, True])
def test_it_accepts_what_the_tables_accept(schema: Json, value: Json) -> None:
    """Taking types apart changes nothing."""
    validators = Draft202012Validator(schema), Draft202012Validator(portable(schema))
    assert validators[0].is_valid(value) == validators[1].is_valid(value)


def _keywords(schema: Json) -> set[str]:
    """All keys of a schema that are not names of properties."""
    if isinstance(schema, list):
        return set().union(*map(_keywords, schema))
    if not isinstance(schema, dict):
        return set()
    found = set(schema)
    for key, part in schema.items():
        if key in ("properties", "$defs", "dependentSchemas"):
            found |= set().union(*map(_keywords, part.values()))
        elif key not in ("const", "enum", "dependentRequired"):
            found |= _keywords(part)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_published_schemas_have_keywords_of_the_standard_alone(name: str) -> None:
    """`ajv` in its strict mode refuses any other."""
    assert _keywords(generate(name)) <= {
        *("$schema", "$defs", "$ref", "title", "description", "type", "enum", "const", "anyOf"),
        *("oneOf", "allOf", "not", "if", "then", "else", "properties", "required", "items"),
        *("additionalProperties", "propertyNames", "minProperties", "minItems", "maxItems"),
        *("minimum", "maximum", "pattern", "maxLength", "minLength", "dependentRequired"),
        "dependentSchemas",
    }
