"""PURE. Layers, matrices, rows and takes → Drafts: every take of every wanted video, with its
rendered fields.

Knows what multiplies a shot and what it is then called; what its fields may hold is for check.py.
Mistakes are noted, not raised: a broken shot is left out, the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, NoReturn

from klingflow.errors import Diagnostic, Mark
from klingflow.manifest.fields import ABOUT
from klingflow.manifest.functions import ExpressionError, as_text
from klingflow.manifest.identity import cell, key_fault, output_path, same_file
from klingflow.manifest.layers import merge, without_nulls
from klingflow.manifest.links import Link, check_links
from klingflow.manifest.matrix import Cell, cells, unmatched
from klingflow.manifest.rows import Rows
from klingflow.manifest.source import did_you_mean
from klingflow.manifest.template import Renderer, Scope
from klingflow.model import Json, Node, Pending, Reference

DEFAULT_OUTPUT = "outputs/{name}/{shot}{take}.mp4"
MAX_TAKES = 100
MAX_SHOTS = 200_000

_ABOUT = frozenset(field.name for field in ABOUT)
_FOR_PEOPLE = ("title", "note", "dialogue")
_NO_CELL = [Cell({}, "")]


@dataclass(frozen=True, slots=True)
class Draft:
    """One take, rendered but not checked. `mark` is the place of the shot's key, `node` its merged
    layers.

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


class Document(NamedTuple):
    """What a manifest and its includes say about shots. `rows` reads a foreach file, None if it
    cannot.
    """

    name: str
    defaults: Node | None
    presets: Mapping[str, Node]
    shots: Mapping[str, Node]
    output: Node | None
    rows: Callable[[str, Mark], Rows | None]


class _Base(NamedTuple):
    """What lies below a shot: defaults and presets as one layer, and the tags of each, which add
    up.
    """

    layers: list[Node]
    tags: list[Node]


class _Skip(Exception):
    """This shot cannot be expanded any further; why has been noted."""


def expand(document: Document, renderer: Renderer) -> tuple[list[Draft], list[Diagnostic]]:
    """The Drafts in the manifest's order, and what was wrong or doubtful."""
    expansion = _Expansion(document, renderer)
    for key, node in document.shots.items():
        expansion.shot(key, node)
    expansion.diagnostics += check_links(expansion.links, expansion.ids, expansion.unsure)
    return expansion.drafts, expansion.diagnostics


class _Expansion:
    """What expanding has found so far."""

    def __init__(self, document: Document, renderer: Renderer) -> None:
        self.document = document
        self.renderer = renderer
        self.drafts: list[Draft] = []
        self.diagnostics: list[Diagnostic] = []
        self.links: list[Link] = []
        self.ids: dict[str, Mark] = {}
        self.paths: dict[str, tuple[Draft, Mark]] = {}
        self.unsure: set[str] = set()
        self._names: dict[str, str] = {}
        self._bases: dict[tuple[str, ...], _Base] = {}

    def note(self, mark: Mark, code: str, message: str, related: Mark | None = None) -> None:
        self.diagnostics.append(Diagnostic(mark, code, message, related=related))

    def warn(self, mark: Mark, code: str, message: str) -> None:
        self.diagnostics.append(Diagnostic(mark, code, message, "warning"))

    def shot(self, key: str, node: Node) -> None:
        """Expand one entry of `shots:`."""
        if type(node.value) is not dict and node.value is not None:
            self.unsure.add(key)  # check_document says what is wrong with it
            return
        place = node.key_mark or node.mark
        if fault := key_fault(key):
            self.note(place, "bad-id", f"shot '{key[:60]}': {fault}")
        try:
            own = Node({}, node.mark, node.key_mark) if node.value is None else node
            base = self.base(key, own.value.get("use"))
            tags = [*base.tags, *_tags_of(own)]
            _Entry(self, key, without_nulls(merge([*base.layers, own])), tags, place).expand()
        except _Skip:
            self.unsure.add(key)

    def base(self, key: str, use: Node | None) -> _Base:
        """The layers below a shot that uses these presets."""
        names = (
            []
            if use is None or use.value is None
            else use.value
            if type(use.value) is list
            else [use]
        )
        if not all(isinstance(name.value, str) for name in names):
            raise _Skip
        wanted = tuple(name.value for name in names)
        if wanted not in self._bases:
            found = [self.document.defaults] if self.document.defaults else []
            found += [preset for name in names if (preset := self._preset(key, name))]
            tags = [tag for layer in found for tag in _tags_of(layer)]
            self._bases[wanted] = _Base([merge(found)] if found else [], tags)
        return self._bases[wanted]

    def _preset(self, key: str, name: Node) -> Node | None:
        preset = self.document.presets.get(name.value)
        if preset is None:
            hint = did_you_mean(name.value, self.document.presets)
            self.note(
                name.mark,
                "unknown-preset",
                f"shot '{key}': there is no preset '{name.value}'{hint}",
            )
        return preset if preset and type(preset.value) is dict else None

    def claim_id(self, id: str, place: Mark) -> bool:
        """Take an id, or say who has it, on any file system."""
        first = self._names.setdefault(same_file(id), id)
        if first != id:
            message = f"shot '{id}': some file systems take this id for '{first}'; rename one"
        elif id in self.ids:
            message = (
                f"shot '{id}': this id is taken already, at {self.ids[id]}; make the values differ"
            )
        else:
            self.ids[id] = place
            return True
        self.note(place, "duplicate-id", message, self.ids[first])
        self.ids.setdefault(id, place)
        return False

    def claim_path(self, draft: Draft, place: Mark) -> None:
        """Take an output path, or say who has it."""
        first, mark = self.paths.setdefault(same_file(draft.output), (draft, place))
        if first is draft or (first.id == draft.id and first.take == draft.take):
            return
        who = (
            f"takes {first.take} and {draft.take}"
            if first.id == draft.id
            else f"it and shot '{first.id}'"
        )
        advice = "{take}" if first.id == draft.id else "{shot}"
        self.note(place, "duplicate-output", f"shot '{draft.id}': {who} have the same output "
                  f"'{draft.output}'; put {advice} into output", mark)  # fmt: skip


class _Entry:
    """One entry of `shots:` with its layers merged; it makes the Drafts of all its rows, cells and
    takes.
    """

    def __init__(
        self, expansion: _Expansion, key: str, node: Node, tags: list[Node], place: Mark
    ) -> None:
        self.expansion = expansion
        self.renderer = expansion.renderer
        self.key = key
        self.node = node
        self.items: dict[str, Node] = node.value
        self.tags = tags
        self.place = place
        own = self.items.get("vars")
        self.own: dict[str, Node] | None = own.value if own and type(own.value) is dict else None

    def fail(self, mark: Mark, code: str, message: str, related: Mark | None = None) -> NoReturn:
        self.expansion.note(mark, code, f"shot '{self.key}': {message}", related)
        raise _Skip

    def note(self, mark: Mark, code: str, message: str) -> None:
        self.expansion.note(mark, code, f"shot '{self.key}': {message}")

    def scope(self, **names: Any) -> Scope:
        return Scope(self.own, **names)

    def render(self, node: Node, scope: Scope, id: str | None = None) -> Json:
        """The value of `node`; raises _Skip when there was a mistake."""
        value = self.renderer.render(node, scope)
        if scope.problems:
            self.report(scope, id or self.key)
        return value

    def report(self, scope: Scope, id: str) -> NoReturn:
        self.note_problems(scope, id)
        raise _Skip

    def note_problems(self, scope: Scope, id: str) -> None:
        for problem in scope.problems:
            subject = problem.subject or f"shot '{id}'"
            self.expansion.note(problem.mark, problem.code, f"{subject}: {problem.message}")

    def expand(self) -> None:
        """All Drafts of this entry. Raises _Skip when its ids cannot be told."""
        if "foreach" not in self.items:
            for cell in self.cells():
                self.takes(self.place, self.id_of(cell.label), self.names_of(cell))
            return
        rows = self.rows(self.items["foreach"])
        if not rows:
            self.expansion.warn(self.items["foreach"].mark, "no-rows", f"shot '{self.key}': foreach has no "
                                "rows; nothing comes of it")  # fmt: skip
        for mark, row in rows:
            label = self.row_label(mark, row)
            if not label:
                self.expansion.unsure.add(self.key)
                continue
            for cell in self.cells(row=row):
                self.takes(mark, self.id_of(label, cell.label), {"row": row, **self.names_of(cell)})

    def id_of(self, *labels: str) -> str:
        label = "-".join(filter(None, labels))
        return f"{self.key}@{label}" if label else self.key

    def names_of(self, cell: Cell) -> dict[str, Any]:
        return {"matrix": cell.values} if "matrix" in self.items else {}

    def rows(self, node: Node) -> Rows:
        if type(node.value) is list:
            scope = self.scope()
            found: Rows = [(item.mark, self.render(item, scope)) for item in node.value]
        else:
            value = self.render(node, self.scope())
            if isinstance(value, str) and not isinstance(value, Pending):
                read = self.expansion.document.rows(value, node.mark)
                if read is None:
                    raise _Skip
                return read
            if not isinstance(value, list):
                self.fail(
                    node.mark, "bad-foreach", "foreach takes a file of rows or a list of maps"
                )
            found = [(node.mark, row) for row in value]
        for mark, row in found:
            if not isinstance(row, dict):
                self.fail(mark, "bad-foreach", "a row of foreach is a map, such as { sku: A1 }")
        return found

    def row_label(self, mark: Mark, row: dict[str, Json]) -> str:
        node = self.items.get("key")
        if node is None:
            name = next(iter(row), "id")
            self.fail(self.items["foreach"].mark, "missing-key", "foreach needs a key that names each row; "
                      f"write key: ${{{{ row.{name} }}}}")  # fmt: skip
        value = self.render(node, self.scope(row=row))
        label = _label(value)
        if not label:
            self.note(
                node.mark,
                "empty-key",
                f"the key is empty for the row at {mark}; give every row one",
            )
        return label

    def cells(self, **names: Any) -> list[Cell]:
        node = self.items.get("matrix")
        if node is None:
            return _NO_CELL
        matrix = self.render(node, self.scope(**names))
        if not isinstance(matrix, dict):
            self.fail(
                node.mark,
                "bad-matrix",
                "matrix takes a map of axes, such as { city: [上海, 重庆] }",
            )
        patterns = {
            name: self.patterns(node, name, matrix.get(name, [])) for name in ("include", "exclude")
        }
        axes = {
            name: self.axis(node, name, value)
            for name, value in matrix.items()
            if name not in patterns
        }
        for at, pattern in enumerate(patterns["exclude"]):
            if name := unmatched(axes, pattern):
                self.expansion.warn(node.at("exclude", at, name).mark, "no-match", f"shot '{self.key}': this "
                                    f"exclude matches nothing: no axis '{name}' has this value")  # fmt: skip
        try:
            found = cells(axes, patterns["include"], patterns["exclude"])
        except (ValueError, ExpressionError) as error:
            self.fail(node.mark, "bad-matrix", str(error))
        if not found:
            self.fail(
                node.mark,
                "bad-matrix",
                "the matrix has no combination; give it an axis, or drop an exclude",
            )
        return found

    def axis(self, node: Node, name: str, values: Json) -> list[Json]:
        if not isinstance(values, list) or not values:
            self.fail(
                node.at(name).mark,
                "bad-matrix",
                f"matrix axis '{name}' takes a list of values, [a, b]",
            )
        for at, value in enumerate(values):
            if not _label(value):
                self.fail(
                    node.at(name, at).mark,
                    "bad-matrix",
                    f"a value of matrix axis '{name}' is text or a number",
                )
        return values

    def patterns(self, node: Node, name: str, values: Json) -> list[dict[str, Json]]:
        if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
            self.fail(
                node.at(name).mark,
                "bad-matrix",
                f"matrix {name} takes a list of maps, [{{ city: 上海 }}]",
            )
        return values

    def takes(self, place: Mark, id: str, names: dict[str, Any]) -> None:
        """The Drafts of one id; of a broken one the first, so that the rest of it is checked too."""
        if not self.expansion.claim_id(id, place):
            return
        try:
            scope = self.scope(shot={"id": id, "take": 1}, **names)
            count = self.count(scope, id)
            draft = self.draft(id, 1, scope)
            self.add(draft, place)
            if draft.spoiled:
                return
            for take in range(2, count + 1):
                again = self.scope(shot={"id": id, "take": take}, **names)
                # Takes of one body share it, unless an expression asks which take it is in.
                if "shot" in scope.used:
                    self.add(self.draft(id, take, again), place)
                else:
                    self.add(replace(draft, take=take, output=self.output(id, take, again)), place)
        except _Skip:
            return

    def count(self, scope: Scope, id: str) -> int:
        node = self.items.get("takes")
        takes = 1 if node is None else self.renderer.render(node, scope)
        if scope.problems:
            return 1
        if type(takes) is not int or not 1 <= takes <= MAX_TAKES:
            assert node is not None
            self.note(node.mark, "bad-takes", f"takes is a whole number from 1 to {MAX_TAKES}")
            return 1
        if len(self.expansion.drafts) + takes > MAX_SHOTS:
            self.fail(
                self.place, "too-many-shots", f"over {MAX_SHOTS:,} shots in one manifest; split it"
            )
        return takes

    def draft(self, id: str, take: int, scope: Scope) -> Draft:
        """One take, without the fields that could not be rendered."""
        render = self.renderer.render
        fields: dict[str, Json] = {}
        about: dict[str, Json] = {}
        for name, node in self.items.items():
            if name in _ABOUT and name not in _FOR_PEOPLE:
                continue
            mistakes = len(scope.problems)
            value = render(node, scope)
            if len(scope.problems) > mistakes:
                continue
            if type(value) is dict and name != "request":
                value = _pruned(value)
            if value is not None:
                (about if name in _FOR_PEOPLE else fields)[name] = value
        links = dict.fromkeys(Link(id, ref.shot, mark) for ref, mark in scope.references)
        references = tuple(dict.fromkeys(ref for ref, _ in scope.references))
        after = self.after(id, scope)
        tags = self.tags_in(scope)
        output = self.output(id, take, scope)
        self.note_problems(scope, id)
        if take == 1:
            self.expansion.links += [*links, *after]
        targets = tuple(dict.fromkeys(link.target for link in after))
        spoiled = bool(scope.problems) or not output
        return Draft(
            id,
            take,
            fields,
            self.node,
            self.place,
            tags,
            targets,
            references,
            about,
            output,
            spoiled,
        )

    def add(self, draft: Draft, place: Mark) -> None:
        if draft.output:
            self.expansion.claim_path(draft, place)
        self.expansion.drafts.append(draft)

    def after(self, id: str, scope: Scope) -> list[Link]:
        node = self.items.get("after")
        if node is None:
            return []
        found = []
        for at, target in enumerate(_listed(self.renderer.render(node, scope))):
            mark = node.at(at).mark
            if not isinstance(target, str) or isinstance(target, Pending):
                self.note(mark, "bad-after", "after takes the id of a shot, or a list of ids")
            else:
                found.append(Link(id, target, mark))
        return found

    def tags_in(self, scope: Scope) -> tuple[str, ...]:
        """The tags of all layers, each once; null drops those of the layers below."""
        if not self.tags:
            return ()
        found: dict[str, None] = {}
        for node in self.tags:
            value = self.renderer.render(node, scope)
            if value is None:
                found.clear()
            for at, tag in enumerate(_listed(value)):
                if tag is None or isinstance(tag, (list, dict, Pending)):
                    self.note(
                        node.at(at).mark, "bad-tag", "a tag is text, and tags are a list of them"
                    )
                else:
                    found[as_text(tag)] = None
        return tuple(found)

    def output(self, id: str, take: int, scope: Scope) -> str:
        """Where the video goes; empty when there was a mistake in it."""
        node = self.items.get("output", self.expansion.document.output)
        mistakes = len(scope.problems)
        template = self.renderer.render(node, scope) if node else DEFAULT_OUTPUT
        if len(scope.problems) > mistakes:
            return ""
        try:
            text = (
                template if isinstance(template, str) and not isinstance(template, Pending) else ""
            )
            return output_path(text, self.expansion.document.name, id, take)
        except ValueError as error:
            self.note(node.mark if node else self.place, "bad-output", str(error))
            return ""


def _tags_of(layer: Node) -> list[Node]:
    tags = layer.value.get("tags") if type(layer.value) is dict else None
    return [tags] if tags else []


def _label(value: Json) -> str:
    """A value's part of an id; empty for what can have none."""
    try:
        return cell(value)
    except ExpressionError:
        return ""


def _listed(value: Json) -> list[Json]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _pruned(value: dict[str, Json]) -> dict[str, Json]:
    """Without the nulls that expressions made, as `without_nulls` drops those that were written."""
    if not any(part is None or type(part) is dict for part in value.values()):
        return value
    made = {key: _pruned(part) if type(part) is dict else part for key, part in value.items()}
    return {key: part for key, part in made.items() if part is not None}
