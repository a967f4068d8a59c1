"""Texts that say otherwise than their author probably meant."""

from __future__ import annotations

import pytest

from klingflow.manifest.compilation import compile
from klingflow.manifest.habits import is_suspect

HEAD = """version: 1
defaults: { model: kling-3.0, seconds: 5, resolution: 720P, aspect_ratio: 16:9 }
vars: { hero: 林夏 }
shots:
"""


def doubts(shots: str, rows: str = "") -> list[tuple[str, int, int]]:
    """The warnings about these shots: code, line (the first of `shots` is 1), column."""
    texts = {"f.yaml": HEAD + shots, "rows.csv": rows}
    made = compile("f.yaml", texts.__getitem__, variables={}, environ={})
    return [(d.code, d.mark.line - 4, d.mark.column) for d in made.warnings]


@pytest.mark.parametrize(
    ("cell", "places"),
    [
        ("prompt: 雨夜 #特写", [("rows.yaml", 2, 14)]),
        ("prompt: 雨夜 # 特写", [("rows.yaml", 2, 14)]),
        ("look: 霓虹 #雨", [("rows.yaml", 2, 12)]),
        ("look: #霓虹", [("rows.yaml", 2, 9)]),
        ("prompt: 雨夜  # 特写", []),
        ("look: 霓虹 # 雨", []),
        ("prompt: '雨夜 #特写'", []),
        ("look: https://a.example/a.png #1", []),
    ],
)
def test_a_comment_in_a_cell_of_a_yaml_file_is_warned_of(
    cell: str, places: list[tuple[str, int, int]]
) -> None:
    """What it took is lost to the shot, as in the manifest itself."""
    shots = "  c: { foreach: rows.yaml, key: '${{ row.a }}', prompt: x }"
    texts = {"f.yaml": HEAD + shots, "rows.yaml": f"- a: 1\n  {cell}\n"}
    made = compile("f.yaml", texts.__getitem__, variables={}, environ={})
    found = [d for d in made.warnings if d.code == "comment-in-text"]
    assert [(d.mark.file, d.mark.line, d.mark.column) for d in found] == places


@pytest.mark.parametrize(
    ("shots", "column"),
    [
        ("  c: { prompt: 雨夜街头 #赛博朋克 #霓虹\n  }", 21),
        ("  c: { prompt: x, title: 镜头 #3 推进\n  }", 29),
        ("  c: { prompt: a street # at night\n  }", 25),
        ("  c: { prompt: x, tags: [a, b #c\n  ] }", 31),
        ("  c: { prompt: x, vars: { look: 霓虹 #雨\n  } }", 36),
        ("  c: { request: { model: kling-3.0, prompt: 霓虹 #雨\n  } }", 48),
    ],
)
def test_a_comment_that_begins_inside_of_a_text_is_warned_of(shots: str, column: int) -> None:
    """`prompt: 雨夜街头 #赛博朋克 #霓虹` would buy 雨夜街头 alone."""
    assert ("comment-in-text", 1, column) in doubts(shots)


@pytest.mark.parametrize(
    "shots",
    [
        "  c: { prompt: a street  # at night\n  }",
        "  c:\n    prompt: x\n    seconds: 5 #short\n    audio: true # sound",
        "  c: { prompt: x, vars: { look: neon # the look\n  } }",
        "  c: { prompt: 'a #b', model: kling-3.0 #cheap\n  }",
        "  c: { prompt: x } # done",
    ],
)
def test_an_ordinary_comment_is_not_warned_of(shots: str) -> None:
    """It stands off by two blanks and one, or behind what is no text, or begins with a blank."""
    assert doubts(shots) == []


@pytest.mark.parametrize(
    "text", ["{{ vars.hero }}", "{{hero}}", "${hero}", "${ vars.hero }", "{hero}", "{ hero }"]
)
def test_braces_of_other_languages_around_a_name_that_exists_are_warned_of(text: str) -> None:
    assert doubts(f'  c: {{ prompt: "{text} 走进窄巷" }}') == [("foreign-braces", 1, 17)]


@pytest.mark.parametrize(
    "text", ["${{ vars.hero }}", "$${{ hero }}", "{heroine}", "{{ x }}", "hero"]
)
def test_other_braces_are_text(text: str) -> None:
    assert doubts(f'  c: {{ prompt: "{text} 走进窄巷" }}') == []


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ("matrix: { city: [上海] }", "city"),
        ("foreach: rows.csv, key: a", "sku"),
        ("foreach: [{ sku: a }], key: a", "sku"),
        ("vars: { own: x }", "own"),
    ],
)
def test_names_of_axes_columns_and_own_variables_exist_as_well(more: str, name: str) -> None:
    assert doubts(f'  c: {{ {more}, prompt: "{{{name}}}" }}', "sku\na\n")[0][0] == "foreign-braces"


def test_what_a_cell_holds_is_data() -> None:
    shots = "  c: { foreach: rows.csv, key: a, prompt: '${{ row.text }}' }"
    assert doubts(shots, 'text\n"{{ vars.hero }} “x” #1"\n') == []


def test_the_place_of_braces_in_a_block_text_is_theirs() -> None:
    assert doubts("  c:\n    prompt: |\n      雨夜\n      {hero} {hero}\n") == [
        ("foreign-braces", 4, 7),
        ("foreign-braces", 4, 14),
    ]


@pytest.mark.parametrize("text", ["“雨夜”", "「雨夜」", "『雨』", "＂雨夜＂"])
def test_quotation_marks_around_a_whole_prompt_are_warned_of(text: str) -> None:
    assert doubts(f"  c: {{ prompt: {text} }}") == [("quoted-text", 1, 16)]


@pytest.mark.parametrize("text", ["她说“走”", "“走”，她说", "“走”她说“好”"])
def test_quotation_marks_inside_of_a_prompt_are_text(text: str) -> None:
    assert doubts(f"  c: {{ prompt: {text} }}") == []


@pytest.mark.parametrize("tags", ["客栈，长街", "[客栈、长街]"])
def test_tags_with_chinese_commas_are_one_tag(tags: str) -> None:
    """`tags: 客栈，长街` is warned of."""
    assert [code for code, _, _ in doubts(f"  c: {{ prompt: x, tags: {tags} }}")] == ["one-tag"]


@pytest.mark.parametrize("dash", ["－ ", "—　", "–", "• ", "-\u3000", "-\u00a0"])
def test_tags_behind_another_dash_are_one_tag(dash: str) -> None:
    """YAML takes lines with such dashes for one text of several lines."""
    shots = f"  c:\n    prompt: x\n    tags:\n      {dash}雨\n      {dash}夜\n"
    assert doubts(shots) == [("one-tag", 4, 7)]


def test_allow_silences_each_of_them_for_one_shot() -> None:
    shot = "{ prompt: '“{hero}”', tags: 客栈，长街, title: 镜头 #3\n  }"
    silent = shot.replace(
        "{ p", "{ allow: [comment-in-text, foreign-braces, quoted-text, one-tag], p", 1
    )
    assert [line for _, line, _ in doubts(f"  a: {silent}\n  b: {shot}")] == [3, 3, 3, 3]


@pytest.mark.parametrize(
    ("text", "suspect"),
    [
        ("shots: { a: { prompt: x } }", False),
        ("{ hero }", True),
        ("“", True),
        ("${{ hero }}", False),
    ],
)
def test_most_files_hold_none_of_them(text: str, suspect: bool) -> None:
    assert is_suspect(text) == suspect
