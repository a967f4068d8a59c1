"""All cells of a table, wherever they stand."""

from __future__ import annotations

import pytest

from klingflow.manifest.grids import Grid, address, grid_of
from klingflow.manifest.sheets import written


@pytest.mark.parametrize(
    ("text", "suffix", "rows"),
    [
        ("a,b\n\n1\n", ".csv", [["a", "b"], ["", ""], ["1", ""]]),
        ("\ufeffa;b\r\n1;x, y\r\n", ".csv", [["a", "b"], ["1", "x, y"]]),
        ("sep=|\na|b\n", ".csv", [["a", "b"]]),
        ('a\tb\n1\t"x\ny"\n', ".tsv", [["a", "b"], ["1", "x\ny"]]),
        ("a\tb\n1\t2\n", ".txt", [["a", "b"], ["1", "2"]]),
        ("", ".csv", []),
        (written([["题"], [""], ["a", "\n"]], {}), ".xlsx", [["题", ""], ["", ""], ["a", "\n"]]),
    ],
)  # fmt: skip
def test_every_row_has_as_many_cells(text: str, suffix: str, rows: list[list[str]]) -> None:
    """Empty ones too, so that a row's number is the spreadsheet's."""
    assert grid_of(text, suffix) == Grid(rows, {})


def test_a_cell_without_a_result_is_empty_and_known() -> None:
    """By its row and column."""
    text = written([["a", "b"], ["1", ""]], {(1, 1): "#REF!"})
    assert grid_of(text, ".xlsx") == Grid([["a", "b"], ["1", ""]], {(1, 1): "#REF!"})


def test_what_is_no_csv_says_why() -> None:
    """In Python's words."""
    with pytest.raises(ValueError, match="it is not CSV: unexpected end of data"):
        grid_of('a,"b', ".csv")


def test_an_address_is_a_spreadsheet_s() -> None:
    """Letters for the column, the row from 1."""
    assert [address(16, 2), address(0, 26)] == ["C17", "AA1"]
