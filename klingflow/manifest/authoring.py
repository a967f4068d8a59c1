"""PURE. The schema of a manifest as an author writes it: what an editor completes, explains and
underlines.

It is made from the tables, with an expression allowed for each value and null for each field, since
null deletes. What only rendering, another file or a sum can show is left to `klingflow validate`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from klingflow.manifest.body import BODY
from klingflow.manifest.catalogue import MODELS, Model, words_of
from klingflow.manifest.check import ALLOWED
from klingflow.manifest.expand import MAX_TAKES
from klingflow.manifest.fields import KIND_OF_FIELD, KINDS, SHOT, Field
from klingflow.manifest.identity import MAX_KEY_CHARACTERS, PLACEHOLDERS
from klingflow.manifest.limits import RUN
from klingflow.manifest.loosened import (
    EXPRESSION,
    MISTAKEN,
    NO_VALUE,
    NULL,
    PUBLIC_VIDEO,
    TO_EXPRESSION,
    documented,
    either,
    lifted,
    loosened,
    maps_of_videos,
    partial,
)
from klingflow.manifest.profiles import WITHOUT_EFFECT
from klingflow.manifest.sections import INCLUDED, TOP
from klingflow.manifest.settings import ASSETS, GATEWAY
from klingflow.manifest.shapes import (
    TEXT,
    URL,
    choices,
    list_of,
)
from klingflow.model import Json

_AXIS: Final = {"type": "array", "minItems": 1, "title": "a list of values such as [a, b]"}
_MAPS: Final = {
    "type": "array",
    "items": {"type": "object", "title": "a map such as { city: 上海 }"},
    "title": "a list of maps such as [{ city: 上海 }]",
}
_MATRIX: Final = {
    "type": "object",
    "title": "a map of axes such as { city: [上海, 重庆] }",
    "properties": {
        "include": {**_MAPS, "description": "Values for the combinations that agree with them."},
        "exclude": {**_MAPS, "description": "Combinations that are left out."},
    },
    "additionalProperties": {**_AXIS, "description": "An axis: one shot for each of its values."},
}
_OUTPUT: Final = {
    **TEXT,
    "pattern": (
        r"^(?!/|~)(?!(?:.*/)?\.\./)(?=.*(?:\.[mM][pP]4|\}\})$)"
        rf"(?:[^{{}}<>:\x22|?*\\]|\{{(?:{'|'.join(PLACEHOLDERS)})\}}|\$\{{\{{[\s\S]*?\}}\}})+$"
    ),
    "title": "a path below the manifest that ends in .mp4; {name}, {shot} and {take} are filled in",
}
_GATEWAYS_ADDRESS: Final = {
    **URL,
    "pattern": r"^[Hh][Tt][Tt][Pp][Ss]?://(?![^/?#]*@)[^\s/]\S*$",
    "title": "an http(s) address without a user or a password",
}
_MODEL: Final = {
    "title": SHOT["model"].doc,
    "anyOf": [choices({name: words_of(model) for name, model in MODELS.items()}), TEXT],
}
_ONE_SOURCE: Final = {
    "oneOf": [
        {"required": ["video"], "properties": {"category": False}},
        {"required": ["image"], "properties": {"category": False}},
        {"required": ["file_id"]},
    ]
}
# What is known of a field beyond its table: other rooms decide it.
_KNOWN_BETTER: Final[Mapping[str, Callable[[Json], Json]]] = {
    "allow": lambda _: list_of(choices(ALLOWED), title="a list of codes such as [seconds-range]"),
    "model": lambda _: _MODEL,
    "takes": lambda schema: {**schema, "maximum": MAX_TAKES},
    "matrix": lambda _: _MATRIX,
    "output": lambda _: _OUTPUT,
    "base_url": lambda _: _GATEWAYS_ADDRESS,
    "request": lambda _: {"$ref": "#/$defs/open-body"},
    "extra": lambda _: {"$ref": "#/$defs/open-body"},
}
# What is known of a field in a shot that allows nothing. The command looks at it only in what a
# shot becomes: a preset is left alone.
_KNOWN_OF_SHOTS: Final[Mapping[str, Json]] = {
    "motion_video": PUBLIC_VIDEO,
    "files": {**SHOT["files"].schema, "items": {**SHOT["files"].schema["items"], **_ONE_SOURCE}},
    "request": {"$ref": "#/$defs/body"},
    "extra": {"$ref": "#/$defs/body"},
}


def manifest() -> dict[str, Json]:
    """Return the schema of a manifest, and of a file that it includes."""
    return {
        "type": "object",
        "properties": _top(),
        "additionalProperties": False,
        # Included files have neither; the other keys are only in manifests.
        "dependentRequired": {name: ["version"] for name in TOP if name not in INCLUDED},
        "dependentSchemas": {
            name: {"anyOf": [{"required": ["shots"]}, {"required": ["include"]}]}
            for name in TOP
            if name not in INCLUDED
        },
        "allOf": [_unless_allowed_below(), *_without_a_layer_below()],
        "$defs": _defs(),
    }


def _defs() -> dict[str, Json]:
    return {
        "expression": EXPRESSION,
        "mistaken-expression": {"type": "string", "pattern": MISTAKEN},
        **dict(maps_of_videos()),
        "body": loosened(partial(BODY), inner_null=True),
        "open-body": loosened(lifted(partial(BODY)), inner_null=True),
        "fields": _fields(_as_it_is),
        "layer": {
            "$ref": "#/$defs/fields",
            "type": ["object", "null"],
            "properties": {"use": False},
        },
        "profile": {
            "$ref": "#/$defs/fields",
            "type": ["object", "null"],
            "properties": dict.fromkeys(sorted(WITHOUT_EFFECT), False),
        },
        "shot": {
            "if": {"required": ["allow"]},
            "then": {"$ref": "#/$defs/allowing-shot"},
            "else": {"$ref": "#/$defs/strict-shot"},
        },
        "kinds": {"allOf": list(_conflicts())},
        "strict-shot": _shot({"$ref": "#/$defs/fields", "properties": _of_shots()}),
        "allowing-shot": _shot(_fields(lifted)),
    }


def _top() -> dict[str, Json]:
    of_shots = {"type": "object", "minProperties": 1, "propertyNames": _id()}
    preset = documented({"$ref": "#/$defs/layer"}, "Fields for the shots that `use` it.")
    presets = {"type": "object", "additionalProperties": preset}
    profile = documented({"$ref": "#/$defs/profile"}, "Fields over every shot, for drafts.")
    profiles = {"type": "object", "additionalProperties": profile}
    sections: dict[str, Json] = {
        "version": TOP["version"].schema,
        "gateway": _record(GATEWAY),
        "run": _record(RUN),
        "assets": _record(ASSETS),
        "vars": TOP["vars"].schema,
        "defaults": {"$ref": "#/$defs/layer"},
        "presets": presets,
        "profiles": profiles,
        "shots": of_shots,
    }
    described = {name: documented(schema, TOP[name].doc) for name, schema in sections.items()}
    nullable = {name: either(schema, NULL) for name, schema in described.items()}
    return {**_loosened_table(TOP), **nullable, "version": described["version"]}


def _id() -> Json:
    """Return what an id is, as far as a pattern of every language can say it."""
    not_ascii_punctuation = r"[^\u0000-,/:-@\[-^`{-\u007f\s]"
    return {
        "pattern": rf"^(?![.-])(?!.*\.$){not_ascii_punctuation}+$",
        "maxLength": MAX_KEY_CHARACTERS,
        "title": "letters, digits, '.', '-' and '_'",
    }


def _record(table: Mapping[str, Field]) -> Json:
    return {
        "type": "object",
        "properties": _loosened_table(table),
        "additionalProperties": False,
        "title": "a map of settings",
    }


def _loosened_table(table: Mapping[str, Field]) -> dict[str, Json]:
    return {name: loosened(_known(field), null=True) for name, field in table.items()}


# --- shots ---------------------------------------------------------------------------------------


def _as_it_is(schema: Json) -> Json:
    return schema


def _shot(fields: Json) -> Json:
    return {**fields, "type": ["object", "null"], "allOf": [{"$ref": "#/$defs/kinds"}]}


def _of_shots() -> dict[str, Json]:
    return {
        name: loosened(documented(schema, SHOT[name].doc), null=True, inner_null=True)
        for name, schema in _KNOWN_OF_SHOTS.items()
    }


def _fields(lift: Callable[[Json], Json]) -> Json:
    return {
        "type": ["object", "null"],
        "properties": {name: _value(field, lift) for name, field in SHOT.items()},
        "additionalProperties": False,
    }


def _value(field: Field, lift: Callable[[Json], Json]) -> Json:
    known = _known(field)
    if field.name == "vars":  # their names are read before anything is rendered
        return either(known, NULL)
    lifted = lift(known) if field.places else known
    return loosened(lifted, null=True, inner_null=True)


def _conflicts() -> Iterator[Json]:
    """Yield what each kind that is written in a shot has no place for."""
    for kind in KINDS:
        strange = [name for name, field in SHOT.items() if kind not in field.kinds]
        if kind != "request":
            yield {
                "if": {"required": ["kind"], "properties": {"kind": {"const": kind}}},
                "then": {"properties": dict.fromkeys(strange, NO_VALUE)},
            }


_ENTRY: Final = "One video, or as many as its rows, its matrix and its takes make."


def _unless_allowed_below() -> Json:
    """Return the rule that shots are strict unless a layer below them may hold an `allow`."""
    strict = {"type": ["object", "null"], "properties": {"allow": False}}
    presets = {"type": ["object", "null"], "additionalProperties": strict}
    return {
        "if": {"properties": {"defaults": strict, "presets": presets}},
        "then": _each_shot(documented({"$ref": "#/$defs/shot"}, _ENTRY)),
        "else": _each_shot(documented({"$ref": "#/$defs/allowing-shot"}, _ENTRY)),
    }


def _each_shot(schema: Json) -> Json:
    """Return the rule that every entry of `shots:` follows."""
    return {"properties": {"shots": {"additionalProperties": schema}}}


# Fields that decide what kind a shot is, or that put a body in the place of its fields.
_DECIDING: Final = ("kind", "request", "extra", *KIND_OF_FIELD)


def _without_a_layer_below() -> Iterator[Json]:
    """Yield what can be said of a shot that builds on no preset, where defaults lack some fields
    as well.
    """
    one_of_them = [{"required": [name]} for name in ("model", "use", "request", "extra")]
    yield _unless_in_defaults(["model", "request", "extra"], {"anyOf": one_of_them})
    with_body = _when("request", without=("model", "extra"))
    of_body = {"properties": {"request": {"required": ["model"]}}}
    yield _unless_in_defaults(["request", "model", "extra"], {"if": with_body, "then": of_body})
    with_rows = _when("foreach", {"not": NULL})
    yield _unless_in_defaults(["key"], {"if": with_rows, "then": {"required": ["key"]}})
    for name, field in SHOT.items():
        if "text" not in field.kinds and name not in _DECIDING:
            no_place = {"properties": {name: NO_VALUE}}
            alone = {"if": _when(name, without=_DECIDING), "then": no_place}
            yield _unless_in_defaults(_DECIDING, alone)
    lengths = [_lengths(model) for model in MODELS.values() if model.seconds]
    yield _unless_in_defaults(_OF_A_SCENE, {"allOf": lengths})


# In a shot with one of these fields, lengths follow another rule, or none.
_OF_A_SCENE: Final = ("kind", "request", "extra", "motion_video", "allow")


def _lengths(model: Model) -> Json:
    """Return the rule that a shot of a model has a length that the model makes."""
    has = _when("seconds", without=_OF_A_SCENE)
    of_model = {"required": ["model"], "properties": {"model": {"const": model.name}}}
    made = {"enum": [*model.seconds, *map(str, model.seconds)]}
    made_or_none = {"title": f"a length of {model.name}", "anyOf": [made, TO_EXPRESSION, NULL]}
    return {"if": {"allOf": [has, of_model]}, "then": {"properties": {"seconds": made_or_none}}}


def _when(name: str, value: Json = True, *, without: Iterable[str] = ()) -> Json:
    """Return the condition that a shot has a field, and neither `use` nor the others."""
    absent = dict.fromkeys(("use", *without), False)
    return {"required": [name], "properties": {**absent, name: value}}


def _unless_in_defaults(names: Sequence[str], schema: Json) -> Json:
    """Return the rule for every shot, where defaults have none of these fields."""
    without = {"type": ["object", "null"], "properties": dict.fromkeys(names, False)}
    return {"if": {"properties": {"defaults": without}}, "then": _each_shot(schema)}


# --- a value -------------------------------------------------------------------------------------


def _known(field: Field) -> Json:
    """Return the schema of a field with its words."""
    better = _KNOWN_BETTER.get(field.name)
    return documented(better(field.schema) if better else field.schema, field.doc)
