"""The formats that OpenTimelineIO and its adapters write: otio, fcp7 (Final Cut Pro 7 XML, which
Premiere and Resolve read) and edl (CMX 3600).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import opentimelineio as otio

from klingflow.edit.timelines import timeline
from klingflow.errors import UsageError
from klingflow.results.timeline import Cut, Footage
from klingflow.words import _

Url = Callable[[str], str]

_FCP: Final = "fcp_xml"
_NAME_LENGTH: Final = 32  # of a reel: what today's programs read


def as_otio(cut: Cut, url: Url) -> str:
    """Return the cut as OpenTimelineIO's own JSON."""
    return str(timeline(cut, url).to_json_string())


def as_fcp7(cut: Cut, url: Url) -> str:
    """Return the cut as Final Cut Pro 7 XML. Raises UsageError for a rate without a timecode."""
    made = timeline(cut, url)
    _check_rate(cut, _("Final Cut Pro 7 XML"))
    picture = _sides(cut.width, cut.height)
    picture |= {"rate": _rate(cut), "fielddominance": "none", "colordepth": "24"}
    video = {"format": {"samplecharacteristics": picture}}
    made.metadata[_FCP] = {"media": {"video": video}}
    seen = {clip.file: clip.footage for clip in cut.clips if clip.footage}
    for clip, footage in zip(made.find_clips(), _footage_of(made, seen, url), strict=True):
        clip.media_reference.metadata[_FCP] = {"media": _media(footage)}
    return _written(made, "fcp_xml")


def _footage_of(made: Any, seen: dict[str, Footage], url: Url) -> list[Footage]:
    by_url = {url(file): footage for file, footage in seen.items()}
    return [by_url[clip.media_reference.target_url] for clip in made.find_clips()]


def _media(footage: Footage) -> dict[str, Any]:
    """Return what a file holds. The adapter would say of each that it has sound."""
    media: dict[str, Any] = {
        "video": {"samplecharacteristics": _sides(footage.width, footage.height)}
    }
    if footage.sound:
        media["audio"] = {"channelcount": "2"}
    return media


def _sides(width: int, height: int) -> dict[str, Any]:
    sides = {"width": str(width), "height": str(height)}
    return {**sides, "anamorphic": "FALSE", "pixelaspectratio": "square"}


def _rate(cut: Cut) -> dict[str, str]:
    is_ntsc = cut.rate.denominator != 1
    return {"timebase": str(round(cut.rate)), "ntsc": "TRUE" if is_ntsc else "FALSE"}


def as_edl(cut: Cut, path: Url) -> str:
    """Return the pictures of the cut as an EDL, in which `path` gives the name of a file. Raises
    UsageError for a rate without a timecode, and for a cut without a video.
    """
    _check_rate(cut, _("an EDL"))
    if len(cut.missing) == len(cut.clips):
        raise UsageError(_("an EDL lists videos, and none is here yet; use otio or fcp7"))
    made = timeline(cut, path)
    del made.tracks[1:]
    for number, clip in enumerate(made.find_clips(), 1):
        clip.metadata["cmx_3600"] = {"reel": f"S{number:05}"}
        for marker in clip.markers:  # its name would be written in capitals
            clip.metadata["cmx_3600"]["comments"] = [marker.name]
        del clip.markers[:]
    return _written(made, "cmx_3600", rate=float(cut.rate), reelname_len=_NAME_LENGTH)


def _check_rate(cut: Cut, what: str) -> None:
    if not otio.opentime.RationalTime.is_valid_timecode_rate(float(cut.rate)):
        raise UsageError(
            _(
                "{what} counts in timecode, which there is not for {rate} frames a second; use"
                " otio",
                what=what,
                rate=cut.rate,
            )
        )


def _written(made: Any, adapter: str, **options: Any) -> str:
    return str(otio.adapters.write_to_string(made, adapter, **options))
