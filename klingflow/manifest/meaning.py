"""PURE. What a body means to the gateway: its precedence rules applied and its documented defaults
filled in.

Two bodies that buy the same video have one meaning; fingerprints and predicted tiers are made from
it. Source: the gateway's document, sections 3.1 (seconds), 3.2 (resolution), 4 (enums and
equivalents) and 13 (defaults). Nothing is judged: values that the document does not know are
carried through.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from klingflow.manifest.coerce import as_list, as_mapping
from klingflow.manifest.documented import (
    DEFAULT_RESOLUTION,
    DEFAULT_SECONDS,
    LIP_SYNC_LEAST_S,
    parts_of_size,
)
from klingflow.manifest.tag import is_tag
from klingflow.model import Json

_SPECIAL_SCENES = {
    "kling-identify-face": "lip_sync",
    "kling-avatar-720p": "avatar_i2v",
    "kling-avatar-1080p": "avatar_i2v",
}
_EMPTY: tuple[Json, ...] = (None, [], {})
_PICTURES = ("image", "images", "input_reference")
_CLIPS = ("last_frame_url", "last_frame_file_id", "video_url", "file_infos")
# Longer ones are no number of seconds.
_WHOLE = re.compile(r"[0-9]{1,9}")


class Meaning(NamedTuple):
    """A normalised body. `top`, `metadata` and `config` hold the values without a default or an
    equivalent.
    """

    model: str
    scene: str | None
    prompt: Json
    seconds: Json  # an int wherever the body is right
    billed_s: int
    resolution: Json
    aspect_ratio: Json
    audio: bool
    level: Json  # std or pro in motion control, else None
    top: dict[str, Json]
    metadata: dict[str, Json]
    config: dict[str, Json]

    @property
    def images(self) -> list[Json]:
        """Return the entries of `images`."""
        return as_list(self.top.get("images"))

    @property
    def files(self) -> list[dict[str, Json]]:
        """Return the entries of `metadata.file_infos` that are mappings."""
        return [f for f in as_list(self.metadata.get("file_infos")) if isinstance(f, dict)]

    @property
    def cuts(self) -> list[dict[str, Json]]:
        """Return the entries of multi_prompt, however they came into the body."""
        match self.metadata.get("ext_info"):
            case {"AdditionalParameters": {"multi_prompt": [*cuts]}}:
                return cuts if all(isinstance(cut, dict) for cut in cuts) else []
        return []

    @property
    def words(self) -> str:
        """Return the prompt, or those of its cuts, a line each; "" where there is none."""
        if isinstance(self.prompt, str) and self.prompt:
            return self.prompt
        return "\n".join(str(cut["prompt"]) for cut in self.cuts if cut.get("prompt"))

    @property
    def has_video(self) -> bool:
        """Return True if a reference video is part of it."""
        return "video_url" in self.metadata or any(f.get("category") == "Video" for f in self.files)

    @property
    def has_references(self) -> bool:
        """Return True for what bills as "ref" for omni (document 6.5): images, video_url,
        file_infos; not for a lone image.
        """
        return bool(self.images or self.files or "video_url" in self.metadata)

    @property
    def from_text(self) -> bool:
        """Return True for 文生: no picture and no video goes in (document 3.1)."""
        return _from_text(self.top, self.metadata)

    def as_json(self) -> dict[str, Json]:
        """Return the whole meaning as one JSON value, for the fingerprint."""
        values = self._asdict()
        del values["billed_s"]  # follows from the others
        return values


def meaning(body: Mapping[str, Json]) -> Meaning:
    """Return the meaning of a body, whatever its shape: malformed values stay as they are, and the
    checks report them. A body of the ledger is no dict (klingflow.ledger.written).
    """
    top = _given(body if isinstance(body, dict) else dict(body))
    metadata = _given(top.pop("metadata", None))
    config = _given(metadata.pop("output_config", None))
    if is_tag(config.get("media_name")):
        del config["media_name"]
    model = str(top.pop("model", "")).lower()
    scene = metadata.pop("scene_type", None)
    spoken = _seconds(top, metadata)
    seconds = _first(spoken, DEFAULT_SECONDS)
    duration = _integer(config.pop("duration", None))
    if duration is not None and duration != seconds:
        config["duration"] = duration
    resolution, aspect_ratio = _picture(top, metadata, config)
    audio = _audio(metadata, config)
    level = _level(scene, top, metadata)
    prompt = _prompt(top)
    _unpack_ext_info(metadata)
    if aspect_ratio is None and _from_text(top, metadata):
        aspect_ratio = "16:9"
    billed = _billed(_first(spoken, duration, DEFAULT_SECONDS), scene, model)
    return Meaning(
        model,
        scene,
        prompt,
        seconds,
        billed,
        resolution,
        aspect_ratio,
        audio,
        level,
        top,
        metadata,
        config,
    )


def _given(value: Any) -> dict[str, Json]:
    """Return a mapping without the values that say nothing."""
    if not isinstance(value, dict):
        return {}
    return {key: item for key, item in value.items() if item or item not in _EMPTY}


def scene_of(what: Meaning) -> str | None:
    """Return the scene that a body asks for, by its scene_type or by a model made for one."""
    return what.scene or _SPECIAL_SCENES.get(what.model)


def _billed(seconds: Json, scene: Json, model: str) -> int:
    whole = seconds if isinstance(seconds, int) and seconds > 0 else DEFAULT_SECONDS
    if (scene or _SPECIAL_SCENES.get(model)) == "lip_sync":
        return max(whole, LIP_SYNC_LEAST_S)
    return whole


def _seconds(top: dict[str, Json], metadata: dict[str, Json]) -> Json:
    """Take all lengths out, and return the first of seconds > duration > the three of metadata
    (document 3.1); None if there is none.
    """
    first = _first(
        top.pop("seconds", None),
        top.pop("duration", None),
        metadata.pop("seconds", None),
        metadata.pop("duration", None),
        metadata.pop("video_duration", None),
    )
    return _integer(first)


def _first(*given: Json) -> Json:
    """Return the first value that is not None."""
    for value in given:
        if value is not None:
            return value
    return None


def _integer(value: Json) -> Json:
    """Return 5 for 5, "5" and 5.0; any other value as it is."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    return value


def _picture(
    top: dict[str, Json], metadata: dict[str, Json], config: dict[str, Json]
) -> tuple[Json, Json]:
    """Return resolution and aspect ratio: output_config > metadata > size > the default (document
    3.2).
    """
    named, shape = parts_of_size(top.get("size")) or (None, None)
    if named:
        del top["size"]
    given = (config.pop("resolution", None), metadata.pop("resolution", None), named)
    resolution = next(filter(None, given), DEFAULT_RESOLUTION)
    if isinstance(resolution, str):
        resolution = resolution.upper()
    return resolution, config.pop("aspect_ratio", None) or shape


def _audio(metadata: dict[str, Json], config: dict[str, Json]) -> bool:
    """Return True for Enabled in the first of its three spellings (document 4.5); Disabled is the
    default.
    """
    value = _first(
        config.pop("audio_generation", None),
        metadata.pop("audio_generation", None),
        metadata.pop("audio", None),
    )
    return value is True or str(value).lower() == "enabled"


def _level(scene: Json, top: dict[str, Json], metadata: dict[str, Json]) -> Json:
    """Return pro if any of its three names says so, or else std (document 4.2); None outside motion
    control.
    """
    if scene != "motion_control":
        return None
    given = [metadata.pop("motion_level", None), top.pop("mode", None), metadata.pop("mode", None)]
    if "pro" in given:
        return "pro"
    return _first(*given, "std")


def _prompt(top: dict[str, Json]) -> Json:
    """Return the prompt, in either of its two forms (document 3.3). A `content` of more than one
    text stays.
    """
    match top.get("content"):
        case [{"type": "text", "text": text, **others}] if not others and "prompt" not in top:
            del top["content"]
            return text
    return top.pop("prompt", None)


def _unpack_ext_info(metadata: dict[str, Json]) -> None:
    """Replace JSON inside a string by the value: spaces and the order of keys mean nothing."""
    if "ext_info" not in metadata:
        return
    try:
        outer = json.loads(metadata["ext_info"])
        inner = json.loads(outer["AdditionalParameters"])
    except (KeyError, TypeError, ValueError, RecursionError):
        return
    metadata["ext_info"] = {**outer, "AdditionalParameters": inner}


def _from_text(top: Mapping[str, Json], metadata: Mapping[str, Json]) -> bool:
    if not (top.keys().isdisjoint(_PICTURES) and metadata.keys().isdisjoint(_CLIPS)):
        return False
    return all(as_mapping(part).get("type") == "text" for part in as_list(top.get("content")))
