"""A cut as an OpenTimelineIO timeline: one track of videos, one of their sound, a gap for each
missing shot, and prompts and task ids as metadata and markers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import opentimelineio as otio

from klingflow.results.timeline import Clip, Cut, Span, rate_of
from klingflow.words import _, joined

# The key of a shot's facts in the metadata of a clip.
OURS: Final = "klingflow"
_TOLD: Final = ("key", "scene", "title", "prompt", "note", "model", "task_id", "missing")


def timeline(cut: Cut, url: Callable[[str], str]) -> Any:
    """Return the timeline of a cut. `url` gives the address of a file of a clip, as it is written
    into the timeline.
    """
    made = otio.schema.Timeline(cut.name)
    made.tracks.append(_track(cut, url, otio.schema.TrackKind.Video))
    if cut.sound:
        made.tracks.append(_track(cut, url, otio.schema.TrackKind.Audio))
    made.tracks.markers.extend(_gaps(cut))
    return made


def _track(cut: Cut, url: Callable[[str], str], kind: str) -> Any:
    is_sound = kind == otio.schema.TrackKind.Audio
    track = otio.schema.Track("A1" if is_sound else "V1", kind=kind)
    for span in cut.spans:
        footage = span.clip.footage
        has_it = footage is not None and (footage.sound or not is_sound)
        track.append(_clip(span, cut, url, marked=not is_sound) if has_it else _gap(span, cut))
    return track


def _range(cut: Cut, frames: int, start: int = 0) -> Any:
    rate = float(cut.rate)
    return otio.opentime.TimeRange(
        otio.opentime.RationalTime(start, rate), otio.opentime.RationalTime(frames, rate)
    )


def _clip(span: Span, cut: Cut, url: Callable[[str], str], *, marked: bool) -> Any:
    clip = span.clip
    video = otio.schema.ExternalReference(url(clip.file), _whole(clip))
    video.name = clip.file.rpartition("/")[2]
    made = otio.schema.Clip(_line(clip.name), video, _range(cut, span.frames), _facts(clip))
    if marked:
        made.markers.append(_marker(_words(clip), _range(cut, 1), _facts(clip)))
    return made


def _whole(clip: Clip) -> Any:
    """Return the range of a whole video, in its own frames."""
    assert clip.footage is not None, "a gap has no video"
    rate = rate_of(clip.footage.fps)
    frames = max(1, round(clip.seconds * rate))
    return otio.opentime.TimeRange(
        otio.opentime.RationalTime(0, float(rate)), otio.opentime.RationalTime(frames, float(rate))
    )


def _gap(span: Span, cut: Cut) -> Any:
    name = _line(span.clip.name)
    return otio.schema.Gap(name, source_range=_range(cut, span.frames), metadata=_facts(span.clip))


def _gaps(cut: Cut) -> Iterator[Any]:
    """Yield a marker for each missing shot, on the timeline itself: formats leave gaps out."""
    for span in cut.spans:
        if span.clip.missing:
            name = _("{key}: {missing}", key=span.clip.key, missing=span.clip.missing)
            at = _range(cut, span.frames, span.start)
            yield _marker(name, at, _facts(span.clip), otio.schema.MarkerColor.RED)


def _marker(
    name: str, at: Any, facts: dict[str, Any], color: str = otio.schema.MarkerColor.GREEN
) -> Any:
    return otio.schema.Marker(_line(name), at, color, facts)


def _words(clip: Clip) -> str:
    """Return what a marker says: the task's id and the prompt."""
    return joined(" · ", filter(None, (clip.task_id, clip.prompt)))


def _facts(clip: Clip) -> dict[str, Any]:
    facts: dict[str, Any] = {name: getattr(clip, name) for name in _TOLD if getattr(clip, name)}
    if clip.dialogue:
        facts["dialogue"] = list(clip.dialogue)
    return {OURS: facts}


def _line(text: str) -> str:
    """Return a text in one line."""
    return " ".join(text.split())
