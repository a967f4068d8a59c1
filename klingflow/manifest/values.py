"""PURE. What is wrong with one value by its schema, as faults that are each about one field, in one
line.

Only the caller knows whose value it is and where it stands; this module knows paths. Faults of
scalars are cached, since scalars repeat from shot to shot.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from klingflow.errors import Diagnostic, Mark, shortened
from klingflow.manifest import foreign
from klingflow.manifest.accepts import accepts
from klingflow.manifest.addresses import why_none
from klingflow.manifest.fields import OUTPUT_FIELDS, SHOT, Field, Path
from klingflow.manifest.folds import letters
from klingflow.manifest.foreign_values import value_meant
from klingflow.manifest.shapes import ADDRESS, TEXT, URL
from klingflow.manifest.spelling import did_you_mean
from klingflow.model import Json, Node
from klingflow.words import _, joined

if TYPE_CHECKING:
    from jsonschema import ValidationError

# For one value: a list of thousands can have as many mistakes, and nobody reads them.
_FAULTS_MOST = 50


class Fault(NamedTuple):
    """A mistake at a path of fields. `at_key` says that the key is wrong, not its value."""

    path: Path
    code: str
    message: str
    severity: str = "error"
    at_key: bool = False


# The code of a value that breaks a keyword of its schema.
_CODES: Final = {
    "type": "wrong-type",
    "pattern": "wrong-value",
    "enum": "unknown-value",
    "minimum": "out-of-range",
    "maxItems": "too-many",
    "maxLength": "too-long",
    "minItems": "empty",
    "minProperties": "empty",
}
_CUT_CODES: Final = {"maxItems": "cuts-count", "maxLength": "cut-prompt"}
# Keywords that are broken by a map that is not another shot's video.
_OF_A_CHAIN: Final = ("required", "additionalProperties")
_UNITS: Final = {"maxItems": _("entries"), "maxLength": _("characters")}


@lru_cache(maxsize=8192, typed=True)
def _scalar_faults(field: Field, value: Json) -> tuple[Fault, ...]:
    return faults(field.schema, value, (field.name,))


@lru_cache(maxsize=8192)
def _texts_faults(field: Field, *value: str) -> tuple[Fault, ...]:
    return faults(field.schema, list(value), (field.name,))


def value_faults(field: Field, value: Json) -> tuple[Fault, ...]:
    """Return what is wrong with the value of one field."""
    if field.schema is TEXT and type(value) is str and value.strip():
        return ()  # as the schema would say; prompts do not repeat
    if isinstance(value, list) and set(map(type, value)) <= {str}:
        return _texts_faults(field, *value)
    if isinstance(value, (list, dict)):
        return faults(field.schema, value, (field.name,))
    return _scalar_faults(field, value)


def faults(schema: Json, value: Json, base: Path) -> tuple[Fault, ...]:
    """Return the faults of a value that stands at `base`, the first for each place."""
    if accepts(schema, value):
        return ()
    # Here, for start-up: jsonschema takes a tenth of a second, and most values are right.
    from klingflow.manifest.violations import violations

    found: dict[Path, Fault] = {}
    for error in islice(violations(schema, value), _FAULTS_MOST):
        for fault in _explained(error, (*base, *error.absolute_path)):
            found.setdefault(fault.path, fault)
    return tuple(found.values())


class _Wrong(NamedTuple):
    """A value at a path that breaks a keyword of its schema; `limit` is what the keyword asks."""

    keyword: str
    limit: Any
    value: Any
    schema: Any
    path: Path

    @property
    def name(self) -> str:
        return f"'{dotted(self.path)}'" if self.path else _("this")

    @property
    def shown(self) -> str:
        return _shown(self.value, self.schema, field_of(self.path))


def _explained(error: ValidationError, path: Path) -> Iterable[Fault]:
    """Return one violated keyword as faults, each about one field."""
    keyword, schema = str(error.validator), error.schema
    wrong = _Wrong(keyword, error.validator_value, error.instance, schema, path)
    if keyword in _OF_A_CHAIN and _is_no_chain(wrong.value, wrong.schema):
        return [_no_chain(wrong)]
    if "propertyNames" in error.schema_path:
        return [_wrong_key(wrong)]
    if keyword == "additionalProperties":
        hint = foreign.hint if path and path[0] in SHOT else did_you_mean
        return unknown_keys(wrong.value, wrong.schema["properties"], path, hint)
    if keyword == "required":
        return _missing(wrong.value, wrong.schema["required"], path)
    if keyword in _UNITS:
        return [_too_much(wrong)]
    return [_otherwise(wrong)]


def _otherwise(wrong: _Wrong) -> Fault:
    text = _must_be(wrong)
    is_a_line = wrong.path[-1:] == ("dialogue",) and isinstance(wrong.value, Mapping)
    said = _("{fault}; {lines}", fault=text, lines=_LINES) if is_a_line else text
    return Fault(wrong.path, _code(wrong.keyword, wrong.schema), said)


def _no_chain(wrong: _Wrong) -> Fault:
    chain = _FRAME if "frame" in wrong.schema["properties"] else _VIDEO
    text = _("{fault}; {chain}", fault=_must_be(wrong), chain=chain)
    return Fault(wrong.path, "wrong-type", text)


def _must_be(wrong: _Wrong) -> str:
    return _(
        "{name} must be {wanted}, not {shown}",
        name=wrong.name,
        wanted=_wanted(wrong.schema),
        shown=wrong.shown,
    )


def _wrong_key(wrong: _Wrong) -> Fault:
    text = _(
        "a key of {name} must be {wanted}, not {shown}",
        name=wrong.name,
        wanted=_wanted(wrong.schema),
        shown=wrong.shown,
    )
    code = _code(wrong.keyword, wrong.schema)
    return Fault((*wrong.path, wrong.value), code, text, at_key=True)


def _too_much(wrong: _Wrong) -> Fault:
    codes = _CUT_CODES if wrong.path[0] == "cuts" else _CODES
    text = _(
        "{name} has {number} {units}; at most {most}",
        name=wrong.name,
        number=len(wrong.value),
        units=_UNITS[wrong.keyword],
        most=wrong.limit,
    )
    return Fault(wrong.path, codes[wrong.keyword], text)


_LINES: Final = _("who says what stands in a list: 'dialogue: [{ Anna: … }]'")
NEEDS_A_FRAME: Final = _("an image is one frame of the video; write 'frame: last'")
# What to add about a required key whose name does not explain itself.
_MISSING_ADVICE: Final = {"frame": _(": {needs_a_frame}", needs_a_frame=NEEDS_A_FRAME)}


def _missing(value: Json, required: Sequence[str], path: Path) -> Iterator[Fault]:
    for key in required:
        if key in value:
            continue
        text = _("'{key}' is missing", key=key)
        if path:
            text = _("'{path}' must have '{key}'", path=dotted(path), key=key)
        yield Fault(path, "missing-field", text + _MISSING_ADVICE.get(key, ""))


_FRAME: Final = _("a frame of another shot's video is { from: opening, frame: last }")
_VIDEO: Final = _("another shot's video is { from: opening }")


def _is_no_chain(value: Json, schema: Mapping[str, Json]) -> bool:
    """Return True for a map in place of an address that does not look like another shot's video."""
    known = schema.get("properties", ())
    is_near = any(key in known or did_you_mean(key, known) for key in value)
    return _is_url(schema) and not is_near


def _code(keyword: str, schema: Mapping[str, Json]) -> str:
    return "not-a-url" if keyword == "pattern" and _is_url(schema) else _CODES[keyword]


def _is_url(schema: Mapping[str, Json]) -> bool:
    return schema.get("pattern") in (URL["pattern"], ADDRESS["pattern"])


def field_of(path: Path) -> str:
    """Return the last name on a path, past the indexes of lists."""
    return next((step for step in reversed(path) if isinstance(step, str)), "")


Hint = Callable[[str, Collection[str]], str]


def unknown_keys(
    value: Iterable[str], known: Collection[str], path: Path, hint: Hint = did_you_mean
) -> Iterator[Fault]:
    """Yield the keys of the mapping at `path` that are not among the known ones. `hint` completes
    the message about a key.
    """
    for key in value:
        if key not in known:
            text = _unknown(key, known, path, hint)
            yield Fault((*path, key), "unknown-field", text, at_key=True)


def _unknown(key: str, known: Collection[str], path: Path, hint: Hint) -> str:
    if path[-1:] == ("output_config",) and key in OUTPUT_FIELDS:
        return _(
            "'{path}' is written as '{field}', beside 'output_config'",
            path=dotted((*path, key)),
            field=OUTPUT_FIELDS[key],
        )
    if key == "frame" and "from" in known:
        return _("'{path}' is the whole video; delete 'frame'", path=dotted(path))
    where = _(" in '{path}'", path=dotted(path)) if path else ""
    return _("unknown field '{key}'{where}{hint}", key=key, where=where, hint=hint(key, known))


def _wanted(schema: Mapping[str, Json]) -> str:
    """Return what completes "must be …": the schema's title, or its choices."""
    if "title" in schema:
        return str(schema["title"])
    *most, last = map(str, schema["enum"])
    return _("{most} or {last}", most=joined(", ", most), last=last) if most else last


def _shown(value: Json, schema: Mapping[str, Json], field: str) -> str:
    """Return a wrong value, short and on one line, with the right spelling if that is plain."""
    if isinstance(value, (dict, list)):
        return _named(value)
    if isinstance(value, str) and not value.strip():
        return _("empty text")
    if isinstance(value, str) and _is_url(schema):
        return why_none(value)
    choices = schema.get("enum", ())
    is_in_a_pasted_body = schema.get("type") == "string"
    meant = None if is_in_a_pasted_body else value_meant(field, value, choices)
    hint = _("; write {meant}", meant=meant) if meant else ""
    if not isinstance(value, str):
        return json.dumps(value) + hint
    text = " ".join(shortened(value).split())
    return _("'{text}'{hint}", text=text, hint=hint or _meant(value, choices))


def _named(value: Json) -> str:
    """Return what to call a map or a list in a message."""
    if isinstance(value, dict):
        return _("a map { … }") if value else _("an empty map {}")
    return _("a list [ … ]") if value else _("an empty list []")


def _meant(text: str, choices: Sequence[Json]) -> str:
    """Return the choice that a text is probably meant to be, as a hint; "" if there is none."""
    by_letters = {letters(str(choice)): choice for choice in choices}
    spelled = by_letters.get(letters(text))
    if spelled is None:
        # Words only: 480P was not meant to be 1080P.
        words = [word for word in map(str, choices) if not re.search(r"\d", word)]
        return did_you_mean(text, words)
    if not text.isascii():
        return _("; write {spelled} in plain letters and digits", spelled=spelled)
    if isinstance(spelled, str):
        return _("; did you mean '{spelled}'?", spelled=spelled)
    return _("; write {spelled} without quotes", spelled=spelled)


def dotted(path: Path) -> str:
    """Return a path as people write it: `files[0].video`."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(steps).removeprefix(".")


def placed(fault: Fault, mark: Mark, subject: str) -> Diagnostic:
    """Return a fault as a diagnostic at a place; `subject` names the entry that has it."""
    return Diagnostic(mark, fault.code, fault.message, fault.severity, subject=subject)


def place_of(fault: Fault, node: Node) -> Mark:
    """Return where a fault's path leads from a Node, to the key or to the value, as far as the
    author wrote it.
    """
    found = node.at(*fault.path)
    return found.place if fault.at_key else found.mark


def content_of(node: Node) -> Json:
    """Return a Node tree without its places."""
    value = node.value
    if isinstance(value, dict):
        return {key: content_of(item) for key, item in value.items()}
    return [content_of(item) for item in value] if isinstance(value, list) else value
