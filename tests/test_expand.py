"""Layers, matrices, rows, takes and names."""

from __future__ import annotations

import pytest

from klingflow.errors import Diagnostic, Mark
from klingflow.manifest.drafts import Draft
from klingflow.manifest.entry import Document
from klingflow.manifest.expand import expand
from klingflow.manifest.identity import cell, key_fault, output_path, same_file
from klingflow.manifest.layers import merge, without_nulls
from klingflow.manifest.matrix import cells
from klingflow.manifest.source import parse
from klingflow.manifest.template import Renderer
from klingflow.manifest.values import content_of
from klingflow.model import Json, Reference


def expanded(text: str, **variables: Json) -> tuple[list[Draft], list[Diagnostic]]:
    """The Drafts of a document that is not checked any further."""
    root = parse(text, "f").value
    sections = {
        name: root[name].value if name in root else {} for name in ("vars", "presets", "shots")
    }
    renderer = Renderer(sections["vars"], variables, [], {})
    return expand(
        Document(
            "neon",
            root.get("defaults"),
            sections["presets"],
            sections["shots"],
            root.get("output"),
            lambda *_: None,
        ),
        renderer,
    )


def drafts(text: str) -> list[Draft]:
    made, found = expanded(text)
    assert found == []
    return made


@pytest.mark.parametrize(
    ("layers", "merged"),
    [
        (["a: 1", "b: 2"], {"a": 1, "b": 2}),
        (["a: { x: 1, y: 2 }", "a: { y: 3 }"], {"a": {"x": 1, "y": 3}}),
        (["a: [1, 2]", "a: [3]"], {"a": [3]}),
        (["a: { x: 1 }", "a: 2", "a: { y: 3 }"], {"a": {"y": 3}}),
        (["a: 1", "a: null"], {}),
        (["a: 1", "a: null", "a: 2"], {"a": 2}),
        (["a: { x: 1, y: 2 }", "a: { x: null }"], {"a": {"y": 2}}),
        (["a: { x: 1 }", "a: null", "a: { y: 2 }"], {"a": {"y": 2}}),
        (["a: [{ x: null }]", "b: 1"], {"a": [{"x": None}], "b": 1}),
        (["request: { seed: null }", "b: 1"], {"request": {"seed": None}, "b": 1}),
    ],
)
def test_later_layers_win_maps_merge_and_null_deletes_once(layers: list[str], merged: Json) -> None:
    assert content_of(without_nulls(merge([parse(layer, "f") for layer in layers]))) == merged


def test_a_merged_value_keeps_the_place_where_it_was_written() -> None:
    (made,) = drafts(
        "presets:\n  wide: { output_config: { class_id: 1 } }\nshots:\n  a: { use: wide, output_config: { x: 1 } }"
    )
    assert made.node.at("output_config", "class_id").mark == Mark("f", 2, 38)
    assert made.node.at("output_config", "x").mark == Mark("f", 4, 39)
    assert made.mark == Mark("f", 4, 3)


def test_tags_add_up_over_the_layers_and_null_drops_those_below() -> None:
    made = drafts(
        "defaults: { tags: all }\npresets: { p: { tags: [p, q] } }\n"
        "shots:\n  a: { use: p, tags: [a, q] }\n  b: { use: p }\n  c: { tags: null }\n  d: {}"
    )
    assert [draft.tags for draft in made] == [
        ("all", "p", "q", "a"),
        ("all", "p", "q"),
        (),
        ("all",),
    ]


def test_a_null_that_an_expression_makes_deletes_as_a_written_one() -> None:
    (made,) = drafts(
        "shots: { a: { audio: '${{ none }}', extra: { x: '${{ none }}', y: 1 }, prompt: x } }"
    )
    assert made.fields == {"extra": {"y": 1}, "prompt": "x"}


def test_what_is_about_the_shot_is_not_among_its_fields() -> None:
    (made,) = drafts(
        "shots: { a: { prompt: x, title: T, note: N, tags: t, takes: 1, dialogue: [D], output: o.mp4 } }"
    )
    assert (made.fields, made.about) == (
        {"prompt": "x"},
        {"title": "T", "note": "N", "dialogue": ["D"]},
    )


def test_takes_of_one_body_share_their_fields() -> None:
    same, again, first, second = drafts(
        "shots:\n  a: { prompt: x, takes: 2 }\n  b: { prompt: '${{ shot.take }}', takes: 2 }"
    )
    assert same.fields is again.fields
    assert (first.fields, second.fields) == ({"prompt": 1}, {"prompt": 2})
    assert [same.output, again.output] == ["outputs/neon/a.mp4", "outputs/neon/a-2.mp4"]


def test_references_and_after_are_kept_apart_and_each_once() -> None:
    text = "shots:\n  a: {}\n  b: {}\n  c: { x: '${{ shots.a.task_id }}', y: ['${{ shots.a.task_id }}'], after: b }"
    made = drafts(text)[2]
    assert (made.references, made.after) == ((Reference("a", "task_id"),), ("b",))


def test_a_chain_of_ten_thousand_shots_is_no_cycle() -> None:
    text = "shots:\n  s0: {}\n" + "".join(
        f"  s{i}: {{ after: s{i - 1} }}\n" for i in range(1, 10_000)
    )
    assert len(drafts(text)) == 10_000


def test_a_broken_shot_leaves_the_others_standing_and_its_id_known() -> None:
    made, found = expanded(
        "shots:\n  a: { prompt: '${{ x }}' }\n  b: { after: a }\n  c: { matrix: 1 }\n  d: { after: c@1 }"
    )
    assert [(draft.id, draft.spoiled) for draft in made] == [
        ("a", True),
        ("b", False),
        ("d", False),
    ]
    assert [d.code for d in found] == ["undefined", "bad-matrix"]


@pytest.mark.parametrize(
    ("axes", "include", "exclude", "labels"),
    [
        ({"b": [1, 2], "a": ["x", "y"]}, [], [], ["x-1", "y-1", "x-2", "y-2"]),
        ({"a": [1, 2, 3]}, [], [{"a": 2}], ["1", "3"]),
        ({"a": [1, 2], "b": [3, 4]}, [], [{"a": 1}], ["2-3", "2-4"]),
        ({"a": [1]}, [{"a": 2}], [], ["1", "2"]),
        ({"a": [1]}, [{"note": "x"}], [], ["1"]),
        ({"a": [1], "b": [2]}, [{"a": 1, "b": 3}], [], ["1-2", "1-3"]),
        ({}, [{"name": "x", "z": 1}, {"name": "y", "z": 2}], [], ["x-1", "y-2"]),
        ({"a": [True, 1]}, [], [{"a": 1}], ["true"]),
    ],
)
def test_a_matrix_has_the_cells_that_github_actions_would_have(
    axes: dict[str, list[Json]],
    include: list[dict[str, Json]],
    exclude: list[dict[str, Json]],
    labels: list[str],
) -> None:
    assert [made.label for made in cells(axes, include, exclude)] == labels


def test_include_adds_to_fitting_cells_and_may_change_what_include_added() -> None:
    """The example of GitHub's own documentation."""
    axes = {"fruit": ["apple", "pear"], "animal": ["cat", "dog"]}
    include: list[dict[str, Json]] = [
        {"color": "green"},
        {"color": "pink", "animal": "cat"},
        {"fruit": "apple", "shape": "circle"},
        {"fruit": "banana"},
        {"fruit": "banana", "animal": "cat"},
    ]
    assert [made.values for made in cells(axes, include, [])] == [
        {"fruit": "apple", "animal": "cat", "color": "pink", "shape": "circle"},
        {"fruit": "apple", "animal": "dog", "color": "green", "shape": "circle"},
        {"fruit": "pear", "animal": "cat", "color": "pink"},
        {"fruit": "pear", "animal": "dog", "color": "green"},
        {"fruit": "banana"},
        {"fruit": "banana", "animal": "cat"},
    ]


@pytest.mark.parametrize(
    ("value", "label"),
    [
        ("9:16", "9x16"),
        ("a:b", "a-b"),
        ("上海 外滩", "上海-外滩"),
        ("a/b\\c", "a-b-c"),
        ("..", ""),
        (1.5, "1.5"),
        (True, "true"),
        ("cafe\u0301", "caf\u00e9"),
        ("ที่", "ที่"),
    ],
)
def test_a_value_in_an_id_suits_every_file_system(value: Json, label: str) -> None:
    assert cell(value) == label


@pytest.mark.parametrize(
    "key", ["alley", "1", "上海-外滩", "a.b_c-d", "हिन्दी", "_x", "console", "x" * 100]
)
def test_a_key_may_hold_letters_of_any_script(key: str) -> None:
    assert key_fault(key) is None


@pytest.mark.parametrize(
    "key",
    ["", ".a", "-a", "a.", "a b", "a/b", "a@b", "a#2", "a:b", "NUL", "com1.x", "x" * 101, "a*"],
)
def test_a_key_that_some_file_system_or_command_takes_otherwise_is_refused(key: str) -> None:
    assert key_fault(key)


def test_names_that_some_file_system_takes_for_one_are_the_same() -> None:
    assert len({same_file(name) for name in ("Café", "CAFE\u0301", "cafe\u0301")}) == 1


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("outputs/{name}/{shot}{take}.mp4", "outputs/neon/a-2.mp4"),
        ("{shot}/v{take}.MP4", "a/v-2.MP4"),
        ("x.mp4", "x.mp4"),
        ("...mp4", "...mp4"),
    ],
)
def test_an_output_path_fills_in_what_is_in_braces(template: str, path: str) -> None:
    assert output_path(template, "neon", "a", 2) == path


@pytest.mark.parametrize(
    "template",
    [
        *("/x.mp4", "../x.mp4", "a/../../x.mp4", "C:/x.mp4", "a\\x.mp4", "a//x.mp4", "./x.mp4"),
        *(
            "{take}/x.mp4",
            "{shot}/{take}.mp4",
            "x",
            "x.mov",
            "a/.mp4",
            "",
            "{shots}.mp4",
            "{}.mp4",
            "a\0.mp4",
        ),
        *("x" * 300 + ".mp4", "雨" * 84 + ".mp4"),
    ],
)
def test_an_output_path_that_is_no_video_below_the_manifest_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match="output"):
        output_path(template, "neon", "a", 1)
