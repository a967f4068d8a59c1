"""Packets of one kind, copied from one video after the other into an MP4, as they are.

The decoding times of a stream have to increase. A packet whose time does not is moved behind the
one before it, as long as it is then still decoded before it is shown; otherwise it is dropped.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from klingflow.media.pieces import Piece, reading


class Copied:
    """A stream of copied packets, video or audio by `kind`. `like` is a stream of that format."""

    def __init__(self, container: Any, kind: str, like: Any) -> None:
        self._container, self._kind = container, kind
        self._stream = container.add_stream_from_template(like)
        self._base = like.time_base
        self._last: int | None = None

    def take(self, piece: Piece, start_s: Fraction, end_s: Fraction) -> None:
        """Copy the packets of a video, so that its first picture is at `start_s`. Sound that lasts
        beyond `end_s` is dropped.
        """
        assert piece.video is not None, "a card has no packets"
        with reading(piece.video) as container:
            stream = getattr(container.streams, self._kind)[0]
            begins_s = _start(container.streams.video[0])
            for packet in container.demux(stream):
                if packet.dts is None or not packet.size:
                    continue
                self._put(packet, stream.time_base, start_s - begins_s, end_s)

    def _put(self, packet: Any, base: Fraction, shift_s: Fraction, end_s: Fraction) -> None:
        pts = round((packet.pts * base + shift_s) / self._base)
        dts = round((packet.dts * base + shift_s) / self._base)
        duration = round((packet.duration or 0) * base / self._base)
        is_late = self._kind == "audio" and pts * self._base >= end_s
        if self._last is not None and dts <= self._last:
            dts = self._last + 1
        if is_late or dts > pts:
            return
        self._last = dts
        packet.time_base = self._base
        packet.pts, packet.dts, packet.duration = pts, dts, duration
        packet.stream = self._stream
        self._container.mux(packet)

    def end(self) -> None:
        """Do nothing: no packet is kept back."""


def _start(stream: Any) -> Fraction:
    return Fraction(stream.start_time or 0) * Fraction(stream.time_base)
