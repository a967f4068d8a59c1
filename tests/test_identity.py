"""What a shot is called, and where its video goes."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klingflow.manifest.folds import same_file
from klingflow.manifest.identity import cell, key_fault, name_fault, output_path
from klingflow.manifest.scalars import MAX_INTEGER
from klingflow.model import Json


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
        (-15, "-15"),
        ("-0.5", "-0.5"),
        ("-15°", "-15°"),
        ("- x -", "x"),
        ("-x", "x"),
        (1.0, "1.0"),
        ("C++ 11", "C++-11"),
        ("C#", "C＃"),
        ("50%", "50％"),
        ("5€", "5€"),
        ("really?!", "really？！"),
        ("真的？", "真的？"),
        ("雨，夜。", "雨-夜"),
        ("“真的”", "真的"),
        ("雨🌧夜", "雨🌧夜"),
        ("👍🏽", "👍🏽"),
        ("❤\ufe0f", "❤"),
        ("\ufe0f", ""),
        ("a`|~b", "a-b"),
        ("a\u200bb\x00", "a-b"),
        ("\u3164\u2800\u034f", ""),
        ("x\u115fy", "x-y"),
        ("e\ufe0f\u0301", "\u00e9"),
    ],
)
def test_a_value_in_an_id_suits_every_file_system(value: Json, label: str) -> None:
    assert cell(value) == label


@pytest.mark.parametrize(
    "values",
    [(-15, 15), (1, 1.0), ("C", "C++", "C#"), ("真的？", "真的！", "真的"), ("🌧", "🌞", "雨🌧")],
    ids=str,
)
def test_signs_that_tell_values_apart_stay_in_an_id(values: tuple[Json, ...]) -> None:
    """Also on a file system that ignores case."""
    assert len({same_file(cell(value)) for value in values}) == len(values)


@given(st.one_of(st.text(), st.integers(), st.floats(allow_nan=False, allow_infinity=False)))
def test_any_value_in_an_id_suits_every_file_system_glob_and_command(value: Json) -> None:
    """No separator, no glob, nothing that Windows or an id's own grammar takes otherwise."""
    if not isinstance(value, str) and abs(value) >= MAX_INTEGER:
        return
    label = cell(value)
    assert not set(label) & set("\\/:*?\"<>|@#[]{}'`$!%^&;,() \t\n") and label.isprintable()
    assert not label.endswith((".", "-"))
    assert label == unicodedata.normalize("NFC", label)


@pytest.mark.parametrize(
    "key", ["alley", "1", "上海-外滩", "a.b_c-d", "हिन्दी", "_x", "console", "x" * 100]
)
def test_a_key_may_hold_letters_of_any_script(key: str) -> None:
    assert key_fault(key) is None


@pytest.mark.parametrize(
    "key",
    [
        "",
        ".a",
        "-a",
        "a.",
        "a b",
        "a/b",
        "a@b",
        "a#2",
        "a:b",
        "NUL",
        "com1.x",
        "COM²",
        "x" * 101,
        "a*",
    ],
)
def test_a_key_that_some_file_system_or_command_takes_otherwise_is_refused(key: str) -> None:
    assert key_fault(key)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("al\u200bley", "U+200B ZERO WIDTH SPACE"),
        ("alley\ufe0f", "U+FE0F VARIATION SELECTOR-16"),
        ("\u3164", "U+3164 HANGUL FILLER"),
        ("雨\u3000夜", "U+3000 IDEOGRAPHIC SPACE"),
    ],
)
def test_what_is_invisible_in_a_key_is_named(key: str, name: str) -> None:
    assert key_fault(key) == f"an id has letters, digits, '.', '-' and '_', not {name}"


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


@pytest.mark.parametrize(
    ("template", "shot", "part"),
    [
        (".{shot}/x.mp4", "git", ".git"),
        ("{shot}/x.mp4", "film.lock", "film.lock"),
        ("a/{shot}/x.mp4", "b.yaml", "b.yaml"),
        ("{name}{shot}.mp4", "1", "com1.mp4"),
        ("CO{shot}.final.mp4", "N", "CON.final.mp4"),
        ("a/lpt{take}{shot}.mp4", "1", "lpt1.mp4"),
    ],
)
def test_no_id_completes_a_name_that_is_not_for_videos(template: str, shot: str, part: str) -> None:
    """A template is looked at with the id in it where more than the id makes a name."""
    with pytest.raises(ValueError, match=f"has a '{part}', which is not a name for videos"):
        output_path(template, "com", shot, 1)


@pytest.mark.parametrize("name", ["film", "第一幕", "a b", "x" * 250])
def test_a_manifests_name_may_be_any_folders(name: str) -> None:
    """Every script and spaces inside a name suit every file system."""
    assert name_fault(name) is None


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "NUL", "con.x", "a.", ".git", "~x", "a:b", "\u200b", "x" * 251]
)
def test_a_manifests_name_that_some_file_system_takes_otherwise_is_refused(name: str) -> None:
    """The message says that the name becomes a folder's."""
    assert str(name_fault(name)).startswith("the name becomes a folder's")
