"""PURE. The rules between fields, one row each: code, severity, and the function that finds what is
wrong.

An error is a rule that the document states; whatever the document leaves open, contradicts or only
advises is a warning. `allow: [CODE]` in a shot makes a rule's error a warning. What one value alone
may be is in the field table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final

from klingflow.manifest import body_rules, model_rules
from klingflow.manifest.facts import Facts, Finding


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: `find` returns what is wrong, if anything. It is asked only about bodies that have
    `trait`, and does not look at it again.
    """

    code: str
    severity: str
    find: Callable[[Facts], Finding | None]
    trait: str | None = None


RULES: Final = (
    Rule("unknown-model", "warning", model_rules.unknown_model),
    Rule("misspelt-model", "error", model_rules.misspelt_model),
    Rule("undocumented-model", "warning", model_rules.undocumented_model),
    Rule("seconds-range", "error", model_rules.seconds_range, "no scene"),
    Rule("durations-differ", "warning", body_rules.durations_differ),
    Rule("resolution-model", "warning", model_rules.full_hd, "no scene"),
    Rule("size-overruled", "warning", body_rules.size_overruled, "size"),
    Rule("audio-model", "warning", model_rules.sound, "audio without a scene"),
    Rule("audio-beside-video", "warning", model_rules.sound_beside_video, "audio"),
    Rule("last-frame-model", "warning", model_rules.last_frame, "last frame"),
    Rule("first-frame-missing", "warning", body_rules.first_frame, "last frame"),
    Rule("references-model", "warning", model_rules.references, "no scene"),
    Rule("omni-noref", "warning", model_rules.lone_image, "no scene"),
    Rule("motion-video", "error", body_rules.motion_video, "motion control"),
    Rule("motion-image", "warning", body_rules.motion_image, "motion control"),
    Rule("motion-model", "warning", model_rules.motion_model, "motion control"),
    Rule("avatar-model", "warning", model_rules.avatar_model, "avatar"),
    Rule("face-missing", "warning", body_rules.face, "face"),
    Rule("audio-input", "warning", body_rules.audio_input, "face"),
    Rule("lip-sync-least", "warning", body_rules.lip_sync_least, "lip-sync"),
    Rule("prompt-missing", "warning", body_rules.no_prompt),
    Rule("prompt-long", "warning", body_rules.long_prompt),
    Rule("file-address", "error", body_rules.file_address, "files"),
    Rule("file-usage", "warning", body_rules.file_usage, "files"),
    Rule("multi-shot-model", "warning", model_rules.multi_shot_model, "ext_info"),
    Rule("ext-info", "error", body_rules.ext_info, "ext_info"),
    Rule("cuts-count", "error", body_rules.cuts_count, "ext_info"),
    Rule("cut-prompt", "error", body_rules.cut_prompt, "ext_info"),
    Rule("cuts-sum", "error", body_rules.cuts_sum, "ext_info"),
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
