"""The document's rules as the sandbox enforces them, and the tiers it bills."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from klingflow.sandbox.billing import Spec
from klingflow.sandbox.rules import Refusal, check
from tests.gateway_doc import example_bodies

URL = "https://example.com/a.png"
BILLED = {
    "6.1": ("kling-2.5-720p-mute", 5, (1280, 720)),
    "6.2": ("kling-3.0-1080p-mute", 10, (1920, 1080)),
    "6.3": ("kling-2.5-1080p-audio", 10, (1920, 1080)),
    "6.4": ("kling-2.5-720p-mute", 5, (720, 1280)),
    "6.5": ("kling-3.0-omni-1080p-ref-audio", 15, (1080, 1920)),
    "6.6": ("kling-3.0-omni-720p-noref-audio", 15, (720, 1280)),
    "6.7": ("kling-3.0-1080p-audio", 8, (1920, 1080)),
    "6.8": ("kling-2.5-motion-std-720p", 5, (1280, 720)),
    "6.9": ("kling-2.5-motion-pro-1080p", 10, (1920, 1080)),
    "6.10": ("kling-avatar-720p", 5, (720, 1280)),
    "6.11": ("kling-identify-face", 5, (1280, 720)),
    "6.12": ("kling-3.0-omni-720p-ref-mute", 5, (1280, 720)),
    "6.13": ("kling-3.0-720p-mute", 5, (1280, 720)),
    "6.14": ("kling-3.0-omni-720p-ref-audio", 10, (720, 1280)),
}


def text(**fields: Any) -> dict[str, Any]:
    """A good body with some fields changed; None takes one out."""
    body = {"model": "kling-3.0-omni", "prompt": "雨夜", **fields}
    return {name: value for name, value in body.items() if value is not None}


def billed(body: object) -> Spec:
    return check(body)


def refused(body: object) -> Refusal:
    with pytest.raises(Refusal) as caught:
        check(body)
    return caught.value


@pytest.mark.parametrize("name", BILLED)
def test_every_example_of_the_document_is_accepted(name: str) -> None:
    """Each body of section 6 is billed by its own tier, length and shape."""
    spec = billed(example_bodies()[name])
    assert (spec.tier, spec.seconds, (spec.width, spec.height)) == BILLED[name]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([], "the body must be a JSON object"),
        ({}, "model is required"),
        (text(prompt=None), "prompt is required"),
        (text(prompt=" "), "prompt is required"),
        (text(seconds=5), "seconds must be a JSON string"),
        (text(seconds="five"), "seconds must be a whole number"),
        (text(seconds="0"), "seconds must be a whole number"),
        (text(seconds="5.0"), "seconds must be a whole number"),
        (text(duration=0), "duration must be 1 to"),
        (text(duration=True), "duration must be a number"),
        (text(size="big"), "size must be like"),
        (text(mode="fast"), "mode must be one of"),
        (text(images=URL), "images must be an array"),
        (text(images=[URL] * 4), "at most 3 images"),
        (text(images=[{"url": URL}]), "images must be a URL"),
        (text(image="data:image/png;base64,AAAA"), "no data URI"),
        (text(image="ftp://example.com/a.png"), "must be an http(s) URL"),
        (text(image="https://example.com/a b.png"), "must be an http(s) URL"),
        (text(input_reference="/home/me/a.png"), "must be an http(s) URL"),
        (text(content="text"), "content must be a JSON array"),
        (text(content=[{"text": "no type"}]), "needs a type"),
        (text(content=[{"type": "text"}]), "a text part needs text"),
        (
            text(content=[{"type": "image_url", "image_url": {"url": "data:x"}}]),
            "image_url must be",
        ),
        (text(metadata=[]), "metadata must be an object"),
        (text(metadata={"output_config": "720P"}), "output_config must be an object"),
        (text(metadata={"scene_type": "dance"}), "scene_type must be one of"),
        (text(metadata={"motion_level": "max"}), "motion_level must be one of"),
        (text(metadata={"resolution": "4K"}), "resolution must be one of"),
        (text(metadata={"audio": "yes"}), "audio must be a JSON boolean"),
        (text(metadata={"last_frame_url": "data:x"}), "last_frame_url must be"),
        (text(metadata={"output_config": {"aspect_ratio": "4:3"}}), "aspect_ratio must be one of"),
        (
            text(metadata={"output_config": {"audio_generation": True}}),
            "audio_generation must be one of",
        ),
        (
            text(metadata={"output_config": {"storage_mode": "Forever"}}),
            "storage_mode must be one of",
        ),
        (text(metadata={"output_config": {"media_name": "x" * 65}}), "at most 64 characters"),
        (text(metadata={"output_config": {"class_id": "7"}}), "class_id must be a JSON integer"),
        (text(metadata={"file_infos": {}}), "must be an array of objects"),
        (text(metadata={"file_infos": [{"type": "Url", "url": URL}] * 4}), "at most 3 file_infos"),
        (text(metadata={"file_infos": [{"url": URL}]}), "type must be one of"),
        (text(metadata={"file_infos": [{"type": "Url"}]}), "a file of type Url needs url"),
        (text(metadata={"file_infos": [{"type": "File"}]}), "a file of type File needs file_id"),
        (
            text(metadata={"file_infos": [{"type": "Url", "url": URL, "category": "Sound"}]}),
            "category must be",
        ),
        (text(metadata={"ext_info": {"a": 1}}), "ext_info must be a string, not an object"),
        (text(metadata={"ext_info": "{"}), "must hold JSON objects"),
        (text(metadata={"ext_info": '{"AdditionalParameters": "{"}'}), "must hold JSON objects"),
        (text(metadata={"ext_info": '{"AdditionalParameters": {}}'}), "must hold JSON objects"),
        (
            text(metadata={"scene_type": "motion_control"}),
            "motion_control needs metadata.video_url",
        ),
    ],
)
def test_what_the_document_forbids_is_refused(body: object, message: str) -> None:
    """400 with a sentence in Chinese and English about the one thing that is wrong."""
    refusal = refused(body)
    assert (refusal.status, refusal.code) == (400, "invalid_request")
    assert message in refusal.message


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/v.mp4",
        "https://localhost/v.mp4",
        "https://10.0.0.7/v.mp4",
        "https://nas/v.mp4",
        "http://127.0.0.1:80/a.mp4",
        "http://127.0.0.1:80/files/../a.mp4",
    ],
)
def test_motion_control_needs_a_public_https_video(url: str) -> None:
    """Plain http and addresses that only this network knows are unreachable for the gateway."""
    refusal = refused(text(metadata={"scene_type": "motion_control", "video_url": url}))
    assert "public https URL" in refusal.message


@pytest.mark.parametrize("scene", [None, "motion_control"])
def test_the_sandboxs_own_results_count_as_public(scene: str | None) -> None:
    """A shot may continue another's result, which the sandbox serves over plain http."""
    metadata = {
        "video_url": "http://127.0.0.1:8765/files/task_1.mp4",
        **({"scene_type": scene} if scene else {}),
    }
    assert billed(text(metadata=metadata))


def test_an_unknown_model_is_refused_as_relays_do() -> None:
    """503 model_not_found, although nothing is wrong with the server."""
    refusal = refused(text(model="kling-9"))
    assert (refusal.status, refusal.code) == (503, "model_not_found")


@pytest.mark.parametrize(
    ("body", "tier"),
    [
        (text(model="KLING-3.0-Omni"), "kling-3.0-omni-720p-noref-mute"),
        (text(image=URL), "kling-3.0-omni-720p-noref-mute"),
        (text(images=[]), "kling-3.0-omni-720p-noref-mute"),
        (text(images=[URL]), "kling-3.0-omni-720p-ref-mute"),
        (text(metadata={"video_url": "https://example.com/v.mp4"}), "kling-3.0-omni-720p-ref-mute"),
        (text(metadata={"audio": True}), "kling-3.0-omni-720p-noref-audio"),
        (text(metadata={"audio_generation": "Enabled"}), "kling-3.0-omni-720p-noref-audio"),
        (text(metadata={"resolution": "1080P"}, size="720P"), "kling-3.0-omni-1080p-noref-mute"),
        (text(size="1080x1920"), "kling-3.0-omni-1080p-noref-mute"),
        (text(model="kling-o1", metadata={"audio": True}), "kling-o1-720p"),
        (text(model="kling-avatar-1080p"), "kling-avatar-1080p"),
        (text(metadata={"scene_type": "avatar_i2v", "resolution": "1080P"}), "kling-avatar-1080p"),
    ],
)
def test_tiers_follow_the_documents_precedence(body: object, tier: str) -> None:
    """Resolution, sound and references, each by the first place that says something."""
    assert billed(body).tier == tier


@pytest.mark.parametrize(
    ("model", "resolution", "short_side"),
    [
        ("kling-avatar-1080p", None, 1080),
        ("kling-avatar-1080p", "720P", 1080),
        ("kling-avatar-720p", "1080P", 720),
        ("kling-identify-face", "1080P", 1080),
        ("kling-2.1", "1080P", 1080),
        ("kling-2.1", None, 720),
    ],
)
def test_a_video_has_the_resolution_that_was_billed(
    model: str, resolution: str | None, short_side: int
) -> None:
    """Where the model is called by a resolution, no field asks for another."""
    config = {"resolution": resolution} if resolution else {}
    spec = billed(text(model=model, metadata={"output_config": config}))
    assert min(spec.width, spec.height) == short_side


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({}, 5),
        ({"seconds": "8", "duration": 10}, 8),
        ({"duration": "10", "metadata": {"seconds": "8"}}, 10),
        ({"duration": 10.0}, 5),
        ({"metadata": {"video_duration": 7}}, 7),
        ({"metadata": {"output_config": {"duration": 10}}}, 5),
        ({"seconds": "3", "metadata": {"scene_type": "lip_sync"}}, 5),
        ({"seconds": "9", "model": "kling-identify-face"}, 9),
    ],
)
def test_seconds_follow_the_documents_precedence(fields: dict[str, Any], seconds: int) -> None:
    """A float is dropped silently, output_config is not in the list, and lip-sync is billed as 5 at
    least.
    """
    assert billed(text(**fields)).seconds == seconds


_WORDS = [
    "prompt",
    "seconds",
    "images",
    "image",
    "size",
    "content",
    "type",
    "text",
    "metadata",
    "output_config",
]
_WORDS += [
    "file_infos",
    "url",
    "ext_info",
    "scene_type",
    "video_url",
    "media_name",
    "duration",
    "resolution",
]
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["", "Url", "5", "{}", "a b", URL]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(_WORDS), inner, max_size=6)
    ),
)


# The first draw is slow on a busy machine.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(_WORDS), _JSON))
def test_no_body_breaks_the_rules(fields: dict[str, Any]) -> None:
    """Whatever JSON comes is either billed or refused."""
    try:
        assert billed({**fields, "model": "kling-3.0"}).tier
    except Refusal as refusal:
        assert json.dumps(refusal.message)
