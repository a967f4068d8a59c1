"""PURE. Rules between fields: what the document and the catalogue of models say about a body as a
whole.

An error is a rule that the document states; whatever it leaves open, contradicts or only advises is
a warning. `allow: [CODE]` in a shot makes a rule's error a warning. Each rule looks at Facts and
answers None, or the field it is about and a sentence for the user; what one value alone may be is
not here but in the field table.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

from klingflow.manifest.catalogue import FULL_HD, MODELS, NO, UNSURE, YES, Model
from klingflow.manifest.documented import (
    CUT_PROMPT_MOST,
    CUTS_MOST,
    LIP_SYNC_LEAST_S,
    parts_of_size,
)
from klingflow.manifest.fields import Path
from klingflow.manifest.meaning import Meaning, scene_of
from klingflow.manifest.spelling import did_you_mean
from klingflow.model import Json, Pending

_PROMPT_MOST = 2500


class Facts(NamedTuple):
    """All that a rule may look at. `model` is None for one that the catalogue does not know."""

    fields: Mapping[str, Json]
    kind: str
    body: Mapping[str, Json]
    what: Meaning
    scene: str | None
    model: Model | None


Finding = tuple[Path, str]  # a path in the body, and what to say of it


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: `find` answers what is wrong, if anything. It can be wrong only with a body that
    has `trait`.
    """

    code: str
    severity: str
    find: Callable[[Facts], Finding | None]
    trait: str | None = None


_MODEL: Path = ("model",)
_SECONDS: Path = ("seconds",)
_CONFIG: Path = ("metadata", "output_config")
_RESOLUTION: Path = (*_CONFIG, "resolution")
_AUDIO: Path = (*_CONFIG, "audio_generation")
_EXT_INFO: Path = ("metadata", "ext_info")
_VIDEO: Path = ("metadata", "video_url")
_FILES: Path = ("metadata", "file_infos")


def _unknown_model(f: Facts) -> Finding | None:
    if f.model:
        return None
    return (
        _MODEL,
        f"model '{f.what.model[:60]}' is not in the catalogue{did_you_mean(f.what.model, MODELS)}",
    )


def _undocumented_model(f: Facts) -> Finding | None:
    if not f.model or f.model.documented or f.scene == "motion_control":
        return None
    return (
        _MODEL,
        f"{f.model.name} is not in the gateway's table of models; it is documented for motion control only",
    )


def _seconds_range(f: Facts) -> Finding | None:
    if not f.model or f.scene or not isinstance(f.what.seconds, int):
        return None
    beside_video = f.what.has_video and f.model.video_seconds
    lengths = f.model.video_seconds if beside_video else f.model.seconds
    if not lengths or f.what.seconds in lengths:
        return None
    condition = " beside a reference video" if beside_video else ""
    place = _SECONDS if "seconds" in f.body else ()
    return place, f"{f.model.name} makes {_lengths(lengths)} s{condition}, not {f.what.seconds}"


def _lengths(values: tuple[int, ...]) -> str:
    contiguous = len(values) > 2 and values == tuple(range(values[0], values[-1] + 1))
    return f"{values[0]} to {values[-1]}" if contiguous else " or ".join(map(str, values))


def _durations_differ(f: Facts) -> Finding | None:
    duration = f.what.config.get("duration")
    if duration is None:
        return None
    return (
        *_CONFIG,
        "duration",
    ), f"output_config.duration is {duration}, but the length is {f.what.seconds} s"


def _full_hd(f: Facts) -> Finding | None:
    if not f.model or f.model.full_hd != UNSURE or f.what.resolution != "1080P" or f.scene:
        return None
    return _RESOLUTION, f"sources disagree whether {f.model.name} makes 1080P"


def _size_overruled(f: Facts) -> Finding | None:
    size, config = f.body.get("size"), f.body.get("metadata", {}).get("output_config", {})
    if not isinstance(size, str):
        return None
    alone = parts_of_size(size)
    if alone is None:
        return ("size",), f"size {size!r} is not one that the gateway documents"
    for option, meant in zip(("resolution", "aspect_ratio"), alone, strict=True):
        if meant and config.get(option, meant) != meant:
            return (
                "size",
            ), f"size {size} means {meant}, but {option} {config[option]} overrules it"
    return None


def _audio_model(f: Facts) -> Finding | None:
    if not f.model or f.scene or f.model.audio == YES:
        return None
    if f.model.audio == FULL_HD:
        said = None if f.what.resolution == "1080P" else "is said to make sound with 1080P only"
    else:
        said = "makes no sound" if f.model.audio == NO else "may make no sound: sources disagree"
    return (_AUDIO, f"{f.model.name} {said}") if said else None


def _audio_beside_video(f: Facts) -> Finding | None:
    if not f.what.has_video or not f.model or not f.model.video_seconds:
        return None
    return _AUDIO, f"{f.model.name} makes no sound beside a reference video"


def _last_frame(f: Facts) -> Finding | None:
    place = ("metadata", "last_frame_url")
    if not f.model:
        return None
    if f.model.last_frame == UNSURE:
        return place, f"sources disagree whether {f.model.name} takes a last frame"
    if f.model.last_frame == FULL_HD and f.what.resolution != "1080P":
        return place, f"{f.model.name} takes a last frame with 1080P only"
    return None


def _first_frame(f: Facts) -> Finding | None:
    if not f.what.top.keys().isdisjoint(("image", "images")):
        return None
    return (
        "metadata",
        "last_frame_url",
    ), "a last frame without a first one: 'first_frame' is missing"


def _references(f: Facts) -> Finding | None:
    if not f.model or f.model.references == YES or f.scene or "ext_info" in f.what.metadata:
        return None
    if not f.what.images and not f.what.has_video:
        return None
    place = ("images",) if f.what.images else _FILES if f.what.files else _VIDEO
    return place, f"{f.model.name} is not known to take references; kling-3.0-omni and kling-o1 are"


def _omni_image(f: Facts) -> Finding | None:
    if not f.model or f.model.references != YES or "image" not in f.body or f.what.has_references:
        return None
    if "last_frame_url" in f.what.metadata:
        return None
    return (
        "image",
    ), f"{f.model.name} bills a lone 'image' as no reference; write 'images: [URL]' for a reference"


def _motion_video(f: Facts) -> Finding | None:
    if f.scene != "motion_control":
        return None
    url = f.what.metadata.get("video_url")
    if isinstance(url, Pending) or (isinstance(url, str) and url[:8].lower() == "https://"):
        return None
    return _VIDEO, "motion control needs the public https address of a video"


def _motion_image(f: Facts) -> Finding | None:
    if f.scene != "motion_control" or "image" in f.body or f.what.images or f.what.files:
        return None
    return (
        (),
        "motion control without an image: the document's examples have none, but no character is shown",
    )


def _motion_model(f: Facts) -> Finding | None:
    if f.scene != "motion_control" or not f.model or f.model.motion == YES:
        return None
    return (
        _MODEL,
        f"motion control is documented for kling-2.5 (and shown with kling-2.6), not for {f.model.name}",
    )


def _avatar_model(f: Facts) -> Finding | None:
    if f.scene != "avatar_i2v" or not f.model or f.model.avatar == YES:
        return None
    return _MODEL, f"avatars are documented for kling-1.0 to kling-2.5, not for {f.model.name}"


def _face(f: Facts) -> Finding | None:
    if f.scene not in ("avatar_i2v", "lip_sync") or not f.what.from_text:
        return None
    return (), "no face to animate: give 'image'"


def _audio_input(f: Facts) -> Finding | None:
    if f.scene not in ("avatar_i2v", "lip_sync"):
        return None
    return (
        (),
        "no audio input is documented for avatars and lip-sync: the voice is the gateway's choice",
    )


def _lip_sync_least(f: Facts) -> Finding | None:
    if (
        f.scene != "lip_sync"
        or not isinstance(f.what.seconds, int)
        or f.what.seconds >= LIP_SYNC_LEAST_S
    ):
        return None
    return _SECONDS, f"lip-sync of {f.what.seconds} s is billed as {LIP_SYNC_LEAST_S} s"


def _no_prompt(f: Facts) -> Finding | None:
    if f.what.prompt or "content" in f.body or "ext_info" in f.what.metadata:
        return None
    return (), "without a prompt: most scenes need one"


def _long_prompt(f: Facts) -> Finding | None:
    if not isinstance(f.what.prompt, str) or len(f.what.prompt) <= _PROMPT_MOST:
        return None
    place = ("prompt",) if "prompt" in f.body else ("content",)
    return (
        place,
        f"the prompt has {len(f.what.prompt)} characters; more than {_PROMPT_MOST} may be refused or cut",
    )


def _file_address(f: Facts) -> Finding | None:
    needs = {"Url": "url", "File": "file_id"}
    for index, file in enumerate(f.what.files):
        need = needs.get(str(file.get("type")))
        if need and not file.get(need):
            return (
                *_FILES,
                index,
            ), f"file {index + 1} is of type {file['type']} and needs '{need}'"
    return None


def _file_usage(f: Facts) -> Finding | None:
    for index, file in enumerate(f.what.files):
        if file.get("category") == "Image" and "usage" not in file:
            text = "has no 'usage'; the service behind the gateway takes it for the first frame"
            return (*_FILES, index), f"image {index + 1} {text}"
    return None


def _multi_shot_model(f: Facts) -> Finding | None:
    if "ext_info" not in f.what.metadata or not f.model or f.model.multi_shot == YES:
        return None
    return (
        _MODEL,
        f"several cuts are documented for kling-3.0 and kling-3.0-omni, not for {f.model.name}",
    )


def _ext_info(f: Facts) -> Finding | None:
    raw = f.body.get("metadata", {}).get("ext_info")
    if raw is None or (f.kind == "multi-shot" and "extra" not in f.fields):
        return None
    try:
        outer = json.loads(raw)
        if isinstance(outer, dict) and "AdditionalParameters" in outer:
            json.loads(outer["AdditionalParameters"])
    except (TypeError, ValueError, RecursionError) as error:
        return (
            _EXT_INFO,
            f"ext_info must be a string of JSON, and AdditionalParameters in it again one: {error}",
        )
    return None


def _cuts(f: Facts) -> list[Json]:
    """The entries of multi_prompt, however they came into the body."""
    ext_info = f.what.metadata.get("ext_info")
    inner = ext_info.get("AdditionalParameters") if isinstance(ext_info, dict) else None
    cuts = inner.get("multi_prompt") if isinstance(inner, dict) else None
    return cuts if isinstance(cuts, list) and all(isinstance(cut, dict) for cut in cuts) else []


def _cuts_count(f: Facts) -> Finding | None:
    count = len(_cuts(f))
    if count <= CUTS_MOST or f.kind == "multi-shot":  # the field says so itself
        return None
    return _EXT_INFO, f"{count} cuts; one video takes 1 to {CUTS_MOST}"


def _cut_prompt(f: Facts) -> Finding | None:
    for index, cut in enumerate(_cuts(f)):
        length = len(str(cut.get("prompt", "")))
        if length > CUT_PROMPT_MOST:
            text = (
                f"the prompt of cut {index + 1} has {length} characters, style included;"
                f" at most {CUT_PROMPT_MOST}"
            )
            return (*_EXT_INFO, index, "prompt"), text
    return None


def _cuts_sum(f: Facts) -> Finding | None:
    cuts = _cuts(f)
    lengths = [str(cut.get("duration", "")) for cut in cuts]
    if not cuts or not all(length.isdecimal() for length in lengths):
        return None
    total = sum(map(int, lengths))
    if total == f.what.seconds:
        return None
    remedy = (
        f"write 'seconds: {total}', or null for their sum"
        if f.kind == "multi-shot"
        else "they must be equal"
    )
    return _SECONDS, f"the cuts add up to {total} s, but the video has {f.what.seconds} s; {remedy}"


RULES: Final = (
    Rule("unknown-model", "warning", _unknown_model),
    Rule("undocumented-model", "warning", _undocumented_model),
    Rule("seconds-range", "error", _seconds_range),
    Rule("durations-differ", "warning", _durations_differ),
    Rule("resolution-model", "warning", _full_hd),
    Rule("size-overruled", "warning", _size_overruled, "size"),
    Rule("audio-model", "warning", _audio_model, "audio"),
    Rule("audio-beside-video", "warning", _audio_beside_video, "audio"),
    Rule("last-frame-model", "warning", _last_frame, "last frame"),
    Rule("first-frame-missing", "warning", _first_frame, "last frame"),
    Rule("references-model", "warning", _references),
    Rule("omni-noref", "warning", _omni_image),
    Rule("motion-video", "error", _motion_video, "scene"),
    Rule("motion-image", "warning", _motion_image, "scene"),
    Rule("motion-model", "warning", _motion_model, "scene"),
    Rule("avatar-model", "warning", _avatar_model, "scene"),
    Rule("face-missing", "warning", _face, "scene"),
    Rule("audio-input", "warning", _audio_input, "scene"),
    Rule("lip-sync-least", "warning", _lip_sync_least, "scene"),
    Rule("prompt-missing", "warning", _no_prompt),
    Rule("prompt-long", "warning", _long_prompt),
    Rule("file-address", "error", _file_address, "files"),
    Rule("file-usage", "warning", _file_usage, "files"),
    Rule("multi-shot-model", "warning", _multi_shot_model, "ext_info"),
    Rule("ext-info", "error", _ext_info, "ext_info"),
    Rule("cuts-count", "error", _cuts_count, "ext_info"),
    Rule("cut-prompt", "error", _cut_prompt, "ext_info"),
    Rule("cuts-sum", "error", _cuts_sum, "ext_info"),
)


_TRAITS: Final[dict[str, Callable[[Facts], object]]] = {
    "size": lambda f: "size" in f.body,
    "audio": lambda f: f.what.audio,
    "last frame": lambda f: "last_frame_url" in f.what.metadata,
    "scene": lambda f: f.scene,
    "files": lambda f: f.what.files,
    "ext_info": lambda f: "ext_info" in f.body.get("metadata", {}),
}


def rules_for(known: Facts) -> tuple[Rule, ...]:
    """The rules that a body may break: of most, two thirds have nothing to look at."""
    return _with(tuple(trait for trait, has in _TRAITS.items() if has(known)))


@cache
def _with(traits: tuple[str, ...]) -> tuple[Rule, ...]:
    return tuple(rule for rule in RULES if rule.trait is None or rule.trait in traits)


def facts(fields: Mapping[str, Json], kind: str, body: Mapping[str, Json], what: Meaning) -> Facts:
    """What the rules look at, from a shot and the body made of it."""
    return Facts(fields, kind, body, what, scene_of(what), MODELS.get(what.model))
