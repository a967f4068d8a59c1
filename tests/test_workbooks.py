"""Workbooks: what their cells hold, and what is refused before it takes memory."""

from __future__ import annotations

import io
import sys
import time
import zipfile
from pathlib import Path

import pytest

from klingflow.api import workbooks
from klingflow.api.texts import reader
from klingflow.api.workbooks import text_of
from tests.workbooks import cell, rows, workbook, zipped

FORMATS = (
    '<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><cellXfs>'
    '<xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="22"/><xf numFmtId="20"/><xf numFmtId="46"/>'
    "</cellXfs></styleSheet>"
)


@pytest.fixture(autouse=True)
def extra() -> None:
    pytest.importorskip("python_calamine")


def row(*cells: str) -> str:
    return f'<row r="1">{"".join(cells)}</row>'


def refused(data: bytes, sheet: str | None = None) -> str:
    with pytest.raises(OSError) as caught:
        text_of(data, sheet)
    return str(caught.value)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (cell("A1", 5.0), "5"),
        (cell("A1", 0.1 + 0.2), "0.3"),
        (cell("A1", -3), "-3"),
        (cell("A1", 123456789012), "123456789012"),
        (cell("A1", 1, kind="b"), "TRUE"),
        (cell("A1", 0, kind="b"), "FALSE"),
        (cell("A1", " 雨 "), " 雨 "),
        (cell("A1", "16:9", kind="str", formula="B1"), "16:9"),
        (cell("A1", "a\nb\tc\\"), "a\\nb\\tc\\\\"),
        (cell("A1", 46053).replace("<c ", '<c s="1" '), "2026-01-31"),
        (cell("A1", 46053.2125).replace("<c ", '<c s="2" '), "2026-01-31 05:06"),
        (cell("A1", 5 / 1440).replace("<c ", '<c s="3" '), "00:05"),
        (cell("A1", 5 / 86400).replace("<c ", '<c s="4" '), "00:00:05"),
        (cell("A1", "", kind="str", formula="B1"), ""),
    ],
)
def test_a_cell_is_text_as_its_author_sees_it(given: str, text: str) -> None:
    """Numbers without a needless point, days and times without what is zero."""
    data = workbook(a=row(given), more={"xl/styles.xml": FORMATS})
    data = data if "s=" not in given else with_styles(data)
    assert text_of(data, None) == text


def with_styles(data: bytes) -> bytes:
    """The workbook with a relation to its formats."""
    file = zipfile.ZipFile(io.BytesIO(data))
    members = {name: file.read(name).decode() for name in file.namelist()}
    name = "xl/_rels/workbook.xml.rels"
    members[name] = members[name].replace(
        "</Rel",
        '<Relationship Id="rId98" Target="styles.xml" Type="http://schemas.openxmlformats.org/'
        'officeDocument/2006/relationships/styles"/></Rel',
    )
    return zipped(members)


def test_merged_cells_are_filled_downwards_where_a_row_has_content() -> None:
    """A scene is written once over its shots; a row that is empty otherwise stays so."""
    sheet = rows(["场景", "b"], ["雨", "1"], [None, "2"], [None, None], ["巷", "3"], ["t", None])
    text = text_of(workbook(a=sheet, merged=("A2:A4", "A6:B6")), None)
    assert text.split("\n") == ["场景\tb", "雨\t1", "雨\t2", "", "巷\t3", "t\t"]


def test_a_formula_without_a_result_is_kept_as_a_fault() -> None:
    """Not as an empty cell."""
    faults = cell("A1", "#REF!", kind="e", formula="x"), cell("C1", None, formula="A1")
    assert text_of(workbook(a=row(*faults)), None) == "\\e#REF!\t\t\\e=A1"


def test_a_sheet_is_chosen_by_its_name_in_any_case() -> None:
    """Otherwise the first one is read."""
    data = workbook(Eins=rows(["a"]), Zwei=rows(["b"]))
    assert [text_of(data, name) for name in (None, "zwei")] == ["a", "b"]
    assert refused(data, "Drei") == "it has no sheet 'Drei'; it has Eins, Zwei"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "it is no whole workbook (File is not a zip file); save it again as .xlsx"),
        (b"\xd0\xcf\x11\xe0", "it has a password, or the form of an old Excel"),
        (zipped({"a.txt": "x"}), "it is no whole workbook ('xl/_rels/workbook.xml.rels')"),
        (workbook(a="<row"), "it is no whole workbook (not well-formed"),
        (workbook(a=row(cell("XFD1048576", "x"))), "a sheet reaches to row 1,048,576 and column"),
        (workbook(a='<row r="99999999"><c t="e"/><c/></row>'), "a sheet reaches to row 99,999,999"),
        (workbook(a="", more={"xl/b.xml": "<a>" + " " * (65 << 20)}), "it holds over 64 MB of XML"),
    ],
)
def test_what_is_no_shot_list_is_refused_at_once(data: bytes, why: str) -> None:
    """Before calamine makes room for it."""
    began = time.process_time()
    assert refused(data).startswith(why)
    assert time.process_time() - began < 10


def test_one_long_text_that_many_cells_share_is_refused() -> None:
    """A small file may show more text than there is memory."""
    texts = f"<sst><si><t>{'x' * 100_000}</t></si></sst>"
    cells = "".join(cell(f"A{n}", 0, kind="s") for n in range(1, 1000))
    data = workbook(a=row(cells), more={"xl/sharedStrings.xml": texts})
    assert refused(data) == "a sheet shows over 64 million characters; split it"


def test_cells_with_a_format_but_no_content_reach_nowhere() -> None:
    """Whole columns are formatted often."""
    assert text_of(workbook(a=row(cell("A1", "x"), '<c r="XFD1048576" s="0"/>')), None) == "x"


def test_without_the_extra_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing else fails."""
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    message = "it needs the sheet extra: pip install 'klingflow[sheet]'"
    assert refused(workbook(a=rows(["x"]))) == message


def test_a_sheet_lies_below_the_manifest_s_folder(tmp_path: Path) -> None:
    """The same rules hold for it as for other rows, and its name does not change the place."""
    (tmp_path / "film").mkdir()
    for folder in (tmp_path, tmp_path / "film"):
        (folder / "a.xlsx").write_bytes(workbook(S=rows(["x"])))
    read = reader(str(tmp_path / "film" / "film.yaml"))
    assert read(str(tmp_path / "film" / "a.xlsx#S")) == "x"
    for outside in ("../a.xlsx#S", "../a.xlsx", "a.xlsx#/../../../a.xlsx"):
        with pytest.raises(OSError):
            read(f"{tmp_path}/film/{outside}")


def test_the_sizes_are_those_of_the_manual() -> None:
    """docs/manifest.md says them."""
    assert (workbooks.MAX_XML_BYTES >> 20, workbooks.MAX_CELLS) == (64, 2_000_000)
