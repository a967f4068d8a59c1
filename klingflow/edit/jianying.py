"""A cut as a draft of 剪映 (JianYing): a folder with two JSON files, which the versions 5.9 to 10.8
open when it lies among their drafts. Files stand in it by absolute paths: 剪映 knows no others.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import pyJianYingDraft as jianying

from klingflow import disk
from klingflow.results.timeline import Clip, Cut, cues

_SECOND: Final = 1_000_000
_SUBTITLE_SIZE, _SUBTITLE_AT = 6.0, -0.8  # of its style; from the middle (0) to the lower edge (-1)
_CENTRE: Final = 1


def write(cut: Cut, folder: Path, place: Path, files: Mapping[str, Path]) -> None:
    """Make the draft in `folder`, which will lie at `place`. `files` are the absolute paths of the
    videos and, by the keys of missing shots, of the pictures that stand for them; those in the
    folder go with it. Raises OSError, ValueError for a file that cannot be read.
    """
    script = jianying.ScriptFile(cut.width, cut.height, round(cut.rate), True)
    for kind in (jianying.TrackType.video, jianying.TrackType.text):
        script.append_track(jianying.TrackSpec(kind, kind.name))
    for span in cut.spans:
        start = _ticks(span.start / cut.rate)
        length = _ticks((span.start + span.frames) / cut.rate) - start
        at = jianying.Timerange(start, length)
        segment = _segment(span.clip, at, files)
        material = segment.material_instance
        if (path := Path(material.path)).is_relative_to(folder.absolute()):
            material.path = str(place / path.relative_to(folder.absolute()))
        script.add_segment(segment, "video")
    for cue in cues(cut):
        start = _ticks(cue.start_s)
        at = jianying.Timerange(start, max(1, _ticks(cue.end_s) - start))
        script.add_segment(_subtitle(cue.text, at), "text")
    disk.atomic_write(folder / "draft_content.json", _text(script).encode())
    disk.atomic_write(folder / "draft_meta_info.json", _meta(place.name, script.duration).encode())


def _ticks(seconds: Any) -> int:
    return round(Fraction(seconds) * _SECOND)


def _segment(clip: Clip, at: Any, files: Mapping[str, Path]) -> Any:
    path = files[clip.file or clip.key]
    material = jianying.VideoMaterial(str(path), clip.name)
    if clip.footage is not None:
        # The length by packets, where the library has the header's; never less than is shown.
        material.duration = max(_ticks(clip.footage.seconds), at.duration)
        material.width, material.height = clip.footage.width, clip.footage.height
    return jianying.VideoSegment(material, at, source_timerange=jianying.Timerange(0, at.duration))


def _subtitle(text: str, at: Any) -> Any:
    style = jianying.TextStyle(size=_SUBTITLE_SIZE, align=_CENTRE, auto_wrapping=True)
    place = jianying.ClipSettings(transform_y=_SUBTITLE_AT)
    return jianying.TextSegment(text, at, style=style, clip_settings=place)


def _text(script: Any) -> str:
    return str(script.dumps())


def _meta(name: str, length: int) -> str:
    template = Path(jianying.__file__).parent / "assets" / "draft_meta_info.json"
    meta: dict[str, Any] = json.loads(disk.read_whole(template))
    # Two drafts of one id are one to 剪映.
    meta |= {"draft_id": str(uuid.uuid4()).upper(), "draft_name": name, "tm_duration": length}
    return json.dumps(meta, ensure_ascii=False, indent=1)
