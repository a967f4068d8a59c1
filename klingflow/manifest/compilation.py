"""PURE. From a manifest's path to the Manifest: reads, expands and checks, and collects every
mistake.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from typing import NoReturn, TypeVar

from klingflow.errors import Diagnostic, ManifestError, Mark, OutsideError
from klingflow.manifest.budget import as_text
from klingflow.manifest.check import check_document, check_include, check_shot
from klingflow.manifest.drafts import Draft
from klingflow.manifest.entry import Document
from klingflow.manifest.expand import expand
from klingflow.manifest.identity import name_fault
from klingflow.manifest.limits import RUN
from klingflow.manifest.prices import Prices
from klingflow.manifest.prices import parse as parse_prices
from klingflow.manifest.punctuation import explained
from klingflow.manifest.request import request_for
from klingflow.manifest.rows import Rows, read_rows
from klingflow.manifest.settings import GATEWAY, Setting, read_settings
from klingflow.manifest.source import parse_in_spite
from klingflow.manifest.spelling import did_you_mean
from klingflow.manifest.syntax import LINE_END
from klingflow.manifest.template import Renderer, Scope
from klingflow.model import GatewaySettings, Json, Limits, Manifest, Node, Request, Shot

_SECTIONS = ("vars", "presets", "shots")
# The one variable that no manifest may ask for.
_KEY = "KLINGFLOW_API_KEY"

T = TypeVar("T", Limits, GatewaySettings)


def compile(
    path: str,
    read: Callable[[str], str],
    *,
    variables: Mapping[str, Json],
    environ: Mapping[str, str],
) -> Manifest:
    """The manifest at `path`, as its user typed it; `read` gives the text of a file by such a path.

    `variables` win over the manifest's `vars` and are never evaluated; of `environ` only what
    `env:` allows is seen.

    Raises:
        ManifestError: every mistake that could be found, in file order.
    """
    return _Compilation(path, read, variables, environ).run()


class _Compilation:
    """The texts read and the diagnostics found so far."""

    def __init__(
        self,
        path: str,
        read: Callable[[str], str],
        variables: Mapping[str, Json],
        environ: Mapping[str, str],
    ) -> None:
        self.path = path
        self.read = read
        self.variables = variables
        self.environ = environ
        self.diagnostics: list[Diagnostic] = []
        self.misread: set[Mark] = set()  # where a text is no YAML, though the rest of it is read
        self.sources: dict[str, str] = {}
        self.files = [path]  # in the order in which their diagnostics are shown
        self.sections: dict[str, dict[str, Node]] = {name: {} for name in _SECTIONS}
        self.row_files: dict[str, Rows | None] = {}

    def run(self) -> Manifest:
        root = self.parsed(self.path, Mark(self.path, 1, 1))
        if root is None:
            self.stop()
        if not isinstance(root.value, dict):
            self.note(
                root.mark, "wrong-type", "a manifest is a mapping; begin with version: 1 and shots:"
            )
            self.stop()
        self.diagnostics += check_document(root)
        if "version" not in root.value:
            self.note(root.mark, "missing-version", "'version' is missing; write version: 1 first")
        self.add_sections(root)
        renderer = self.renderer(root)
        scope = Scope()
        self.include(root, renderer, scope)
        limits = self.settings(root, "run", RUN, Limits, renderer, scope)
        gateway = self.settings(root, "gateway", GATEWAY, GatewaySettings, renderer, scope)
        prices = self.prices(root, renderer, scope)
        document = self.document(root, renderer, scope)
        drafts = self.expanded(document, renderer, scope)
        pairs = self.checked(drafts, prices)
        warnings = self.settled()
        shots = tuple(shot for shot, _ in pairs)
        requests = tuple(request for _, request in pairs)
        return Manifest(
            self.path, document.name, shots, requests, limits, gateway, warnings, self.sources
        )

    def note(self, mark: Mark, code: str, message: str, related: Mark | None = None) -> None:
        self.diagnostics.append(Diagnostic(mark, code, message, related=related))

    def note_new(self, found: list[Diagnostic]) -> None:
        """Add diagnostics, but for places that the document's own check has called wrong already."""
        wrong = {d.mark for d in self.diagnostics if d.severity == "error"}
        self.diagnostics += [d for d in found if d.mark not in wrong]

    def stop(self) -> NoReturn:
        raise ManifestError(self.ordered(), self.sources)

    def ordered(self) -> list[Diagnostic]:
        """In file order, and each mistake once: a preset's is one, however many shots use it."""
        marked = {found.mark.file for found in self.diagnostics} & self.sources.keys()
        lines = {file: LINE_END.split(self.sources[file].removeprefix("\ufeff")) for file in marked}
        first: dict[tuple[Mark, str, str], Diagnostic] = {}
        for diagnostic in self.told():
            for found in explained(diagnostic, lines.get(diagnostic.mark.file, ())):
                first.setdefault((found.mark, found.code, found.message), found)
        order = {file: at for at, file in enumerate(self.files)}
        return sorted(first.values(), key=lambda d: (order.get(d.mark.file, len(order)), d.mark))

    def told(self) -> Iterator[Diagnostic]:
        """The diagnostics, but for those that follow from a text that is no YAML."""
        seen: set[Mark] = set()
        for diagnostic in self.diagnostics:
            if self.misread and diagnostic.code.startswith("missing-"):
                continue
            if diagnostic.mark in self.misread and diagnostic.mark in seen:
                continue
            seen.add(diagnostic.mark)
            yield diagnostic

    def settled(self) -> tuple[Diagnostic, ...]:
        """The warnings, if there is nothing worse."""
        found = self.ordered()
        if any(d.severity == "error" for d in found):
            raise ManifestError(found, self.sources)
        return tuple(found)

    # --- files ---------------------------------------------------------------------------------------------

    def text(self, path: str, mark: Mark) -> str | None:
        """A file's text; why it cannot be read is noted at `mark`."""
        try:
            return self.read(path)
        except OutsideError as error:
            self.note(mark, "path-outside", f"'{path}' leads out of the manifest's folder; {error}")
        except UnicodeDecodeError as error:
            self.note(
                mark, "not-utf8", f"{path} is not UTF-8 (byte {error.start}); save it as UTF-8"
            )
        except OSError as error:
            self.note(mark, "unreadable", f"{path} cannot be read: {error.strerror or error}")
        return None

    def parsed(self, path: str, mark: Mark) -> Node | None:
        text = self.text(path, mark)
        if text is None:
            return None
        self.sources[path] = text
        if path not in self.files:
            self.files.append(path)
        root, found = parse_in_spite(text, path)
        self.diagnostics += found
        self.misread |= {mistake.mark for mistake in found}
        return root

    def beside(self, path: str, mark: Mark) -> str | None:
        """A path in the manifest, as one that `read` takes: a relative one, the same on every
        machine.
        """
        if "\\" in path or posixpath.isabs(path) or re.match(r"[A-Za-z]:", path):
            self.note(
                mark,
                "path-outside",
                f"'{path}' does not begin at the manifest's folder; write it from there, with /",
            )
            return None
        return posixpath.join(posixpath.dirname(self.path), posixpath.normpath(path))

    def rows(self, path: str, mark: Mark) -> Rows | None:
        """The rows of a foreach file, read once."""
        full = self.beside(path, mark)
        if full is None:
            return None
        if full not in self.row_files:
            self.row_files[full] = self.read_rows(full, mark)
        return self.row_files[full]

    def read_rows(self, path: str, mark: Mark) -> Rows | None:
        text = self.text(path, mark)
        if text is None:
            return None
        self.files.append(path)
        self.sources[path] = text
        try:
            return read_rows(text, path, posixpath.splitext(path)[1])
        except ManifestError as error:
            self.diagnostics += error.diagnostics
            return None

    # --- the document --------------------------------------------------------------------------------------

    def add_sections(self, root: Node) -> None:
        """Take over vars, presets and shots; what another file has already is an error with both
        places.
        """
        for section in _SECTIONS:
            node = root.value.get(section)
            if node is None or not isinstance(node.value, dict):
                continue
            known = self.sections[section]
            for key, value in node.value.items():
                if first := known.get(key):
                    place = first.key_mark or first.mark
                    self.note(value.key_mark or value.mark, "duplicate-key",
                              f"'{key}' is in {section} already, at {place}; rename one", place)  # fmt: skip
                known.setdefault(key, value)

    def include(self, root: Node, renderer: Renderer, scope: Scope) -> None:
        node = root.value.get("include")
        if node is None or node.value is None:
            return
        listed = node.value if isinstance(node.value, list) else [node]
        for item in listed:
            path = self.rendered(item, renderer, scope)
            full = self.beside(path, item.mark) if isinstance(path, str) else None
            if full in self.files:
                self.note(
                    item.mark,
                    "duplicate-include",
                    f"'{path}' is included twice, or is the manifest itself",
                )
                continue
            included = self.parsed(full, item.mark) if full else None
            if included is None:
                continue
            if isinstance(included.value, dict):
                self.diagnostics += check_include(included)
                self.add_sections(included)
            elif included.value is not None:
                self.note(
                    included.mark,
                    "wrong-type",
                    "an included file is a mapping with vars, presets or shots",
                )

    def renderer(self, root: Node) -> Renderer:
        allowed = root.value.get("env")
        nodes = allowed.value if allowed and type(allowed.value) is list else []
        for node in nodes:
            if isinstance(node.value, str) and node.value.upper() == _KEY:
                self.note(node.mark, "env-not-allowed",
                          f"{_KEY} is not for expressions: what they give is written down and sent")  # fmt: skip
        names = [n.value for n in nodes if isinstance(n.value, str) and n.value.upper() != _KEY]
        return Renderer(self.sections["vars"], self.assigned(), names, self.environ)

    def assigned(self) -> dict[str, Json]:
        """The variables of the command line: what is text in the manifest stays text."""
        return {name: self.assigned_value(name, value) for name, value in self.variables.items()}

    def assigned_value(self, name: str, value: Json) -> Json:
        node = self.sections["vars"].get(name)
        if node is None or not isinstance(node.value, str) or "${{" in node.value:
            return value
        if isinstance(value, float):  # whose text may have been another: 1.10
            mark = Mark("--var", 1, 1)
            self.note(mark, "wrong-type", f"'{name}' is text in vars:, and {value} a number; "
                      f"quote it: --var '{name}=\"{value}\"'")  # fmt: skip
        return as_text(value) if isinstance(value, (int, float)) else value

    def rendered(self, node: Node, renderer: Renderer, scope: Scope) -> Json:
        """A value that belongs to no shot; mistakes are noted, and give None."""
        value = renderer.render(node, scope)
        self.diagnostics += scope.diagnostics
        for reference, mark in scope.references:
            self.note(
                mark,
                "expression",
                f"what shot '{reference.shot}' makes is known to other shots only, not here",
            )
        spoiled = scope.diagnostics or scope.references
        scope.diagnostics, scope.references = [], []
        return None if spoiled else value

    def settings(
        self,
        root: Node,
        name: str,
        table: Mapping[str, Setting],
        record: type[T],
        renderer: Renderer,
        scope: Scope,
    ) -> T:
        node = root.value.get(name)
        block = (
            (self.rendered(node, renderer, scope) or {})
            if node and isinstance(node.value, dict)
            else {}
        )
        settings, faults = read_settings(block, table, record)
        self.note_new(
            [
                Diagnostic(node.at(key).mark, "unknown-value", f"{key}: {fault}", subject=name)
                for key, fault in faults.items()
            ]
            if node
            else []
        )
        return settings

    def prices(self, root: Node, renderer: Renderer, scope: Scope) -> Prices | None:
        node = root.value.get("prices")
        path = self.rendered(node, renderer, scope) if node else None
        full = self.beside(path, node.mark) if node and isinstance(path, str) else None
        parsed = self.parsed(full, node.mark) if node and full else None
        if parsed is None:
            return None
        try:
            return parse_prices(parsed)
        except ManifestError as error:
            self.diagnostics += error.diagnostics
            return None

    def document(self, root: Node, renderer: Renderer, scope: Scope) -> Document:
        stem = posixpath.splitext(posixpath.basename(self.path))[0]
        name = self.rendered(root.value["name"], renderer, scope) if "name" in root.value else None
        name = name if isinstance(name, str) else stem
        if fault := name_fault(name):
            mark = root.value["name"].mark if "name" in root.value else Mark(self.path, 1, 1)
            self.note(mark, "unknown-value", fault)
        defaults = root.value.get("defaults")
        return Document(
            name=name,
            defaults=defaults if defaults and isinstance(defaults.value, dict) else None,
            presets=self.sections["presets"],
            shots=self.sections["shots"],
            output=root.value.get("output"),
            rows=self.rows,
        )

    def expanded(self, document: Document, renderer: Renderer, scope: Scope) -> list[Draft]:
        unused = Scope()
        for node in (*self.sections["vars"].values(), *self.sections["presets"].values()):
            renderer.check(node, unused)
        self.diagnostics += unused.diagnostics
        for name in self.variables:
            if name not in self.sections["vars"]:
                known = ", ".join(self.sections["vars"])
                hint = did_you_mean(name, self.sections["vars"]) or (
                    f"; there are {known}" if known else "; add it to vars: first"
                )
                self.note(
                    Mark("--var", 1, 1), "unknown-variable", f"there is no variable '{name}'{hint}"
                )
        if not self.sections["shots"] and all(d.severity != "error" for d in self.diagnostics):
            self.note(
                Mark(self.path, 1, 1),
                "missing-field",
                "there are no shots; write them under shots:, by id",
            )
        drafts, found = expand(document, renderer)
        self.note_new(found)
        return drafts

    def checked(self, drafts: list[Draft], prices: Prices | None) -> list[tuple[Shot, Request]]:
        """The Drafts that can be bought; what is wrong with the others is noted. Takes share a
        body.
        """
        pairs: list[tuple[Shot, Request]] = []
        fields: Mapping[str, Json] | None = None
        request: Request | None = None
        kind = ""
        for draft in drafts:
            if draft.fields is not fields:
                fields = draft.fields
                kind, found, good = check_shot(draft)
                self.diagnostics += found
                request = request_for(good, prices) if good else None
            if request:
                pairs.append((_shot(draft, kind), request))
        return pairs


def _shot(draft: Draft, kind: str) -> Shot:
    return Shot(
        id=draft.id,
        take=draft.take,
        kind=kind,
        fields=draft.fields,
        output=draft.output,
        node=draft.node,
        tags=draft.tags,
        after=draft.after,
        references=draft.references,
        about=draft.about,
    )
