"""PURE. From the Drafts of a manifest to its shots and the requests that buy them. Every mistake is
collected; what is wrong with local files is found last, when all of them are known.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import NamedTuple

from klingflow.errors import Diagnostic
from klingflow.manifest.chained import frames
from klingflow.manifest.check import Checked, check_files, check_shot
from klingflow.manifest.coerce import as_mapping, entries
from klingflow.manifest.drafts import Draft
from klingflow.manifest.fields import WANTED
from klingflow.manifest.files import Files
from klingflow.manifest.habits import doubts_of
from klingflow.manifest.local_files import NO_STORE, LocalFiles, Look, Seen
from klingflow.manifest.pieces import has_expression
from klingflow.manifest.request import Sendable, is_pending, request_for, with_files_seen
from klingflow.model import Json, LocalFile, Node, Prices, Request, Shot
from klingflow.words import _

_IN_A_BODY = frozenset(field.name for field in WANTED)


class Looking(NamedTuple):
    """How local files are looked at, and what is wrong if one is missing or has no store."""

    look: Look
    strict: bool
    stored: bool


class Shots:
    """The shots of one manifest, their requests, and what is wrong with them, as found so far.

    `variables` are the manifest's own, `prices` what its shots cost, `at_the_top` the fields that
    stand beside the sections by mistake.
    """

    def __init__(
        self,
        path: str,
        files: Files,
        looking: Looking,
        variables: Mapping[str, Node],
        prices: Prices | None,
        at_the_top: Collection[str],
    ) -> None:
        self.files = files
        self.looking = looking
        self.stored = looking.stored
        self.variables = variables
        self.prices = prices
        self.at_the_top = at_the_top
        self.local_files = LocalFiles(path)
        self.seen: Seen = {}
        self.shots: list[Shot] = []
        self.requests: list[Request] = []
        self.diagnostics: list[Diagnostic] = []

    def add(self, drafts: list[Draft]) -> None:
        """Add the Drafts that can be bought, and note what is wrong with the others. Empties
        `drafts`: each of many is freed before the next is checked.

        Takes share a body.
        """
        with_files: list[tuple[int, Draft, Checked]] = []
        checked: Checked | None = None
        fields: Mapping[str, Json] | None = None
        self.local_files.said_in(self.files.paths)
        drafts.reverse()
        while drafts:
            draft = drafts.pop()
            if checked is None or draft.fields is not fields:
                fields = draft.fields
                checked = check_shot(draft, self.local_files, self.at_the_top)
                request = _request(draft, checked, self.prices)
                self.diagnostics += checked.diagnostics
                if self.files.suspect:
                    self.diagnostics += self._doubts(draft)
            if checked.good and request:
                if checked.has_files or (draft.references and any(frames(request.body))):
                    with_files.append((len(self.shots), draft, checked))
                self.shots.append(_shot(draft, checked.kind))
                self.requests.append(request)
        self.seen = self.local_files.seen(self.looking.look)
        self._files_seen(with_files)

    def files_found(self) -> dict[str, LocalFile]:
        """Return all local files of the shots by path, without content where there is none."""
        return self.local_files.as_found(self.seen)

    def _files_seen(self, with_files: list[tuple[int, Draft, Checked]]) -> None:
        """Make the requests with local files final, now that these have been looked at."""
        before: Sendable | None = None
        for at, draft, (kind, _diagnostics, sendable, _has_files) in with_files:
            assert sendable is not None, "only what is right is asked for"
            if sendable is not before:
                before = sendable
                request = self.requests[at]
                if not _waits(draft, sendable):
                    request = with_files_seen(request, sendable)
                self.diagnostics += self._about_files(draft, sendable, kind)
            self.requests[at] = request

    def _about_files(self, draft: Draft, sendable: Sendable, kind: str) -> list[Diagnostic]:
        """Return what is wrong with the local files of a shot."""
        if self.stored and self.local_files.are_good(sendable.body, self.seen):
            return []
        strict, stored = self.looking.strict, self.stored
        found = check_files(draft, sendable, kind, self.seen, strict=strict, stored=stored)
        self.stored = stored or any(one.code == NO_STORE for one in found)  # said once
        return found

    def _doubts(self, draft: Draft) -> list[Diagnostic]:
        """Return the doubts about texts of a shot that probably mean something else than they
        say.
        """
        names = {**dict.fromkeys(self.variables, "vars"), **self._own_names(draft.node)}
        return doubts_of(draft.node, _("shot '{id}'", id=draft.id), names, self.files)

    def _own_names(self, node: Node) -> dict[str, str]:
        """Return the names that a shot's expressions may use beside `vars`, with their roots."""
        found = dict.fromkeys(entries(node, "vars"), "vars")
        found |= dict.fromkeys(entries(node, "matrix").keys() - {"include", "exclude"}, "matrix")
        foreach = node.value.get("foreach")
        if foreach and type(foreach.value) is str and not has_expression(foreach.value):
            for _unused, row in (self.files.rows(foreach.value, foreach.mark) or ())[:1]:
                found |= dict.fromkeys(row, "row")
        elif foreach and type(foreach.value) is list:
            for row in foreach.value[:1]:
                found |= dict.fromkeys(as_mapping(row.value), "row")
        return found


def _request(draft: Draft, checked: Checked, prices: Prices | None) -> Request | None:
    """Return what would be sent, as far as it is known before local files are looked at; None if
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
    """Return the merged layers with only the fields that go into a body: once a shot is checked,
    nobody asks for the rest of its text.
    """
    kept = {name: item for name, item in node.value.items() if name in _IN_A_BODY}
    return node.holding(kept)
