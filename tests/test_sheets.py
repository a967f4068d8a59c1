"""The text of a sheet: its rows, and places as a spreadsheet names them."""

from __future__ import annotations

import pytest

from klingflow.errors import Cell, ManifestError, letters_of
from klingflow.manifest.rows import cell_places, read_rows
from klingflow.manifest.sheets import cells_of, shown_cell, split_sheet, suffix_of, written

FILE = "分镜.xlsx"


def text(*rows: list[str], faults: dict[tuple[int, int], str] | None = None) -> str:
    return written(rows, faults or {})


def mistakes(text: str) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        read_rows(text, FILE, ".xlsx")
    return [str(found) for found in caught.value.diagnostics]


def test_a_character_that_nobody_sees_is_told_at_its_cell() -> None:
    """Slides and pages that were pasted into a cell bring such line breaks."""
    assert mistakes(text(["镜号", "画面"], ["1", "雨\n夜\u2028"])) == [
        "分镜.xlsx:B2: error[line-break]: U+2028 is an invisible line break; delete it"
    ]


@pytest.mark.parametrize(
    ("path", "parts", "suffix"),
    [
        ("分镜.xlsx", ("分镜.xlsx", None), ".xlsx"),
        ("a/分镜.XLSX#第 1 场", ("a/分镜.XLSX", "第 1 场"), ".xlsx"),
        ("a.xlsm#b#c", ("a.xlsm", "b#c"), ".xlsm"),
        ("a.xlsx#b.csv", ("a.xlsx", "b.csv"), ".xlsx"),
        ("a#b.csv", ("a#b.csv", None), ".csv"),
        ("a#1.xlsx", ("a#1.xlsx", None), ".xlsx"),
    ],
)
def test_a_path_may_name_a_sheet(path: str, parts: tuple[str, str | None], suffix: str) -> None:
    """Behind the suffix of a workbook, and nowhere else."""
    assert (split_sheet(path), suffix_of(path)) == (parts, suffix)


@pytest.mark.parametrize(("column", "letters"), [(1, "A"), (26, "Z"), (27, "AA"), (703, "AAA")])
def test_columns_are_named_by_letters(column: int, letters: str) -> None:
    """As spreadsheets count."""
    assert letters_of(column) == letters


@pytest.mark.parametrize(
    "cell", ["", "a", "\\", "\\e", "\\n", "a\tb\nc\rd", "\\\t\\", " ", "${{ x }}"]
)
def test_each_text_of_a_cell_comes_back(cell: str) -> None:
    """Whatever it holds."""
    assert cells_of(text(["x", cell])) == ["x", cell]


def test_rows_have_the_addresses_of_their_cells() -> None:
    """A row of the sheet is a line; rows without content are left out."""
    sheet = text(["", ""], ["镜号", "画面"], ["", "　"], ["1", "雨\n夜"])
    ((mark, row),) = read_rows(sheet, FILE, ".xlsx")
    assert row == {"镜号": "1", "画面": "雨\n夜"}
    place = cell_places(sheet, FILE, ".xlsx")(mark, "画面")
    assert (place, str(place)) == (Cell(FILE, 4, 2), "分镜.xlsx:B4")
    assert cell_places(sheet, FILE, ".xlsx")(mark, "时长") == mark
    assert shown_cell(sheet, Cell(FILE, 4, 2)) == "雨 夜"
    assert shown_cell(sheet, Cell(FILE, 9, 9)) == ""


@pytest.mark.parametrize(
    ("sheet", "found"),
    [
        (
            text(["a", "b"], ["1", ""], faults={(1, 1): "#REF!"}),
            "B2: error[rows-formula]: #REF! is a formula's error; mend the formula in the sheet",
        ),
        (
            text(["a"], [""], faults={(1, 0): "=A\n1"}),
            "A2: error[rows-formula]: the formula '=A 1' has no result in this file; open and save"
            " it once",
        ),
        (
            text(["a", "a"]),
            "B1: error[rows-syntax]: columns A and B are both named 'a'; rename one",
        ),
        (
            text(["a", "b", ""], ["1", "2", "3"]),
            "C1: error[rows-syntax]: column C has no name; write one in the first line",
        ),
        (
            text(["《夜》", ""], ["a", "b"]),
            "A1: error[rows-syntax]: this line names the columns, and it names only '《夜》';"
            " delete all that stands above the names of the columns",
        ),
    ],
)
def test_mistakes_stand_at_cells(sheet: str, found: str) -> None:
    """With the letters that a spreadsheet shows."""
    assert mistakes(sheet) == [f"{FILE}:{found}"]


def test_a_sheet_without_content_has_no_rows() -> None:
    """Which is said where it is used."""
    assert read_rows(text([""]), FILE, ".xlsx") == []


def test_a_header_of_one_name_may_hold_what_separates_elsewhere() -> None:
    """A sheet has its columns."""
    assert [row for _, row in read_rows(text(["a、b"], ["1"]), FILE, ".xlsx")] == [{"a、b": "1"}]
