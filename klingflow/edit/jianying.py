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

from klingflow import disk, plain_files
from klingflow.results.timeline import Clip, Cut, cues

_SECOND: Final = 1_000_000
_SUBTITLE_SIZE, _SUBTITLE_AT = 6.0, -0.8  # of its style; from the middle (0) to the lower edge (-1)
_CENTRE: Final = 1
_PHOTO: Final = 3 * 3600 * _SECOND  # how long a picture can be shown, as 剪映 writes it


def write(cut: Cut, folder: Path, name: str, files: Mapping[str, str]) -> None:
    """Make the draft `name` in `folder`. `files` says where the videos lie and, by the keys of
    missing shots, where the pictures will lie that stand for them: absolute paths. No file is read.
    Raises OSError.
    """
    script = jianying.ScriptFile(cut.width, cut.height, round(cut.rate), True)
    for kind in (jianying.TrackType.video, jianying.TrackType.text):
        script.append_track(jianying.TrackSpec(kind, kind.name))
    for span in cut.spans:
        start = _ticks(span.start / cut.rate)
        length = _ticks((span.start + span.frames) / cut.rate) - start
        at = jianying.Timerange(start, length)
        path = files[span.clip.file or span.clip.key]
        script.add_segment(_segment(span.clip, at, path, (cut.width, cut.height)), "video")
    for cue in cues(cut):
        start = _ticks(cue.start_s)
        at = jianying.Timerange(start, max(1, _ticks(cue.end_s) - start))
        script.add_segment(_subtitle(cue.text, at), "text")
    disk.atomic_write(folder / "draft_content.json", _text(script).encode())
    disk.atomic_write(folder / "draft_meta_info.json", _meta(name, script.duration).encode())


def _ticks(seconds: Any) -> int:
    return round(Fraction(seconds) * _SECOND)


class _Material(jianying.VideoMaterial):  # type: ignore[misc]  # the library has no types
    """A file by what is known of it. The library's own material gives the file to a parser in this
    process, but a server sent it.
    """

    def __init__(self, path: str, name: str, kind: str, sides: tuple[int, int], length: int):
        self.path, self.material_name, self.material_type = path, name, kind
        self.material_id, self.local_material_id = uuid.uuid4().hex, ""
        self.width, self.height = sides
        self.duration = length
        self.crop_settings = jianying.CropSettings()


def _segment(clip: Clip, at: Any, path: str, card: tuple[int, int]) -> Any:
    """Return a clip at its time, or a picture of the sides `card` for a missing one."""
    if clip.footage is None:
        material = _Material(path, clip.name, "photo", card, _PHOTO)
    else:
        sides = clip.footage.width, clip.footage.height
        # The length by packets; never less than is shown.
        length = max(_ticks(clip.footage.seconds), at.duration)
        material = _Material(path, clip.name, "video", sides, length)
    return jianying.VideoSegment(material, at, source_timerange=jianying.Timerange(0, at.duration))


def _subtitle(text: str, at: Any) -> Any:
    style = jianying.TextStyle(size=_SUBTITLE_SIZE, align=_CENTRE, auto_wrapping=True)
    place = jianying.ClipSettings(transform_y=_SUBTITLE_AT)
    return jianying.TextSegment(text, at, style=style, clip_settings=place)


def _text(script: Any) -> str:
    return str(script.dumps())


def _meta(name: str, length: int) -> str:
    template = Path(jianying.__file__).parent / "assets" / "draft_meta_info.json"
    meta: dict[str, Any] = json.loads(plain_files.read_whole(template))
    # Two drafts of one id are one to 剪映.
    meta |= {"draft_id": str(uuid.uuid4()).upper(), "draft_name": name, "tm_duration": length}
    return json.dumps(meta, ensure_ascii=False, indent=1)
