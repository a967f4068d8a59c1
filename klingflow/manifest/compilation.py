"""PURE. From a manifest's path to the Manifest: the order in which files, settings, shots and
checks follow. Every mistake is collected; ordering.py says how they are shown.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple, NoReturn, TypeVar

from klingflow.errors import Diagnostic, ManifestError, Mark
from klingflow.manifest.chained import frames
from klingflow.manifest.check import Checked, check_files, check_shot
from klingflow.manifest.coerce import as_mapping
from klingflow.manifest.drafts import Draft
from klingflow.manifest.entry import Document
from klingflow.manifest.expand import expand
from klingflow.manifest.fields import WANTED
from klingflow.manifest.files import Files
from klingflow.manifest.habits import doubts_of
from klingflow.manifest.handed import OPTION, Handed, WrongKind, checked, from_environment
from klingflow.manifest.identity import name_fault
from klingflow.manifest.limits import RUN
from klingflow.manifest.local_files import NO_STORE, LocalFiles, Look, Seen
from klingflow.manifest.misplaced import fields_at_the_top
from klingflow.manifest.ordering import ordered
from klingflow.manifest.prices import parse as parse_prices
from klingflow.manifest.profiles import chosen, names_of
from klingflow.manifest.request import Sendable, is_pending, request_for, with_files_seen
from klingflow.manifest.settings import ASSETS, GATEWAY, Setting, parse_amount, read_settings
from klingflow.manifest.spelling import did_you_mean
from klingflow.manifest.template import Renderer, Scope
from klingflow.manifest.written import check_document, check_include
from klingflow.model import (
    AssetSettings,
    GatewaySettings,
    Json,
    Limits,
    Manifest,
    Node,
    Prices,
    Request,
    Shot,
    composed,
)
from klingflow.words import _, joined

_SECTIONS = ("vars", "presets", "shots")
_IN_A_BODY = frozenset(field.name for field in WANTED)

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


class Looking(NamedTuple):
    """How local files are looked at, and what is wrong if one is missing or has no store."""

    look: Look
    strict: bool
    stored: bool


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
        takes: Mapping[str, int] | None = None,
        profile: str = "",
    ) -> None:
        self.path = path
        self.profile = composed(profile)
        self.takes = takes
        self.variables = variables
        self.environ = environ
        self.users_prices = users_prices
        self.looking = looking
        self.stored = looking.stored
        self.diagnostics: list[Diagnostic] = []
        self.files = Files(path, read, self.diagnostics)
        self.local_files = LocalFiles(path)
        self.seen: Seen = {}
        self.sections: dict[str, dict[str, Node]] = {name: {} for name in _SECTIONS}
        self.handed: dict[str, Handed] = {}
        self.fixed: dict[str, Json] = {}

    def run(self) -> Manifest:
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
        self.add_sections(root)
        renderer = Renderer(self.sections["vars"], self.fixed, self.files.sources)
        scope = Scope()
        self.hand_in()
        self.include(root, renderer, scope)
        self.hand_in()
        limits = self.settings(root, "run", RUN, Limits, renderer, scope)
        gateway = self.settings(root, "gateway", GATEWAY, GatewaySettings, renderer, scope)
        assets = self.settings(root, "assets", ASSETS, AssetSettings, renderer, scope)
        self.stored = self.looking.stored or assets.store is not None
        prices = self.prices(root, renderer, scope)
        budget = self.budget(root, renderer, scope)
        document = self.document(root, renderer, scope)
        name, profiles = document.name, names_of(_mapping(root, "profiles"))
        at_the_top = fields_at_the_top(root)
        self.check_before(root, renderer)
        del root  # which holds the text of every shot, until that is expanded
        drafts = self.expanded(document, renderer)
        shots, requests = self.checked(drafts, prices, at_the_top)
        warnings = self.settled()
        return Manifest(
            path=self.path,
            name=name,
            shots=tuple(shots),
            requests=tuple(requests),
            limits=limits,
            gateway=gateway,
            warnings=warnings,
            environment=self.environment(),
            sources=self.files.sources,
            budget=budget,
            prices=prices,
            assets=assets,
            files=self.local_files.as_found(self.seen),
            profile=self.profile,
            profiles=profiles,
        )

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
            for key, node in _mapping(root, section).items():
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

    def hand_in(self) -> None:
        """Fix what the user handed in for the `vars` that are known by now."""
        declared = self.sections["vars"]
        found = from_environment(self.environ, declared)
        given = {name: Handed(value, OPTION) for name, value in self.variables.items()}
        self.handed = {**found.handed, **given}
        for name in self.handed.keys() & declared.keys() - self.fixed.keys():
            self.fix(name, self.handed[name])

    def fix(self, name: str, handed: Handed) -> None:
        """Let a value handed in stand for a variable, if the value is of the declared kind."""
        node = self.sections["vars"][name]

        def declared() -> Json:
            return Renderer(self.sections["vars"], {}).render(node, Scope())

        try:
            self.fixed[name] = checked(name, handed, declared)
        except WrongKind as error:
            self.note(Mark(handed.source, 1, 1), "wrong-type", str(error))

    def environment(self) -> tuple[str, ...]:
        """Return the variables of the environment that set something."""
        sources = {handed.source for handed in self.handed.values()}
        return tuple(sorted(sources - {OPTION}))

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
        defaults = root.value.get("defaults") if _mapping(root, "defaults") else None
        name, profile = self.name(root, renderer, scope), self.laid(root)
        return Document(
            # By a name that no profile has, each output could be wrong as well.
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
        """Return the profile that lies over every shot, None without one."""
        found = chosen(self.profile, _mapping(root, "profiles")) if self.profile else None
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
        sections = (self.sections["vars"], self.sections["presets"], _mapping(root, "profiles"))
        for node in (node for section in sections for node in section.values()):
            renderer.check(node, unused)
        self.diagnostics += unused.diagnostics
        self.check_variables()
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

    def check_variables(self) -> None:
        """Note what was handed in for variables that the manifest does not have."""
        known = self.sections["vars"]
        self.diagnostics += from_environment(self.environ, known).diagnostics
        there_are = (
            _("; there are {known}", known=joined(", ", known))
            if known
            else _("; add it to vars: first")
        )
        for name in self.variables:
            if name not in known:
                message = _(
                    "there is no variable '{name}'{did_you_mean}",
                    name=name,
                    did_you_mean=did_you_mean(name, known) or there_are,
                )
                self.note(Mark("--var", 1, 1), "unknown-variable", message)

    def checked(
        self, drafts: list[Draft], prices: Prices | None, at_the_top: Collection[str]
    ) -> tuple[list[Shot], list[Request]]:
        """Return the Drafts that can be bought; what is wrong with the others is noted. Empties
        `drafts`: of many, each is let go before the next is checked.

        Takes share a body.
        """
        shots: list[Shot] = []
        requests: list[Request] = []
        with_files: list[tuple[int, Draft, Checked]] = []
        checked: Checked | None = None
        fields: Mapping[str, Json] | None = None
        drafts.reverse()
        while drafts:
            draft = drafts.pop()
            if checked is None or draft.fields is not fields:
                fields = draft.fields
                checked = check_shot(draft, self.local_files, at_the_top)
                request = _request(draft, checked, prices)
                self.diagnostics += checked.diagnostics
                if self.files.suspect:
                    self.diagnostics += self.doubts(draft)
            if checked.good and request:
                if checked.has_files or (draft.references and any(frames(request.body))):
                    with_files.append((len(shots), draft, checked))
                shots.append(_shot(draft, checked.kind))
                requests.append(request)
        self.seen = self.local_files.seen(self.looking.look)
        self.files_seen(with_files, requests)
        return shots, requests

    def files_seen(
        self, with_files: list[tuple[int, Draft, Checked]], requests: list[Request]
    ) -> None:
        """Make the requests with local files final, now that these have been looked at."""
        before: Sendable | None = None
        for at, draft, (kind, _diagnostics, sendable, _has_files) in with_files:
            assert sendable is not None, "only what is right is asked for"
            if sendable is not before:
                before = sendable
                request = requests[at]
                if not _waits(draft, sendable):
                    request = with_files_seen(request, sendable)
                self.diagnostics += self.about_files(draft, sendable, kind)
            requests[at] = request

    def about_files(self, draft: Draft, sendable: Sendable, kind: str) -> list[Diagnostic]:
        """Return what is wrong with the local files of a shot."""
        if self.stored and self.local_files.are_good(sendable.body, self.seen):
            return []
        strict, stored = self.looking.strict, self.stored
        found = check_files(draft, sendable, kind, self.seen, strict=strict, stored=stored)
        self.stored = stored or any(one.code == NO_STORE for one in found)  # said once
        return found

    def doubts(self, draft: Draft) -> list[Diagnostic]:
        """Return what a shot's texts say otherwise than their author probably meant."""
        names = {**dict.fromkeys(self.sections["vars"], "vars"), **self.own_names(draft.node)}
        return doubts_of(draft.node, _("shot '{id}'", id=draft.id), names, self.files)

    def own_names(self, node: Node) -> dict[str, str]:
        """Return the names that a shot's expressions may use beside `vars`, with their roots."""
        found = dict.fromkeys(_mapping(node, "vars"), "vars")
        found |= dict.fromkeys(_mapping(node, "matrix").keys() - {"include", "exclude"}, "matrix")
        foreach = node.value.get("foreach")
        if foreach and type(foreach.value) is str and "${{" not in foreach.value:
            for _unused, row in (self.files.rows(foreach.value, foreach.mark) or ())[:1]:
                found |= dict.fromkeys(row, "row")
        elif foreach and type(foreach.value) is list:
            for row in foreach.value[:1]:
                found |= dict.fromkeys(as_mapping(row.value), "row")
        return found


def _mapping(root: Node, section: str) -> dict[str, Node]:
    """Return the entries of a section; none where it is absent or something else."""
    node = root.value.get(section)
    return as_mapping(node.value) if node else {}


def _request(draft: Draft, checked: Checked, prices: Prices | None) -> Request | None:
    """Return what would be sent, as far as it is known before local files are looked at; None where
    something is wrong.
    """
    if checked.good is None:
        return None
    is_final = not checked.has_files and not _waits(draft, checked.good)
    return request_for(checked.good, prices, is_final=is_final)


def _waits(draft: Draft, sendable: Sendable) -> bool:
    """Return True if only a run can make a body final. Most shots need nothing of others."""
    return bool(draft.references) and is_pending(sendable.body)


def _shot(draft: Draft, kind: str) -> Shot:
    return Shot(
        id=draft.id,
        take=draft.take,
        kind=kind,
        fields=draft.fields,
        output=draft.output,
        node=_of_a_body(draft.node),
        tags=draft.tags,
        after=draft.after,
        references=draft.references,
        about=draft.about,
    )


@lru_cache(maxsize=1)  # the shots that a matrix makes share a Node, and follow each other
def _of_a_body(node: Node) -> Node:
    """Return the merged layers with what goes into a body: once a shot is checked, nothing else of
    its text is asked for.
    """
    kept = {name: item for name, item in node.value.items() if name in _IN_A_BODY}
    return node.holding(kept)
