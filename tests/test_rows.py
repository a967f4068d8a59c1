"""The rows of a foreach file."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klingflow.errors import ManifestError, Mark
from klingflow.manifest.rows import FORMATS, cell_places, read_rows
from klingflow.manifest.syntax import unfit
from klingflow.model import Json


@pytest.mark.parametrize(
    ("suffix", "text", "rows"),
    [
        (".csv", "a,b\n1,x\n", [(2, 1, {"a": "1", "b": "x"})]),
        (".CSV", "\ufeffa, b\r\n\r\n1,\r\n", [(3, 1, {"a": "1", "b": ""})]),
        (
            ".csv",
            'a,b\n1,"x\ny"\n2,z\n',
            [(2, 1, {"a": "1", "b": "x\ny"}), (4, 1, {"a": "2", "b": "z"})],
        ),
        (".csv", "a\n${{ env.HOME }}\n", [(2, 1, {"a": "${{ env.HOME }}"})]),
        (".csv", "", []),
        (".tsv", "a\tb\n1\tx, y\n", [(2, 1, {"a": "1", "b": "x, y"})]),
        (".json", ' [ {"a": 1},\n  {"a": null} ]\n', [(1, 4, {"a": 1}), (2, 3, {"a": None})]),
        (".json", "[]", []),
        (".json", '[{"a": "\\ud83d\\ude00"}]', [(1, 2, {"a": "😀"})]),
        (".jsonl", '{"a": 1}\n\n  {"a": 2.5}\r\n', [(1, 1, {"a": 1}), (3, 3, {"a": 2.5})]),
        (".yaml", "- a: 1\n- { a: no }\n", [(1, 3, {"a": 1}), (2, 3, {"a": "no"})]),
    ],
)
def test_a_row_is_a_map_with_its_place(
    suffix: str, text: str, rows: list[tuple[int, int, Json]]
) -> None:
    assert read_rows(text, "r", suffix) == [
        (Mark("r", line, column), row) for line, column, row in rows
    ]


@pytest.mark.parametrize(
    ("suffix", "text", "line", "column"),
    [
        (".csv", "a,b\n1\n", 2, 1),
        (".csv", "a,a\n", 1, 3),
        (".csv", 'a\n"x\n', 2, 1),
        (".json", "[{}\n {}]", 2, 2),
        (".json", "[{}] x", 1, 6),
        (".json", "[1]", 1, 2),
        (".json", "[{}", 1, 4),
        (".json", '[{"a": NaN}]', 1, 2),
        (".json", '[{"a": 1e999}]', 1, 2),
        (".json", '[{"a": 99999999999999999999}]', 1, 2),
        (".json", "[" + '{"a":' * 100_000, 1, 2),
        (".jsonl", '{"a": 1} {"a": 2}', 1, 9),
        (".jsonl", '{"a": 1}\n{"a" 2}', 2, 6),
        (".yaml", "a: 1", 1, 1),
        (".toml", "a = 1", 1, 1),
        (".csv", "a\0,\0b\0", 1, 1),
    ],
)
def test_a_malformed_row_has_its_place(suffix: str, text: str, line: int, column: int) -> None:
    with pytest.raises(ManifestError) as refused:
        read_rows(text, "r", suffix)
    assert [d.mark for d in refused.value.diagnostics] == [Mark("r", line, column)]


@pytest.mark.parametrize(
    ("character", "code"),
    [
        ("\u2028", "line-break"),
        ("\u2029", "line-break"),
        ("\x85", "line-break"),
        ("\x0b", "control-character"),
        ("\x7f", "control-character"),
    ],
)
@pytest.mark.parametrize(
    ("suffix", "text", "line", "column"),
    [
        (".csv", "a,b\n1,雨%夜\n", 2, 4),
        (".tsv", "a\tb\n1\t%\n", 2, 3),
        (".json", '[{"a": "%"}]', 1, 9),
        (".jsonl", '{"a": 1}\n{"a": "%"}', 2, 8),
        (".yaml", "- a: 1\n- a: %", 2, 6),
    ],
)
def test_a_character_that_nobody_sees_is_told_at_its_place(
    character: str, code: str, suffix: str, text: str, line: int, column: int
) -> None:
    """As in a manifest; written as an escape of JSON it is what its author wants."""
    with pytest.raises(ManifestError) as refused:
        read_rows(text.replace("%", character), "r", suffix)
    found = [(d.mark, d.code) for d in refused.value.diagnostics]
    assert found == [(Mark("r", line, column), code)]
    (row,) = read_rows(f'[{{"a": "\\u{ord(character):04x}"}}]', "r", ".json")
    assert row[1] == {"a": character}


_SCALARS = st.none() | st.booleans() | st.integers(-999, 999) | st.text(max_size=5)
_ROWS = st.lists(st.dictionaries(st.text(max_size=3), _SCALARS | st.lists(_SCALARS), max_size=3))


@given(_ROWS, st.sampled_from([None, 1]), st.booleans())
def test_every_value_of_json_stands_at_its_place(
    rows: list[dict[str, Json]], indent: int | None, ascii: bool
) -> None:
    """However it is laid out; a name that a row lacks stands where the row does."""
    lines = [json.dumps(row, ensure_ascii=ascii) for row in rows]
    texts = {
        ".json": json.dumps(rows, ensure_ascii=ascii, indent=indent),
        ".jsonl": "".join(f" {line}\n\n" for line in lines),
    }
    for suffix, text in texts.items():
        if unfit(text, "r"):
            continue  # not as an escape: refused
        cell = cell_places(text, "r", suffix)
        for mark, row in read_rows(text, "r", suffix):
            for name, value in row.items():
                at = cell(mark, name)
                rest = "\n".join(text.split("\n")[at.line - 1 :])[at.column - 1 :]
                assert json.JSONDecoder().raw_decode(rest)[0] == value
            assert cell(mark, "no such name") == mark


@given(
    st.sampled_from(sorted(FORMATS)),
    st.text(),
    st.sampled_from(["{}", '[{"a":{}}]', "a,b\n{},1\n", '{{"a":"{}"}}']),
)
def test_any_text_is_rows_or_a_manifest_error(suffix: str, text: str, around: str) -> None:
    """And nothing else comes out of the reader."""
    try:
        rows = read_rows(around.replace("{}", text, 1), "r", suffix)
    except ManifestError:
        return
    assert all(isinstance(row, dict) for _, row in rows)
