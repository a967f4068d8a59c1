"""What an MP4 is joined from: videos and cards, each for so long, with subtitles over it; and what
has to be the same of all videos so that their packets can be copied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av

from klingflow.media.footage import opened, turn_of


class Over(NamedTuple):
    """A transparent picture over a piece, from one second of the piece to another. `draw` makes it,
    when its turn comes: all of a film at once would fill the memory.
    """

    draw: Callable[[], Any]
    start_s: float
    end_s: float


class Piece(NamedTuple):
    """A video, or what draws a still picture, and how many frames of the cut it lasts."""

    frames: int
    video: Path | None = None
    still: Callable[[], Any] | None = None
    over: Sequence[Over] = ()


class Shape(NamedTuple):
    """The picture of a cut: its sides in pixels, and its frames a second."""

    width: int
    height: int
    rate: Fraction


class Format(NamedTuple):
    """What has to be the same of all videos: of the picture, and of the sound if there is one."""

    picture: tuple[Any, ...]
    sound: tuple[Any, ...] | None


@contextmanager
def reading(path: Path) -> Iterator[Any]:
    """Open a video for reading. Raises OSError, av.FFmpegError."""
    with path.open("rb") as file, opened(file) as container:
        yield container


def format_of(path: Path) -> Format:
    """Return the format of a video. Raises OSError, av.FFmpegError."""
    with reading(path) as container:
        sound = next(iter(container.streams.audio), None)
        return Format(_picture(container), _sound(sound) if sound else None)


def _picture(container: Any) -> tuple[Any, ...]:
    stream = container.streams.video[0]
    codec = stream.codec_context
    first = next(container.decode(stream))
    colour = (first.color_range, first.colorspace, codec.color_primaries, codec.color_trc)
    sides = (codec.width, codec.height, codec.pix_fmt, codec.sample_aspect_ratio)
    return (codec.name, bytes(codec.extradata or b""), *sides, *colour, turn_of(first))


def _sound(stream: Any) -> tuple[Any, ...]:
    codec = stream.codec_context
    return (codec.name, bytes(codec.extradata or b""), codec.sample_rate, codec.layout.name)


FAILURES = (OSError, ValueError, av.FFmpegError)
