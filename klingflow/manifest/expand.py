"""PURE. Layers, matrices, rows and takes → Drafts: every take of every wanted video, with its
rendered fields.

Knows the order of all this: layers, then variants.py, then claims.py, then drafts.py. Mistakes are
noted, not raised: a broken shot is left out, the others go on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from klingflow.errors import Diagnostic, Mark
from klingflow.manifest.claims import Claims, no_parts
from klingflow.manifest.drafts import Draft, draft_of, output_of
from klingflow.manifest.entry import Document, Entry, Skip
from klingflow.manifest.identity import key_fault
from klingflow.manifest.layers import merge, without_nulls
from klingflow.manifest.links import Link, check_links
from klingflow.manifest.presets import Presets, is_chosen, tags_of, written
from klingflow.manifest.profiles import laid_over
from klingflow.manifest.template import Renderer, Scope
from klingflow.manifest.variants import Variant, parts_of, variants
from klingflow.model import Node, composed
from klingflow.words import _

MAX_TAKES = 100
MAX_SHOTS = 200_000


def expand(
    document: Document, renderer: Renderer, takes: Mapping[str, int] | None = None
) -> tuple[list[Draft], list[Diagnostic]]:
    """Return the Drafts in the manifest's order, and what was wrong or doubtful. Empties the shots
    of `document`: the text of each of many shots is freed before the next is expanded.

    With `takes`, expands only the entries of these ids, each in the number of takes given here.
    Then the caller has to tell files of one name apart, and links to other shots are not checked.
    """
    expansion = _Expansion(document, renderer, takes or {})
    keys = {id.partition("@")[0] for id in takes or ()}
    for key in list(document.shots):
        node = document.shots.pop(key)
        if not takes or composed(key) in keys:
            expansion.shot(key, node)
    if takes:
        return expansion.drafts, expansion.diagnostics
    counts: dict[str, int | None] = dict.fromkeys(expansion.claims.ids)
    counts |= {draft.id: draft.take for draft in expansion.drafts if not draft.spoiled}
    links = check_links(expansion.links, counts, expansion.unsure)
    return expansion.drafts, expansion.diagnostics + links


class _Expansion:
    """What expanding has found so far. `unsure` are the keys whose ids cannot all be told."""

    def __init__(self, document: Document, renderer: Renderer, asked: Mapping[str, int]) -> None:
        self.asked = asked
        self.document = document
        self.renderer = renderer
        self.drafts: list[Draft] = []
        self.diagnostics: list[Diagnostic] = []
        self.links: list[Link] = []
        self.claims = Claims()
        self.unsure: set[str] = set()
        self._keys: dict[str, str] = {}  # as written, by id
        self.presets = Presets(document)

    def note(self, key: str, mark: Mark, code: str, message: str) -> None:
        self.diagnostics.append(Diagnostic(mark, code, message, subject=_("shot '{key}'", key=key)))

    def shot(self, key: str, node: Node) -> None:
        """Expand one entry of `shots:`."""
        if node.value is None:
            node = node.holding({})
        if type(node.value) is not dict:
            self.unsure.add(key)  # check_document says what is wrong with it
            return
        if fault := key_fault(key):
            self.note(key[:60], node.place, "bad-id", fault)
        id = composed(key)
        if (first := self._keys.setdefault(id, key)) != key:
            message = _("some file systems take this id for '{first}'; rename one", first=first)
            self.note(key, node.place, "duplicate-id", message)
            return
        try:
            self._variants(id, node)
        except Skip:
            self.unsure.add(id)
        self.renderer.let_go(node)

    def _variants(self, key: str, own: Node) -> None:
        """Add the shots that one entry makes. Raises Skip."""
        use = written(own.value.get("use"))
        plain = [item for item in use if not is_chosen(item)]
        entry = self._entry(key, own, self._named(key, plain))
        made: dict[tuple[str, ...], Entry] = {}
        for variant in variants(entry):
            if len(plain) == len(use):
                self._takes(entry, variant)
                continue
            try:
                scope = entry.scope(variant.id, variant.row, **variant.names)
                names = self.presets.chosen(entry, use, scope)
            except Skip:
                entry.unsure = True
                continue
            if names not in made:
                made[names] = self._entry(key, own, names)
            self._takes(made[names], variant)
        if entry.unsure:
            self.unsure.add(key)

    def _named(self, key: str, use: list[Node]) -> tuple[str, ...]:
        """Return the presets that are written out. Raises Skip if one is not text."""
        if any(type(item.value) is not str for item in use):
            raise Skip  # check_document says so
        found = []
        for item in use:
            if fault := self.presets.unknown(item.value):
                self.note(key, item.mark, "unknown-preset", fault)
            else:
                found.append(item.value)
        return tuple(found)

    def _entry(self, key: str, own: Node, presets: tuple[str, ...]) -> Entry:
        """Return a shot over its defaults and presets, under the profile."""
        base, profile = self.presets.base(presets), self.document.profile
        node, tags = merge([*base.layers, own]), [*base.tags, *tags_of(own)]
        if profile is not None:
            node, tags = laid_over(node, profile), [*tags, *tags_of(profile)]
        return Entry(
            key=key,
            node=without_nulls(node),
            tags=tags,
            place=own.place,
            document=self.document,
            renderer=self.renderer,
            diagnostics=self.diagnostics,
        )

    def _takes(self, entry: Entry, variant: Variant) -> None:
        """Add the Drafts of one id; if it is broken, only the first, so that the rest of it is
        checked.

        Raises Skip if there are too many: rows times cells may be a thousand times more.
        """
        parts = partial(parts_of, entry, variant) if variant.has_parts else no_parts
        if taken := self.claims.claim_id(variant.id, variant.place, parts):
            self.diagnostics.append(taken)
            return
        scope = _scope(entry, variant, 1)
        count = self.asked.get(variant.id) or self._count(entry, scope)
        if len(self.drafts) + count > MAX_SHOTS:
            message = _("over {max_shots:,} shots in one manifest; split it", max_shots=MAX_SHOTS)
            entry.fail(entry.place, "too-many-shots", message)
        draft, links = draft_of(entry, variant.id, 1, scope)
        self.links += links
        self._add(draft, variant.place)
        if draft.spoiled:
            return
        for take in range(2, count + 1):
            again = _scope(entry, variant, take)
            # Takes of one body share it, unless an expression asks which take it is in.
            if "shot" in scope.used:
                made, _unused = draft_of(entry, variant.id, take, again)
            else:
                made = replace(draft, take=take, output=output_of(entry, variant.id, take, again))
            self._add(made, variant.place)

    def _count(self, entry: Entry, scope: Scope) -> int:
        """Return how many takes are wanted; 1 where that cannot be told, which is noted."""
        node = entry.items.get("takes")
        if node is None:
            return 1
        takes = entry.renderer.render(node, scope)
        if scope.diagnostics:
            return 1
        if type(takes) is not int or not 1 <= takes <= MAX_TAKES:
            message = _("takes is a whole number from 1 to {max_takes}", max_takes=MAX_TAKES)
            entry.note_value(node, scope, "bad-takes", message)
            return 1
        return takes

    def _add(self, draft: Draft, place: Mark) -> None:
        if draft.output and not self.asked and (taken := self.claims.claim_output(draft, place)):
            self.diagnostics.append(taken)
        self.drafts.append(draft)


def _scope(entry: Entry, variant: Variant, take: int) -> Scope:
    shot = {"id": variant.id, "take": take}
    return entry.scope(variant.id, variant.row, shot=shot, **variant.names)
