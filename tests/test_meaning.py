"""What a body means: precedence, defaults and equivalents of the gateway's document."""

from __future__ import annotations

import json
from types import MappingProxyType

import pytest

from klingflow.manifest.meaning import Meaning, meaning, scene_of
from klingflow.model import Json
from tests.one_shot import CLIP, PICTURE


def config(**options: Json) -> dict[str, Json]:
    """A body with these options in metadata.output_config."""
    return {"metadata": {"output_config": options}}


def test_an_empty_body_means_the_documents_defaults() -> None:
    """5 s, 720P, 16:9 from text, no sound (document 13)."""
    assert meaning({}) == Meaning(
        model="",
        scene=None,
        prompt=None,
        seconds=5,
        billed_s=5,
        resolution="720P",
        aspect_ratio="16:9",
        audio=False,
        level=None,
        top={},
        metadata={},
        config={},
    )


_SECONDS: dict[str, dict[str, Json]] = {
    "seconds": {"seconds": "3"},
    "duration": {"duration": 4},
    "metadata.seconds": {"metadata": {"seconds": 6}},
    "metadata.duration": {"metadata": {"duration": "7"}},
    "metadata.video_duration": {"metadata": {"video_duration": 8.0}},
}


@pytest.mark.parametrize(
    ("names", "seconds"),
    [
        (["seconds", "duration", "metadata.seconds"], 3),
        (["duration", "metadata.seconds"], 4),
        (["metadata.seconds", "metadata.duration", "metadata.video_duration"], 6),
        (["metadata.duration", "metadata.video_duration"], 7),
        (["metadata.video_duration"], 8),
    ],
)
def test_the_first_of_five_names_says_the_length(names: list[str], seconds: int) -> None:
    """Document 3.1; the others do not count."""
    body: dict[str, Json] = {}
    for name in names:
        said = _SECONDS[name]
        inner = {**body.get("metadata", {}), **said.get("metadata", {})}
        body = {**body, **said, **({"metadata": inner} if inner else {})}
    what = meaning(body)
    assert (what.seconds, what.billed_s, what.top, what.metadata) == (seconds, seconds, {}, {})


@pytest.mark.parametrize(
    ("body", "resolution"),
    [
        ({}, "720P"),
        ({"size": "1080P"}, "1080P"),
        ({"size": "1080x1920"}, "1080P"),
        ({"size": "1080P", "metadata": {"resolution": "720P"}}, "720P"),
        ({"metadata": {"resolution": "720P", "output_config": {"resolution": "1080P"}}}, "1080P"),
        ({"metadata": {"resolution": "1080P", "output_config": {"resolution": "720P"}}}, "720P"),
        ({"size": "720P", **config(resolution="1080p")}, "1080P"),
    ],
)
def test_output_config_wins_over_metadata_and_metadata_over_size(
    body: dict[str, Json], resolution: str
) -> None:
    """Document 3.2: output_config.resolution > metadata.resolution > size > 720P."""
    assert meaning(body).resolution == resolution


@pytest.mark.parametrize(
    ("body", "aspect_ratio"),
    [
        ({"size": "720x1280"}, "9:16"),
        ({"size": "720x1280", **config(aspect_ratio="1:1")}, "1:1"),
        ({"size": "720P", "image": PICTURE}, None),
        ({"image": PICTURE}, None),
        ({"metadata": {"video_url": CLIP}}, None),
        ({"content": [{"type": "text", "text": "x"}]}, "16:9"),
        ({"content": [{"type": "image_url", "image_url": {"url": PICTURE}}]}, None),
    ],
)
def test_only_a_video_from_text_has_a_default_shape(
    body: dict[str, Json], aspect_ratio: str | None
) -> None:
    """A picture or a video that goes in has a shape of its own."""
    assert meaning(body).aspect_ratio == aspect_ratio


@pytest.mark.parametrize(
    ("body", "billed_s"),
    [
        ({"seconds": "3", "metadata": {"scene_type": "lip_sync"}}, 5),
        ({"seconds": "4", "model": "kling-identify-face"}, 5),
        ({"seconds": "7", "metadata": {"scene_type": "lip_sync"}}, 7),
        ({"seconds": "3", "metadata": {"scene_type": "avatar_i2v"}}, 3),
        ({"seconds": "3"}, 3),
        ({"seconds": "x"}, 5),
        (config(duration=9), 9),
        ({"seconds": "3", **config(duration=9)}, 3),
    ],
)
def test_a_lip_sync_is_billed_as_five_seconds_at_least(
    body: dict[str, Json], billed_s: int
) -> None:
    """Document 12; every other scene is billed by its length."""
    assert meaning({"model": "m", **body}).billed_s == billed_s


@pytest.mark.parametrize(
    ("body", "audio"),
    [
        (config(audio_generation="Enabled"), True),
        (config(audio_generation="disabled"), False),
        ({"metadata": {"audio_generation": "Enabled"}}, True),
        ({"metadata": {"audio": True}}, True),
        ({"metadata": {"audio": False}}, False),
        ({"metadata": {"audio": True, "output_config": {"audio_generation": "Disabled"}}}, False),
    ],
)
def test_sound_has_three_names_of_which_the_first_counts(
    body: dict[str, Json], audio: bool
) -> None:
    """Document 4.5."""
    what = meaning(body)
    assert (what.audio, what.metadata, what.config) == (audio, {}, {})


@pytest.mark.parametrize(
    ("extra", "metadata", "level"),
    [
        ({}, {}, "std"),
        ({"mode": "pro"}, {}, "pro"),
        ({}, {"mode": "pro"}, "pro"),
        ({}, {"motion_level": "std", "mode": "pro"}, "pro"),
        ({}, {"motion_level": "std"}, "std"),
    ],
)
def test_motion_control_is_pro_if_any_of_three_names_says_so(
    extra: dict[str, Json], metadata: dict[str, Json], level: str
) -> None:
    """Document 4.2."""
    body = {**extra, "metadata": {"scene_type": "motion_control", **metadata}}
    assert meaning(body).level == level


@pytest.mark.parametrize(
    ("body", "references"),
    [
        ({"image": PICTURE}, False),
        ({"images": [PICTURE]}, True),
        ({"metadata": {"video_url": CLIP}}, True),
        ({"metadata": {"file_infos": [{"type": "Url", "url": CLIP}]}}, True),
        ({"images": [], "metadata": {"file_infos": []}}, False),
    ],
)
def test_a_lone_image_is_not_a_reference(body: dict[str, Json], references: bool) -> None:
    """Document 6.5: only images, video_url and file_infos bill as one."""
    assert meaning(body).has_references is references


@pytest.mark.parametrize(
    ("body", "scene"),
    [
        ({"metadata": {"scene_type": "lip_sync"}}, "lip_sync"),
        ({"model": "KLING-identify-face"}, "lip_sync"),
        ({"model": "kling-avatar-1080p"}, "avatar_i2v"),
        ({"model": "kling-3.0"}, None),
    ],
)
def test_a_model_made_for_a_scene_is_that_scene(body: dict[str, Json], scene: str | None) -> None:
    """Document 2.2."""
    assert scene_of(meaning(body)) == scene


def test_what_the_document_does_not_know_is_carried_through() -> None:
    """It may change the video; a tag of ours does not."""
    body = {
        "model": "M",
        "tomorrow": 1,
        "nothing": None,
        "metadata": {"camera": 2, "output_config": {"media_name": "klingflow-1", "seed": 3}},
    }
    what = meaning(body)
    assert (what.model, what.top, what.metadata, what.config) == (
        "m",
        {"tomorrow": 1},
        {"camera": 2},
        {"seed": 3},
    )


def test_a_body_of_the_ledger_means_the_same() -> None:
    """It is parsed when somebody reads it, so it is a mapping but no dict."""
    raw = '{"model":"kling-3.0","prompt":"p","metadata":{"output_config":{"duration":8}}}'
    assert meaning(MappingProxyType(json.loads(raw))) == meaning(json.loads(raw))
