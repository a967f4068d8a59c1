"""PURE. All cells of a table as they stand, with their addresses: the table of a shot list may have
a title above its header.

rows.py reads the strict form, a header and rows under it.
"""

from __future__ import annotations

import csv
import io
from typing import Final, NamedTuple

from klingflow.errors import LINE_END, letters_of
from klingflow.manifest.encodings import without_mark
from klingflow.manifest.sheets import SUFFIXES, cells_of, fault_in
from klingflow.manifest.tables import DECLARATION
from klingflow.words import _

SUFFIXES_READ: Final = (".csv", ".tsv", ".txt", *SUFFIXES)
_SEPARATORS: Final = ",\t;|"


class Grid(NamedTuple):
    """The rows of a table, all of one width, and its cells without a result, by row and column
    from 0.
    """

    rows: list[list[str]]
    faults: dict[tuple[int, int], str]


def address(row: int, column: int) -> str:
    """Return what a spreadsheet calls the cell at a row and a column, both from 0."""
    return f"{letters_of(column + 1)}{row + 1}"


def grid_of(text: str, suffix: str) -> Grid:
    """Return the cells of a text; `suffix` is its file's. Raises ValueError, which says why a CSV
    cannot be read.
    """
    if suffix in SUFFIXES:
        return _of_sheet(text)
    return Grid(_even(_of_csv(LINE_END.sub("\n", without_mark(text)))), {})


def _of_sheet(text: str) -> Grid:
    lines = text.split("\n")
    faults = {
        (y, x): found
        for y, line in enumerate(lines)
        if "\\e" in line
        for x, cell in enumerate(line.split("\t"))
        if (found := fault_in(cell))
    }
    rows = [cells_of(line) for line in lines]
    for y, x in faults:
        rows[y][x] = ""
    return Grid(_even(rows), faults)


def _of_csv(text: str) -> list[list[str]]:
    declared = DECLARATION.match(text)
    body = text[declared.end() :] if declared else text
    separator = declared[1] if declared else _separator_of(body)
    try:
        return list(csv.reader(io.StringIO(body, newline=""), delimiter=separator, strict=True))
    except csv.Error as error:
        raise ValueError(_("it is not CSV: {error}", error=error)) from error


def _separator_of(text: str) -> str:
    """Return what separates the cells: the separator that occurs most in the lines."""
    sample = text[:20_000]
    return max(_SEPARATORS, key=sample.count)


def _even(rows: list[list[str]]) -> list[list[str]]:
    width = max(map(len, rows), default=0)
    return [row + [""] * (width - len(row)) for row in rows]
