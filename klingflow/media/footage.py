"""What a video is for a cut: sides, length by its packets, rate, sound and the mark of AI-made
video. Through PyAV.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import av

from klingflow.results.timeline import Footage

AIGC: Final = "AIGC"  # the key in a film's metadata (GB 45438-2025, annex E)
_MOST: Final = 4096  # characters of a mark


def footage(path: Path) -> Footage | None:
    """Return what a video is; None where there is no picture in it, or it cannot be read."""
    try:
        # From an open file: no text in the video can name another file or an address.
        with path.open("rb") as file, opened(file) as container:
            return _read(container)
    except (OSError, ValueError, av.FFmpegError):
        return None


def opened(file: Any) -> Any:
    """Return the container in an open MP4."""
    return av.open(file, format="mp4", metadata_errors="ignore")


def _read(container: Any) -> Footage | None:
    stream = next(iter(container.streams.video), None)
    if stream is None:
        return None
    first = next(container.decode(stream), None)
    if first is None:
        return None
    container.seek(0)
    count, start, end = 0, None, 0
    for packet in container.demux(stream):
        if packet.pts is not None and packet.size:
            count += 1
            start = packet.pts if start is None else min(start, packet.pts)
            end = max(end, packet.pts + (packet.duration or 0))
    seconds = float((end - (start or 0)) * stream.time_base)
    turned = turn_of(first) in (90, 270)
    width, height = (first.height, first.width) if turned else (first.width, first.height)
    mark = next((v for k, v in container.metadata.items() if k.upper() == AIGC), "")
    sound = bool(container.streams.audio)
    return Footage(width, height, seconds, count / seconds if seconds else 0, sound, mark[:_MOST])


def turn_of(frame: Any) -> int:
    """Return by how many degrees, 0 to 270, a player turns a frame."""
    return int(frame.rotation) % 360
