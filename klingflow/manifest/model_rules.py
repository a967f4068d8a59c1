"""PURE. Rules about what a model can do, by the catalogue. A model that the catalogue does not know
can do everything: only its name is doubted.

Each function returns None, or the field that it is about and a sentence for the user.
"""

from __future__ import annotations

from klingflow.manifest.catalogue import FULL_HD, MODELS, NO, UNSURE, YES
from klingflow.manifest.facts import Facts, Finding
from klingflow.manifest.fields import OUTPUT_CONFIG, Path
from klingflow.manifest.foreign_values import model_meant
from klingflow.words import _, joined

_MODEL: Path = ("model",)
_RESOLUTION: Path = (*OUTPUT_CONFIG, "resolution")
_AUDIO: Path = (*OUTPUT_CONFIG, "audio_generation")
_LAST_FRAME: Path = ("metadata", "last_frame_url")
_NAME_SHOWN = 60
_DOCUMENTED = "kling-3.0"  # it makes sound and takes a last frame, at 720P too


def unknown_model(f: Facts) -> Finding | None:
    name = f.what.model
    if name in MODELS or model_meant(name):
        return None
    return _MODEL, _(
        "model '{name}' is not in the catalogue, so its lengths and its price are not known",
        name=name[:_NAME_SHOWN],
    )


def misspelt_model(f: Facts) -> Finding | None:
    name = f.what.model
    if name in MODELS or (meant := model_meant(name)) is None:
        return None
    return _MODEL, _(
        "model '{name}' is not in the catalogue; write '{meant}', or"
        " 'allow: [misspelt-model]' if your gateway has a model of that name",
        name=name[:_NAME_SHOWN],
        meant=meant,
    )


def undocumented_model(f: Facts) -> Finding | None:
    if f.model.documented or f.scene == "motion_control":
        return None
    return _MODEL, _(
        "{name} is not in the gateway's table of models;"
        " it is documented for motion control only: write '{documented}' otherwise",
        name=f.model.name,
        documented=_DOCUMENTED,
    )


def seconds_range(f: Facts) -> Finding | None:
    if not isinstance(f.what.seconds, int):
        return None
    lengths, condition = f.model.seconds, ""
    if f.what.has_video and f.model.video_seconds:
        lengths, condition = f.model.video_seconds, _(" beside a reference video")
    if not lengths or f.what.seconds in lengths:
        return None
    place: Path = ("seconds",) if "seconds" in f.body else ()
    return place, _(
        "{name} makes {lengths} s{condition}, not {seconds}",
        name=f.model.name,
        lengths=_listed(lengths),
        condition=condition,
        seconds=f.what.seconds,
    )


def _listed(lengths: tuple[int, ...]) -> str:
    contiguous = len(lengths) > 2 and lengths == tuple(range(lengths[0], lengths[-1] + 1))
    return (
        _("{first} to {last}", first=lengths[0], last=lengths[-1])
        if contiguous
        else joined(_(" or "), map(str, lengths))
    )


def full_hd(f: Facts) -> Finding | None:
    if f.model.full_hd != UNSURE or f.what.resolution != "1080P":
        return None
    return _RESOLUTION, _(
        "sources disagree whether {name} makes 1080P; 'resolution: 720P' is sure", name=f.model.name
    )


_SOUND = {
    NO: _("makes no sound; write 'audio: false', or 'model: {documented}'", documented=_DOCUMENTED),
    UNSURE: _("may make no sound: sources disagree; {documented} makes it", documented=_DOCUMENTED),
    FULL_HD: _("is said to make sound with 1080P only; write 'resolution: 1080P'"),
}


def sound(f: Facts) -> Finding | None:
    doubt = _SOUND.get(f.model.audio)
    fits = f.model.audio == FULL_HD and f.what.resolution == "1080P"
    if fits or doubt is None:
        return None
    return _AUDIO, f"{f.model.name} {doubt}"


def sound_beside_video(f: Facts) -> Finding | None:
    if not f.what.has_video or not f.model.video_seconds:
        return None
    return _AUDIO, _(
        "{name} makes no sound beside a reference video; write 'audio: false'", name=f.model.name
    )


def last_frame(f: Facts) -> Finding | None:
    if f.model.last_frame == UNSURE:
        return _LAST_FRAME, _(
            "sources disagree whether {name} takes a last frame; {documented} does",
            name=f.model.name,
            documented=_DOCUMENTED,
        )
    if f.model.last_frame == FULL_HD and f.what.resolution != "1080P":
        return _LAST_FRAME, _(
            "{name} takes a last frame with 1080P only; write 'resolution: 1080P'",
            name=f.model.name,
        )
    return None


def references(f: Facts) -> Finding | None:
    place = _reference(f)
    if f.model.references != NO or place is None or "ext_info" in f.what.metadata:
        return None
    return place, _(
        "{name} is not known to take references; kling-3.0-omni and kling-o1 are", name=f.model.name
    )


def _reference(f: Facts) -> Path | None:
    """Return where the body has a reference."""
    if f.what.images:
        return ("images",)
    if not f.what.has_video:
        return None
    return ("metadata", "file_infos") if f.what.files else ("metadata", "video_url")


def lone_image(f: Facts) -> Finding | None:
    if f.model.references != YES or "image" not in f.body or f.what.has_references:
        return None
    if "last_frame_url" in f.what.metadata:
        return None
    written = "first_frame" if "first_frame" in f.fields else "image"
    return ("image",), _(
        "{name} bills a lone '{written}' as no reference; write 'images: [URL]' for a reference",
        name=f.model.name,
        written=written,
    )


def motion_model(f: Facts) -> Finding | None:
    if f.model.motion == YES:
        return None
    return _MODEL, _(
        "motion control is documented for kling-2.5 (and shown with kling-2.6), not for {name}",
        name=f.model.name,
    )


def avatar_model(f: Facts) -> Finding | None:
    if f.model.avatar == YES:
        return None
    return _MODEL, _(
        "avatars are documented for kling-1.0 to kling-2.5, not for {name}", name=f.model.name
    )


def multi_shot_model(f: Facts) -> Finding | None:
    if "ext_info" not in f.what.metadata or f.model.multi_shot == YES:
        return None
    return _MODEL, _(
        "several cuts are documented for kling-3.0 and kling-3.0-omni, not for {name}",
        name=f.model.name,
    )
