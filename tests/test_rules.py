"""Rules between fields: each has a shot that breaks it."""

from __future__ import annotations

import pytest

from klingflow.manifest.rules import RULES
from klingflow.model import Json
from tests.gateway_doc import example_bodies
from tests.one_shot import CLIP, PICTURE, complaints
from tests.rule_breakers import BREAKS, MOTION, OMNI, TEXT


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_a_rule_speaks_up(rule: Json) -> None:
    """Each rule has a shot that breaks it, and says so with its code and severity."""
    assert (rule.code, rule.severity) in {
        (d.code, d.severity) for d in complaints(**BREAKS[rule.code])
    }


@pytest.mark.parametrize(
    "fields",
    [
        TEXT,
        {**OMNI, "seconds": 15, "resolution": "1080P", "aspect_ratio": "1:1", "audio": True},
        {**OMNI, "images": [PICTURE] * 3},
        {**OMNI, "files": [{"video": CLIP, "reference_type": "base"}], "seconds": 10},
        {**TEXT, "first_frame": PICTURE, "last_frame": PICTURE},
        {**TEXT, "model": "KLING-2.5", "seconds": "10", "size": "1080x1920"},
        {**MOTION, "model": "kling-2.6", "seconds": 13},
        {"model": "kling-3.0", "cuts": [{"seconds": 1, "prompt": "x" * 512}] * 6},
    ],
)
def test_nothing_is_said_about_a_documented_shot(fields: Json) -> None:
    """What the document and the catalogue know passes without a word."""
    assert complaints(**fields) == []


@pytest.mark.parametrize("name", example_bodies())
def test_the_documents_own_examples_are_no_mistakes(name: str) -> None:
    """Pasted, each of the fourteen bodies has at most warnings."""
    assert {d.severity for d in complaints(request=example_bodies()[name])} <= {"warning"}


def said(code: str, **fields: Json) -> list[str]:
    """What a rule says about a shot with these fields."""
    return [found.message for found in complaints(**fields) if found.code == code]


@pytest.mark.parametrize(
    ("seconds", "message"),
    [
        (4, ["lip-sync of 4 s is billed as 5 s; write 'seconds: 5' to have all that is billed"]),
        (5, []),
        (6, []),
    ],
)
def test_a_lip_sync_under_five_seconds_is_billed_as_five(seconds: int, message: list[str]) -> None:
    """The document's own minimum (12): at 5 s nothing is said."""
    fields = {"model": "kling-2.5", "prompt": "x", "image": PICTURE, "kind": "lip-sync"}
    assert said("lip-sync-least", **fields, seconds=seconds) == message


@pytest.mark.parametrize("kind", ["avatar", "lip-sync"])
def test_an_avatar_gets_no_advice_about_references(kind: str) -> None:
    """Row "kind: avatar with an image and omni": its image is the face, and no reference."""
    assert said("omni-noref", **OMNI, image=PICTURE, kind=kind) == []


@pytest.mark.parametrize("field", ["image", "first_frame"])
def test_a_lone_image_has_the_name_that_its_author_gave_it(field: str) -> None:
    """In the body both are `image`."""
    assert said("omni-noref", **{**OMNI, field: PICTURE}) == [
        f"kling-3.0-omni bills a lone '{field}' as no reference;"
        " write 'images: [URL]' for a reference"
    ]


def test_what_allow_names_is_silent_where_it_is_a_warning() -> None:
    """The author has read it once; other warnings stay."""
    fields = {**OMNI, "image": PICTURE, "prompt": "x" * 2501}
    assert [d.code for d in complaints(**fields)] == ["prompt-long", "omni-noref"]
    assert [d.code for d in complaints(**fields, allow=["omni-noref"])] == ["prompt-long"]


@pytest.mark.parametrize(
    ("seconds", "beside", "message"),
    [
        (3, {}, []),
        (15, {}, []),
        (16, {}, ["kling-3.0-omni makes 3 to 15 s, not 16"]),
        (10, {"video": CLIP}, []),
        (11, {"video": CLIP}, ["kling-3.0-omni makes 3 to 10 s beside a reference video, not 11"]),
    ],
)
def test_a_length_is_one_that_the_model_makes(
    seconds: int, beside: dict[str, Json], message: list[str]
) -> None:
    """Beside a reference video other lengths count."""
    assert said("seconds-range", **OMNI, **beside, seconds=seconds) == message


def test_nothing_is_said_of_a_model_that_the_catalogue_does_not_know_but_that() -> None:
    """What an unknown model can do is unknown, too."""
    fields = {**TEXT, "model": "kling-9", "seconds": 99, "audio": True, "resolution": "1080P"}
    frames = {"first_frame": PICTURE, "last_frame": PICTURE}
    for shot in (fields, {**TEXT, "model": "kling-9", **frames}, {**MOTION, "model": "kling-9"}):
        assert [found.code for found in complaints(**shot)] == ["unknown-model"]
    for shot in ({"image": PICTURE}, {"images": [PICTURE]}, {"video": CLIP}):
        assert [f.code for f in complaints(**{**TEXT, "model": "kling-9", **shot})] == [
            "unknown-model"
        ]
