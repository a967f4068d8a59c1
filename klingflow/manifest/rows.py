"""PURE. The rows of a `foreach` file: CSV, a sheet, JSON, JSONL or YAML text → maps, each with its
place, and on demand the place of each cell.

All of it is data: a CSV cell is always text, and nothing in a row is taken for an expression.
"""

from __future__ import annotations

import bisect
import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, NoReturn

from klingflow.errors import Cell, Diagnostic, ManifestError, Mark
from klingflow.manifest.encodings import without_mark
from klingflow.manifest.scalars import MAX_INTEGER
from klingflow.manifest.sheets import SUFFIXES, Sheet
from klingflow.manifest.source import parse
from klingflow.manifest.syntax import unfit
from klingflow.manifest.tables import Table, read_csv
from klingflow.manifest.values import content_of
from klingflow.model import Json, Node
from klingflow.words import _, joined

Rows = list[tuple[Mark, dict[str, Json]]]
# The place of a row, and a name → the place of that cell; the row's place if there is no such cell.
CellPlaces = Callable[[Mark, str], Mark]


def row_itself(row: Mark, _name: str) -> Mark:
    """Return the row's place for each of its cells, for rows that an expression made."""
    return row


class RowPlace(NamedTuple):
    """Where a row stands, and what finds its cells."""

    mark: Mark
    places: CellPlaces

    def cell(self, name: str) -> Mark:
        """Return the place of the cell called `name`; the row's if it has none."""
        return self.places(self.mark, name)


def read_rows(text: str, file: str, suffix: str) -> Rows:
    """Return the rows in `text`; `suffix` is the file's, such as `.csv`.

    Raises ManifestError for a malformed text and for an unknown format.
    """
    form = FORMATS.get(suffix.lower())
    if form is None:
        _refuse(
            Mark(file, 1, 1),
            "rows-format",
            _(
                "rows come from {formats} files; rename or convert it",
                formats=joined(", ", FORMATS),
            ),
        )
    if "\0" in text:
        message = _("holds NUL characters, as UTF-16 without its mark does; save it as UTF-8")
        _refuse(Mark(file, 1, 1), "rows-syntax", message)
    text = without_mark(text)
    if found := unfit(text, file, "rows"):
        is_sheet = suffix.lower() in SUFFIXES
        raise ManifestError([_in_its_cell(one, text) for one in found] if is_sheet else found)
    return list(form.read(text, file))


def _in_its_cell(found: Diagnostic, text: str) -> Diagnostic:
    """Return a diagnostic of the text of a sheet at the address of its cell."""
    _unused, line, column = found.mark
    before = text.split("\n")[line - 1][: column - 1]
    return found._replace(mark=Cell(found.mark.file, line, before.count("\t") + 1))


def cell_places(text: str, file: str, suffix: str) -> CellPlaces:
    """Return a function that finds the cells of the rows that `read_rows` has read in the same
    text.
    """
    return FORMATS[suffix.lower()].places(without_mark(text), file)


def _refuse(mark: Mark, code: str, message: str) -> NoReturn:
    raise ManifestError([Diagnostic(mark, code, message)])


def _json(text: str, file: str) -> Iterator[tuple[Mark, dict[str, Json]]]:
    """Yield a list of objects, decoded one by one so that each has its place."""
    lines = _Lines(text)

    def mark(at: int) -> Mark:
        return lines.mark(file, at)

    at = _blank(text, 0)
    if text[at : at + 1] != "[":
        _refuse(mark(at), "rows-syntax", _("a JSON file of rows is a list: [{…}, {…}]"))
    at = _blank(text, at + 1)
    while text[at : at + 1] != "]":
        value, end = _decode(text, at, mark)
        yield _row(value, mark(at))
        at = _blank(text, end)
        if text[at : at + 1] == ",":
            at = _blank(text, at + 1)
        elif text[at : at + 1] != "]":
            _refuse(mark(at), "rows-syntax", _("not JSON: expected ',' or ']'"))
    if (rest := _blank(text, at + 1)) != len(text):
        _refuse(mark(rest), "rows-syntax", _("not JSON: something follows the list"))


class _Lines:
    """Where the lines of a text begin."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(end.end() for end in re.finditer("\n", text))]

    def mark(self, file: str, at: int) -> Mark:
        """Return the place of an offset."""
        line = bisect.bisect_right(self._starts, at)
        return Mark(file, line, at - self._starts[line - 1] + 1)

    def offset(self, mark: Mark) -> int:
        return self._starts[mark.line - 1] + mark.column - 1


def _json_places(text: str, file: str) -> CellPlaces:
    """Return a function that finds the values in objects of JSON, and of JSONL."""
    lines = _Lines(text)

    def cell(row: Mark, name: str) -> Mark:
        at = _blank(text, lines.offset(row) + 1)
        while text[at] != "}":
            key, at = _DECODER.raw_decode(text, at)
            at = _blank(text, _blank(text, at) + 1)  # past the colon
            if key == name:
                return lines.mark(file, at)
            at = _blank(text, _DECODER.raw_decode(text, at)[1])
            at = _blank(text, at + 1) if text[at] == "," else at
        return row

    return cell


def _jsonl(text: str, file: str) -> Iterator[tuple[Mark, dict[str, Json]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        at = _blank(line, 0)
        mark = Mark(file, number, at + 1)
        value, end = _decode(line, at, lambda offset: Mark(file, number, offset + 1))  # noqa: B023 called at once
        if line[end:].strip():
            _refuse(
                Mark(file, number, end + 1),
                "rows-syntax",
                _("not JSONL: one object stands on each line"),
            )
        yield _row(value, mark)


def _yaml(text: str, file: str) -> Iterator[tuple[Mark, dict[str, Json]]]:
    root = parse(text, file)
    if not isinstance(root.value, list):
        _refuse(
            root.mark,
            "rows-syntax",
            _("a YAML file of rows is a list of maps; begin each row with '- '"),
        )
    for node in root.value:
        yield _row(content_of(node), node.mark)


def _yaml_places(text: str, file: str) -> CellPlaces:
    return node_places(parse(text, file).value)


def node_places(rows: Sequence[Node]) -> CellPlaces:
    """Return a function that finds the cells of rows that are Nodes."""
    by_mark = {row.mark: row for row in rows}
    return lambda mark, name: by_mark[mark].at(name).mark


def _row(value: Json, mark: Mark) -> tuple[Mark, dict[str, Json]]:
    if not isinstance(value, dict):
        _refuse(mark, "rows-syntax", _("a row is a map of names and values"))
    return mark, value


def _blank(text: str, at: int) -> int:
    while text[at : at + 1] in (" ", "\t", "\r", "\n"):
        at += 1
    return at


def _decode(text: str, at: int, mark: Callable[[int], Mark]) -> tuple[Any, int]:
    """Return one JSON value and where it ends; `mark` makes a place of an offset."""
    try:
        return _DECODER.raw_decode(text, at)
    except json.JSONDecodeError as error:
        _refuse(mark(error.pos), "rows-syntax", _("not JSON: {msg}", msg=error.msg))
    except RecursionError:
        _refuse(mark(at), "too-deep", _("nested too deep; flatten it"))
    except ValueError as error:
        _refuse(mark(at), "rows-syntax", _("not JSON: {error}", error=error))


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    made: dict[str, Json] = {}
    for key, value in pairs:
        if key in made:
            raise ValueError(_("'{key}' is there twice in one object", key=key))
        made[key] = value
    return made


def _float(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(_("{text} is too large a number", text=text[:40]))
    return number


def _int(text: str) -> int:
    if len(text) > 20 or abs(number := int(text)) >= MAX_INTEGER:
        raise ValueError(_("{text} is too large a number; write it as text", text=text[:40]))
    return number


def _constant(text: str) -> NoReturn:
    raise ValueError(_("{text} is not a JSON number", text=text))


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_float, parse_int=_int, parse_constant=_constant
)


class Format(NamedTuple):
    """How rows of one kind of file are read, and how their cells are found. Both take the text and
    the file's name.
    """

    read: Callable[[str, str], Iterator[tuple[Mark, dict[str, Json]]]]
    places: Callable[[str, str], CellPlaces]


FORMATS: dict[str, Format] = {
    ".csv": Format(read_csv, lambda text, file: Table(text, file).cell),
    ".tsv": Format(
        lambda text, file: Table(text, file, "\t").rows(),
        lambda text, file: Table(text, file, "\t").cell,
    ),
    **dict.fromkeys(
        SUFFIXES,
        Format(
            lambda text, file: Sheet(text, file).rows(), lambda text, file: Sheet(text, file).cell
        ),
    ),
    ".json": Format(_json, _json_places),
    ".jsonl": Format(_jsonl, _json_places),
    ".yaml": Format(_yaml, _yaml_places),
    ".yml": Format(_yaml, _yaml_places),
}
