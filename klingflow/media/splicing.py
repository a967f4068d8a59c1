"""One MP4 from the pieces of a cut. Pictures are copied as they are if all pieces are videos of one
format without a subtitle over them, and sound likewise; otherwise they are encoded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, NamedTuple

import av

from klingflow.media.copying import Copied
from klingflow.media.encoding import EncodedPicture, EncodedSound
from klingflow.media.labels import AIGC
from klingflow.media.pieces import Colour, Format, Piece, Shape, format_of, reading

# The index in front, so that a player can begin early; and metadata under any key.
_OPTIONS: Final = {"movflags": "faststart+use_metadata_tags"}
FINE, QUICK = (17, "medium"), (26, "veryfast")  # a quality and a speed of x264


class Made(NamedTuple):
    """How an MP4 was made: True if the pictures, or the sound, were copied as they are."""

    picture: bool
    sound: bool


def join(
    target: Path,
    pieces: Sequence[Piece],
    shape: Shape,
    *,
    mark: str = "",
    encoder: tuple[int, str] = FINE,
    tell: Callable[[int], None] = lambda done: None,
) -> Made:
    """Write the pieces into one MP4 at `target`, which is not there yet. `mark` is for its metadata
    AIGC; `tell` gets how many frames are done. Raises `klingflow.media.opening.FAILURES`.
    """
    videos = [piece.video for piece in pieces if piece.video]
    formats = [format_of(video) for video in videos]
    copies = _what_is_copied(pieces, formats)
    with ExitStack() as stack:
        like: Any = stack.enter_context(reading(videos[0])) if videos else None
        out: Any = stack.enter_context(av.open(str(target), "w", format="mp4", options=_OPTIONS))
        if mark:
            out.metadata[AIGC] = mark
        streams: list[Any] = []
        if copies.picture:
            streams.append(Copied(out, "video", like.streams.video[0]))
        else:
            streams.append(EncodedPicture(out, shape, *encoder, _colour(formats), tell))
        if copies.sound:
            streams.append(Copied(out, "audio", like.streams.audio[0]))
        elif any(one.sound for one in formats):
            streams.append(EncodedSound(out))
        _fill(streams, pieces, shape, tell)
    return copies


def _what_is_copied(pieces: Sequence[Piece], formats: Sequence[Format]) -> Made:
    if len(formats) != len(pieces):  # a card has to be encoded
        return Made(picture=False, sound=False)
    is_under_text = any(piece.over for piece in pieces)
    return Made(
        picture=not is_under_text and _is_one(formats, "picture"),
        sound=_is_one(formats, "sound"),
    )


def _is_one(formats: Sequence[Format], part: str) -> bool:
    found = {getattr(one, part) for one in formats}
    return len(found) == 1 and None not in found


def _colour(formats: Sequence[Format]) -> Colour | None:
    """Return the colour that all videos have; None if they differ."""
    found = {one.colour for one in formats}
    return found.pop() if len(found) == 1 else None


def _fill(
    streams: Sequence[Any], pieces: Sequence[Piece], shape: Shape, tell: Callable[[int], None]
) -> None:
    """Give each piece to each stream, one after the other."""
    start_s, done = Fraction(0), 0
    for piece in pieces:
        end_s = start_s + piece.frames / shape.rate
        for stream in streams:
            stream.take(piece, start_s, end_s)
        start_s, done = end_s, done + piece.frames
        tell(done)
    for stream in streams:
        stream.end()
