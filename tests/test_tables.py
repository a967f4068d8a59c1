"""CSV as spreadsheets save it: its separator, header, rows, and where each cell stands."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klingflow.errors import ManifestError, Mark
from klingflow.manifest.tables import Table, read_csv


def refused(text: str) -> list[str]:
    """What is said of a text, each line with its place in the file `r`."""
    with pytest.raises(ManifestError) as error:
        list(read_csv(text, "r"))
    return [f"{d.mark.line}:{d.mark.column} {d.message}" for d in error.value.diagnostics]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a,b\n1,2\n,\n\n , \n3,4\n,,,\n", [(2, {"a": "1", "b": "2"}), (6, {"a": "3", "b": "4"})]),
        (",\n\na,b\n1,2", [(4, {"a": "1", "b": "2"})]),
        ("sep=;", []),
        ("sep=;\n", []),
        ("sep=;\na;b\n1;x, y", [(3, {"a": "1", "b": "x, y"})]),
        ('"sep=,"\r\na,b\r\n1,2\r\n', [(3, {"a": "1", "b": "2"})]),
        ("SEP=\t\na\tb\n1\t2", [(3, {"a": "1", "b": "2"})]),
        ("sep=，\n镜号，景\nA1，雨夜", [(3, {"镜号": "A1", "景": "雨夜"})]),
        ("a,,b,\n1,,2,\n3, ,4,", [(2, {"a": "1", "b": "2"}), (3, {"a": "3", "b": "4"})]),
        (' a ,\u3000b\u00a0,"c\r\n(s)"\n1,2,3', [(3, {"a": "1", "b": "2", "c (s)": "3"})]),
        ("cafe\u0301\n1", [(2, {"caf\u00e9": "1"})]),
        ('"a，b"\n1', [(2, {"a，b": "1"})]),
        ("画面（人物，场景）,b\n1,2", [(2, {"画面（人物，场景）": "1", "b": "2"})]),
        (",,\n , \n", []),
    ],
    ids=[
        *(
            "rows of commas at the end",
            "rows of commas at the top",
            "sep= alone",
            "sep= and no more",
            "sep=;",
            "sep=, in quotes",
        ),
        *("sep= and a tab", "sep= and a Chinese comma", "columns without name and content"),
        *("blanks around names", "a name composed otherwise", "a quoted name"),
        *("a Chinese comma in a name", "nothing but commas"),
    ],
)
def test_what_a_spreadsheet_saves_is_read(text: str, rows: list[tuple[int, object]]) -> None:
    assert [(mark.line, row) for mark, row in read_csv(text, "r")] == rows


@pytest.mark.parametrize(
    "text",
    [
        "雨夜分镜\nid,prompt\na,x\n",
        "雨夜分镜,,\nid,prompt,n\na,x,1\n",
        "雨夜分镜,,\nid,prompt\na,x\n",
        "\n,雨夜分镜\nid,prompt\na,x\n",
    ],
    ids=["alone", "merged cells", "cells too many", "below an empty line"],
)
def test_a_title_above_the_table_is_named(text: str) -> None:
    """It stands where the names of the columns are expected."""
    (said,) = refused(text)
    assert said.partition(" ")[2] == (
        "this line names the columns, and it names only '雨夜分镜'; delete all that stands above"
        " the names of the columns"
    )


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
def test_a_cell_with_a_line_break_is_the_same_whatever_ends_its_lines(end: str) -> None:
    """A CSV bought as CRLF and checked out as LF has not changed."""
    text = end.join(["sku,line", 'A1,"雨夜', '街头"', "A2,x", ""])
    assert [row for _, row in read_csv(text, "r")] == [
        {"sku": "A1", "line": "雨夜\n街头"},
        {"sku": "A2", "line": "x"},
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("镜号；提示词\n1；雨", "1:3 the columns are separated by Chinese semicolons"),
        ("镜号，提示词，时长\n1，雨，5", "1:3 the columns are separated by Chinese commas"),
        ("镜号|提示词\n1|雨", "1:3 the columns are separated by vertical bars"),
        ("a;b\n1;2", "1:2 the columns are separated by semicolons"),
        ("\na\tb\n1\t2", "2:2 the columns are separated by tabs"),
    ],
)
def test_another_separator_is_named_with_its_place(text: str, said: str) -> None:
    """Never that a column is undefined. The message says how to have it read all the same."""
    (found,) = refused(text)
    assert found.startswith(f"{said}, not by commas; save it as comma-separated CSV, or write sep=")


@pytest.mark.parametrize("begin", ["<html>", "<!DOCTYPE html>", " <TABLE border=0>", "<?xml"])
def test_a_web_page_that_is_called_a_table_is_named(begin: str) -> None:
    """Some programs export one; its only column would have no rows."""
    said = "1:1 this is a web page or XML, as some programs export it; save it as CSV"
    assert refused(f"{begin}\n<tr><td>x</td></tr>") == [said]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b,a\n", "1:5 columns 1 and 3 are both named 'a'; rename one"),
        ('"x, y",b, b\n', "1:10 columns 2 and 3 are both named 'b'; rename one"),
        ("a,,b\n1,,2\n3,x,4\n", "1:3 column 2 has no name; write one in the first line"),
        (
            "a,\u200bb\n1,2",
            "1:3 the name of column 2 holds U+200B ZERO WIDTH SPACE, which is invisible;"
            " delete the name and type it again",
        ),
        (
            "\u3164,b\n1,2",
            "1:1 the name of column 1 holds U+3164 HANGUL FILLER, which is invisible;"
            " delete the name and type it again",
        ),
    ],
)
def test_a_header_that_no_expression_can_name_is_refused(text: str, said: str) -> None:
    assert refused(text) == [said]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("1,2,3", "this row has 3 cells, the header 2; quote a cell that holds a comma"),
        (
            "1,“x, y”",
            "this row has 3 cells, the header 2; quote a cell that holds a comma with '\"';"
            " '“' is no quote of CSV",
        ),
        ("1，雨夜", "this row has 1 cell, the header 2; '，' separates no cells; write a comma"),
        ("1", "this row has 1 cell, the header 2; write a comma for each cell that is empty"),
    ],
)
def test_a_row_of_another_width_says_what_to_write(row: str, said: str) -> None:
    assert refused(f"a,b\n{row}\n1,2\n{row}\n") == [f"2:1 {said}", f"4:1 {said}"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            'a\n1\n"x\n2\n',
            "3:1 not CSV: a cell that begins with '\"' has no end; close it with '\"'",
        ),
        (
            f'a\n"{"x" * 140_000}\n',
            "2:1 not CSV: a cell that begins with '\"' has no end; close it with '\"'",
        ),
        (
            'a,b\n"x" y,1\n',
            "2:1 not CSV: text follows a quoted cell; write each '\"' inside a quoted cell twice",
        ),
    ],
    ids=["no end", "a long text without end", "text after it"],
)
def test_a_broken_quote_is_explained(text: str, said: str) -> None:
    assert refused(text) == [said]


@pytest.mark.parametrize(
    ("row", "name", "line", "column"),
    [
        (2, "a", 2, 1),
        (2, "b", 2, 3),
        (3, "b", 4, 8),
        (5, "b", 5, 8),
        (3, "c", 3, 1),
    ],
)
def test_a_cell_has_its_place(row: int, name: str, line: int, column: int) -> None:
    """Also behind quotes, commas and line breaks in quotes; without such a column the row's."""
    text = 'a,b\n1,x\n"2\n, ""3",y\n"a""b",z\n'
    assert Table(text, "r").cell(Mark("r", row, 1), name) == Mark("r", line, column)


def test_a_cell_below_a_declared_separator_has_its_place() -> None:
    """The line `sep=` counts, as it does in an editor."""
    assert Table("sep=;\na;b\n1;x, y", "r").cell(Mark("r", 3, 1), "b") == Mark("r", 3, 3)


_CELLS = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\r\0")), min_size=3, max_size=3
)


@given(st.lists(_CELLS, max_size=4))
def test_what_a_writer_of_csv_writes_is_read_and_found(written: list[list[str]]) -> None:
    """Every cell comes back as it was, and stands at its place."""
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator="\n").writerows([["a", "b", "c"], *written])
    text = file.getvalue()
    lines = text.split("\n")
    rows = list(read_csv(text, "r"))
    kept = [cells for cells in written if "".join(cells).strip()]
    assert [list(row.values()) for _, row in rows] == kept
    table = Table(text, "r")
    for mark, row in rows:
        for name, cell in row.items():
            at = table.cell(mark, name)
            begin = lines[at.line - 1][at.column - 1 :].removeprefix('"').replace('""', '"')
            first = cell.split("\n")[0]
            assert begin.startswith(first)
