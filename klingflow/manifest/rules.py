"""PURE. The rules between fields, one row each: code, severity, and the function that finds what is
wrong.

An error is a rule that the document states; whatever the document leaves open, contradicts or only
advises is a warning. `allow: [CODE]` in a shot makes a rule's error a warning. The field table says
what one value alone may be.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from functools import cache
from typing import Final

from klingflow.manifest import body_rules, model_rules
from klingflow.manifest.facts import Facts, Finding


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: `find` returns what is wrong, if anything. It is asked only about bodies that have
    `trait`, and does not look at it again. `doc` says in an editor what `allow: [code]` lifts.
    """

    code: str
    severity: str
    find: Callable[[Facts], Finding | None]
    trait: str | None = None
    _: KW_ONLY
    doc: str


RULES: Final = (
    Rule(
        "unknown-model",
        "warning",
        model_rules.unknown_model,
        doc="The catalogue does not know the model.",
    ),
    Rule(
        "misspelt-model",
        "error",
        model_rules.misspelt_model,
        doc="The model's name is near a known one.",
    ),
    Rule(
        "undocumented-model",
        "warning",
        model_rules.undocumented_model,
        doc="The gateway's document does not list the model.",
    ),
    Rule(
        "seconds-range",
        "error",
        model_rules.seconds_range,
        "no scene",
        doc="The model does not make this length.",
    ),
    Rule(
        "durations-differ",
        "warning",
        body_rules.durations_differ,
        doc="The body holds two different lengths.",
    ),
    Rule(
        "resolution-model",
        "warning",
        model_rules.full_hd,
        "no scene",
        doc="The model may not make this resolution.",
    ),
    Rule(
        "size-overruled",
        "warning",
        body_rules.size_overruled,
        "size",
        doc="`resolution` or `aspect_ratio` overrules `size`.",
    ),
    Rule(
        "audio-model",
        "warning",
        model_rules.sound,
        "audio without a scene",
        doc="The model may make no sound.",
    ),
    Rule(
        "audio-beside-video",
        "warning",
        model_rules.sound_beside_video,
        "audio",
        doc="The model makes no sound beside a reference video.",
    ),
    Rule(
        "last-frame-model",
        "warning",
        model_rules.last_frame,
        "last frame",
        doc="The model may not take a last frame.",
    ),
    Rule(
        "first-frame-missing",
        "warning",
        body_rules.first_frame,
        "last frame",
        doc="There is a last frame without a first one.",
    ),
    Rule(
        "references-model",
        "warning",
        model_rules.references,
        "no scene",
        doc="The model may not take references.",
    ),
    Rule(
        "omni-noref",
        "warning",
        model_rules.lone_image,
        "no scene",
        doc="A lone image is billed as no reference.",
    ),
    Rule(
        "motion-video",
        "error",
        body_rules.motion_video,
        "motion control",
        doc="Motion control needs the public https address of a video.",
    ),
    Rule(
        "motion-image",
        "warning",
        body_rules.motion_image,
        "motion control",
        doc="Motion control has no image of the character.",
    ),
    Rule(
        "motion-model",
        "warning",
        model_rules.motion_model,
        "motion control",
        doc="The model may not do motion control.",
    ),
    Rule(
        "avatar-model",
        "warning",
        model_rules.avatar_model,
        "avatar",
        doc="The model may not make avatars.",
    ),
    Rule(
        "face-missing",
        "warning",
        body_rules.face,
        "face",
        doc="No picture shows the face.",
    ),
    Rule(
        "audio-input",
        "warning",
        body_rules.audio_input,
        "face",
        doc="The gateway chooses the voice.",
    ),
    Rule(
        "lip-sync-least",
        "warning",
        body_rules.lip_sync_least,
        "lip-sync",
        doc="Lip-sync is billed as a longer video.",
    ),
    Rule(
        "prompt-missing",
        "warning",
        body_rules.no_prompt,
        doc="There is no prompt.",
    ),
    Rule(
        "prompt-long",
        "warning",
        body_rules.long_prompt,
        doc="The prompt is longer than the gateway is known to take.",
    ),
    Rule(
        "file-address",
        "error",
        body_rules.file_address,
        "files",
        doc="A file in the pasted body lacks its `url` or `file_id`.",
    ),
    Rule(
        "file-usage",
        "warning",
        body_rules.file_usage,
        "files",
        doc="An image does not say its `usage`.",
    ),
    Rule(
        "multi-shot-model",
        "warning",
        model_rules.multi_shot_model,
        "ext_info",
        doc="The model may not make several cuts.",
    ),
    Rule(
        "ext-info",
        "error",
        body_rules.ext_info,
        "ext_info",
        doc="`ext_info` is not a string of JSON.",
    ),
    Rule(
        "cuts-count",
        "error",
        body_rules.cuts_count,
        "ext_info",
        doc="There are more cuts than the gateway takes.",
    ),
    Rule(
        "cut-prompt",
        "error",
        body_rules.cut_prompt,
        "ext_info",
        doc="A cut's prompt, style included, is too long.",
    ),
    Rule(
        "cuts-sum",
        "error",
        body_rules.cuts_sum,
        "ext_info",
        doc="The cuts do not add up to the length.",
    ),
)


_TRAITS: Final[dict[str, Callable[[Facts], object]]] = {
    "size": lambda f: "size" in f.body,
    "audio": lambda f: f.what.audio,
    "audio without a scene": lambda f: f.what.audio and not f.scene,
    "last frame": lambda f: "last_frame_url" in f.what.metadata,
    "no scene": lambda f: not f.scene,
    "motion control": lambda f: f.scene == "motion_control",
    "avatar": lambda f: f.scene == "avatar_i2v",
    "lip-sync": lambda f: f.scene == "lip_sync",
    "face": lambda f: f.scene in ("avatar_i2v", "lip_sync"),
    "files": lambda f: f.what.files,
    "ext_info": lambda f: "ext_info" in f.body.get("metadata", {}),
}


def rules_for(known: Facts) -> tuple[Rule, ...]:
    """Return the rules that a body may break: most bodies lack two thirds of the traits."""
    return _with(tuple(trait for trait, has in _TRAITS.items() if has(known)))


@cache
def _with(traits: tuple[str, ...]) -> tuple[Rule, ...]:
    return tuple(rule for rule in RULES if rule.trait is None or rule.trait in traits)
