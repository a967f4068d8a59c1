"""One frame of a video as PNG: the first, the last, the one that is seen after some seconds or
after a share of the length.

A process of its own, because a decoder may crash or never end. It is called with the path of a
video and the words for the frame; it writes the PNG to its output, or why there is none to its
error output.
"""

from __future__ import annotations

import io
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

from klingflow.media.opening import CUT_S, FAILURES, opened
from klingflow.media.process import begin_count, give_way
from klingflow.words import _

_CPU_S: Final = 60
_MEMORY_BYTES: Final = 3 << 30
_NICER: Final = 1  # a shot waits for it
_MICROSECONDS: Final = 1_000_000  # PyAV's unit for the length of a file


class NoFrame(Exception):
    """A video without that frame; the message says why, about "it"."""


def main() -> None:
    """Write the frame that the command line names."""
    give_way(_NICER, _MEMORY_BYTES)
    begin_count(_CPU_S)
    try:
        with Path(sys.argv[1]).open("rb") as file:
            png = frame(file, sys.argv[2])
    except NoFrame as error:
        sys.exit(str(error))
    sys.stdout.buffer.write(png)


def frame(file: BinaryIO, words: str) -> bytes:
    """Return the frame of an open MP4 that is `first`, `last`, at `2.5s` or at `50%`. Raises
    NoFrame.
    """
    with seen(file) as container:
        return _as_png(_chosen(container, container.streams.video[0], words))


@contextmanager
def seen(file: BinaryIO) -> Iterator[Any]:
    """Open an MP4 that has a picture, for as long as the block lasts. Raises NoFrame for another
    file, and for whatever cannot be decoded in the block.
    """
    try:
        with opened(file) as container:
            if not container.streams.video:
                raise NoFrame(_("it has no picture"))
            yield container
    except FAILURES as error:
        raise NoFrame(_("it cannot be decoded ({name})", name=type(error).__name__)) from error


def _chosen(container: Any, stream: Any, words: str) -> Any:
    match words:
        case "first" | "0%":
            return _first(container)
        case "last" | "100%":
            return _last(container, stream)
    if words.endswith("%"):
        return _at(container, stream, _length_s(container, stream) * float(words[:-1]) / 100)
    return _within(container, stream, float(words[:-1]))


def _first(container: Any) -> Any:
    for found in container.decode(video=0):
        return found
    raise NoFrame(_("it has no frames"))


def _last(container: Any, stream: Any) -> Any:
    frames = deque(_from(container, stream, _length_s(container, stream)), maxlen=1)
    found = frames[0] if frames else _last_of_all(container)
    if _length_s(container, stream) > _time_s(found, stream) + CUT_S:
        raise NoFrame(_("it is cut off after {time_s:.1f} s", time_s=_time_s(found, stream)))
    return found


def _last_of_all(container: Any) -> Any:
    """Return the last frame of a video in which no place can be looked for."""
    container.seek(0)
    frames = deque(container.decode(video=0), maxlen=1)
    if not frames:
        raise NoFrame(_("it has no frames"))
    return frames[0]


def _within(container: Any, stream: Any, second: float) -> Any:
    length_s = _length_s(container, stream)
    if length_s and second > length_s:
        raise NoFrame(
            _(
                "it is {length_s:.1f} s long, so nothing is seen after {second:g} s",
                length_s=length_s,
                second=second,
            )
        )
    return _at(container, stream, second)


def _at(container: Any, stream: Any, second: float) -> Any:
    """Return the frame that is seen `second` seconds after the beginning."""
    found = None
    for later in _from(container, stream, second):
        if found is not None and _time_s(later, stream) > second:
            break
        found = later
    if found is None:
        raise NoFrame(_("it has no frames"))
    return found


def _from(container: Any, stream: Any, second: float) -> Iterator[Any]:
    """Yield frames, beginning with the last one before a moment that can be decoded by itself."""
    start = stream.start_time or 0
    container.seek(start + int(second / stream.time_base), stream=stream)
    yield from container.decode(video=0)


def _time_s(found: Any, stream: Any) -> float:
    """Return the seconds from the beginning of the video to a frame."""
    start = stream.start_time or 0
    return float(((found.pts or start) - start) * stream.time_base)


def _length_s(container: Any, stream: Any) -> float:
    """Return the length of the video in seconds, as its header says; 0 if the header does not say
    it.
    """
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return float((container.duration or 0) / _MICROSECONDS)


def _as_png(found: Any) -> bytes:
    png = io.BytesIO()
    found.to_image().save(png, "PNG")
    return png.getvalue()


if __name__ == "__main__":
    main()
