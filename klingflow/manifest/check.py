"""PURE. What is wrong with a rendered shot, as diagnostics that are each about one field: first
each value against the field table, then the whole body against the rules. written.py checks the
document before it is rendered.

The caller collects; nothing is raised.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from klingflow.errors import Diagnostic
from klingflow.manifest import chained, foreign
from klingflow.manifest.addresses import unreachable
from klingflow.manifest.body import BODY
from klingflow.manifest.cells import blamed
from klingflow.manifest.coerce import as_list, as_mapping
from klingflow.manifest.drafts import Draft
from klingflow.manifest.facts import facts
from klingflow.manifest.fields import (
    KIND_OF_FIELD,
    KINDS,
    METADATA,
    OUTPUT_CONFIG,
    SHOT,
    Field,
    Path,
)
from klingflow.manifest.habits import HABITS
from klingflow.manifest.local_files import LIMITS as FILE_LIMITS
from klingflow.manifest.local_files import (
    NO_SUCH_FILE,
    LocalFiles,
    Seen,
    fault_of,
    medium_of,
    uses,
    without_store,
)
from klingflow.manifest.request import (
    Sendable,
    author_path,
    body_of,
    infer_kind,
    leaves,
    sendable_of,
)
from klingflow.manifest.rules import RULES, rules_for
from klingflow.manifest.spelling import did_you_mean
from klingflow.manifest.values import (
    NEEDS_A_FRAME,
    Fault,
    dotted,
    faults,
    place_of,
    placed,
    unknown_keys,
    value_faults,
)
from klingflow.model import Json, Pending
from klingflow.words import _, inside, joined

_RULE_ERRORS = frozenset(rule.code for rule in RULES if rule.severity == "error")
_LIMITS: Final = {
    "unknown-value": _("The gateway does not document this value."),
    "not-a-url": _("This is neither a public http(s) address nor the path of a file."),
    "too-many": _("There are more entries than the gateway takes."),
    "too-long": _("There are more characters than the gateway takes."),
    **FILE_LIMITS,
}
_UNREACHABLE: Final = "private-address"
_WARNINGS: Final = {_UNREACHABLE: _("The gateway cannot reach this address."), **HABITS}
# What `allow` may name, each with its words: the rules, the gateway's own limits on single values,
# and the warnings about them.
ALLOWED: Final[Mapping[str, str]] = {
    **_LIMITS,
    **_WARNINGS,
    **{rule.code: rule.doc for rule in RULES},
}
_LIFTED: Final = _RULE_ERRORS | _LIMITS.keys()
# Choices of this language, which `allow` does not lift: it is about what a gateway may know better.
_OWN: Final = frozenset(
    (name,) for name, field in SHOT.items() if "enum" in field.schema and not field.places
)
# Fields that have no effect beside a pasted body.
_IDLE_BESIDE_REQUEST: Final = frozenset(
    name for name, field in SHOT.items() if "request" not in field.kinds
)
_METADATA: Final = BODY["properties"]["metadata"]["properties"]
# The keys that the document has in the body and in the mappings inside it.
_DOCUMENTED: Final[dict[Path, Mapping[str, Json]]] = {
    (): BODY["properties"],
    METADATA: _METADATA,
    OUTPUT_CONFIG: _METADATA["output_config"]["properties"],
}


class Checked(NamedTuple):
    """A shot's kind, what is wrong or doubtful about it, what it would send if nothing is wrong,
    and whether its body names a local file.
    """

    kind: str
    diagnostics: list[Diagnostic]
    good: Sendable | None
    has_files: bool = False


def check_shot(draft: Draft, files: LocalFiles, at_the_top: Collection[str]) -> Checked:
    """Return everything about one rendered shot: errors, and warnings about doubtful purchases.

    The shot's local files are added to `files`, and judged later by `check_files`. `at_the_top` are
    fields of shots that stand at the top of the file, and are reported there.
    """
    fields = draft.fields
    kind = infer_kind(fields)
    allow = _allowed(fields)
    found = _lifted(_field_faults(draft, kind, at_the_top), allow)
    sendable, has_files = None, False
    if not draft.spoiled and not at_the_top and not _has_error(found):
        body = body_of(fields, kind)
        with_records = _with_files(body, draft, kind, files)
        has_files = with_records is not body
        sendable = sendable_of(with_records)
        of_body = _body_faults(draft, kind, body, sendable)
        written = (f._replace(path=author_path(fields, kind, f.path)) for f in of_body)
        found += _lifted(written, allow)
    good = None if _has_error(found) else sendable
    return Checked(kind, [_diagnostic(draft, fault) for fault in found], good, has_files)


def _with_files(
    body: dict[str, Json], draft: Draft, kind: str, files: LocalFiles
) -> dict[str, Json]:
    def file_of(path: Path) -> str:
        return draft.node.at(*author_path(draft.fields, kind, path)).mark.file

    return files.placed(body, file_of)


def check_files(
    draft: Draft, sendable: Sendable, kind: str, found: Seen, *, strict: bool, stored: bool
) -> list[Diagnostic]:
    """Return what is wrong with the local files of a shot's body, after they were looked at, and
    with frames of other shots' videos, which become local files.

    A missing file is an error only if `strict`. It is a warning that there is no store, unless the
    files are `stored`.
    """
    faults: list[Fault] = []
    good: list[Path] = []
    for use in uses(draft.fields, kind, draft.node, sendable.body):
        fault = fault_of(use, sendable.body, found[use.file])
        if fault is None:
            good.append(use.field)
        elif fault.code == NO_SUCH_FILE and not strict:
            faults.append(fault._replace(severity="warning"))
        else:
            faults.append(fault)
    if not stored:
        faults += _without_store(draft, sendable, kind, good)
    return [_diagnostic(draft, f) for f in _lifted(faults, _allowed(draft.fields))]


def _without_store(
    draft: Draft, sendable: Sendable, kind: str, files: Sequence[Path]
) -> Iterator[Fault]:
    """Yield the warning that there is no store, once: at the first file, otherwise at the first
    frame of another shot's video.
    """
    for field in files[:1]:
        yield without_store(field)._replace(severity="warning")
        return
    for path in chained.frames(sendable.body):
        field = author_path(draft.fields, kind, path)
        yield without_store(field, is_frame=True)._replace(severity="warning")
        return


def _has_error(found: list[Fault]) -> bool:
    return any(fault.severity == "error" for fault in found)


def _allowed(fields: Mapping[str, Json]) -> tuple[str, ...]:
    return tuple(code for code in as_list(fields.get("allow")) if isinstance(code, str))


def _lifted(faults: Iterable[Fault], allow: tuple[str, ...]) -> list[Fault]:
    """Return the faults after what the shot allows: a rule's error is a warning, and a warning is
    silent.
    """
    if not allow:
        return list(faults)
    kept = []
    for fault in faults:
        allowed = fault.code in allow and fault.code in ALLOWED and fault.path[:1] not in _OWN
        if not allowed:
            kept.append(fault)
        elif fault.severity == "error" and fault.code in _LIFTED:
            kept.append(fault._replace(severity="warning"))
    return kept


def _diagnostic(draft: Draft, fault: Fault) -> Diagnostic:
    subject = _("shot '{id}'", id=draft.id)
    if not fault.path:
        return placed(fault, draft.mark, subject)
    found = placed(fault, place_of(fault, draft.node), subject)
    return blamed(found, draft.node.at(*fault.path).value, draft.place)


def _field_faults(draft: Draft, kind: str, at_the_top: Collection[str]) -> Iterator[Fault]:
    """Yield what is wrong with each field by itself, and the fields that are missing.

    Of a spoiled shot only the values are judged: the fields that are left show neither its kind nor
    what is missing.
    """
    for name, value in draft.fields.items():
        field = SHOT.get(name)
        if field is None:
            yield from unknown_keys((name,), SHOT, (), foreign.hint)
        elif draft.spoiled or kind in field.kinds:
            yield from value_faults(field, value)
        elif kind != "request":
            text = _wrong_kind(field, kind, draft.fields)
            yield Fault((name,), "wrong-kind", text, at_key=True)
    if draft.spoiled:
        return
    yield from _missing(draft.fields, kind, at_the_top)
    yield from _inner_faults(draft.fields)
    if kind == "request":
        yield from _idle(draft)


def _idle(draft: Draft) -> Iterator[Fault]:
    """Yield the fields beside `request` that have no effect, except those of defaults and presets,
    which are for every shot.
    """
    request = draft.node.at("request").place
    for name in draft.fields:
        mark = draft.node.at(name).place
        in_a_row = mark.line == request.line
        in_a_column = mark.column == request.column and mark.line > draft.mark.line
        of_this_shot = mark.file == request.file and (in_a_row or in_a_column)
        if of_this_shot and name in _IDLE_BESIDE_REQUEST:
            text = _(
                "'{name}' has no effect beside 'request'; write it in the pasted body", name=name
            )
            yield Fault((name,), "no-effect", text, "warning", at_key=True)


def _wrong_kind(field: Field, kind: str, fields: Mapping[str, Json]) -> str:
    homes = [name for name in KINDS if name in field.kinds]
    message = _(
        "'{name}' does not go with kind '{kind}', only with {homes}",
        name=field.name,
        kind=kind,
        homes=joined(", ", homes),
    )
    for decides in ("kind", *KIND_OF_FIELD):
        if decides in fields:
            return _(
                "{message}; delete '{name}' or '{decides}'",
                message=message,
                name=field.name,
                decides=decides,
            )
    return message


def _missing(fields: Mapping[str, Json], kind: str, at_the_top: Collection[str]) -> Iterator[Fault]:
    given = {*fields, *as_mapping(fields.get("extra")), *at_the_top}
    if "content" in given:  # the other form of a prompt
        given.add("prompt")
    for name in KINDS[kind].required:
        if name not in given and not _misspelt(name, fields):
            text = _("'{name}' is missing: {doc}", name=name, doc=inside(SHOT[name].doc))
            yield Fault((), "missing-field", text)


def _misspelt(name: str, fields: Mapping[str, Json]) -> bool:
    """Return True if an unknown field will be reported as a misspelling of `name`: then `name` is
    not also reported as missing.
    """
    return any(foreign.meant(other, SHOT) == name for other in fields if other not in SHOT)


def _inner_faults(fields: Mapping[str, Json]) -> Iterator[Fault]:
    """Yield what is wrong with lists and cannot be said by the portable keywords of a schema."""
    for index, code in enumerate(_allowed(fields)):
        if code not in ALLOWED:
            text = _(
                "no rule has the code '{code}'{did_you_mean}",
                code=code,
                did_you_mean=did_you_mean(code, ALLOWED),
            )
            yield Fault(("allow", index), "unknown-code", text)
    for index, file in enumerate(as_list(fields.get("files"))):
        yield from _file_faults(index, as_mapping(file))
    for path, leaf in leaves(fields.get("cuts"), ("cuts",)):
        if isinstance(leaf, Pending):
            text = _("'{path}' cannot hold another shot's result", path=dotted(path))
            yield Fault(path, "reference-place", text)


def _file_faults(index: int, file: Mapping[str, Json]) -> Iterator[Fault]:
    sources = [name for name in ("video", "image", "file_id") if name in file]
    if len(sources) != 1:
        text = _(
            "'files[{index}]' must have exactly one of 'video', 'image' and 'file_id'", index=index
        )
        yield Fault(("files", index), "file-source", text)
    elif "category" in file and sources != ["file_id"]:
        text = _(
            "'files[{index}].category' goes with 'file_id' only: '{source}' says it",
            index=index,
            source=sources[0],
        )
        yield Fault(("files", index, "category"), "file-source", text, at_key=True)


def _body_faults(
    draft: Draft, kind: str, body: Mapping[str, Json], sendable: Sendable
) -> Iterator[Fault]:
    """Yield what is wrong with the body as a whole, and with its shape where the author wrote parts
    of it in the gateway's own words. `body` has paths where the sendable one has records of local
    files. The paths of faults are the body's.
    """
    own = _own_faults(draft, kind, body, sendable)
    yield from own
    if any(fault.severity == "error" and fault.code not in _LIFTED for fault in own):
        return
    if draft.references:
        yield from _chained_faults(sendable.body)
    for path, text in unreachable(sendable.body):
        yield Fault(path, _UNREACHABLE, text, "warning")
    known = facts(draft.fields, kind, sendable.body, sendable.meaning)
    for rule in rules_for(known):
        if finding := rule.find(known):
            path, text = finding
            yield Fault(path, rule.code, text, rule.severity)


def _own_faults(
    draft: Draft, kind: str, body: Mapping[str, Json], sendable: Sendable
) -> list[Fault]:
    """Return what is wrong with a body that the author wrote in the gateway's own words."""
    if kind == "request":
        return [*faults(BODY, body, ()), *_undocumented(sendable.body)]
    return [*faults(BODY, body, ())] if "extra" in draft.fields else []


def _chained_faults(body: Mapping[str, Json]) -> Iterator[Fault]:
    """Yield the videos of other shots in the wrong form: only the body shows whether a place takes
    an image or a video.
    """
    for path, record in chained.chained(body):
        if medium_of(path, body) == "image" and "frame" not in record:
            yield Fault(path, "missing-field", NEEDS_A_FRAME)
        elif medium_of(path, body) == "video" and "frame" in record:
            text = _("a video goes in as a whole; delete 'frame'")
            yield Fault((*path, "frame"), "unknown-field", text, at_key=True)


def _undocumented(body: Mapping[str, Json]) -> Iterator[Fault]:
    metadata = as_mapping(body.get("metadata"))
    config = as_mapping(metadata.get("output_config"))
    for path, part in (((), body), (METADATA, metadata), (OUTPUT_CONFIG, config)):
        for fault in unknown_keys(part, _DOCUMENTED[path], path):
            yield fault._replace(code="undocumented-field", severity="warning")
