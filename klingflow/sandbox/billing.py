"""PURE. What a good body asks for and the tier it is billed as.

The precedence and the defaults are the document's; numbers in comments are its sections.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

ASPECTS = {"16:9": (16, 9), "9:16": (9, 16), "1:1": (1, 1)}
SHORT_SIDE = {"720P": 720, "1080P": 1080}
METADATA_LENGTHS = ("seconds", "duration", "video_duration")
SCENE_OF_MODEL = {
    "kling-identify-face": "lip_sync",
    "kling-avatar-720p": "avatar_i2v",
    "kling-avatar-1080p": "avatar_i2v",
}
_RESOLUTION_OF_MODEL = {"kling-avatar-720p": "720P", "kling-avatar-1080p": "1080P"}
_TELLS_SOUND = ("kling-2.5", "kling-2.6", "kling-3.0")  # 无声/有声 in 2.1; the others say 普通
_TALKING = ("avatar_i2v", "lip_sync")
_DEFAULT_S = 5
_LIP_SYNC_LEAST_S = 5


@dataclass(frozen=True, slots=True)
class Spec:
    """What a good body asks for. `seconds` is what is billed, `clip_s` how long the video is."""

    tier: str
    seconds: int
    clip_s: int
    width: int
    height: int
    prompt: str
    media_name: str
    audio: bool = False


class Body(NamedTuple):
    """A body with its objects sure to be objects."""

    top: Mapping[str, Any]
    metadata: Mapping[str, Any]
    config: Mapping[str, Any]


def spec_of(b: Body, model: str, scene: str | None) -> Spec:
    """Return the Spec of a body that the rules accept; `model` is in lower case."""
    resolution, aspect = _picture(b, model)
    clip_s = _seconds(b)
    seconds = max(clip_s, _LIP_SYNC_LEAST_S) if scene == "lip_sync" else clip_s  # 12
    short = SHORT_SIDE[resolution]
    wide, high = ASPECTS[aspect]
    return Spec(
        tier=_tier(b, model, scene, resolution.lower()),
        seconds=seconds,
        clip_s=clip_s,
        width=short * wide // min(wide, high),
        height=short * high // min(wide, high),
        prompt=prompt_of(b),
        media_name=b.config.get("media_name") or "",
        audio=_audio(b) or scene in _TALKING,
    )


def _seconds(b: Body) -> int:
    """3.1: seconds > duration > metadata's three > 5; output_config.duration is not in the list."""
    holders = [
        b.top.get("seconds"),
        b.top.get("duration"),
        *(b.metadata.get(name) for name in METADATA_LENGTHS),
    ]
    # A float such as 5.0 is dropped without a word, as real relays do.
    usable = (int(value) for value in holders if value is not None and not isinstance(value, float))
    return next(usable, _DEFAULT_S)


def _picture(b: Body, model: str) -> tuple[str, str]:
    """3.2: output_config > metadata > size > 720P; the ratio likewise, 16:9 by default. A model
    that is called by its resolution makes no other (2.1).
    """
    resolution, aspect = shape_of(b.top.get("size") or "") or (None, None)
    named = b.config.get("resolution") or b.metadata.get("resolution") or resolution or "720P"
    return _RESOLUTION_OF_MODEL.get(model, named), b.config.get("aspect_ratio") or aspect or "16:9"


def _audio(b: Body) -> bool:
    """4.5, in any of its three spellings, output_config first."""
    given = (
        b.config.get("audio_generation"),
        b.metadata.get("audio_generation"),
        b.metadata.get("audio"),
    )
    value = next((v for v in given if v is not None), False)
    return value is True or value == "Enabled"


def _tier(b: Body, model: str, scene: str | None, resolution: str) -> str:
    """Named after the document's two examples, by what its table of models tells apart (2.1)."""
    if model in SCENE_OF_MODEL:
        return model
    if scene == "lip_sync":
        return "kling-identify-face"  # 2.2: 自动映射
    if scene == "avatar_i2v":
        return f"kling-avatar-{resolution}"
    if scene == "motion_control":
        return f"kling-2.5-motion-{_level(b)}-{resolution}"  # 4.1; 6.8 calls its 2.6 by this name
    sound = "audio" if _audio(b) else "mute"
    if model == "kling-3.0-omni":
        return f"{model}-{resolution}-{_reference(b)}-{sound}"
    return f"{model}-{resolution}-{sound}" if model in _TELLS_SOUND else f"{model}-{resolution}"


def _reference(b: Body) -> str:
    """6.5: ref if the body refers to a picture or a video."""
    given = (b.top.get("images"), b.metadata.get("video_url"), b.metadata.get("file_infos"))
    return "ref" if any(given) else "noref"


def _level(b: Body) -> str:
    """4.2: std, unless any of the three ways says pro."""
    said = (b.metadata.get("motion_level"), b.top.get("mode"), b.metadata.get("mode"))
    return "pro" if "pro" in said else "std"


def shape_of(size: str) -> tuple[str, str | None] | None:
    """Return (resolution, aspect ratio) of a size, or None if it is no size.

    The short side decides the resolution; the ratio is the nearest of ASPECTS.
    """
    if size.upper() in SHORT_SIDE:
        return size.upper(), None
    match = re.fullmatch(r"([1-9]\d{2,3})[xX*]([1-9]\d{2,3})", size, re.ASCII)
    if not match:
        return None
    width, height = int(match[1]), int(match[2])

    def distance(aspect: str) -> float:
        wide, high = ASPECTS[aspect]
        return abs(math.log(width / height * high / wide))

    return ("720P" if min(width, height) <= 720 else "1080P"), min(ASPECTS, key=distance)


def prompt_of(b: Body) -> str:
    """Return the prompt, or if there is none the texts of `content` (3.3)."""
    texts = [part["text"] for part in b.top.get("content") or () if part["type"] == "text"]
    return (b.top.get("prompt") or "\n".join(texts)).strip()
