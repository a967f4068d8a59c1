"""What a video is for a cut: sides, length by its packets, rate, sound and the mark of AI-made
video. Through PyAV.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from klingflow.media.labels import is_mark
from klingflow.media.opening import FAILURES, opened, sides_of
from klingflow.media.probe import Length
from klingflow.results.timeline import Footage

_MOST: Final = 4096  # characters of a mark


def footage(path: Path) -> Footage | None:
    """Return what a video is; None if there is no picture in it, or it cannot be read."""
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
    mark = next((v for k, v in container.metadata.items() if is_mark(k)), "")
    sound = bool(container.streams.audio)
    return Footage(*sides_of(first), length.seconds, length.fps, sound, mark[:_MOST])
