"""What is said about shots and documents; the exact words for bad manifests are in
tests/cases/reject.
"""

from __future__ import annotations

import json

import pytest

from klingflow.errors import ManifestError
from klingflow.manifest import compile
from klingflow.manifest.check import ALLOWED
from klingflow.manifest.rules import RULES
from klingflow.model import Json
from tests.gateway_doc import example_bodies
from tests.one_shot import CLIP, PICTURE, complaints, manifest_of

_TEXT: dict[str, Json] = {"model": "kling-3.0", "prompt": "x"}
_OMNI: dict[str, Json] = {"model": "kling-3.0-omni", "prompt": "x"}
_MOTION: dict[str, Json] = {
    "model": "kling-2.5",
    "prompt": "x",
    "motion_video": CLIP,
    "image": PICTURE,
}
_FACE: dict[str, Json] = {"model": "kling-2.5", "prompt": "x", "image": PICTURE}


def _pasted(**metadata: Json) -> dict[str, Json]:
    return {"request": {"model": "kling-3.0", "prompt": "x", "metadata": metadata}}


def _ext_info(*durations: str, prompt: str = "p") -> str:
    cuts = [{"prompt": prompt, "duration": duration} for duration in durations]
    return json.dumps({"AdditionalParameters": json.dumps({"multi_prompt": cuts})})


_BREAKS: dict[str, Json] = {
    "unknown-model": {**_TEXT, "model": "kling-3.0-omny"},
    "undocumented-model": {**_TEXT, "model": "kling-2.6"},
    "seconds-range": {**_TEXT, "seconds": 2},
    "durations-differ": {**_TEXT, "seconds": 5, "extra": {"seconds": "8"}},
    "resolution-model": {**_TEXT, "model": "kling-1.0", "resolution": "1080P"},
    "size-overruled": {**_TEXT, "size": "720x1280", "resolution": "1080P"},
    "audio-model": {**_TEXT, "model": "kling-2.1", "audio": True},
    "audio-beside-video": {**_OMNI, "video": CLIP, "audio": True},
    "last-frame-model": {
        **_TEXT,
        "model": "kling-2.5",
        "first_frame": PICTURE,
        "last_frame": PICTURE,
    },
    "first-frame-missing": {**_TEXT, "last_frame": PICTURE},
    "references-model": {**_TEXT, "images": [PICTURE]},
    "omni-noref": {**_OMNI, "image": PICTURE},
    "motion-video": {**_MOTION, "motion_video": "http://example.com/a.mp4"},
    "motion-image": {key: value for key, value in _MOTION.items() if key != "image"},
    "motion-model": {**_MOTION, "model": "kling-3.0"},
    "avatar-model": {**_FACE, "kind": "avatar", "model": "kling-3.0"},
    "face-missing": {**_TEXT, "kind": "lip-sync"},
    "audio-input": {**_FACE, "kind": "avatar"},
    "lip-sync-least": {**_FACE, "kind": "lip-sync", "seconds": 3},
    "prompt-missing": {"model": "kling-2.5", "image": PICTURE},
    "prompt-long": {**_TEXT, "prompt": "x" * 2501},
    "file-address": _pasted(file_infos=[{"type": "File", "category": "Video"}]),
    "file-usage": {**_OMNI, "files": [{"image": PICTURE}]},
    "multi-shot-model": {"model": "kling-2.5", "cuts": [{"seconds": 5, "prompt": "x"}]},
    "ext-info": _pasted(ext_info='{"AdditionalParameters": {}}'),
    "cuts-count": _pasted(ext_info=_ext_info("1", "1", "1", "1", "1", "1", "1"), seconds="7"),
    "cut-prompt": _pasted(ext_info=_ext_info("5", prompt="x" * 513)),
    "cuts-sum": _pasted(ext_info=_ext_info("2", "2")),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_a_rule_speaks_up(rule: Json) -> None:
    """Each rule has a shot that breaks it, and says so with its code and severity."""
    assert (rule.code, rule.severity) in {
        (d.code, d.severity) for d in complaints(**_BREAKS[rule.code])
    }


@pytest.mark.parametrize(
    "rule", [rule for rule in RULES if rule.severity == "error"], ids=lambda rule: rule.code
)
def test_allow_makes_a_rule_a_warning(rule: Json) -> None:
    """The author who knows better may buy it all the same."""
    fields = {**_BREAKS[rule.code], "allow": [rule.code]}
    assert rule.code in {warning.code for warning in manifest_of(**fields).warnings}


def test_codes_are_told_apart() -> None:
    """Every rule has a code of its own, and `allow` knows it."""
    codes = [rule.code for rule in RULES]
    assert len(codes) == len(set(codes)) and ALLOWED.issuperset(codes)


@pytest.mark.parametrize(
    "fields",
    [
        _TEXT,
        {**_OMNI, "seconds": 15, "resolution": "1080P", "aspect_ratio": "1:1", "audio": True},
        {**_OMNI, "images": [PICTURE] * 3},
        {**_OMNI, "files": [{"video": CLIP, "reference_type": "base"}], "seconds": 10},
        {**_TEXT, "first_frame": PICTURE, "last_frame": PICTURE},
        {**_TEXT, "model": "KLING-2.5", "seconds": "10", "size": "1080x1920"},
        {**_MOTION, "model": "kling-2.6", "seconds": 13},
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


def test_what_stands_beside_a_pasted_body_is_said_to_be_idle() -> None:
    """Only in the shot itself: defaults are for the other shots."""
    text = """version: 1
defaults: { model: kling-3.0, seconds: 5 }
shots:
  a:
    request: { model: kling-3.0, prompt: x }
    seconds: 10
    note: kept
"""
    warnings = compile("m.yaml", lambda _: text, variables={}, environ={}).warnings
    assert [(str(w.mark), w.code) for w in warnings] == [("m.yaml:6:5", "no-effect")]


def test_an_unknown_field_of_a_pasted_body_is_doubted_only() -> None:
    """The gateway may know it tomorrow."""
    found = complaints(
        request={"model": "kling-3.0", "prompt": "x", "metadata": {"scene_tipe": "lip_sync"}}
    )
    expected = "shot 's': unknown field 'scene_tipe' in 'metadata'; did you mean 'scene_type'?"
    assert [(d.code, d.severity, d.text) for d in found] == [
        ("undocumented-field", "warning", expected)
    ]


@pytest.mark.parametrize(
    "value", [True, 5, 5.5, "x", "", [], {}, [None], {"a": {}}, [[]], 10**400, "\u2603" * 3000]
)
@pytest.mark.parametrize(
    "name",
    [
        "kind",
        "model",
        "prompt",
        "seconds",
        "images",
        "files",
        "cuts",
        "extra",
        "request",
        "allow",
        "audio",
        "output_config",
        "style",
        "video",
        "tags",
    ],
)
def test_no_value_is_a_crash(name: str, value: Json) -> None:
    """Whatever stands in a field, there is a manifest or there are diagnostics of one line each."""
    for diagnostic in complaints(**{**_TEXT, name: value}):
        assert "\n" not in diagnostic.text and len(diagnostic.text) < 400


def test_a_misspelt_prompt_is_not_missing_too() -> None:
    """One mistake, one diagnostic."""
    assert [d.code for d in complaints(model="kling-3.0", promt="x")] == ["unknown-field"]


def test_a_mistake_in_a_preset_is_told_once() -> None:
    """However many shots use it."""
    shots = {f"s{i}": {"use": "p", "prompt": "x"} for i in range(20)}
    text = json.dumps(
        {"version": 1, "presets": {"p": {"model": "kling-3.0", "resolution": "4K"}}, "shots": shots}
    )
    with pytest.raises(ManifestError) as caught:
        compile("m.yaml", lambda _: text, variables={}, environ={})
    assert [d.code for d in caught.value.diagnostics] == ["unknown-value"]
