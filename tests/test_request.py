"""Bodies, fingerprints, and where each value came from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from klingflow.manifest.compilation import compile
from klingflow.manifest.request import fingerprint, finish, origins
from klingflow.model import Json, Manifest, Reference
from tests.gateway_doc import example_bodies
from tests.one_shot import CLIP, PICTURE, manifest_of, request_of

_ROOT = Path(__file__).parent.parent
_MINIMAL: dict[str, Json] = {"model": "kling-3.0-omni", "prompt": "x"}


def _examples() -> Manifest:
    path = "pipelines/gateway-examples.yaml"
    return compile(path, lambda name: (_ROOT / name).read_text("utf-8"), variables={}, environ={})


def test_the_documents_fourteen_bodies_come_out_equal() -> None:
    """Every example of the document can be written in the language's own fields, without
    `request`.
    """
    manifest = _examples()
    assert not any("request" in shot.fields or "extra" in shot.fields for shot in manifest.shots)
    assert [request.body for request in manifest.requests] == list(example_bodies().values())


@pytest.mark.parametrize("name", example_bodies())
def test_a_body_of_the_document_can_be_pasted_as_it_stands(name: str) -> None:
    """`request` sends the pasted body itself, and means the same as the fields do."""
    body = example_bodies()[name]
    request = request_of(request=body)
    assert request.body == body
    assert request.fingerprint == {s.id.split("-")[0]: r.fingerprint for s, r in _examples()}[name]


def test_only_what_was_written_is_in_the_body() -> None:
    """The gateway's defaults are not added."""
    assert request_of(**_MINIMAL).body == _MINIMAL


def test_seconds_always_come_with_an_equal_duration() -> None:
    """`seconds` is a string and `duration` a number, whichever way the author wrote the length."""
    for written in (7, "7"):
        body = request_of(**_MINIMAL, seconds=written).body
        assert (body["seconds"], body["metadata"]["output_config"]["duration"]) == ("7", 7)


def test_cuts_without_seconds_last_as_long_as_all_of_them() -> None:
    """The sum of the cuts is the length of the video."""
    cuts = [{"seconds": 3, "prompt": "a"}, {"seconds": "4", "prompt": "b"}]
    request = request_of(model="kling-3.0", cuts=cuts)
    assert (request.body["seconds"], request.seconds) == ("7", 7)


def test_style_is_appended_to_every_prompt() -> None:
    """Also to those of cuts, divided as the language of the prompt asks for."""
    assert (
        request_of(model="kling-3.0", prompt="a cat", style="35mm").body["prompt"] == "a cat, 35mm"
    )
    assert (
        request_of(model="kling-3.0", prompt="一只猫", style="胶片").body["prompt"]
        == "一只猫\uff0c胶片"
    )
    assert (
        request_of(model="kling-3.0", prompt="A cat.", style="Film").body["prompt"] == "A cat. Film"
    )
    cuts = request_of(model="kling-3.0", cuts=[{"seconds": 5, "prompt": "a"}], style="b").body
    inner = json.loads(json.loads(cuts["metadata"]["ext_info"])["AdditionalParameters"])
    assert inner["multi_prompt"] == [{"index": 1, "prompt": "a, b", "duration": "5"}]


def test_every_file_keeps_its_role() -> None:
    """`files` become file_infos of the right type, in any kind that takes them."""
    body = request_of(
        model="kling-2.5",
        prompt="x",
        motion_video=CLIP,
        files=[{"image": PICTURE, "usage": "Reference"}, {"file_id": "f1", "category": "Video"}],
    ).body
    assert body["metadata"] == {
        "scene_type": "motion_control",
        "video_url": CLIP,
        "file_infos": [
            {"type": "Url", "category": "Image", "url": PICTURE, "usage": "Reference"},
            {"type": "File", "file_id": "f1", "category": "Video"},
        ],
    }


def test_extra_is_merged_into_the_body_last() -> None:
    """Mappings merge, all else replaces, and unknown fields are welcome."""
    extra = {
        "seed": 7,
        "metadata": {"camera": {"pan": 1}, "output_config": {"resolution": "1080P"}},
    }
    body = request_of(**_MINIMAL, resolution="720P", aspect_ratio="1:1", extra=extra).body
    assert body == {
        **_MINIMAL,
        "seed": 7,
        "metadata": {
            "camera": {"pan": 1},
            "output_config": {"resolution": "1080P", "aspect_ratio": "1:1"},
        },
    }


_SAME: list[tuple[Json, Json]] = [
    ({}, {"seconds": "5"}),
    ({"seconds": "5"}, {"seconds": "5", "metadata": {"output_config": {"duration": 5}}}),
    ({"seconds": "8"}, {"duration": 8}),
    ({"seconds": "8", "duration": 9}, {"seconds": "8"}),
    ({"seconds": "8"}, {"metadata": {"video_duration": "8"}}),
    ({"model": "KLING-2.5"}, {"model": "kling-2.5"}),
    ({}, {"metadata": {"output_config": {"resolution": "720P", "audio_generation": "Disabled"}}}),
    ({}, {"metadata": {"output_config": {"aspect_ratio": "16:9"}}}),
    ({"size": "1080P"}, {"metadata": {"resolution": "1080P"}}),
    ({"size": "720x1280"}, {"metadata": {"output_config": {"aspect_ratio": "9:16"}}}),
    ({"size": "1080P", "metadata": {"resolution": "720P"}}, {}),
    (
        {"metadata": {"audio": True}},
        {"metadata": {"output_config": {"audio_generation": "Enabled"}}},
    ),
    ({"metadata": {"audio_generation": "Enabled"}}, {"metadata": {"audio": True}}),
    ({"prompt": "x"}, {"content": [{"type": "text", "text": "x"}]}),
    (
        {"metadata": {"scene_type": "motion_control"}},
        {"metadata": {"scene_type": "motion_control", "motion_level": "std"}},
    ),
    (
        {"mode": "pro", "metadata": {"scene_type": "motion_control"}},
        {"metadata": {"scene_type": "motion_control", "motion_level": "pro"}},
    ),
    (
        {"metadata": {"ext_info": '{"AdditionalParameters":"{\\"a\\":1,\\"b\\":2}"}'}},
        {"metadata": {"ext_info": '{ "AdditionalParameters": "{\\"b\\": 2, \\"a\\": 1}" }'}},
    ),
]


@pytest.mark.parametrize(("one", "other"), _SAME)
def test_bodies_that_mean_the_same_have_one_fingerprint(one: Json, other: Json) -> None:
    """Documented defaults, precedence and equivalents are seen through."""
    assert fingerprint({"model": "m", **one}) == fingerprint({"model": "m", **other})


_DIFFERENT: list[tuple[Json, Json]] = [
    ({}, {"seconds": "10"}),
    ({}, {"metadata": {"output_config": {"duration": 10}}}),
    ({"prompt": "x"}, {"prompt": "y"}),
    ({"image": PICTURE}, {"images": [PICTURE]}),
    (
        {"image": PICTURE},
        {"image": PICTURE, "metadata": {"output_config": {"aspect_ratio": "16:9"}}},
    ),
    ({}, {"metadata": {"output_config": {"audio_generation": "Enabled"}}}),
    ({}, {"metadata": {"scene_type": "lip_sync"}}),
    ({}, {"tomorrow": 1}),
    ({"metadata": {"ext_info": "1"}}, {"metadata": {"ext_info": "2"}}),
]


@pytest.mark.parametrize(("one", "other"), _DIFFERENT)
def test_bodies_that_mean_different_videos_have_different_fingerprints(
    one: Json, other: Json
) -> None:
    """What would change the video, or might, changes the fingerprint."""
    assert fingerprint({"model": "m", **one}) != fingerprint({"model": "m", **other})


def test_what_is_not_sent_is_not_in_the_fingerprint() -> None:
    """Tags, notes, titles and paths can change without buying again."""
    named = request_of(**_MINIMAL, tags=["a"], title="b", note="c", output="d/{shot}{take}.mp4")
    assert named.fingerprint == request_of(**_MINIMAL).fingerprint


def test_another_shots_result_counts_as_its_purchase() -> None:
    """It is final once the run knows the address; its fingerprint is of the purchase, not
    the URL.
    """
    shots = {
        "a": _MINIMAL,
        "b": {
            "model": "kling-3.0-omni",
            "prompt": "y",
            "files": [{"video": "${{ shots.a.video_url }}"}],
        },
    }
    text = json.dumps({"version": 1, "shots": shots})
    waiting = compile("m.yaml", lambda _: text, variables={}, environ={}).requests[1]
    assert waiting.fingerprint is None

    def finished(url: str, uid: str) -> tuple[Json, str | None]:
        final = finish(waiting, lambda _: url, lambda _: uid)
        return final.body["metadata"]["file_infos"][0]["url"], final.fingerprint

    url, first = finished("https://cdn/1.mp4", "uid-1")
    assert url == "https://cdn/1.mp4"
    assert finished("https://cdn/1.mp4?signed", "uid-1")[1] == first
    assert finished("https://cdn/1.mp4", "uid-2")[1] != first


def test_a_reference_says_which_shot_and_what_of_it() -> None:
    """`finish` asks for exactly what the author wrote."""
    shots = {"a": _MINIMAL, "b": {**_MINIMAL, "image": "${{ shots.a.video_url }}"}}
    text = json.dumps({"version": 1, "shots": shots})
    waiting = compile("m.yaml", lambda _: text, variables={}, environ={}).requests[1]
    addresses = {Reference("a", "video_url"): "https://cdn/1.mp4"}
    assert finish(waiting, addresses.__getitem__, str).body["image"] == "https://cdn/1.mp4"


def test_every_value_of_a_body_knows_its_line() -> None:
    """`origins` names the field and the place that set each value, through layers."""
    text = """version: 1
defaults: { model: kling-3.0-omni, seconds: 5 }
presets:
  hero: { images: ["https://example.com/a.png"] }
shots:
  s:
    use: hero
    prompt: x
    files: [{ video: "https://example.com/a.mp4" }]
    extra: { seed: 7 }
"""
    shot = compile("m.yaml", lambda _: text, variables={}, environ={}).shots[0]
    found = {
        pointer: (source, mark.line) for pointer, (source, mark) in origins(shot, shot.kind).items()
    }
    assert found == {
        "/model": (("model",), 2),
        "/seconds": (("seconds",), 2),
        "/metadata/output_config/duration": (("seconds",), 2),
        "/images/0": (("images", 0), 4),
        "/prompt": (("prompt",), 8),
        "/metadata/file_infos/0/url": (("files", 0, "video"), 9),
        "/metadata/file_infos/0/type": (("files", 0, "video"), 9),
        "/metadata/file_infos/0/category": (("files", 0, "video"), 9),
        "/seed": (("extra", "seed"), 10),
    }


def test_takes_share_one_request() -> None:
    """Three of the same body are one object, so that memory does not grow with takes."""
    first, *others = manifest_of(**_MINIMAL, takes=3).requests
    assert all(other is first for other in others)
