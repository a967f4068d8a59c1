"""PURE. What is wrong with a document as it was written, before anything is rendered: its keys, and
the values that no expression makes. Each diagnostic is about one field.

The caller collects; nothing is raised. check.py checks the shots once they are rendered.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import partial
from typing import Final, NamedTuple

from klingflow.errors import Diagnostic
from klingflow.manifest import foreign, misplaced
from klingflow.manifest.coerce import as_mapping
from klingflow.manifest.fields import ABOUT, SHOT, Field
from klingflow.manifest.handed import NO_ENVIRONMENT, no_environment
from klingflow.manifest.layers import without_nulls
from klingflow.manifest.limits import RUN
from klingflow.manifest.pieces import has_expression
from klingflow.manifest.profiles import WITHOUT_EFFECT, check_names
from klingflow.manifest.sections import INCLUDED, TOP
from klingflow.manifest.settings import ASSETS, GATEWAY
from klingflow.manifest.values import (
    Fault,
    content_of,
    place_of,
    placed,
    unknown_keys,
    value_faults,
)
from klingflow.model import Node
from klingflow.words import _, filled


def check_document(root: Node) -> list[Diagnostic]:
    """Return what is wrong with a manifest's own text: unknown keys, wrong shapes, no shots."""
    found = [*_section(root, TOP, "")]
    if not _has_shots(root):
        message = _("'shots' is missing: write 'shots:', and under it each video by its id")
        found.append(Diagnostic(root.mark, "missing-field", message))
    profiles = dict(_items(as_mapping(root.value).get("profiles")))
    return [*found, *check_names(profiles), *_sections(root)]


def _has_shots(root: Node) -> bool:
    """Return True if a manifest has shots or includes, or a key that is reported to mean them."""
    for key, _value in _items(root):
        meant = key if key in TOP else foreign.meant(key, TOP)
        if meant in ("shots", "include"):
            return True
    return False


class _Idle(NamedTuple):
    """Fields that have no effect in a layer: their names, where, and why."""

    names: frozenset[str]
    where: str
    why: str


_ALL_WORK: Final = _Idle(frozenset(), "", "")
_IN_A_LAYER: Final = _Idle(
    frozenset(("use",)), _("defaults and presets"), _("only a shot names its presets")
)
_IN_A_PROFILE: Final = _Idle(WITHOUT_EFFECT, _("a profile"), _("the shots are made already"))
_TABLES: Final[tuple[tuple[str, Mapping[str, Field], _Idle], ...]] = (
    ("gateway", GATEWAY, _ALL_WORK),
    ("run", RUN, _ALL_WORK),
    ("assets", ASSETS, _ALL_WORK),
    ("defaults", SHOT, _IN_A_LAYER),
)


def check_include(root: Node) -> list[Diagnostic]:
    """Return the same for a file that only adds vars, presets and shots."""
    return [*_section(root, INCLUDED, ""), *_sections(root)]


def _sections(root: Node) -> Iterator[Diagnostic]:
    if not isinstance(root.value, dict):
        return
    for name, table, idle in _TABLES:
        if name in root.value and root.value[name].value is not None:
            yield from _section(root.value[name], table, name, idle)
    for one, several, fields, idle in _SHOTS:
        for key, node in _items(root.value.get(several)):
            subject = filled(_CALLED[one], {"key": key})
            if misread := misplaced.no_entry(key, node, one):
                yield Diagnostic(node.place, "wrong-type", misread, subject=subject)
            elif node.value is not None:
                yield from _section(node, fields, subject, idle)


_CALLED: Final = {
    "preset": _("preset '{key}'"),
    "profile": _("profile '{key}'"),
    "shot": _("shot '{key}'"),
}
# A shot's wanted values are checked once they are rendered.
_SHOT_AS_WRITTEN = dict.fromkeys(SHOT) | {field.name: field for field in ABOUT}
_SHOTS: Final[tuple[tuple[str, str, Mapping[str, Field | None], _Idle], ...]] = (
    ("preset", "presets", SHOT, _IN_A_LAYER),
    ("profile", "profiles", SHOT, _IN_A_PROFILE),
    ("shot", "shots", _SHOT_AS_WRITTEN, _ALL_WORK),
)


# Their names are read before anything is rendered, so that no expression can make them.
_NAMES_READ_FIRST: Final = frozenset(("vars", "presets", "profiles", "shots"))
_WRITTEN_OUT: Final = _(", written out; expressions can stand for its values")


def _section(
    node: Node, table: Mapping[str, Field | None], subject: str, idle: _Idle = _ALL_WORK
) -> Iterator[Diagnostic]:
    """Yield what is wrong with one mapping of the document, by its table.

    null deletes, and the value of an expression is not known yet: neither is judged.
    """
    if not isinstance(node.value, dict):
        advice = _WRITTEN_OUT if _is_expression(node) else ""
        message = misplaced.no_map(node.value, _example_of(table)) + advice
        yield Diagnostic(node.mark, "wrong-type", message, subject=subject)
        return
    for name in sorted(idle.names & node.value.keys()):
        text = _(
            "'{name}' has no effect in {where}; {why}", name=name, where=idle.where, why=idle.why
        )
        yield Diagnostic(node.value[name].place, "no-effect", text, subject=subject)
    for name, value in node.value.items():
        for fault in _written_faults(name, value, table):
            yield placed(fault, place_of(fault, node), subject)


def _example_of(table: Mapping[str, Field | None]) -> str:
    """Return an example of a field in a mapping of this table."""
    for field, example in _EXAMPLES.items():
        if field in table:
            return example
    return _EXAMPLES["base_url"]


_EXAMPLES: Final = {
    "prompt": "prompt: …",
    "max_running": "max_running: 5",
    "store": "store: s3://…",
    "base_url": "base_url: https://…",
}


def _written_faults(name: str, value: Node, table: Mapping[str, Field | None]) -> Iterable[Fault]:
    if name == "env" and table in (TOP, INCLUDED):
        return [_no_environment(value)]
    if name not in table:
        return unknown_keys((name,), table, (), partial(_hint, value))
    if name == "shots" and isinstance(value.value, list):
        return [Fault(("shots",), "wrong-type", misplaced.listed(value.value))]
    if name in _NAMES_READ_FIRST and _is_expression(value):
        text = _("'{name}' must be a map{written_out}", name=name, written_out=_WRITTEN_OUT)
        return [Fault((name,), "wrong-type", text)]
    return _faults_of(name, value, table[name])


def _faults_of(name: str, value: Node, field: Field | None) -> Iterable[Fault]:
    """Return what is wrong with a value that no expression makes."""
    if field is None or value.value is None or _has_expression(value):
        return ()
    if name in SHOT and isinstance(value.value, dict):
        value = without_nulls(value)
    return value_faults(field, content_of(value))


def _hint(value: Node, key: str, known: Collection[str]) -> str:
    return misplaced.hint(key, value, known)


def _no_environment(value: Node) -> Fault:
    """Return the fault of a section `env:`: it names variables, but no expression reads them."""
    first = "NAME"
    for node in value.value if isinstance(value.value, list) else [value]:
        if isinstance(node.value, str):
            first = node.value
            break
    return Fault(("env",), NO_ENVIRONMENT, no_environment(first), at_key=True)


def _items(node: Node | None) -> Iterable[tuple[str, Node]]:
    return as_mapping(node.value).items() if node else ()


def _is_expression(node: Node) -> bool:
    return has_expression(node.value)


def _has_expression(node: Node) -> bool:
    """Return True if rendering may change the value."""
    if isinstance(node.value, dict):
        return any(map(_has_expression, node.value.values()))
    if isinstance(node.value, list):
        return any(map(_has_expression, node.value))
    return _is_expression(node)
