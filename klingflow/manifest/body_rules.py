"""PURE. Rules about what a body holds, by the gateway's document, whatever its model.

Each function returns None, or the field that it is about and a sentence for the user.
"""

from __future__ import annotations

import json

from klingflow.manifest.documented import (
    CUT_PROMPT_MOST,
    CUTS_MOST,
    LIP_SYNC_LEAST_S,
    parts_of_size,
)
from klingflow.manifest.facts import Facts, Finding
from klingflow.manifest.fields import OUTPUT_CONFIG, Path
from klingflow.model import Pending
from klingflow.words import _

_PROMPT_MOST = 2500  # characters, gateway.md 3
_SECONDS: Path = ("seconds",)
_EXT_INFO: Path = ("metadata", "ext_info")
_VIDEO: Path = ("metadata", "video_url")
_FILES: Path = ("metadata", "file_infos")


def durations_differ(f: Facts) -> Finding | None:
    duration = f.what.config.get("duration")
    if duration is None:
        return None
    place = (*OUTPUT_CONFIG, "duration")
    return place, _(
        "output_config.duration is {duration}, but the length is {seconds} s;"
        " write the length once, as 'seconds'",
        duration=duration,
        seconds=f.what.seconds,
    )


def size_overruled(f: Facts) -> Finding | None:
    size, config = f.body.get("size"), f.body.get("metadata", {}).get("output_config", {})
    if not isinstance(size, str):
        return None
    alone = parts_of_size(size)
    if alone is None:
        return ("size",), _(
            "size {size!r} is not one that the gateway documents;"
            " write 'resolution' and 'aspect_ratio' instead",
            size=size,
        )
    for option, meant in zip(("resolution", "aspect_ratio"), alone, strict=True):
        said = config.get(option, meant)
        if meant and said != meant:
            return ("size",), _(
                "size {size} means {meant}, but {option} {said} overrules it;"
                " delete 'size' or '{option}'",
                size=size,
                meant=meant,
                option=option,
                said=said,
            )
    return None


def first_frame(f: Facts) -> Finding | None:
    if not f.what.top.keys().isdisjoint(("image", "images")):
        return None
    place = ("metadata", "last_frame_url")
    return place, _("a last frame without a first one; write 'first_frame: https://…'")


def motion_video(f: Facts) -> Finding | None:
    url = f.what.metadata.get("video_url")
    is_local = isinstance(url, dict)
    if is_local or isinstance(url, Pending) or str(url)[:8].lower() == "https://":
        return None
    return _VIDEO, _("motion control needs the public https address of a video; write https://…")


def motion_image(f: Facts) -> Finding | None:
    if "image" in f.body or f.what.images or f.what.files:
        return None
    return (), _(
        "motion control without an image: the document's examples have none,"
        " but no character is shown; write 'image: https://…'"
    )


def face(f: Facts) -> Finding | None:
    if not f.what.from_text:
        return None
    return (), _("no face to animate; write 'image: https://…'")


def audio_input(_unused: Facts) -> Finding:
    return (), _(
        "no audio input is documented for avatars and lip-sync: the voice is the gateway's choice"
    )


def lip_sync_least(f: Facts) -> Finding | None:
    seconds = f.what.seconds
    if not isinstance(seconds, int) or seconds >= LIP_SYNC_LEAST_S:
        return None
    return _SECONDS, _(
        "lip-sync of {seconds} s is billed as {lip_sync_least_s} s;"
        " write 'seconds: {lip_sync_least_s}' to have all that is billed",
        seconds=seconds,
        lip_sync_least_s=LIP_SYNC_LEAST_S,
    )


def no_prompt(f: Facts) -> Finding | None:
    if f.what.prompt or "content" in f.body or "ext_info" in f.what.metadata:
        return None
    return (), _("without a prompt, which most scenes need; write 'prompt: …'")


def long_prompt(f: Facts) -> Finding | None:
    prompt = f.what.prompt
    if not isinstance(prompt, str) or len(prompt) <= _PROMPT_MOST:
        return None
    place = ("prompt",) if "prompt" in f.body else ("content",)
    return place, _(
        "the prompt has {length} characters; more than {prompt_most} may be refused or cut;"
        " shorten it",
        length=len(prompt),
        prompt_most=_PROMPT_MOST,
    )


def file_address(f: Facts) -> Finding | None:
    needs = {"Url": "url", "File": "file_id"}
    for index, file in enumerate(f.what.files):
        need = needs.get(str(file.get("type")))
        if need and not file.get(need):
            text = _(
                "file {index} is of type {type} and needs '{need}'",
                index=index + 1,
                type=file["type"],
                need=need,
            )
            return (*_FILES, index), text
    return None


def file_usage(f: Facts) -> Finding | None:
    for index, file in enumerate(f.what.files):
        if file.get("category") == "Image" and "usage" not in file:
            text = _(
                "has no 'usage', so the service behind the gateway takes it for the first frame;"
                " write 'usage: FirstFrame' or 'usage: Reference'"
            )
            return (*_FILES, index), _("image {index} {text}", index=index + 1, text=text)
    return None


def ext_info(f: Facts) -> Finding | None:
    raw = f.body.get("metadata", {}).get("ext_info")
    made_by_us = f.kind == "multi-shot" and "extra" not in f.fields
    if raw is None or made_by_us:
        return None
    try:
        outer = json.loads(raw)
        if isinstance(outer, dict) and "AdditionalParameters" in outer:
            json.loads(outer["AdditionalParameters"])
    except (TypeError, ValueError, RecursionError) as error:
        return _EXT_INFO, _(
            "ext_info must be a string of JSON, and AdditionalParameters in it again one: {error}",
            error=error,
        )
    return None


def cuts_count(f: Facts) -> Finding | None:
    count = len(f.what.cuts)
    if count <= CUTS_MOST or f.kind == "multi-shot":  # the field says so itself
        return None
    return _EXT_INFO, _(
        "{count} cuts, and one video takes 1 to {cuts_most}; make two shots of them",
        count=count,
        cuts_most=CUTS_MOST,
    )


def cut_prompt(f: Facts) -> Finding | None:
    for index, cut in enumerate(f.what.cuts):
        length = len(str(cut.get("prompt", "")))
        if length > CUT_PROMPT_MOST:
            return (*_EXT_INFO, index, "prompt"), _(
                "the prompt of cut {index} has {length} characters, style included;"
                " at most {cut_prompt_most}: shorten it",
                index=index + 1,
                length=length,
                cut_prompt_most=CUT_PROMPT_MOST,
            )
    return None


def cuts_sum(f: Facts) -> Finding | None:
    lengths = [str(cut.get("duration", "")) for cut in f.what.cuts]
    if not lengths or not all(length.isdecimal() for length in lengths):
        return None
    total = sum(map(int, lengths))
    if total == f.what.seconds:
        return None
    remedy = _("they must be equal")
    if f.kind == "multi-shot":
        remedy = _("write 'seconds: {total}', or null for their sum", total=total)
    return _SECONDS, _(
        "the cuts add up to {total} s, but the video has {seconds} s; {remedy}",
        total=total,
        seconds=f.what.seconds,
        remedy=remedy,
    )
