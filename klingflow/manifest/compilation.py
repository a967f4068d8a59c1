"""PURE. From a manifest's path to the Manifest: the order in which files, settings, shots and
checks follow. Every mistake is collected; ordering.py says how they are shown.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import NoReturn, TypeVar

from klingflow.errors import Diagnostic, ManifestError, Mark
from klingflow.manifest.coerce import entries
from klingflow.manifest.drafts import Draft
from klingflow.manifest.entry import Document
from klingflow.manifest.expand import expand
from klingflow.manifest.files import Files
from klingflow.manifest.habits import doubts_of
from klingflow.manifest.identity import name_fault
from klingflow.manifest.limits import RUN
from klingflow.manifest.local_files import Look
from klingflow.manifest.misplaced import fields_at_the_top
from klingflow.manifest.ordering import ordered
from klingflow.manifest.prices import parse as parse_prices
from klingflow.manifest.profiles import chosen, names_of
from klingflow.manifest.settings import ASSETS, GATEWAY, Setting, parse_amount, read_settings
from klingflow.manifest.shots import Looking, Shots
from klingflow.manifest.template import Renderer, Scope
from klingflow.manifest.variables import Variables
from klingflow.manifest.written import check_document, check_include
from klingflow.model import (
    AssetSettings,
    GatewaySettings,
    Json,
    Limits,
    Manifest,
    Node,
    Prices,
    composed,
)
from klingflow.words import _

_SECTIONS = ("vars", "presets", "shots")

# The environment variable that names a file of prices.
PRICES = "KLINGFLOW_PRICES"

T = TypeVar("T", Limits, GatewaySettings, AssetSettings)


def compile(
    path: str,
    read: Callable[[str], str],
    *,
    variables: Mapping[str, Json],
    environ: Mapping[str, str],
    prices: str | None = None,
    look: Look = lambda paths: {},
    strict: bool = False,
    stored: bool = False,
    takes: Mapping[str, int] | None = None,
    profile: str = "",
) -> Manifest:
    """Return the manifest at `path`, as its user typed it.

    `read` returns the text of a file by such a path. `variables` win over the variables
    `KLINGFLOW_VAR_<name>` of `environ`, and both over the manifest's `vars` (see
    klingflow.manifest.handed). No expression reads the environment. `prices` is a file of prices
    that wins over the manifest's. `look` looks at local files, by paths relative to the manifest's
    folder. That one is missing is a warning, or an error if `strict`; that there is no store for
    them is a warning, unless the caller has them `stored`. With `takes`, the manifest has only the
    entries of these ids, in so many takes (see `expand`). The `profile` of this name lies over
    every shot, and stands in the manifest's name.

    Raises:
        ManifestError: every mistake that could be found, in file order.
    """
    looking = Looking(look, strict, stored)
    return _Compilation(path, read, variables, environ, prices, looking, takes, profile).run()


class _Compilation:
    """The texts read and the diagnostics found so far."""

    def __init__(
        self,
        path: str,
        read: Callable[[str], str],
        variables: Mapping[str, Json],
        environ: Mapping[str, str],
        users_prices: str | None,
        looking: Looking,
        takes: Mapping[str, int] | None,
        profile: str,
    ) -> None:
        self.path = path
        self.profile = composed(profile)
        self.takes = takes
        self.users_prices = users_prices
        self.looking = looking
        self.diagnostics: list[Diagnostic] = []
        self.files = Files(path, read, self.diagnostics)
        self.sections: dict[str, dict[str, Node]] = {name: {} for name in _SECTIONS}
        declared = self.sections["vars"]
        self.variables = Variables(declared, variables, environ, self.diagnostics)

    def run(self) -> Manifest:
        root = self.root()
        self.add_sections(root)
        renderer = Renderer(self.sections["vars"], self.variables.fixed, self.files.sources)
        scope = Scope()
        self.variables.hand_in()
        self.include(root, renderer, scope)
        self.variables.hand_in()
        limits = self.settings(root, "run", RUN, Limits, renderer, scope)
        gateway = self.settings(root, "gateway", GATEWAY, GatewaySettings, renderer, scope)
        assets = self.settings(root, "assets", ASSETS, AssetSettings, renderer, scope)
        looking = self.looking._replace(stored=self.looking.stored or assets.store is not None)
        prices = self.prices(root, renderer, scope)
        budget = self.budget(root, renderer, scope)
        document = self.document(root, renderer, scope)
        name, profiles = document.name, names_of(entries(root, "profiles"))
        at_the_top = fields_at_the_top(root)
        self.check_before(root, renderer)
        del root  # which holds the text of every shot, until that is expanded
        drafts = self.expanded(document, renderer)
        made = Shots(self.path, self.files, looking, self.sections["vars"], prices, at_the_top)
        made.add(drafts)
        self.diagnostics += made.diagnostics
        return Manifest(
            path=self.path,
            name=name,
            shots=tuple(made.shots),
            requests=tuple(made.requests),
            limits=limits,
            gateway=gateway,
            warnings=self.settled(),
            environment=self.variables.environment(),
            sources=self.files.sources,
            budget=budget,
            prices=prices,
            assets=assets,
            files=made.files_found(),
            profile=self.profile,
            profiles=profiles,
        )

    def root(self) -> Node:
        """Return the manifest itself, which is a map. Raises ManifestError where it is none."""
        root = self.files.parsed(self.path, Mark(self.path, 1, 1))
        if root is None:
            self.stop()
        if not isinstance(root.value, dict):
            message = _("a manifest is a map; begin with version: 1 and shots:")
            self.note(root.mark, "wrong-type", message)
            self.stop()
        self.diagnostics += check_document(root)
        if "version" not in root.value:
            self.note(
                root.mark, "missing-version", _("'version' is missing; write version: 1 first")
            )
        return root

    def note(self, mark: Mark, code: str, message: str, related: Mark | None = None) -> None:
        self.diagnostics.append(Diagnostic(mark, code, message, related=related))

    def note_new(self, found: list[Diagnostic]) -> None:
        """Add diagnostics, except at places where there is an error already."""
        wrong = {d.mark for d in self.diagnostics if d.severity == "error"}
        self.diagnostics += [d for d in found if d.mark not in wrong]

    def stop(self) -> NoReturn:
        raise ManifestError(self.ordered(), self.files.sources)

    def ordered(self) -> list[Diagnostic]:
        return ordered(self.diagnostics, self.files.paths, self.files.sources, self.files.misread)

    def settled(self) -> tuple[Diagnostic, ...]:
        """Return the warnings. Raises ManifestError where there is an error."""
        found = self.ordered()
        if any(d.severity == "error" for d in found):
            raise ManifestError(found, self.files.sources)
        return tuple(found)

    def add_sections(self, root: Node) -> None:
        """Take over vars, presets and shots; a key that another file has already is an error with
        both places.
        """
        for section in _SECTIONS:
            known = self.sections[section]
            for key, node in entries(root, section).items():
                first = known.setdefault(key, node)
                if first is not node:
                    message = _(
                        "'{key}' is in {section} already, at {place}; rename one",
                        key=key,
                        section=section,
                        place=first.place,
                    )
                    self.note(node.place, "duplicate-key", message, first.place)

    def include(self, root: Node, renderer: Renderer, scope: Scope) -> None:
        node = root.value.get("include")
        if node is None or node.value is None:
            return
        for item in node.value if isinstance(node.value, list) else [node]:
            path = self.rendered(item, renderer, scope)
            if isinstance(path, str):
                self.include_file(path, item.mark)

    def include_file(self, path: str, mark: Mark) -> None:
        full = self.files.beside(path, mark)
        if full in self.files.paths:
            message = _("'{path}' is included twice, or is the manifest itself", path=path)
            self.note(mark, "duplicate-include", message)
            return
        included = self.files.parsed(full, mark, "include") if full else None
        if included is None or included.value is None:
            return
        if isinstance(included.value, dict):
            self.diagnostics += check_include(included)
            self.add_sections(included)
            return
        message = _("an included file is a map; begin with vars:, presets: or shots:")
        self.note(included.mark, "wrong-type", message)

    def rendered(self, node: Node, renderer: Renderer, scope: Scope) -> Json:
        """Return a value that belongs to no shot; mistakes are noted, and give None."""
        value = renderer.render(node, scope)
        self.diagnostics += scope.diagnostics
        for reference, mark in scope.references:
            message = _(
                "what shot '{shot}' makes is known to other shots only, not here",
                shot=reference.shot,
            )
            self.note(mark, "expression", message)
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
        if node is None or not isinstance(node.value, dict):
            return record()
        block = self.rendered(node, renderer, scope) or {}
        settings, faults = read_settings(block, table, record)
        self.note_new(
            [
                Diagnostic(
                    node.at(key).mark,
                    "unknown-value",
                    _("{key}: {fault}", key=key, fault=fault),
                    subject=name,
                )
                for key, fault in faults.items()
            ]
        )
        return settings

    def budget(self, root: Node, renderer: Renderer, scope: Scope) -> Decimal | None:
        node = root.value.get("budget")
        value = self.rendered(node, renderer, scope) if node else None
        if node is None or value is None:
            return None
        try:
            return parse_amount(value)
        except ValueError as error:
            message = _("budget: {error}", error=error)
            self.note_new([Diagnostic(node.mark, "unknown-value", message)])
            return None

    def prices(self, root: Node, renderer: Renderer, scope: Scope) -> Prices | None:
        if self.users_prices is not None:
            return self.prices_in(self.users_prices, Mark(PRICES, 1, 1), overrules=True)
        node = root.value.get("prices")
        path = self.rendered(node, renderer, scope) if node else None
        if node is None or not isinstance(path, str):
            return None
        full = self.files.beside(path, node.mark)
        return self.prices_in(full, node.mark, overrules=False) if full else None

    def prices_in(self, path: str, mark: Mark, *, overrules: bool) -> Prices | None:
        parsed = self.files.parsed(path, mark, "prices")
        if parsed is None:
            return None
        try:
            return parse_prices(parsed, path, overrules=overrules)
        except ManifestError as error:
            self.diagnostics += error.diagnostics
            return None

    def document(self, root: Node, renderer: Renderer, scope: Scope) -> Document:
        defaults = root.value.get("defaults") if entries(root, "defaults") else None
        name, profile = self.name(root, renderer, scope), self.laid(root)
        return Document(
            # The name of an unknown profile is left out: it could make each output wrong.
            name=name if profile is None else f"{name}.{self.profile}",
            defaults=defaults,
            presets=self.sections["presets"],
            shots=self.sections["shots"],
            output=root.value.get("output"),
            rows=self.files.rows,
            cell=self.files.cell,
            profile=profile,
        )

    def laid(self, root: Node) -> Node | None:
        """Return the profile that lies over every shot; None if there is none."""
        found = chosen(self.profile, entries(root, "profiles")) if self.profile else None
        if isinstance(found, Diagnostic):
            self.diagnostics.append(found)
            return None
        return found

    def name(self, root: Node, renderer: Renderer, scope: Scope) -> str:
        """Return the manifest's name: its own, or its file's without the suffix."""
        node = root.value.get("name")
        name = self.rendered(node, renderer, scope) if node else None
        if not isinstance(name, str):
            name = posixpath.splitext(posixpath.basename(self.path))[0]
        if fault := name_fault(name):
            self.note(node.mark if node else Mark(self.path, 1, 1), "unknown-value", fault)
        return name

    def check_before(self, root: Node, renderer: Renderer) -> None:
        """Note what is wrong with what shots are made from, and with what was handed in."""
        unused = Scope()
        sections = (self.sections["vars"], self.sections["presets"], entries(root, "profiles"))
        for node in (node for section in sections for node in section.values()):
            renderer.check(node, unused)
        self.diagnostics += unused.diagnostics
        self.variables.check()
        if self.files.suspect:
            names = dict.fromkeys(self.sections["vars"], "vars")
            variables = Node(
                {"vars": Node(self.sections["vars"], Mark(self.path, 1, 1))}, Mark(self.path, 1, 1)
            )
            self.diagnostics += doubts_of(variables, "", names, self.files)
        if not self.sections["shots"] and all(d.severity != "error" for d in self.diagnostics):
            message = _("there are no shots; write them under shots:, by id")
            self.note(Mark(self.path, 1, 1), "missing-field", message)

    def expanded(self, document: Document, renderer: Renderer) -> list[Draft]:
        drafts, found = expand(document, renderer, self.takes)
        self.note_new(found)
        return drafts
