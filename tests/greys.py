"""Small real videos, whose frames differ in their grey."""

from __future__ import annotations

import io
from fractions import Fraction

import av

FPS = 25


def grey_of(number: int) -> int:
    """The luma of a frame by its number, from 0."""
    return 16 + 4 * number % 200


def film(frames: int = 50, size: tuple[int, int] = (640, 360), keys: int = 12) -> bytes:
    """An MP4 of so many frames at 25 a second, of which each `keys`th can be decoded by itself."""
    width, height = size
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"g": str(keys), "crf": "4", "preset": "ultrafast"}
        for number in range(frames):
            frame = av.VideoFrame(width, height, "yuv420p")
            for plane, value in zip(frame.planes, (grey_of(number), 128, 128), strict=True):
                plane.update(bytes([value]) * plane.buffer_size)
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def mute(seconds: int = 1) -> bytes:
    """An MP4 with sound and no picture."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=48_000)
        for number in range(seconds * 46):
            frame = av.AudioFrame("fltp", "stereo", 1024)
            for plane in frame.planes:
                plane.update(bytes(plane.buffer_size))
            frame.sample_rate, frame.pts = 48_000, number * 1024
            frame.time_base = Fraction(1, 48_000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()
