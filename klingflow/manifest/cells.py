"""PURE. Which cell of a row caused a mistake. The diagnostic is placed at the cell that the
expression read, with the expression as the related place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from klingflow.errors import Diagnostic
from klingflow.manifest.budget import ExpressionError
from klingflow.manifest.expressions import Expression, Language, Meanings
from klingflow.manifest.pieces import Piece, Unclosed, has_expression, pieces_of
from klingflow.manifest.rows import RowPlace
from klingflow.model import Json
from klingflow.words import _, joined

_SHOWN_MOST = 20
_COLUMN = re.compile(r"""\brow\s*(?:\.\s*(\w+)|\[\s*(?:'([^']*)'|"([^"]*)")\s*\])""")


class _Watched(dict[str, Json]):
    """A row that remembers the name it was asked for last."""

    asked: str | None = None

    def __contains__(self, key: object) -> bool:
        if isinstance(key, str):
            self.asked = key
        return super().__contains__(key)


def last_read(expression: Expression, names: dict[str, Any], language: Language) -> str | None:
    """Return the column that an expression reads last before it ends or fails; None if it reads
    none by itself.

    The expression is run once more for this, because rows that are not watched are faster.
    """
    if "row" not in expression.roots:
        return None
    watched = _Watched(names["row"])
    with suppress(ExpressionError):  # the same failure again
        expression.run(Meanings({**names, "row": watched}, language))
    return watched.asked


def columns_in(text: Json) -> list[str]:
    """Return the columns that the expressions in a text name, each once."""
    if not has_expression(text):
        return []
    found: list[tuple[str, ...]] = []
    try:
        for piece in pieces_of(text):
            if isinstance(piece, Piece):
                found += _COLUMN.findall(piece.source)
    except Unclosed:
        return []
    return list(dict.fromkeys(map("".join, found)))


def at_cell(found: Diagnostic, place: RowPlace, column: str) -> Diagnostic:
    """Return a diagnostic moved to the cell of a column; its own place becomes the related place.

    A warning stays where it is: thousands of rows give the same one.
    """
    cell = place.cell(column)
    if found.severity != "error":
        return found._replace(related=cell)
    message = _("column '{column}': {message}", column=column, message=found.message)
    return found._replace(mark=cell, message=message, related=found.mark)


def of_empty_cell(found: Diagnostic, column: str, value: Json) -> Diagnostic:
    """Return a diagnostic that also says what to write if the cell is empty."""
    if not isinstance(value, str) or value.strip():
        return found
    advice = _("fill in the cell, or write {member} | default(…, true)", member=member(column))
    return found._replace(message=_("{message}; {advice}", message=found.message, advice=advice))


def blamed(found: Diagnostic, text: Json, place: RowPlace | None) -> Diagnostic:
    """Return a diagnostic about a value that the expressions in `text` made from a row: moved to
    the cell if they read one column, otherwise with the row as the related place.
    """
    columns = columns_in(text) if place else []
    if place is None or not columns:
        return found
    if len(columns) == 1:
        return at_cell(found, place, columns[0])
    message = (
        _("{message} (row {place})", message=found.message, place=place.mark)
        if found.severity == "error"
        else found.message
    )
    return found._replace(message=message, related=place.mark)


def no_column(
    found: Diagnostic, place: RowPlace, column: str, columns: Iterable[str]
) -> Diagnostic:
    """Return a diagnostic about a column that does not exist, with the columns that do."""
    names = [str(name) for name in columns]
    message = found.message
    if not message.endswith("?"):
        message += _of_another_case(column, names)
    shown = joined(", ", names[:_SHOWN_MOST])
    if len(names) > _SHOWN_MOST:
        shown += ", …"
    if message.endswith("?"):
        message += _(" The columns are {names}", names=shown)
    else:
        message += _("; the columns are {names}", names=shown)
    return found._replace(message=message, related=place.mark)


def _of_another_case(column: str, names: Iterable[str]) -> str:
    for name in names:
        if name.casefold() == column.casefold():
            return _("; did you mean '{name}'?", name=name)
    return ""


def in_brackets(source: str, columns: Iterable[str]) -> str | None:
    """Return how to write the column that an expression names after a point although its name is
    not one word; None if the expression names no such column.
    """
    for name in map(str, columns):
        if not name.isidentifier() and re.search(rf"\brow\.{re.escape(name)}(?!\w)", source):
            return _(
                "'row.{name}' is no single word; write {member}", name=name, member=member(name)
            )
    return None


def member(column: str) -> str:
    """Return how an expression names a column."""
    if column.isidentifier():
        return f"row.{column}"
    quote = '"' if "'" in column else "'"
    return f"row[{quote}{column}{quote}]"
