"""The shots of a shot list → the text of a manifest."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from klingflow.manifest.compilation import compile as compile_manifest
from klingflow.manifest.shotlist import Entry, Left, ShotList
from klingflow.manifest.transcript import shown, transcript, why_of
from klingflow.model import Json, Manifest

A, B = "https://a.example/a.png", "https://a.example/b.png"


def entry(id: str, *names: str, **fields: Json) -> Entry:
    return Entry(id, {"prompt": "x", **fields}, {}, list(names))


def written(*shots: Entry, left: tuple[Left, ...] = (), chinese: bool = False) -> str:
    return transcript(ShotList([], list(shots), list(left), chinese), "l.csv").text


def below(text: str, name: str) -> str:
    return text.partition(f"\n{name}:\n")[2]


def compiled(text: str) -> Manifest:
    prices = "currency: CNY\nas_of: 2026-01-01\ntiers: { x: { per_second: 1 } }\n"
    texts = {"l.yaml": text, "prices.yaml": prices}
    return compile_manifest("l.yaml", texts.__getitem__, variables={}, environ={})


def test_what_all_shots_have_stands_in_defaults() -> None:
    """The most frequent value; a field that some lack stays in the shots."""
    text = written(
        entry("1", seconds=5, aspect_ratio="9:16"),
        entry("2", seconds=8, aspect_ratio="9:16", resolution="1080P"),
        entry("3", seconds=5, aspect_ratio="9:16"),
    )
    assert below(text, "defaults") == (
        "  model: kling-3.0-omni\n  seconds: 5\n  aspect_ratio: 9:16\n"
        'shots:\n  "1":\n    prompt: x\n'
        '  "2":\n    prompt: x\n    seconds: 8\n    resolution: 1080P\n'
        '  "3":\n    prompt: x\n'
    )


def test_a_character_of_several_shots_is_a_preset() -> None:
    """With the references that stand wherever the character is alone; the others keep theirs."""
    text = written(
        entry("1", "林夏", images=[A]),
        entry("2", "林夏", images=[A]),
        entry("3", "林夏", "小满", images=[A, B]),
        entry("4", "小满", "老板", tags=["雨"]),
    )
    assert below(text, "presets") == (
        f'  林夏: {{ tags: [林夏], images: ["{A}"] }}\n  小满: {{ tags: [小满] }}\n'
        'shots:\n  "1":\n    use: 林夏\n    prompt: x\n'
        '  "2":\n    use: 林夏\n    prompt: x\n'
        f'  "3":\n    use: [林夏, 小满]\n    prompt: x\n    images: ["{A}", "{B}"]\n'
        '  "4":\n    use: 小满\n    prompt: x\n    tags: [老板, 雨]\n'
    )


def test_a_shot_without_its_preset_s_images_says_so() -> None:
    """No reference is added to a shot that had none."""
    text = written(
        entry("1", "林", images=[A]), entry("2", "林", images=[A]), entry("3", "林", "王")
    )
    assert "    use: 林\n    prompt: x\n    images: null\n    tags: [王]\n" in text
    assert "images" not in compiled(text).shots[2].fields


def test_comments_are_in_the_list_s_language() -> None:
    """In one line each, whatever the cell holds."""
    left = Left("C7", "时长", "三\n五\u2028秒", "value", "seconds")
    line = "#   C7 时长 “三 五 秒”: "
    assert f"{line}cannot be read as seconds\n" in written(entry("1"), left=(left,))
    assert f"{line}读不出 seconds\n" in written(entry("1"), left=(left,), chinese=True)
    assert (shown(left), why_of(left)) == ("C7 时长 “三 五 秒”", "cannot be read as seconds")


def test_each_line_knows_its_shot_and_field() -> None:
    """Where nothing is shared."""
    one, two = entry("1", note="a\nb"), entry("2", seconds=5)
    made = transcript(ShotList([], [one, two], [], False), "l.csv", plainly=True)
    lines = made.text.split("\n")
    found = [(lines[n - 1].strip(), shot.id, name) for n, (shot, name) in made.lines.items()]
    assert found == [
        ('"1":', "1", ""),
        ("prompt: x", "1", "prompt"),
        ("note: |-", "1", "note"),
        ('"2":', "2", ""),
        ("prompt: x", "2", "prompt"),
        ("seconds: 5", "2", "seconds"),
    ]


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1))
def test_every_text_is_kept_character_by_character(text: str) -> None:
    """Through the text of the manifest and its expressions."""
    made = compiled(written(entry("1", prompt="x" + text, dialogue="-" + text), entry("2")))
    shot = made.shots[0]
    assert (shot.fields["prompt"], shot.about["dialogue"]) == ("x" + text, "-" + text)
