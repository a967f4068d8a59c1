"""PURE. A text with `${{ … }}` in it, cut into what stands as it is and the expressions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from klingflow.manifest.budget import ExpressionError
from klingflow.words import _

BEGIN = "${{"
_BEGIN = re.compile(r"\$?\$\{\{")
_INSIDE = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\}\}|[][(){}]""", re.DOTALL)


def has_expression(value: Any) -> bool:
    """Return True for a text in which an expression may begin."""
    return isinstance(value, str) and BEGIN in value


class Piece(NamedTuple):
    """An expression within a text: its source, and where its `${{` begins."""

    source: str
    offset: int


class Unclosed(ExpressionError):
    """A `${{` without its `}}`, at `offset`."""

    def __init__(self, offset: int) -> None:
        super().__init__(
            _("'${{' has no '}}'; close it, or write '$${{' for the text itself"),
            "expression-syntax",
        )
        self.offset = offset


def pieces_of(text: str) -> Iterator[str | Piece]:
    """Yield the parts of `text`: what stands as it is, and the expressions. Raises Unclosed."""
    at = 0
    while begin := _BEGIN.search(text, at):
        if begin.start() > at:
            yield text[at : begin.start()]
        if begin[0] == "$${{":
            yield "${{"
            at = begin.end()
        else:
            end = _end(text, begin)
            yield Piece(text[begin.end() : end], begin.start())
            at = end + 2
    if at < len(text):
        yield text[at:]


def _end(text: str, begin: re.Match[str]) -> int:
    """Return the offset of the `}}` that closes the expression.

    A `}}` in quotes does not close it, and neither does one that ends two maps.
    """
    open_brackets, at = 0, begin.end()
    while token := _INSIDE.search(text, at):
        if token[0] == "}}" and not open_brackets:
            return token.start()
        at = token.end()
        if token[0] in ("(", "[", "{"):
            open_brackets += 1
        elif token[0][0] in ")]}":
            open_brackets = max(0, open_brackets - 1)
            at = token.start() + 1
    raise Unclosed(begin.start())
