"""What is said about shots and documents; the exact words for bad manifests are in
tests/cases/reject.
"""

from __future__ import annotations

import json

import pytest

from klingflow.errors import ManifestError
from klingflow.manifest.check import ALLOWED
from klingflow.manifest.compilation import compile
from klingflow.manifest.rules import RULES
from klingflow.model import Json
from tests.one_shot import CLIP, complaints, manifest_of
from tests.rule_breakers import BREAKS, TEXT


@pytest.mark.parametrize(
    "rule", [rule for rule in RULES if rule.severity == "error"], ids=lambda rule: rule.code
)
def test_allow_makes_a_rule_a_warning(rule: Json) -> None:
    """The author who knows better may buy it all the same."""
    fields = {**BREAKS[rule.code], "allow": [rule.code]}
    assert rule.code in {warning.code for warning in manifest_of(**fields).warnings}


def test_codes_are_told_apart() -> None:
    """Every rule has a code of its own, and `allow` knows it."""
    codes = [rule.code for rule in RULES]
    assert len(codes) == len(set(codes)) and ALLOWED.keys() >= {*codes}


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
    for diagnostic in complaints(**{**TEXT, name: value}):
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


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({**TEXT, "seconds": "five"}, "wrong-value"),
        ({**TEXT, "seconds": 0}, "out-of-range"),
        ({**TEXT, "audio": 5}, "wrong-type"),
        ({"model": "kling-3.0"}, "missing-field"),
        ({**TEXT, "promt": "x"}, "unknown-field"),
        ({**TEXT, "first_frame": CLIP, "motion_level": "pro"}, "wrong-kind"),
        ({**TEXT, "files": [{"usage": "FirstFrame"}]}, "file-source"),
    ],
)
def test_allow_lifts_no_mistake_of_the_language(fields: Json, code: str) -> None:
    """Only rules and the gateway's own limits can be lifted: a malformed shot is never bought."""
    found = complaints(**fields, allow=[code])
    assert (code, "error") in {(d.code, d.severity) for d in found}
    assert "unknown-code" in {d.code for d in found}


def test_allow_lifts_the_rules_that_it_names_only() -> None:
    """Another rule's error stays one."""
    fields = {**TEXT, "seconds": 2, "resolution": "4K"}
    found = {d.code: d.severity for d in complaints(**fields, allow=["unknown-value"])}
    assert found["seconds-range"] == "error" and found["unknown-value"] == "warning"
