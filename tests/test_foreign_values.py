"""Values of other tools: what is written here, where that is plain."""

from __future__ import annotations

import pytest

from klingflow.manifest import foreign_values
from klingflow.manifest.catalogue import MODELS
from klingflow.manifest.fields import SHOT
from klingflow.manifest.foreign_values import model_meant, value_meant
from klingflow.model import Json
from tests.one_shot import complaints

RATIOS = ("16:9", "9:16", "1:1")


@pytest.mark.parametrize(
    ("field", "value", "meant"),
    [
        ("aspect_ratio", "16x9", "16:9"),
        ("aspect_ratio", "16：9", "16:9"),
        ("aspect_ratio", "1920*1080", "16:9"),
        ("aspect_ratio", "竖屏", "9:16"),
        ("aspect_ratio", "4x3", None),
        ("aspect_ratio", "0x0", None),
        ("seconds", "5s", "5"),
        ("seconds", "5秒", "5"),
        ("seconds", "１０ 秒", "10"),
        ("seconds", 5.0, "5"),
        ("seconds", 5.5, None),
        ("seconds", "five", None),
        ("audio", "on", "true"),
        ("audio", "YES", "true"),
        ("audio", "有", "true"),
        ("audio", "无", "false"),
        ("audio", 0, "false"),
        ("audio", "loud", None),
        ("resolution", 1080, "1080P"),
        ("resolution", "Full-HD", "1080P"),
        ("resolution", "4K", None),
        ("motion_level", "professional", "pro"),
        ("prompt", "on", None),
        ("aspect_ratio", "1" * 10_000, None),
    ],
)
def test_a_value_is_taken_for_another_where_that_is_plain(
    field: str, value: Json, meant: str | None
) -> None:
    """A note on values, as `16：9`, `5s`, `audio: on`."""
    assert value_meant(field, value, RATIOS) == meant


def test_every_value_meant_is_one_that_the_language_has() -> None:
    """What is advised passes."""
    for field, rows in foreign_values._VALUES.items():
        for ours in rows:
            choices = SHOT[field].schema.get("enum", ["true", "false"])
            assert ours in choices, (field, ours)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("kling3.0", "kling-3.0"),
        ("kling_3.0", "kling-3.0"),
        ("kling-3", "kling-3.0"),
        ("kling-3-omni", "kling-3.0-omni"),
        ("kling-3.0-omin", "kling-3.0-omni"),
        ("kling-v2-5-turbo", "kling-2.5"),
        ("可灵3.0", "kling-3.0"),
        ("kling-3.1", None),
        ("kling-2.7", None),
        ("kling-o2", None),
        ("kling-4.0-omni", None),
        ("kling-3.0-turbo", None),
        ("sora-2", None),
        ("“kling-3.0”", None),
        ("k" * 10_000, None),
    ],
)
def test_a_model_is_taken_for_another_only_of_its_own_version(name: str, meant: str | None) -> None:
    """Row "kling3.0" of the reported inputs; tomorrow's version is not today's misspelt."""
    assert model_meant(name) == meant


def test_the_kling_names_lead_to_models_of_the_catalogue() -> None:
    """What is advised passes."""
    assert set(foreign_values._MODELS.values()) <= MODELS.keys()


@pytest.mark.parametrize(
    ("allow", "severities"), [({}, ["error"]), ({"allow": ["misspelt-model"]}, ["warning"])]
)
def test_a_near_model_is_an_error_that_allow_lifts(allow: Json, severities: list[str]) -> None:
    """Row "kling3.0": an error that `allow` lifts; a model far from any is a warning."""
    found = complaints(model="kling3.0", prompt="x", **allow)
    assert [(d.code, d.severity) for d in found] == [("misspelt-model", s) for s in severities]
