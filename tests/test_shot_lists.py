"""`init --from`: a shot list as a file → a manifest that is valid, and stays its author's."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

import pytest

from klingflow.api.beginning import starter
from klingflow.api.loading import load
from klingflow.api.shot_lists import make, said
from klingflow.api.workbooks import text_of
from klingflow.errors import UsageError
from klingflow.terminal import setup_commands
from tests.shot_lists import LISTS, PIPELINES, chinese, manifest_of
from tests.workbooks import rows, workbook

HEADER = ["镜号", "画面", "时长"]


def listed(folder: Path, *cells: list[str], name: str = "a.csv", encoding: str = "utf-8") -> str:
    """The path of a CSV with these rows."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(cells)
    path = folder / name
    path.write_bytes(text.getvalue().encode(encoding))
    return str(path)


@pytest.mark.parametrize("name", LISTS)
def test_the_examples_are_what_init_makes_of_their_lists(name: str) -> None:
    """`python -m tests.shot_lists` writes them again."""
    committed = (PIPELINES / name).with_suffix(".yaml").read_text("utf-8")
    assert manifest_of(name) == committed


def test_the_workbook_in_pipelines_is_the_one_that_the_tests_write() -> None:
    """Its cells are in tests/data, where a change can be read. zlib may change its bytes."""
    committed = (PIPELINES / "guitu.xlsx").read_bytes()
    assert text_of(committed, None) == text_of(chinese(), None)


def test_a_new_pipeline_begins_with_the_list(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What could not be taken is said; what is written is valid."""
    source = listed(tmp_path, HEADER, ["1", "雨", "5秒"], ["2", "巷", "三秒"])
    assert setup_commands.init_from(source, str(tmp_path / "new")) == 0
    film = load(tmp_path / "new" / "a.yaml")
    assert [(s.id, s.fields.get("seconds")) for s in film.shots] == [("1", 5), ("2", None)]
    assert {p.name for p in (tmp_path / "new").iterdir()} == {
        *("a.yaml", "prices.yaml", ".gitignore", ".gitattributes", ".env.example")
    }
    out = capsys.readouterr()
    assert "  C3 时长 “三秒”: cannot be read as seconds\n" in out.out + out.err


def test_what_is_said_stands_in_paragraphs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a blank line before each, and one shot is no shots."""
    rows = [*HEADER, "首帧"], ["1", "雨", "三秒", "b.png"]
    source, film = listed(tmp_path, *rows, encoding="gb18030"), tmp_path / "a.yaml"
    assert setup_commands.init_from(source, str(film)) == 0
    told = capsys.readouterr().out.split("\n\n")[1:]
    assert [paragraph.split("\n")[0] for paragraph in told] == [
        f"{source} was read as GBK; {film} is UTF-8.",
        "Not taken, and listed in the manifest:",
        f"Not there yet: {tmp_path / 'b.png'}",
        f"1 shot. Look at them without spending:  klingflow run {film} --sandbox",
    ]


def test_a_file_may_be_named_and_a_sheet(tmp_path: Path) -> None:
    """The manifest goes where the author says."""
    path = tmp_path / "表.xlsx"
    path.write_bytes(workbook(一=rows(["x"]), 二=rows([*HEADER], ["7", "雨", 5])))
    made = make(f"{path}#二", str(tmp_path / "act1.yaml"))
    assert (made.path, [e.id for e in made.listed.shots]) == (tmp_path / "act1.yaml", ["7"])


@pytest.mark.parametrize(
    ("target", "called"),
    [("a.yaml", "表.xlsx#二"), ("acts/1.yaml", "../表.xlsx#二"), (".", "表.xlsx#二")],
)
def test_the_manifest_names_its_list_from_its_own_folder(
    tmp_path: Path, target: str, called: str
) -> None:
    """It goes to other machines, which have no such folder as this one's."""
    (tmp_path / "表.xlsx").write_bytes(workbook(二=rows([*HEADER], ["7", "雨", 5])))
    made = make(f"{tmp_path / '表.xlsx'}#二", str(tmp_path / target))
    assert made.text.splitlines()[0] == (
        f"# 由 klingflow init --from {called} 写成。以后请直接修改本文件。"
    )


def test_files_that_are_not_there_yet_are_kept_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A shot without its reference would be another video at another price."""
    header = ["镜号", "画面", "首帧", "参考图"]
    two = "b.png、https://a.example/c.png"
    source = listed(tmp_path, header, ["1", "雨", "there.png", ""], ["2", "巷", "", two])
    (tmp_path / "there.png").touch()
    assert setup_commands.init_from(source, str(tmp_path)) == 0
    assert f"Not there yet: {tmp_path / 'b.png'}\n" in "".join(capsys.readouterr())
    text = (tmp_path / "a.yaml").read_text(encoding="utf-8")
    assert 'images: [b.png, "https://a.example/c.png"]' in text


def test_pictures_in_a_workbook_are_not_lost_in_silence(tmp_path: Path) -> None:
    """They lie beside the cells, where nothing says which shot they are of."""
    path = tmp_path / "a.xlsx"
    sheet = rows([*HEADER], ["1", "雨", 5])
    path.write_bytes(workbook(a=sheet, more={"xl/media/image1.png": ""}))
    (left,) = make(str(path), str(tmp_path)).listed.left
    assert said(left).startswith("“1 × xl/media”: pictures in the workbook are not read")


def test_a_first_sheet_that_is_a_cover_is_said_with_what_to_do(tmp_path: Path) -> None:
    """Its name may have blanks."""
    path = tmp_path / "a.xlsx"
    path.write_bytes(workbook(Cover=rows(["x"]), List=rows([*HEADER], ["1", "雨", 5])))
    with pytest.raises(UsageError, match=r"name another sheet of it: \S*a.xlsx#NAME"):
        make(str(path), str(tmp_path))


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A manifest that is there stays, and nothing else is written."""
    source = listed(tmp_path, HEADER, ["1", "雨", "5"])
    (tmp_path / "a.yaml").write_text("mine")
    with pytest.raises(UsageError, match="is there, and stays as it is; name another file"):
        setup_commands.init_from(source, str(tmp_path))
    assert {p.name for p in tmp_path.iterdir()} == {"a.csv", "a.yaml"}


@pytest.mark.parametrize(
    ("encoding", "told"),
    [("utf-8", ""), ("utf-8-sig", ""), ("utf-16", "UTF-16"), ("gb18030", "GBK")],
)
def test_a_csv_of_any_spreadsheet_is_read(tmp_path: Path, encoding: str, told: str) -> None:
    """What is written is UTF-8, whatever was read."""
    shown = "银发女侦探走进雨夜的窄巷，回头一瞥"
    made = make(listed(tmp_path, HEADER, ["1", shown, "5"], encoding=encoding), str(tmp_path))
    assert (made.encoding, made.listed.shots[0].fields["prompt"]) == (told, shown)


@pytest.mark.parametrize(
    ("header", "row", "left"),
    [
        (HEADER, ["1", "雨", "99"], "C2 时长 “99”: kling-3.0-omni makes 3 to 15 s, not 99"),
        (
            ["镜号", "画面", "参考图"],
            ["1", "雨", "a.png b.png c.png\nd.png、e.png，f.png"],
            "C2 参考图 “",
        ),
    ],
)
def test_a_value_that_the_checks_refuse_is_taken_out_and_listed(
    tmp_path: Path, header: list[str], row: list[str], left: str
) -> None:
    """So that what is written is valid; the other shots keep theirs."""
    source = listed(tmp_path, header, row, ["2", "巷", ""])
    made = make(source, str(tmp_path))
    assert [e.id for e in made.listed.shots] == ["1", "2"]
    assert [said(found)[: len(left)] for found in made.listed.left] == [left]


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("a.csv", None, "a.csv cannot be read: No such file or directory"),
        ("a.xls", b"", "a.xls: it is an Excel workbook; save it as .xlsx, or as CSV: "),
        ("a.pdf", b"", "a.pdf: a shot list is one of .csv, .tsv, .txt, .xlsx, .xlsm"),
        ("a.xlsx", b"x", "a.xlsx cannot be read: it is no whole workbook ("),
        ("a.csv", "画面,画\n".encode("shift_jis", "replace") * 9, "a.csv: it is "),
        ("a.csv", b"a,b\n1,2\n", "a.csv: no line of it names columns such as"),
        ("a.csv", b'a,"b\n1,2\n', "a.csv: it is not CSV: "),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(
    tmp_path: Path, name: str, data: bytes | None, why: str
) -> None:
    """And nothing is written."""
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(UsageError) as error:
        make(str(tmp_path / name), str(tmp_path))
    assert str(error.value).startswith(f"{tmp_path}{os.sep}{why}")


def test_hostile_cells_are_text(tmp_path: Path) -> None:
    """No expression, key or comment comes out of a cell."""
    cells = [
        "${{ vars.x }}",
        "a: b\n  c: 1\nshots:",
        "#!",
        "}{",
        "\x00\x07",
        "'\"\\",
        "- x",
        "\u2028",
    ]
    shots = ([str(number), "x" + cell, cell] for number, cell in enumerate(cells))
    made = make(listed(tmp_path, ["镜号", "画面", "备注"], *shots), str(tmp_path))
    (tmp_path / "prices.yaml").write_bytes(starter("prices.yaml"))
    (tmp_path / "a.yaml").write_text(made.text, "utf-8")
    found = [shot.fields["prompt"] for shot in load(tmp_path / "a.yaml").shots]
    assert found == ["x" + cell for cell in cells]
