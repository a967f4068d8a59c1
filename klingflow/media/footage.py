"""What a video is for a cut: sides, length by its packets, rate, sound and the mark of AI-made
video. Through PyAV.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from klingflow.media.opening import FAILURES, opened
from klingflow.media.probe import Length
from klingflow.results.timeline import Footage

AIGC: Final = "AIGC"  # the key in a film's metadata (GB 45438-2025, annex E)
_MOST: Final = 4096  # characters of a mark


def footage(path: Path) -> Footage | None:
    """Return what a video is; None where there is no picture in it, or it cannot be read."""
    try:
        with path.open("rb") as file, opened(file) as container:
            return _read(container)
    except FAILURES:
        return None


def _read(container: Any) -> Footage | None:
    stream = next(iter(container.streams.video), None)
    if stream is None:
        return None
    first = next(container.decode(stream), None)
    if first is None:
        return None
    container.seek(0)
    length = Length(stream.time_base)
    for packet in container.demux(stream):
        if packet.pts is not None and packet.size:
            length.add(packet)
    turned = turn_of(first) in (90, 270)
    width, height = (first.height, first.width) if turned else (first.width, first.height)
    mark = next((v for k, v in container.metadata.items() if k.upper() == AIGC), "")
    sound = bool(container.streams.audio)
    return Footage(width, height, length.seconds, length.fps, sound, mark[:_MOST])


def turn_of(frame: Any) -> int:
    """Return by how many degrees, 0 to 270, a player turns a frame."""
    return int(frame.rotation) % 360
