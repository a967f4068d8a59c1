"""PURE. The sheet of a workbook as a text, and its rows: each line is a row, with tabs between its
cells.

Places are cell addresses such as `C17`. klingflow.api.workbooks makes the text of a file: merged
cells are filled there, and rows without content are empty lines.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from klingflow.errors import Cell, Diagnostic, ManifestError, Mark, letters_of
from klingflow.manifest.tables import MISTAKES_MOST, Table
from klingflow.words import _

# The workbooks whose sheets are read.
SUFFIXES: Final = (".xlsx", ".xlsm")
_NAMED: Final = re.compile(rf"(.*?(?:{'|'.join(map(re.escape, SUFFIXES))}))#(.*)", re.I | re.S)
_ESCAPED: Final = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_TO_ESCAPE: Final = re.compile(r"[\\\t\n\r]")
_ESCAPE: Final = re.compile(r"\\(.)")
_PLAIN: Final = {"t": "\t", "n": "\n", "r": "\r"}
# Begins a cell whose formula has no result; the error or the formula follows.
_FAULT: Final = "\\e"


def split_sheet(path: str) -> tuple[str, str | None]:
    """Return `分镜.xlsx#Sheet2` as the file and the name of the sheet; None if it names none."""
    named = _NAMED.fullmatch(path)
    return (named[1], named[2]) if named else (path, None)


def suffix_of(path: str) -> str:
    """Return the suffix of a file of rows in lower case, also where the path names a sheet."""
    return posixpath.splitext(split_sheet(path)[0])[1].lower()


def written(rows: Sequence[Sequence[str]], faults: Mapping[tuple[int, int], str]) -> str:
    """Return rows of cells as the text of a sheet. `faults` are the cells without a result, by
    their row and column from 0: the error, or the formula.
    """
    lines = []
    for y, row in enumerate(rows):
        cells = [_TO_ESCAPE.sub(lambda found: _ESCAPED[found[0]], cell) for cell in row]
        lines.append(cells if "".join(cells).strip() else [])
        for x in range(len(row)):
            if (y, x) in faults:
                lines[y] = cells
                cells[x] = _FAULT + _TO_ESCAPE.sub(" ", faults[y, x])
    return "\n".join("\t".join(cells) for cells in lines)


def cells_of(line: str) -> list[str]:
    """Return the cells of a line of the text."""
    if "\\" not in line:
        return line.split("\t")
    return [_ESCAPE.sub(_unescaped, cell) for cell in line.split("\t")]


def _unescaped(found: re.Match[str]) -> str:
    return _PLAIN.get(found[1], found[1]) if found[1] != "e" else ""


def fault_in(cell: str) -> str | None:
    """Return the error or the formula of a cell of the text, as it stands in a line; None for a
    cell with a result.
    """
    return cell.removeprefix(_FAULT) if cell.startswith(_FAULT) else None


def shown_cell(text: str, cell: Cell) -> str:
    """Return what is in one cell of the text, in one line."""
    lines = text.split("\n")
    cells = cells_of(lines[cell.line - 1]) if cell.line <= len(lines) else []
    found = cells[cell.column - 1] if cell.column <= len(cells) else ""
    return " ".join(found.split())


class Sheet(Table):
    """The text of a sheet. The first row with any content is its header."""

    def __init__(self, text: str, file: str) -> None:
        super().__init__("", file)
        self._lines = text.split("\n")

    def _records(self) -> Iterator[tuple[Mark, list[str]]]:
        wrong: list[Diagnostic] = []
        for number, line in enumerate(self._lines, 1):
            if _FAULT in line:
                wrong += self._faults(number, line)
            if line and not wrong:
                yield Cell(self.file, number, 1), cells_of(line)
            if len(wrong) >= MISTAKES_MOST:
                break
        if wrong:
            raise ManifestError(wrong)

    def _faults(self, number: int, line: str) -> Iterator[Diagnostic]:
        """Yield the cells of a row whose formulas have no result."""
        for at, cell in enumerate(line.split("\t"), 1):
            if (fault := fault_in(cell)) is not None:
                yield Diagnostic(Cell(self.file, number, at), "rows-formula", _no_result(fault))

    def _check_separator(self, cells: Sequence[str]) -> None:
        """Accept any header: the cells of a sheet have no separator that could be wrong."""

    def _place(self, row: Mark, column: int) -> Mark:
        return row._replace(column=column + 1)

    def _column(self, at: int) -> str:
        return letters_of(at + 1)


def _no_result(found: str) -> str:
    if found.startswith("="):
        return _(
            "the formula '{found}' has no result in this file; open and save it once",
            found=found[:60],
        )
    return _("{found} is a formula's error; mend the formula in the sheet", found=found)
