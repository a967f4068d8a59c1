"""Cells: a mistake over a row is told at the cell that made it."""

from __future__ import annotations

import pytest

from klingflow.errors import Diagnostic, ManifestError, Mark
from klingflow.manifest.cells import at_cell, blamed, columns_in, member
from klingflow.manifest.compilation import compile
from klingflow.manifest.rows import RowPlace

PLACE = RowPlace(Mark("r.csv", 3, 1), lambda row, name: row._replace(column=len(name)))
FOUND = Diagnostic(Mark("f.yaml", 9, 7), "expression", "no", subject="shot 's'")
_FILM = """version: 1
defaults: { model: kling-3.0, resolution: 720P, seconds: 5 }
vars: { length: 5 }
presets: { wide: { aspect_ratio: 16:9 } }
shots:
  ad:
    foreach: %s
    key: ${{ row.sku }}
    %s
    prompt: x ${{ row.name }}
"""
_FILES = {
    "r.csv": 'sku,name,秒\nA1,cup,5\nA2,"bowl,\nred",5秒\n',
    "r.json": '[{"sku": "A1", "name": "cup", "秒": 5},\n {"sku": "A2", "name": "b", "秒" : "5秒"}]',
    "r.jsonl": '{"sku": "A1", "name": "cup", "秒": 5}\n {"sku": "A2", "name": "b", "秒" : "5秒"}\n',
    "r.yaml": "- { sku: A1, name: cup, 秒: 5 }\n- sku: A2\n  name: b\n  秒: 5秒\n",
}
_INLINE = "[{ sku: A1, name: a, 秒: 5 }, { sku: A2, name: b, 秒: 5秒 }]"


def mistakes(rows: str, line: str) -> list[Diagnostic]:
    """What is wrong with a film whose shot has these rows and this line."""
    files = {"f.yaml": _FILM % (rows, line), **_FILES}
    with pytest.raises(ManifestError) as refused:
        compile("f.yaml", files.__getitem__, variables={}, environ={})
    return list(refused.value.diagnostics)


@pytest.mark.parametrize(
    ("rows", "mark"),
    [
        ("r.csv", Mark("r.csv", 4, 6)),
        ("r.json", Mark("r.json", 2, 35)),
        ("r.jsonl", Mark("r.jsonl", 2, 35)),
        ("r.yaml", Mark("r.yaml", 4, 6)),
        (_INLINE, Mark("f.yaml", 7, 66)),
    ],
)
@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("seconds: ${{ row.秒 | int }}", "expression", "int: cannot read '5秒' as a whole number"),
        ("takes: ${{ row.秒 }}", "bad-takes", "takes is a whole number from 1 to 100"),
        ("use: ${{ 'wide' if row.秒 | int else '' }}", "expression", "int: cannot read '5秒'"),
    ],
)
def test_5秒_in_a_cell_is_told_at_its_line_and_column(
    rows: str, mark: Mark, line: str, code: str, said: str
) -> None:
    """With the name of the column, and the expression as the other place."""
    found = [d for d in mistakes(rows, line) if "A2" in d.subject]
    assert [(d.mark, d.code) for d in found] == [(mark, code)]
    assert found[0].message.startswith(f"column '秒': {said}")
    assert found[0].related == Mark("f.yaml", 9, 5 + line.index("$"))


def test_a_value_that_no_field_takes_is_told_at_its_cell() -> None:
    """Also where the expression itself was fine."""
    (found,) = mistakes("r.csv", 'aspect_ratio: "${{ row.name }}"')[1:2]
    assert found.mark == Mark("r.csv", 3, 4)
    assert found.message.startswith("column 'name': 'aspect_ratio' must be 16:9, 9:16 or 1:1")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("title: ${{ row.nam }}", "'nam' is undefined; did you mean 'name'? The"),
        ("title: ${{ row['价格'] }}", "'价格' is undefined; the"),
        ("title: ${{ row.NAME }}", "'NAME' is undefined; did you mean 'name'? The"),
    ],
)
def test_a_misspelt_column_is_told_once_with_the_columns_there_are(line: str, said: str) -> None:
    """At the expression, where it has to be corrected; the first row is the other place."""
    found = [d for d in mistakes("r.csv", line) if d.code == "undefined"]
    assert [(d.mark.line, d.message, d.related) for d in found] == [
        (9, f"{said} columns are sku, name, 秒", Mark("r.csv", 2, 1))
    ]


@pytest.mark.parametrize("name", ["时长(秒)", "Shot No", "2nd", "a-b"])
def test_a_column_that_is_no_single_word_is_told_how_to_be_named(name: str) -> None:
    """What the grammar says of it helps nobody: `No` is not expected, `b` is undefined."""
    row = f"[{{ sku: A, name: x, '{name}': 1 }}]"
    found = mistakes(row, f"title: ${{{{ row.{name} }}}}")
    assert [d.message for d in found] == [f"'row.{name}' is no single word; write row['{name}']"]


@pytest.mark.parametrize(
    "line",
    [
        "seconds: ${{ (row.sku | length) + (row.秒 | int) }}",
        "seconds: ${{ (row.秒 | int) + (row.sku | length) }}",
    ],
)
def test_of_several_columns_the_one_that_was_read_last_is_to_blame(line: str) -> None:
    """An expression is read from the left, and stops where it fails."""
    assert Mark("r.csv", 4, 6) in [d.mark for d in mistakes("r.csv", line)]


def test_a_cell_that_a_variable_reads_is_told_with_its_row() -> None:
    """The expression stays the place: it names no column itself."""
    line = 'vars: { length: "${{ row.秒 }}" }\n    seconds: ${{ vars.length | int }}'
    (found,) = mistakes("r.csv", line)
    assert (found.mark.line, found.related) == (10, Mark("r.csv", 3, 1))


def test_a_row_that_an_expression_made_is_told_at_the_expression() -> None:
    """Its cells stand nowhere else."""
    (found,) = mistakes(
        "\"${{ [{'sku': 'A', 'name': 'x', '秒': '5秒'}] }}\"", "seconds: ${{ row.秒 }}"
    )
    assert (found.mark, found.code) == (Mark("f.yaml", 7, 14), "wrong-value")
    assert found.message.startswith("column '秒': 'seconds' must be")


@pytest.mark.parametrize(("name", "spelt"), [("s", "row.s"), ("s (s)", "row['s (s)']")])
def test_an_empty_cell_is_told_with_what_to_write_for_it(name: str, spelt: str) -> None:
    rows = f"[{{ sku: A, name: x, '{name}': '' }}]"
    (found,) = mistakes(rows, f"seconds: ${{{{ row['{name}'] | int }}}}")
    advice = f"fill in the cell, or write {spelt} | default(…, true)"
    message = f"column '{name}': int: cannot read '' as a whole number; {advice}"
    assert found.message == message


def test_what_no_row_is_to_blame_for_has_no_row() -> None:
    (found,) = mistakes("r.csv", "seconds: ${{ vars.lenght }}")
    assert (found.mark.line, found.related) == (9, None)


def test_every_row_with_a_mistake_is_told() -> None:
    """A broken key of one row does not hide that of another."""
    found = mistakes("r.csv", "title: ${{ row.name | int }}")
    assert [d.mark for d in found] == [Mark("r.csv", 2, 4), Mark("r.csv", 3, 4)]


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("${{ row.a }}", ["a"]),
        ("x ${{ row['a b'] ~ row.a }} ${{ row[\"a b\"] }}", ["a b", "a"]),
        ("row.a ${{ rows.a ~ arrow.b }}", []),
        ("$${{ row.a }}", []),
        ("${{ row.a", []),
        (5, []),
    ],
)
def test_the_columns_of_a_text_are_those_its_expressions_name(
    text: object, columns: list[str]
) -> None:
    assert columns_in(text) == columns


def test_a_warning_stays_at_the_expression() -> None:
    """Ten thousand rows give one and the same warning."""
    doubt = FOUND._replace(severity="warning")
    assert at_cell(doubt, PLACE, "ab") == doubt._replace(related=Mark("r.csv", 3, 2))


@pytest.mark.parametrize(
    ("text", "mark", "message", "related"),
    [
        ("${{ row.ab }}", Mark("r.csv", 3, 2), "column 'ab': no", FOUND.mark),
        ("${{ row.a }}${{ row.b }}", FOUND.mark, "no (row r.csv:3:1)", PLACE.mark),
        ("no column", FOUND.mark, "no", None),
    ],
)
def test_a_mistake_in_what_expressions_made_is_told_where_one_cell_made_it(
    text: str, mark: Mark, message: str, related: Mark | None
) -> None:
    assert blamed(FOUND, text, PLACE) == FOUND._replace(mark=mark, message=message, related=related)
    assert blamed(FOUND, text, None) == FOUND


@pytest.mark.parametrize(
    ("column", "written"),
    [("sku", "row.sku"), ("时长(秒)", "row['时长(秒)']"), ("it's", 'row["it\'s"]')],
)
def test_a_column_is_named_as_an_expression_takes_it(column: str, written: str) -> None:
    assert member(column) == written
