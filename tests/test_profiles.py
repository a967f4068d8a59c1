"""Profiles: what one lays over a shot, by the shot's kind, and what it may be called."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest

from klingflow.errors import ManifestError
from klingflow.manifest.compilation import compile
from klingflow.model import Json, Manifest

HEAD = "version: 1\nname: neon\ndefaults: { model: kling-3.0, resolution: 1080P, audio: true }\n"
SHOTS = "shots: { a: { prompt: rain, seconds: 10, tags: [ext] } }\n"


def compiled(text: str, profile: str = "", **more: Any) -> Manifest:
    """The manifest of a text, under a profile."""
    read = {"film.yaml": HEAD + text}.__getitem__
    return compile("film.yaml", read, variables={}, environ={}, profile=profile, **more)


def fields(text: str, profile: str = "draft") -> list[dict[str, Json]]:
    """The fields of each shot under a profile."""
    return [dict(shot.fields) for shot in compiled(text, profile).shots]


def faults(text: str, profile: str = "") -> list[tuple[str, int, str]]:
    """Code, line and message of all that is wrong."""
    with pytest.raises(ManifestError) as refused:
        compiled(text, profile)
    return [(d.code, d.mark.line, d.message) for d in refused.value.diagnostics]


def test_a_profile_lies_over_the_shot_itself() -> None:
    """Over all other layers: maps merge, null deletes."""
    draft = "{ resolution: 720P, seconds: 5, audio: null, output_config: { class_id: 1 } }"
    shots = (
        "shots: { a: { prompt: rain, seconds: 10, output_config: { storage_mode: Permanent } } }\n"
    )
    assert fields(f"profiles: {{ draft: {draft} }}\n{shots}") == [
        {
            "model": "kling-3.0",
            "prompt": "rain",
            "resolution": "720P",
            "seconds": 5,
            "output_config": {"storage_mode": "Permanent", "class_id": 1},
        }
    ]


def test_without_its_name_a_profile_changes_nothing() -> None:
    """The same bodies, fingerprints and outputs; the manifest knows the names of its profiles."""
    plain = compiled(SHOTS)
    with_profile = compiled(f"profiles: {{ draft: {{ resolution: 720P }} }}\n{SHOTS}")
    assert with_profile.requests == plain.requests
    assert [shot.output for shot in with_profile.shots] == ["outputs/neon/a.mp4"]
    assert (with_profile.name, with_profile.profile) == ("neon", "")
    assert with_profile.profiles == ("draft",)


def test_a_draft_has_a_name_and_outputs_of_its_own() -> None:
    made = compiled(f"profiles: {{ draft: {{ resolution: 720P }} }}\n{SHOTS}", "draft")
    assert (made.name, made.profile) == ("neon.draft", "draft")
    assert [shot.output for shot in made.shots] == ["outputs/neon.draft/a.mp4"]


def test_takes_and_tags_are_a_profiles_to_say_too() -> None:
    made = compiled(f"profiles: {{ draft: {{ takes: 2, tags: [cheap] }} }}\n{SHOTS}", "draft")
    assert [(shot.key, shot.tags) for shot in made.shots] == [
        ("a", ("ext", "cheap")),
        ("a#2", ("ext", "cheap")),
    ]


def test_expressions_of_a_profile_see_the_shot() -> None:
    """As those of any layer: its variables, its row, its cell."""
    text = (
        "vars: { s: 5 }\nprofiles: { draft: { vars: { s: 4 }, seconds: '${{ vars.s + 1 }}',"
        " prompt: '${{ matrix.c }} in grey' } }\n"
        "shots: { a: { matrix: { c: [rain, snow] }, prompt: x, vars: { s: 9 } } }\n"
    )
    assert [(one["seconds"], one["prompt"]) for one in fields(text)] == [
        (5, "rain in grey"),
        (5, "snow in grey"),
    ]


@pytest.mark.parametrize(
    ("shot", "laid", "expected"),
    [
        ("cuts: [{ seconds: 3, prompt: x }]", "seconds: 5", {}),
        ("cuts: [{ seconds: 3, prompt: x }]", "audio: false", {"audio": False}),
        ("prompt: x", "motion_level: std", {}),
        ("prompt: x", "image: 'https://a.example/1.png'", {}),
        ("prompt: x, motion_video: 'https://a.example/v.mp4'", "motion_level: std", None),
        ("first_frame: 'https://a.example/1.png'", "image: 'https://a.example/2.png'", {}),
    ],
)
def test_a_profile_lays_what_the_shots_kind_takes(
    shot: str, laid: str, expected: dict[str, Json] | None
) -> None:
    """No length over cuts, no image over a text."""
    text = f"shots: {{ a: {{ {shot} }} }}\n"
    (before,), (after,) = fields(text, ""), fields(f"profiles: {{ draft: {{ {laid} }} }}\n{text}")
    wanted = {"motion_level": "std"} if expected is None else expected
    assert after == {**before, **wanted}


def test_nothing_lies_over_a_pasted_body() -> None:
    """Except what is about the shot and never in the body."""
    text = (
        "profiles: { draft: { resolution: 720P, model: kling-2.5, extra: { s: 1 }, takes: 2 } }\n"
        "shots: { a: { request: { model: kling-o1, prompt: x, seconds: '5' } } }\n"
    )
    made = compiled(text, "draft")
    assert [(shot.key, request.body) for shot, request in made] == [
        (key, {"model": "kling-o1", "prompt": "x", "seconds": "5"}) for key in ("a", "a#2")
    ]


@pytest.mark.parametrize("field", ["use", "matrix", "foreach", "key", "kind", "request"])
def test_what_decides_which_shots_there_are_is_refused_in_a_profile(field: str) -> None:
    """Whether the profile is chosen or not."""
    values = {"matrix": "{ a: [1] }", "foreach": "[{ a: 1 }]", "kind": "avatar", "request": "{}"}
    text = f"profiles:\n  draft: {{ {field}: {values.get(field, 'x')} }}\n{SHOTS}"
    message = f"'{field}' has no effect in a profile; the shots are made already"
    assert ("no-effect", 5, message) in faults(text)


def test_a_misspelt_field_of_a_profile_is_told() -> None:
    ((code, line, message),) = faults(f"profiles:\n  draft: {{ resolutoin: 720P }}\n{SHOTS}")
    assert (code, line) == ("unknown-field", 5)
    assert "did you mean 'resolution'?" in message


@pytest.mark.parametrize(
    ("profiles", "asked", "hint"),
    [
        ("profiles: { draft: {}, rough: {} }\n", "darft", "; did you mean 'draft'?"),
        ("profiles: { draft: {}, rough: {} }\n", "x", "; there are draft, rough"),
        ("profiles: { draft: {}, rough: {} }\n", "../x", "; there are draft, rough"),
        ("", "draft", "; add it to profiles: first"),
    ],
)
def test_an_unknown_profile_is_told_with_the_near_one(profiles: str, asked: str, hint: str) -> None:
    """And nothing else: no output is judged by a name that no profile has."""
    message = f"there is no profile '{asked}'{hint}"
    assert faults(profiles + SHOTS, asked) == [("unknown-profile", 1, message)]


@pytest.mark.parametrize("name", ["a.b", "a/b", "-a", "picks", "Picks", "a b", "x" * 41])
def test_a_name_that_cannot_stand_in_file_names_is_refused(name: str) -> None:
    ((code, line, _),) = faults(f"profiles:\n  '{name}': {{}}\n{SHOTS}")
    assert (code, line) == ("bad-profile", 5)


def test_two_names_that_some_file_systems_take_for_one_are_refused() -> None:
    ((code, line, message),) = faults(f"profiles:\n  draft: {{}}\n  Draft: {{}}\n{SHOTS}")
    assert (code, line) == ("bad-profile", 6)
    assert message == "some file systems take this name for 'draft'; rename one"


@pytest.mark.parametrize("name", ["草稿", "draft_2", "é"])
def test_names_of_every_language_are_good(name: str) -> None:
    """However their letters are composed."""
    apart = unicodedata.normalize("NFD", name)
    assert compiled(f"profiles:\n  {apart}:\n{SHOTS}", name).name == f"neon.{name}"
    assert compiled(f"profiles:\n  {name}:\n{SHOTS}", apart).profiles == (name,)


def test_takes_beyond_those_asked_for_are_made_under_the_profile() -> None:
    """`--rerun rejected` buys a further draft, no further final."""
    text = f"profiles: {{ draft: {{ resolution: 720P }} }}\n{SHOTS}"
    (shot, *_) = compiled(text, "draft", takes={"a": 2}).shots[1:]
    assert (shot.key, shot.fields["resolution"]) == ("a#2", "720P")
