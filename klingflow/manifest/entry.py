"""PURE. One entry of `shots:` with its layers merged: what its names mean, and how its mistakes are
noted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, NoReturn

from klingflow.errors import Diagnostic, Mark
from klingflow.manifest.cells import blamed
from klingflow.manifest.rows import CellPlaces, RowPlace, Rows, row_itself
from klingflow.manifest.template import Renderer, Scope
from klingflow.model import Json, Node
from klingflow.words import _


class Document(NamedTuple):
    """What a manifest and its includes say about shots. `rows` returns the rows of a foreach file,
    None if it cannot be read; `cell` returns the place of a cell in one of them. `profile` lies
    over every shot.
    """

    name: str
    defaults: Node | None
    presets: Mapping[str, Node]
    shots: dict[str, Node]
    output: Node | None
    rows: Callable[[str, Mark], Rows | None]
    cell: CellPlaces = row_itself
    profile: Node | None = None


class Skip(Exception):
    """This shot cannot be expanded any further; why has been noted."""


class Entry:
    """One entry of `shots:`.

    `node` holds its merged layers, `tags` the tags of each layer, `place` is the place of its key.
    `unsure` is set once some of its ids cannot be told.
    """

    def __init__(
        self,
        key: str,
        node: Node,
        tags: list[Node],
        place: Mark,
        document: Document,
        renderer: Renderer,
        diagnostics: list[Diagnostic],
    ) -> None:
        self.key = key
        self.node = node
        self.tags = tags
        self.place = place
        self.document = document
        self.renderer = renderer
        self.diagnostics: list[Diagnostic] = diagnostics
        self.items: dict[str, Node] = node.value
        self.unsure = False
        own = self.items.get("vars")
        self.own: dict[str, Node] | None = own.value if own and type(own.value) is dict else None

    def note(self, mark: Mark, code: str, message: str, severity: str = "error") -> None:
        """Note a mistake of this shot."""
        subject = _("shot '{key}'", key=self.key)
        self.diagnostics.append(Diagnostic(mark, code, message, severity, subject=subject))

    def note_value(self, node: Node, scope: Scope, code: str, message: str) -> None:
        """Note a mistake in the value of `node`: at the cell that made it, if it is over a row."""
        found = Diagnostic(node.mark, code, message, subject=scope.subject)
        self.diagnostics.append(blamed(found, node.value, scope.place))

    def fail(self, mark: Mark, code: str, message: str) -> NoReturn:
        """Note a mistake after which the shot cannot be expanded. Raises Skip."""
        self.note(mark, code, message)
        raise Skip

    def scope(self, id: str = "", place: RowPlace | None = None, **names: Any) -> Scope:
        """Return what the names mean for the shot `id`; for the entry itself if none is given.

        `place` is where its row stands.
        """
        return Scope(self.own, _("shot '{id}'", id=id or self.key), place, **names)

    def render(self, node: Node, scope: Scope) -> Json:
        """Return the value of `node`. Raises Skip when there was a mistake, which is noted."""
        value = self.renderer.render(node, scope)
        if scope.diagnostics:
            self.diagnostics += scope.diagnostics
            raise Skip
        return value
