"""PURE. What stands in a manifest's text: values with their places, and the references to other
shots that only the run can answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from klingflow.errors import Mark

# What JSON can hold. `Any` on purpose: bodies are shaped by the field table, not by Python's types.
Json = Any


class Node:
    """A YAML value with its place: a scalar's Python value, a dict of Nodes by key, or a list of
    Nodes.

    `mark` is where the value begins, `key_mark` where its key does (None outside mappings). Nodes
    are shared between layers and between all shots that a matrix makes, so they are never changed
    once built. `plain` says that a scalar was written on one line and without escapes, so that
    offsets in it are columns; `inset` is then 1 if it stands in quotes.
    """

    # A long text has a million places, so those of one line share `_at`, and `_key` is only the
    # column of a key that stands on its value's line.
    __slots__ = ("_at", "_column", "_key", "inset", "plain", "value")

    def __init__(
        self,
        value: Any,
        mark: Mark,
        key_mark: Mark | None = None,
        plain: bool = False,
        inset: int = 0,
    ) -> None:
        self.value: Any = value
        self._at: Mark = mark
        self._column: int = mark.column
        self._key: Mark | int | None = None
        if key_mark is not None:
            self.key_mark = key_mark
        self.plain: bool = plain
        self.inset: int = inset

    @property
    def mark(self) -> Mark:
        """Return where it begins."""
        at, column = self._at, self._column
        return at if at.column == column else Mark(at.file, at.line, column)

    def holding(self, value: Any) -> Node:
        """Return a Node of another value at this place."""
        node = Node(value, self._at)
        node._column, node._key = self._column, self._key
        return node

    def share_line(self, at: Mark) -> None:
        """Take the line of its place from another place on it."""
        if at.line == self._at.line and at.file == self._at.file:
            self._at = at

    @property
    def key_mark(self) -> Mark | None:
        """Return where its key begins; None if it has no key."""
        key = self._key
        return Mark(self._at.file, self._at.line, key) if isinstance(key, int) else key

    @key_mark.setter
    def key_mark(self, mark: Mark) -> None:
        is_beside = mark.line == self._at.line and mark.file == self._at.file
        self._key = mark.column if is_beside else mark

    @property
    def place(self) -> Mark:
        """Return where its key begins, or its value where it has no key."""
        return self.key_mark or self.mark

    def at(self, *path: str | int) -> Node:
        """Return the deepest Node on `path` that the author wrote: for a value that an expression
        made, the expression's.
        """
        node = self
        for step in path:
            if not isinstance(node.value, (dict, list)):
                return node
            try:
                node = node.value[step]  # type: ignore[index]  # a wrong type of step is caught
            except (KeyError, IndexError, TypeError):
                return node
        return node


class Reference(NamedTuple):
    """A value that only the run knows: `shots.<shot>.<attribute>`."""

    shot: str
    attribute: str


class Pending(str):
    """Text with References in it, in a body that is not final yet. Its own text is the expression
    as written.

    A str, so that bodies stay JSON; its own type, so that what a CSV cell holds is never taken for
    one.
    """

    __slots__ = ("parts",)
    parts: tuple[str | Reference, ...]

    def __new__(cls, parts: Sequence[str | Reference]) -> Pending:
        text = "".join(
            p if isinstance(p, str) else f"${{{{ shots[{p.shot!r}].{p.attribute} }}}}"
            for p in parts
        )
        self = super().__new__(cls, text)
        self.parts = tuple(parts)
        return self
