"""Looks at one video, through PyAV.

Every packet is read, since a header may lie about the length. Pictures and sound are decoded only
until they are known to be neither black nor frozen nor silent: a few frames of most videos.
"""

from __future__ import annotations

import operator
import os
from array import array
from typing import Any, BinaryIO, Final

import av

from klingflow.media.labels import labels
from klingflow.media.opening import CUT_S, FAILURES, opened, sides_of
from klingflow.model import UNREADABLE, Media, Sound

# A picture is compared as a grid of grey levels, each the mean of a block.
_GRID: Final = (64, 36)
_SAMPLE_S = 0.25
_BLACK_MOST = 24  # of 255
_STILL_MOST = 4  # of 255; an encoder's own changes stay below
_SILENT_MOST = 32  # of 32767: -60 dBFS


def probe(file: BinaryIO) -> Media:
    """Return what the video in an open MP4 is."""
    try:
        container = opened(file)
    except FAILURES:
        return UNREADABLE
    with container:
        picture, sound = _Picture(container), _Heard(container)
        is_whole = _read(container, picture, sound)
        width, height = picture.size
        return Media(
            width=width,
            height=height,
            seconds=round(picture.length.seconds, 3),
            fps=round(picture.length.fps, 3),
            sound=sound.word,
            black=picture.is_seen and picture.is_black,
            frozen=picture.is_seen and picture.is_frozen,
            damaged=not is_whole or picture.is_damaged or picture.is_cut,
            labels=labels(_reader(file), _size(file), container.metadata),
        )


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size


def _reader(file: BinaryIO) -> Any:
    def read(at: int, count: int) -> bytes:
        file.seek(at)
        return file.read(count)

    return read


def _read(container: Any, picture: _Picture, sound: _Heard) -> bool:
    """Give every packet to the part that needs it. Return False if reading fails before the end."""
    streams = [stream for stream in (picture.stream, sound.stream) if stream]
    if not streams:
        return True
    try:
        for packet in container.demux(streams):
            (picture if packet.stream is picture.stream else sound).take(packet)
    except FAILURES:
        return False
    return True


def _first(streams: Any) -> Any:
    stream = next(iter(streams), None)
    if stream is not None:
        stream.thread_type, stream.codec_context.thread_count = "NONE", 1
    return stream


class Length:
    """How long packets last."""

    def __init__(self, time_base: Any) -> None:
        self._tick_s = float(time_base or 0)
        self.count = 0
        self._first: int | None = None
        self._last = 0

    def add(self, packet: Any) -> None:
        at = packet.pts if packet.pts is not None else packet.dts
        self.count += 1
        self._first = at if self._first is None else min(self._first, at)
        self._last = max(self._last, at + (packet.duration or 0))

    @property
    def seconds(self) -> float:
        return max(0.0, (self._last - (self._first or 0)) * self._tick_s)

    @property
    def fps(self) -> float:
        return self.count / self.seconds if self.seconds else 0.0


class _Picture:
    """What is seen: compared with the first frame until it is known not to stand still."""

    def __init__(self, container: Any) -> None:
        self.stream = _first(container.streams.video)
        self.length = Length(self.stream.time_base if self.stream else None)
        self.is_black = self.is_frozen = True
        self.is_damaged = False
        self._first: bytes | None = None
        self._next_s = 0.0
        self._size = (0, 0)

    @property
    def is_seen(self) -> bool:
        """Return True if a frame was decoded."""
        return self._first is not None

    @property
    def is_cut(self) -> bool:
        """Return True if the header promises more than there is."""
        if not self.stream or not self.stream.duration or not self.stream.time_base:
            return False
        promised_s = float(self.stream.duration * self.stream.time_base)
        return promised_s > self.length.seconds + CUT_S

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, as it is shown; of a picture that cannot be decoded, as its
        header says; 0 where there is none.
        """
        if self.is_seen or not self.length.count:
            return self._size
        return self.stream.codec_context.width, self.stream.codec_context.height

    def take(self, packet: Any) -> None:
        """Count a packet, and decode it while there is something to find out."""
        if packet.dts is not None and packet.size:
            self.length.add(packet)
        if not self.is_black and not self.is_frozen:
            return
        try:
            frames = packet.decode()
        except av.FFmpegError:
            self.is_damaged = True
            return
        for frame in frames:
            self._see(frame)

    def _see(self, frame: Any) -> None:
        at_s = frame.time or 0.0
        if self._first is not None and at_s < self._next_s:
            return
        self._next_s = at_s + _SAMPLE_S
        grid = _grid(frame)
        self.is_black = self.is_black and max(grid) <= _BLACK_MOST
        if self._first is None:
            self._first = grid
            self._size = sides_of(frame)
        elif self.is_frozen:
            most = max(map(abs, map(operator.sub, grid, self._first)))
            self.is_frozen = most <= _STILL_MOST


def _grid(frame: Any) -> bytes:
    small = frame.reformat(*_GRID, format="gray", interpolation="AREA")
    plane = small.planes[0]
    data, row = bytes(plane), plane.line_size
    return b"".join(data[y * row : y * row + _GRID[0]] for y in range(_GRID[1]))


class _Heard:
    """What is heard, until something is."""

    def __init__(self, container: Any) -> None:
        self.stream = _first(container.streams.audio)
        self._resampler: Any = av.AudioResampler(format="s16") if self.stream else None
        self._is_silent = True

    @property
    def word(self) -> Sound:
        if not self.stream:
            return "none"
        return "silent" if self._is_silent else "heard"

    def take(self, packet: Any) -> None:
        """Decode a packet while everything before it is silent."""
        if not self._is_silent:
            return
        try:
            frames = [part for frame in packet.decode() for part in self._resampler.resample(frame)]
        except (av.FFmpegError, ValueError):  # ValueError: its format changes on the way
            return  # what cannot be decoded is not heard
        self._is_silent = not any(map(_is_loud, frames))


def _is_loud(frame: Any) -> bool:
    size_bytes = 2 * frame.samples * len(frame.layout.channels)  # what is behind it is padding
    samples = array("h", bytes(frame.planes[0])[:size_bytes])
    loudest = max(samples, default=0), -min(samples, default=0)
    return max(loudest) > _SILENT_MOST
