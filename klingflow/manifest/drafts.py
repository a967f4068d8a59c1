"""PURE. One take of one shot, rendered: its fields, the shots it waits for, its tags and its
output.

check.py says what the fields may hold. A field that cannot be rendered is left out and noted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from klingflow.errors import Mark
from klingflow.manifest import chained
from klingflow.manifest.budget import as_text
from klingflow.manifest.entry import Entry
from klingflow.manifest.fields import ABOUT
from klingflow.manifest.held_files import put
from klingflow.manifest.identity import output_path
from klingflow.manifest.links import Link
from klingflow.manifest.rows import RowPlace
from klingflow.manifest.template import Scope
from klingflow.model import Json, Node, Pending, Reference, composed
from klingflow.words import _

DEFAULT_OUTPUT = "outputs/{name}/{shot}{take}.mp4"

_FOR_PEOPLE = ("scene", "title", "note", "dialogue")
_NOTHING: Mapping[str, Json] = {}  # most shots share it
_NOT_RENDERED = frozenset(field.name for field in ABOUT) - set(_FOR_PEOPLE)


@dataclass(frozen=True, slots=True)
class Draft:
    """One take, rendered but not checked. `mark` is the place of the shot's key, `node` its merged
    layers, `place` the place of its row.

    `spoiled` says that some of it could not be rendered and is left out, which has been noted.
    """

    id: str
    take: int
    fields: Mapping[str, Json]
    node: Node
    mark: Mark
    tags: tuple[str, ...]
    after: tuple[str, ...]
    references: tuple[Reference, ...]
    about: Mapping[str, Json]
    output: str
    spoiled: bool = False
    place: RowPlace | None = None


def draft_of(entry: Entry, id: str, take: int, scope: Scope) -> tuple[Draft, list[Link]]:
    """Return one take, without the fields that could not be rendered, and what it waits for."""
    fields = _rendered(entry, scope)
    references = [*scope.references, *_chained(entry.node, fields)]
    about = {name: fields.pop(name) for name in _FOR_PEOPLE if name in fields} or _NOTHING
    after = _after(entry, id, scope)
    tags = _tags(entry, scope)
    output = output_of(entry, id, take, scope)
    entry.diagnostics += scope.diagnostics
    named = dict.fromkeys(Link(id, ref.shot, mark) for ref, mark in references)
    draft = Draft(
        id=id,
        take=take,
        fields=fields,
        node=entry.node,
        mark=entry.place,
        tags=tags,
        after=tuple(dict.fromkeys(link.target for link in after)),
        references=tuple(dict.fromkeys(ref for ref, _ in references)),
        about=about,
        output=output,
        spoiled=bool(scope.diagnostics) or not output,
        place=scope.place,
    )
    return draft, [*named, *after]


def _chained(node: Node, fields: dict[str, Json]) -> Iterator[tuple[Reference, Mark]]:
    """Yield the shots whose videos go into this one, each with the place that names it. Afterwards
    `fields` have their ids in the form that ids have.
    """
    for path, record in list(chained.in_fields(fields)):
        record = chained.settled(record)
        fields[str(path[0])] = put(fields[str(path[0])], path[1:], record)
        yield Reference(record["from"], chained.VIDEO), node.at(*path, "from").mark


def _rendered(entry: Entry, scope: Scope) -> dict[str, Json]:
    """Return the shot's own fields and those for people; what is null or cannot be rendered is
    left out.
    """
    made: dict[str, Json] = {}
    for name, node in entry.items.items():
        if name in _NOT_RENDERED:
            continue
        mistakes = len(scope.diagnostics)
        value = entry.renderer.render(node, scope)
        if len(scope.diagnostics) > mistakes:
            continue
        if type(value) is dict and name != "request":
            value = _without_nulls(value)
        if value is not None:
            made[name] = value
    return made


def _without_nulls(value: dict[str, Json]) -> dict[str, Json]:
    """Drop the nulls that expressions made, as `layers.without_nulls` drops those that were
    written; the value itself if there is none.
    """
    kept = {}
    for key, part in value.items():
        if type(part) is dict:
            part = _without_nulls(part)
        if part is not None:
            kept[key] = part
    return value if kept == value else kept


def _after(entry: Entry, id: str, scope: Scope) -> list[Link]:
    node = entry.items.get("after")
    if node is None:
        return []
    found = []
    for at, target in enumerate(_listed(entry.renderer.render(node, scope))):
        mark = node.at(at).mark
        if type(target) is not str:  # text that only the run knows is none
            message = _("after takes the id of a shot, or a list of ids")
            entry.note_value(node.at(at), scope, "bad-after", message)
        else:
            found.append(Link(id, composed(target), mark))
    return found


def _tags(entry: Entry, scope: Scope) -> tuple[str, ...]:
    """Return the tags of all layers, each once; null drops those of the layers below."""
    if not entry.tags:
        return ()
    found: dict[str, None] = {}
    for node in entry.tags:
        value = entry.renderer.render(node, scope)
        if value is None:
            found.clear()
        for at, tag in enumerate(_listed(value)):
            if tag is None or isinstance(tag, (list, dict, Pending)):
                message = _("a tag is text, and tags are a list of them")
                entry.note_value(node.at(at), scope, "bad-tag", message)
            else:
                found[as_text(tag)] = None
    return tuple(found)


def output_of(entry: Entry, id: str, take: int, scope: Scope) -> str:
    """Return where the video goes; empty when there was a mistake in it, which is noted."""
    node = entry.items.get("output", entry.document.output)
    mistakes = len(scope.diagnostics)
    template = entry.renderer.render(node, scope) if node else DEFAULT_OUTPUT
    if len(scope.diagnostics) > mistakes:
        return ""
    text = template if type(template) is str else ""  # a Pending is no text yet
    try:
        return output_path(text, entry.document.name, id, take)
    except ValueError as error:
        if node:
            entry.note_value(node, scope, "bad-output", str(error))
        else:
            entry.note(entry.place, "bad-output", str(error))
        return ""


def _listed(value: Json) -> list[Json]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
