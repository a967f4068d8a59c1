"""PURE. What is wrong with a document or a shot, as diagnostics that each speak of one field.

A document is checked as it was written: its keys, and the values that no expression makes. A shot
is checked as it was rendered: each value against the field table, then the body as a whole against
the rules. Nothing is raised and nothing printed; the caller collects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from klingflow.errors import Diagnostic, Mark
from klingflow.manifest.body import BODY
from klingflow.manifest.drafts import Draft
from klingflow.manifest.fields import ABOUT, KINDS, SHOT, Field
from klingflow.manifest.layers import without_nulls
from klingflow.manifest.limits import RUN
from klingflow.manifest.request import Sendable, author_path, infer_kind, leaves, sendable_of
from klingflow.manifest.rules import RULES, facts, rules_for
from klingflow.manifest.sections import INCLUDED, TOP
from klingflow.manifest.settings import GATEWAY
from klingflow.manifest.spelling import did_you_mean
from klingflow.manifest.values import (
    Fault,
    content_of,
    dotted,
    faults,
    place_of,
    unknown_keys,
    value_faults,
)
from klingflow.model import Json, Node, Pending

_RULE_ERRORS = frozenset(rule.code for rule in RULES if rule.severity == "error")
# What `allow` may name: the rules, and the gateway's own limits on single values.
_LIMITS: Final = frozenset({"unknown-value", "not-a-url", "too-many", "too-long"})
ALLOWED: Final = _LIMITS | frozenset(rule.code for rule in RULES)
_LIFTED: Final = _LIMITS | _RULE_ERRORS


# --- a shot as it was rendered ------------------------------------------------------------------------------


class Checked(NamedTuple):
    """A shot's kind, what is wrong or doubtful about it, and what it would send if nothing is
    wrong.
    """

    kind: str
    diagnostics: list[Diagnostic]
    good: Sendable | None


def check_shot(draft: Draft) -> Checked:
    """Everything about one rendered shot: errors, and warnings about doubtful purchases."""
    fields = draft.fields
    kind = infer_kind(fields)
    allow = _allowed(fields)
    if draft.spoiled:  # what is left tells neither the kind nor what is missing
        values = (fault for name, value in fields.items() for fault in _value_faults(name, value))
        return Checked(kind, [_diagnostic(draft, _lifted(fault, allow)) for fault in values], None)
    found = [_lifted(fault, allow) for fault in _field_faults(fields, kind)]
    if kind == "request":
        found += _idle(draft)
    sendable = None if _has_error(found) else sendable_of(fields, kind)
    if sendable:
        found += [_lifted(fault, allow) for fault in _body_faults(fields, kind, sendable)]
    good = None if _has_error(found) else sendable
    return Checked(kind, [_diagnostic(draft, fault) for fault in found], good)


def _has_error(found: list[Fault]) -> bool:
    return any(fault.severity == "error" for fault in found)


def _allowed(fields: Mapping[str, Json]) -> tuple[str, ...]:
    allow = fields.get("allow", ())
    return tuple(code for code in allow if isinstance(code, str)) if isinstance(allow, list) else ()


def _lifted(fault: Fault, allow: tuple[str, ...]) -> Fault:
    """A rule's error as a warning, where the shot allows it."""
    return (
        fault._replace(severity="warning")
        if fault.code in allow and fault.code in _LIFTED
        else fault
    )


def _diagnostic(draft: Draft, fault: Fault) -> Diagnostic:
    mark = place_of(fault, draft.node) if fault.path else draft.mark
    return _placed(fault, mark, f"shot '{draft.id}'")


def _placed(fault: Fault, mark: Mark, subject: str) -> Diagnostic:
    return Diagnostic(mark, fault.code, fault.message, fault.severity, subject=subject)


def _field_faults(fields: Mapping[str, Json], kind: str) -> Iterator[Fault]:
    """Each field by itself: known, of this kind, of the right shape; and the ones that are missing."""
    for name, value in fields.items():
        field = SHOT.get(name)
        if field is None:
            yield from unknown_keys((name,), SHOT)
        elif kind in field.kinds:
            yield from value_faults(field, value)
        elif kind != "request":
            yield Fault((name,), "wrong-kind", _wrong_kind(field, kind), at_key=True)
    yield from _missing(fields, kind)
    yield from _inner_faults(fields)


def _value_faults(name: str, value: Json) -> Iterable[Fault]:
    return value_faults(SHOT[name], value) if name in SHOT else unknown_keys((name,), SHOT)


def _idle(draft: Draft) -> Iterator[Fault]:
    """What stands beside `request` and goes nowhere; not what defaults and presets say to every
    shot.
    """
    request = draft.node.at("request").key_mark
    for name in draft.fields:
        mark = draft.node.at(name).key_mark
        if name not in SHOT or "request" in SHOT[name].kinds or not mark or not request:
            continue
        in_a_row = mark.line == request.line
        in_a_column = mark.column == request.column and mark.line > draft.mark.line
        if mark.file == request.file and (in_a_row or in_a_column):
            text = f"'{name}' has no effect beside 'request'; write it in the pasted body"
            yield Fault((name,), "no-effect", text, "warning", at_key=True)


def _wrong_kind(field: Field, kind: str) -> str:
    homes = [name for name in KINDS if name in field.kinds]
    return f"'{field.name}' does not go with kind '{kind}', only with {', '.join(homes)}"


def _missing(fields: Mapping[str, Json], kind: str) -> Iterator[Fault]:
    extra = fields.get("extra")
    given = {**fields, **extra} if isinstance(extra, dict) else fields
    for name in KINDS[kind].required:
        if (
            name not in given
            and not (name == "prompt" and "content" in given)
            and not _misspelt(name, fields)
        ):
            doc = SHOT[name].doc.rstrip(".")
            yield Fault((), "missing-field", f"'{name}' is missing: {doc[0].lower()}{doc[1:]}")


def _misspelt(name: str, fields: Mapping[str, Json]) -> bool:
    """Whether an unknown field is being told to be this one: then it is not missing, too."""
    return any(f"'{name}'" in did_you_mean(other, SHOT) for other in fields if other not in SHOT)


def _inner_faults(fields: Mapping[str, Json]) -> Iterator[Fault]:
    """What the schema's portable keywords do not say about lists."""
    for index, code in enumerate(_allowed(fields)):
        if code not in ALLOWED:
            text = f"no rule has the code '{code}'{did_you_mean(code, ALLOWED)}"
            yield Fault(("allow", index), "unknown-code", text)
    for index, file in enumerate(_records(fields.get("files"))):
        sources = [name for name in ("video", "image", "file_id") if name in file]
        if len(sources) != 1:
            text = f"'files[{index}]' must have exactly one of 'video', 'image' and 'file_id'"
            yield Fault(("files", index), "file-source", text)
        elif "category" in file and sources != ["file_id"]:
            text = f"'files[{index}].category' goes with 'file_id' only: '{sources[0]}' says it"
            yield Fault(("files", index, "category"), "file-source", text, at_key=True)
    for path, leaf in leaves(fields["cuts"], ("cuts",)) if "cuts" in fields else ():
        if isinstance(leaf, Pending):
            yield Fault(
                path, "reference-place", f"'{dotted(path)}' cannot hold another shot's result"
            )


def _records(value: Json) -> list[Mapping[str, Json]]:
    return (
        [item if isinstance(item, dict) else {} for item in value]
        if isinstance(value, list)
        else []
    )


def _body_faults(fields: Mapping[str, Json], kind: str, sendable: Sendable) -> Iterator[Fault]:
    """The body as a whole; its shape too where the author wrote parts of it in the gateway's own
    words.
    """
    own = [*_pasted_faults(sendable.body, kind)] if kind == "request" or "extra" in fields else []
    for fault in own:
        yield _at_author(fault, fields, kind)
    if any(fault.severity == "error" and fault.code not in _LIFTED for fault in own):
        return
    known = facts(fields, kind, sendable.body, sendable.meaning)
    for rule in rules_for(known):
        finding = rule.find(known)
        if finding:
            yield _at_author(Fault(finding[0], rule.code, finding[1], rule.severity), fields, kind)


def _at_author(fault: Fault, fields: Mapping[str, Json], kind: str) -> Fault:
    return fault._replace(path=author_path(fields, kind, fault.path))


def _pasted_faults(body: Mapping[str, Json], kind: str) -> Iterator[Fault]:
    yield from faults(BODY, body, ())
    if kind != "request":
        return
    for path in ((), ("metadata",), ("metadata", "output_config")):
        part: Any = body
        schema = BODY
        for step in path:
            part = part.get(step) if isinstance(part, dict) else None
            schema = schema["properties"][step]
        if isinstance(part, dict):
            for fault in unknown_keys(part, schema["properties"], path):
                yield fault._replace(code="undocumented-field", severity="warning")


# --- a document as it was written ---------------------------------------------------------------------------


def check_document(root: Node) -> list[Diagnostic]:
    """What is wrong with a manifest's own text: unknown keys, values of the wrong shape, no shots."""
    found = [*_section(root, TOP, "")]
    if isinstance(root.value, dict) and not root.value.keys() & {"shots", "include"}:
        found.append(
            Diagnostic(root.mark, "missing-field", "'shots' is missing: the videos wanted, by id")
        )
    return [*found, *_sections(root)]


def check_include(root: Node) -> list[Diagnostic]:
    """As `check_document`, for a file that only adds vars, presets and shots."""
    return [*_section(root, INCLUDED, ""), *_sections(root)]


def _sections(root: Node) -> Iterator[Diagnostic]:
    if not isinstance(root.value, dict):
        return
    for name, table in (("gateway", GATEWAY), ("run", RUN), ("defaults", SHOT)):
        if name in root.value:
            yield from _section(root.value[name], table, name)
    for key, node in _items(root.value.get("presets")):
        if node.value is not None:
            yield from _section(node, SHOT, f"preset '{key}'")
    for key, node in _items(root.value.get("shots")):
        if node.value is not None:
            yield from _section(node, _SHOT_AS_WRITTEN, f"shot '{key}'")


# A shot's wanted values are checked once they are rendered.
_SHOT_AS_WRITTEN = dict.fromkeys(SHOT) | {field.name: field for field in ABOUT}


def _section(node: Node, table: Mapping[str, Field | None], subject: str) -> Iterator[Diagnostic]:
    """One mapping of the document against its table. null deletes, an expression may become
    anything.
    """
    if not isinstance(node.value, dict):
        if not _is_expression(node):
            message = "must be a mapping of fields"
            yield Diagnostic(node.mark, "wrong-type", message, subject=subject)
        return
    for name, value in node.value.items():
        for fault in _written_faults(name, value, table):
            yield _placed(fault, place_of(fault, node), subject)


def _written_faults(name: str, value: Node, table: Mapping[str, Field | None]) -> Iterable[Fault]:
    if name not in table:
        return unknown_keys((name,), table)
    field = table[name]
    if field is None or value.value is None or _has_expression(value):
        return ()
    if name in SHOT and isinstance(value.value, dict):
        value = without_nulls(value)
    return value_faults(field, content_of(value))


def _items(node: Node | None) -> Iterable[tuple[str, Node]]:
    return node.value.items() if node and isinstance(node.value, dict) else ()


def _is_expression(node: Node) -> bool:
    return isinstance(node.value, str) and "${{" in node.value


def _has_expression(node: Node) -> bool:
    """Whether rendering may change the value."""
    value = node.value
    if isinstance(value, dict):
        return any(map(_has_expression, value.values()))
    return any(map(_has_expression, value)) if isinstance(value, list) else _is_expression(node)
