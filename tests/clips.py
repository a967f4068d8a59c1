"""Small videos as a gateway could send them, one for each thing that can be odd about one."""

from __future__ import annotations

import io
import struct
from array import array
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, Final

import av

WIDTH, HEIGHT, FPS = 128, 72, 12

# The grey of each pixel, by frame and column.
Light = Callable[[int, int], int]
TONE: Final = array("h", [3000, -3000] * 512)
SILENCE: Final = array("h", [0] * 1024)


def black(frame: int, x: int) -> int:
    """Nothing is seen."""
    return 16


def still(frame: int, x: int) -> int:
    """The same is seen in every frame."""
    return 60 + x


def moving(frame: int, x: int) -> int:
    """Something moves."""
    return (60 + x + 8 * frame) % 200 + 16


def clip(
    light: Light = moving,
    *,
    seconds: int = 1,
    sound: Sequence[int] | None = None,
    times: Sequence[int] | None = None,
    **metadata: str,
) -> bytes:
    """An MP4 in H.264. `sound` is one frame of AAC, over and over; `times` are those of the frames
    in twelfths of a second.
    """
    file = io.BytesIO()
    # The index comes first, as in a video that is made to be watched while it loads.
    options = {"movflags": "use_metadata_tags", "moov_size": "8192"}
    with av.open(file, "w", format="mp4", options=options) as container:
        container.metadata.update(metadata)
        picture = _picture(container)
        speaker = _speaker(container) if sound else None
        for number, at in enumerate(times or range(seconds * FPS)):
            container.mux(picture.encode(_frame(light, number, at)))
        container.mux(picture.encode(None))
        if speaker:
            _speak(container, speaker, seconds, sound or ())
    return file.getvalue()


def _picture(container: Any) -> Any:
    stream = container.add_stream("libx264", rate=FPS)
    stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    stream.options = {"preset": "ultrafast", "g": "6"}
    stream.codec_context.time_base = Fraction(1, FPS)
    return stream


def _frame(light: Light, number: int, at: int) -> Any:
    frame: Any = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
    grey, *colours = frame.planes
    row = bytes(light(number, x) for x in range(WIDTH))
    grey.update(row.ljust(grey.line_size, b"\0") * HEIGHT)
    for plane in colours:
        plane.update(b"\x80" * plane.buffer_size)
    frame.pts, frame.time_base = at, Fraction(1, FPS)
    return frame


def _speaker(container: Any) -> Any:
    stream = container.add_stream("aac", rate=48_000)
    stream.layout = "mono"
    return stream


def _speak(container: Any, stream: Any, seconds: int, samples: Sequence[int]) -> None:
    for number in range(seconds * 48_000 // 1024):
        frame: Any = av.AudioFrame("s16", "mono", 1024)
        frame.sample_rate, frame.pts = 48_000, number * 1024
        frame.planes[0].update(array("h", samples).tobytes())
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def boxed(kind: bytes, content: bytes) -> bytes:
    """A box of an MP4."""
    return struct.pack(">I4s", 8 + len(content), kind) + content


def turned(video: bytes) -> bytes:
    """The same video, which its header says to show turned by a quarter."""
    upright = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
    quarter = struct.pack(">9i", 0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
    at = video.index(b"tkhd")
    return video[:at] + video[at:].replace(upright, quarter, 1)


def promising(video: bytes, factor: int) -> bytes:
    """The same video, whose headers say that it is so many times as long; 0 for no length."""
    for kind, before, form in ((b"mvhd", 16, ">I"), (b"tkhd", 20, ">I"), (b"mdhd", 16, ">I")):
        at = video.index(kind) + 4 + before
        (length,) = struct.unpack(form, video[at : at + 4])
        video = video[:at] + struct.pack(form, length * factor) + video[at + 4 :]
    return video
