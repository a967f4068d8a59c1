"""Reads what `export` wrote with other people's libraries: read_cuts.py FOLDER NAME

Prints one object of JSON. It runs in an environment of its own and imports nothing of klingflow.
"""

import json
import sys
from pathlib import Path

import m3u8
import pycmx
import pymediainfo
import webvtt


def media(path: Path) -> dict[str, object]:
    """What MediaInfo says of an MP4."""
    tracks = pymediainfo.MediaInfo.parse(path).tracks
    whole = next(track for track in tracks if track.track_type == "General")
    picture = next(track for track in tracks if track.track_type == "Video")
    return {
        "seconds": round(float(picture.duration) / 1000, 3),
        "size": [picture.width, picture.height],
        "frames": int(picture.frame_count),
        "rotation": round(float(picture.rotation or 0)),
        "mark": whole.to_data().get("aigc", ""),
    }


def main() -> None:
    folder, name = Path(sys.argv[1]), sys.argv[2]

    def text(ending: str) -> str:
        return (folder / f"{name}{ending}").read_text(encoding="utf-8")

    with (folder / f"{name}.edl").open(encoding="utf-8") as file:
        edits = [edit for event in pycmx.parse_cmx3600(file).events for edit in event.edits]
    said = {
        "srt": [
            [cue.start_in_seconds, cue.end_in_seconds, cue.text]
            for cue in webvtt.from_srt(folder / f"{name}.srt")
        ],
        "edl": [[edit.clip_name, str(edit.record_in), str(edit.record_out)] for edit in edits],
        "m3u": [[one.title, one.duration, one.uri] for one in m3u8.loads(text(".m3u8")).segments],
        "mp4": media(folder / f"{name}.mp4"),
        "preview": media(folder / f"{name}.preview.mp4"),
    }
    print(json.dumps(said))


if __name__ == "__main__":
    main()
