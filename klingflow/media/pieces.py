"""What an MP4 is joined from: videos and cards, each for so long, with subtitles over it; and what
has to be the same of all videos so that their packets can be copied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from klingflow.media.opening import opened, turn_of


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


class Colour(NamedTuple):
    """How numbers become colours, by the tables of ISO 23091-4; 2 is "nobody says"."""

    space: int
    primaries: int
    transfer: int


class Format(NamedTuple):
    """What has to be the same of all videos: of the picture, its colour among it, and of the sound
    if there is one.
    """

    picture: tuple[Any, ...]
    colour: Colour
    sound: tuple[Any, ...] | None


@contextmanager
def reading(path: Path) -> Iterator[Any]:
    """Open a video for reading. Raises FAILURES."""
    with path.open("rb") as file, opened(file) as container:
        yield container


def format_of(path: Path) -> Format:
    """Return the format of a video. Raises FAILURES."""
    with reading(path) as container:
        sound = next(iter(container.streams.audio), None)
        stream = container.streams.video[0]
        first, codec = next(container.decode(stream)), stream.codec_context
        colour = Colour(int(first.colorspace), int(codec.color_primaries), int(codec.color_trc))
        return Format(_picture(codec, first, colour), colour, _sound(sound) if sound else None)


def _picture(codec: Any, first: Any, colour: Colour) -> tuple[Any, ...]:
    sides = (codec.width, codec.height, codec.pix_fmt, codec.sample_aspect_ratio)
    return (
        codec.name,
        bytes(codec.extradata or b""),
        *sides,
        int(first.color_range),
        *colour,
        turn_of(first),
    )


def _sound(stream: Any) -> tuple[Any, ...]:
    codec = stream.codec_context
    return (codec.name, bytes(codec.extradata or b""), codec.sample_rate, codec.layout.name)
