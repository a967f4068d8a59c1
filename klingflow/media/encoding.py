"""Pictures as H.264 and sound as AAC, for what cannot be copied: cards, subtitles over a picture,
and videos of several formats. Each piece lasts as many frames as the cut says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, Final, NamedTuple

import av

from klingflow.media.opening import turn_of
from klingflow.media.pieces import Colour, Piece, Shape, reading

_SAMPLES_S: Final = 48_000
_BLOCK: Final = 1024  # samples of an AAC frame
_TICK: Final = Fraction(1, 1000)  # second
_TURNS: Final = {90: ("2",), 180: ("1", "1"), 270: ("1",)}  # filters `transpose`


class EncodedPicture:
    """A stream of H.264. `quality` is x264's (0 is lossless, 51 the worst), `speed` its preset;
    `colour` is what all videos say of their colours, None if they differ. `tell` gets how many
    frames are encoded.
    """

    def __init__(
        self,
        container: Any,
        shape: Shape,
        quality: int,
        speed: str,
        colour: Colour | None,
        tell: Callable[[int], None],
    ) -> None:
        self._container, self._shape, self._tell = container, shape, tell
        stream: Any = container.add_stream("libx264", rate=shape.rate)
        stream.width, stream.height, stream.pix_fmt = *_even(shape), "yuv420p"
        stream.options = {"crf": str(quality), "preset": speed}
        stream.time_base = stream.codec_context.time_base = 1 / shape.rate
        if colour:
            codec = stream.codec_context
            codec.colorspace, codec.color_primaries, codec.color_trc = colour
        self._stream, self._count = stream, 0

    def take(self, piece: Piece, start_s: Fraction, end_s: Fraction) -> None:
        """Encode a piece. If its video is shorter than its time, the last picture stays."""
        put, last = 0, None
        for frame in self._frames(piece):
            if put == piece.frames:
                break
            self._put(frame)
            put, last = put + 1, frame
        while put < piece.frames and last is not None:
            self._put(last)
            put += 1

    def _frames(self, piece: Piece) -> Iterator[Any]:
        if piece.still is not None:
            frames: Any = av.VideoFrame
            still = frames.from_image(piece.still())
            yield from _laid(_standing(still, self._shape, piece.frames), piece, self._shape)
            return
        assert piece.video is not None, "a piece is a video or a picture"
        with reading(piece.video) as container:
            yield from _laid(container.decode(video=0), piece, self._shape)

    def _put(self, frame: Any) -> None:
        frame.pts, frame.time_base = self._count, 1 / self._shape.rate
        frame.pict_type = 0  # the encoder's own choice
        self._count += 1
        self._container.mux(self._stream.encode(frame))
        self._tell(self._count)

    def end(self) -> None:
        """Write what the encoder still holds."""
        self._container.mux(self._stream.encode(None))


def _even(shape: Shape) -> tuple[int, int]:
    """Return sides that H.264 can have with the usual colours."""
    return shape.width + shape.width % 2, shape.height + shape.height % 2


def _standing(still: Any, shape: Shape, frames: int) -> Iterator[Any]:
    for number in range(frames):
        still.pts, still.time_base = number, 1 / shape.rate
        yield still


def _laid(frames: Iterator[Any], piece: Piece, shape: Shape) -> Iterator[Any]:
    """Yield frames upright, in the size and at the rate of a cut, with what lies over them."""
    graph: Any = None
    first_s = 0.0
    for frame in frames:
        if graph is None:
            graph, first_s = _graph(frame, piece, shape), frame.time or 0.0
        # A video need not begin at 0, but its subtitles count from there.
        frame.pts = round(((frame.time or 0.0) - first_s) / frame.time_base)
        graph.source.push(frame)
        yield from _pulled(graph.sink)
    if graph is not None:
        graph.source.push(None)
        yield from _pulled(graph.sink)


class _Graph(NamedTuple):
    """Filters from a source to a sink. The `graph` itself has to be kept with them."""

    source: Any
    sink: Any
    graph: Any


def _graph(frame: Any, piece: Piece, shape: Shape) -> _Graph:
    graph: Any = av.filter.Graph()
    width, height = _even(shape)
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
    )
    rate = f"{shape.rate.numerator}/{shape.rate.denominator}"
    filters = [("fps", f"fps={rate}:round=near")]
    filters += [("transpose", turn) for turn in _TURNS.get(turn_of(frame), ())]
    filters += [
        ("scale", f"{width}:{height}:force_original_aspect_ratio=decrease"),
        ("pad", f"{width}:{height}:(ow-iw)/2:(oh-ih)/2"),
        ("setsar", "1"),
        ("format", "yuv420p"),
    ]
    end = source
    for name, arguments in filters:
        end = _linked(end, graph.add(name, arguments))
    over = [(one, _transparent(one.draw())) for one in piece.over]
    sources = []
    for one, picture in over:
        sides = {"width": picture.width, "height": picture.height}
        sources.append(graph.add_buffer(**sides, format="rgba", time_base=_TICK))
        shown = f"gte(t,{one.start_s:.3f})*lt(t,{one.end_s:.3f})"
        laid = graph.add("overlay", f"eof_action=repeat:enable='{shown}'")
        sources[-1].link_to(laid, 0, 1)
        end = _linked(end, laid)
    sink = _linked(end, graph.add("buffersink"))
    graph.configure()
    for at, (_, picture) in zip(sources, over, strict=True):
        at.push(picture)
        at.push(None)
    return _Graph(source, sink, graph)


def _linked(one: Any, other: Any) -> Any:
    one.link_to(other)
    return other


def _transparent(picture: Any) -> Any:
    """Return a picture as a frame; PyAV's own way would drop what makes it transparent."""
    frame: Any = av.VideoFrame(picture.width, picture.height, "rgba")
    plane, data, row = frame.planes[0], picture.tobytes(), picture.width * 4
    padding = bytes(plane.line_size - row)
    rows = (data[at : at + row] for at in range(0, len(data), row))
    plane.update(b"".join(one + padding for one in rows))
    frame.pts, frame.time_base = 0, _TICK
    return frame


def _pulled(sink: Any) -> Iterator[Any]:
    while True:
        try:
            yield sink.pull()
        except (av.BlockingIOError, av.EOFError):
            return


class EncodedSound:
    """A stream of AAC, in stereo; silence where a piece has no sound."""

    def __init__(self, container: Any) -> None:
        self._container = container
        stream: Any = container.add_stream("aac", rate=_SAMPLES_S)
        stream.layout, stream.bit_rate = "stereo", 192_000
        self._stream, self._fifo, self._count = stream, av.AudioFifo(), 0
        self._given = 0

    def take(self, piece: Piece, start_s: Fraction, end_s: Fraction) -> None:
        """Encode the sound of a piece, from `start_s` to `end_s` of the cut."""
        until = round(end_s * _SAMPLES_S)
        if piece.video is not None:
            for frame in _heard(piece):
                self._give(frame, until)
        while self._given < until:
            self._give(_silence(min(_BLOCK, until - self._given)), until)
        self._encode(_BLOCK)

    def _give(self, frame: Any, until: int) -> None:
        """Take the samples of a frame that lie before sample `until`."""
        left = until - self._given
        if left <= 0:
            return
        if frame.samples > left:
            part = av.AudioFifo()
            frame.pts = None
            part.write(frame)
            frame = part.read(left)
        frame.pts = None
        self._given += frame.samples
        self._fifo.write(frame)
        self._encode(_BLOCK)

    def _encode(self, least: int) -> None:
        while self._fifo.samples >= least and self._fifo.samples:
            frame: Any = self._fifo.read(min(_BLOCK, self._fifo.samples))
            frame.pts, frame.time_base = self._count, Fraction(1, _SAMPLES_S)
            frame.sample_rate = _SAMPLES_S
            self._count += frame.samples
            self._container.mux(self._stream.encode(frame))

    def end(self) -> None:
        """Write what is left."""
        self._encode(0)
        self._container.mux(self._stream.encode(None))


def _heard(piece: Piece) -> Iterator[Any]:
    """Yield the sound of a video from its first picture on."""
    assert piece.video is not None, "a card is silent"
    resampler: Any = av.AudioResampler(format="fltp", layout="stereo", rate=_SAMPLES_S)
    with reading(piece.video) as container:
        if not container.streams.audio:
            return
        for frame in container.decode(audio=0):
            yield from resampler.resample(frame)
        yield from resampler.resample(None)


def _silence(samples: int) -> Any:
    frame: Any = av.AudioFrame("fltp", "stereo", samples)
    frame.sample_rate = _SAMPLES_S
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    return frame
