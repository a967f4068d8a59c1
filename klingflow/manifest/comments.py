"""PURE. The `#` characters of a YAML text: which of them begin comments, which value stands before
each, and which are glued to a value. The parser drops comments silently, and accepts what YAML
forbids (`"a"#b`, `[a]#b`, `|#x`).

habits.py knows the fields, and decides which comments took words from a text.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from klingflow.errors import Mark
from klingflow.manifest.syntax import mark_at
from klingflow.model import Node
from klingflow.words import _

NEVER = 1 << 62  # behind every text
GLUED = _(
    "'#' stands right behind a value; put the whole text in quotes if it belongs to it, a blank"
    " before it if it is a comment"
)
_BLANK = frozenset(" \t\r\n")
_END = re.compile(r"[\r\n]|$")


class Comment(NamedTuple):
    """A comment behind an unquoted value in its line, with the place of its `#`.

    `apart` is True if it is set off as comments are, by two blanks before the `#` and one behind
    it; `glued` if no blank follows the `#`.
    """

    mark: Mark
    apart: bool
    glued: bool


class Comments:
    """The comments found so far. `watch` is the offset of the next `#`: no text before it needs a
    look.

    `behind` are the comments by the place of the value before them, `wrong` the places of comments
    that YAML forbids, `instead` the places of comments where a value was left out.
    """

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file
        self.behind: dict[Mark, Comment] = {}
        self.wrong: list[Mark] = []
        self.instead: list[Mark] = []
        self.watch = text.find("#")
        if self.watch < 0:
            self.watch = NEVER

    def look(self, start: int, end: int, style: str, last: Any, node: Node | None) -> None:
        """Judge each `#` before the offset `end` of a scalar that begins at `start`. `last` is the
        event of the scalar before it, `node` its value unless it was a key.
        """
        while self.watch < end:
            at = self.watch
            if at < start:
                self._comment(at, last, node)
                self._next(_end_of_line(self.text, at))
                continue
            in_header = style in ("|", ">") and self.text.find("\n", start, at) < 0
            if in_header and self.text[at - 1] not in _BLANK:
                self.wrong.append(mark_at(self.text, at, self.file))
            self._next(at + 1)

    def _next(self, at: int) -> None:
        found = self.text.find("#", at)
        self.watch = NEVER if found < 0 else found

    def _comment(self, at: int, last: Any, node: Node | None) -> None:
        if at and self.text[at - 1] not in _BLANK:
            self.wrong.append(mark_at(self.text, at, self.file))
        elif last is not None and node is not None and not last.style:
            self._behind_value(at, last, node)

    def _behind_value(self, at: int, last: Any, node: Node) -> None:
        """Judge a comment that comes after the unquoted value `node`, perhaps in its line."""
        gap = self._gap(last, at)
        if gap is None:
            return
        mark = mark_at(self.text, at, self.file)
        glued = self.text[at + 1 : at + 2] not in ("", *_BLANK)
        if last.value:
            is_wide = len(gap) > 1 or gap == "\t"
            self.behind[node.mark] = Comment(mark, is_wide and not glued, glued)
        elif glued and node.value is None:
            self.instead.append(mark)

    def _gap(self, last: Any, at: int) -> str | None:
        """Return the blanks between a value and a `#` in its line; None if more is between them."""
        end = last.end_mark.index
        if self.text.find("\n", end, at) >= 0:  # asked first, since the gap could be long
            return None
        gap = self.text[end:at]
        return None if gap.strip(" \t") else gap


def _end_of_line(text: str, at: int) -> int:
    found = _END.search(text, at)
    return found.start() if found else len(text)
