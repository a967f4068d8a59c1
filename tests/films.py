"""Small videos for tests, made by PyAV; and what an MP4 holds, read back."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

TURNED = struct.pack(">9i", 0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)  # by 90 degrees
UPRIGHT = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)


def film(
    path: Path,
    *,
    seconds: float = 1.0,
    fps: int = 24,
    size: tuple[int, int] = (64, 36),
    sound: bool = False,
    grey: int = 128,
    mark: str = "",
    turned: bool = False,
    bframes: int = 0,
    colour: int = 0,
) -> Path:
    """Write a video of one grey level, with a quiet tone if it has sound."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"movflags": "use_metadata_tags"}
    with av.open(str(path), "w", format="mp4", options=options) as out:
        container: Any = out
        if mark:
            container.metadata["AIGC"] = mark
        video = container.add_stream("libx264", rate=fps)
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        video.options = {"preset": "ultrafast", "bf": str(bframes), "threads": "1"}
        if colour:
            codec = video.codec_context
            codec.colorspace = codec.color_primaries = codec.color_trc = colour
        audio = _audio(container) if sound else None
        for number in range(round(seconds * fps)):
            container.mux(video.encode(_frame(size, grey, number, fps)))
        container.mux(video.encode(None))
        if audio is not None:
            _fill(container, audio, seconds)
    if turned:
        data = path.read_bytes()
        assert UPRIGHT in data
        at = data.index(UPRIGHT, data.index(b"tkhd"))
        path.write_bytes(data[:at] + TURNED + data[at + len(TURNED) :])
    return path


def _audio(container: Any) -> Any:
    audio = container.add_stream("aac", rate=48_000)
    audio.layout = "stereo"
    return audio


def _frame(size: tuple[int, int], grey: int, number: int, fps: int) -> Any:
    frame: Any = av.VideoFrame(*size, "yuv420p")
    for plane, level in zip(frame.planes, (grey, 128, 128), strict=True):
        plane.update(bytes([level]) * plane.buffer_size)
    frame.pts, frame.time_base = number, Fraction(1, fps)
    return frame


def _fill(container: Any, audio: Any, seconds: float) -> None:
    whole = round(seconds * 48_000)
    for first in range(0, whole, 1024):
        frame: Any = av.AudioFrame("fltp", "stereo", min(1024, whole - first))
        frame.sample_rate, frame.pts, frame.time_base = 48_000, first, Fraction(1, 48_000)
        for plane in frame.planes:
            samples = plane.buffer_size // 4
            plane.update(
                struct.pack(f"<{samples}f", *[(-0.1, 0.1)[n // 50 % 2] for n in range(samples)])
            )
        container.mux(audio.encode(frame))
    container.mux(audio.encode(None))


def frames(path: Path) -> list[tuple[float, int]]:
    """Return the time and the mean grey level of each picture of a video."""
    with av.open(str(path)) as container:
        return [(round(frame.time or 0.0, 4), _grey(frame)) for frame in container.decode(video=0)]


def _grey(frame: Any) -> int:
    small = frame.reformat(8, 8, format="gray")
    data = bytes(small.planes[0])
    rows = [data[y * small.planes[0].line_size :][:8] for y in range(8)]
    return round(sum(map(sum, rows)) / 64)


def packets(path: Path, kind: str) -> list[tuple[int, bytes]]:
    """Return the decoding time and the bytes of each packet, of `video` or `audio`."""
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[0]
        return [(int(p.dts or 0), bytes(p)) for p in container.demux(stream) if p.size]


def opened(path: Path) -> dict[str, Any]:
    """Return what is in a video: sides, streams and metadata."""
    with av.open(str(path)) as container:
        read: Any = container
        first = next(read.decode(video=0))
        return {
            "size": (first.width, first.height),
            "rotation": int(first.rotation) % 360,
            "colour": (int(first.colorspace), int(read.streams.video[0].color_primaries)),
            "kinds": [stream.type for stream in read.streams],
            "metadata": dict(read.metadata),
            "seconds": float(read.duration / 1_000_000),
        }
