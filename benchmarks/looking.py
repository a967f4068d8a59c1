"""What it costs to look at a video: CPU of the process that does it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from benchmarks.figures import Figure, python, spend
from klingflow.sandbox import clips

_FPS, _WIDTH, _HEIGHT, _SECONDS = 24, 1920, 1080, 10
_CODE = """
import sys, time
from klingflow.media.probe import probe
began = time.process_time()
for path in sys.argv[1:]:
    with open(path, "rb") as file:
        probe(file)
print((time.process_time() - began) / len(sys.argv[1:]))
"""


def figures(videos: int, folder: Path) -> list[Figure]:
    """Return the CPU of looking at each of so many videos of 1080P and 10 s: moving ones with
    sound, and ones that stand still, of which every frame is decoded.
    """
    moving, still = folder / "moving.mp4", folder / "still.mp4"
    moving.write_bytes(clips.draw(clips.Shown("task_x", "", "rain", _WIDTH, _HEIGHT, 10, True)))
    _write_still(still)
    start_s = spend(python("-c", "import klingflow.media.child")).cpu_s
    found = [_cpu_s([path] * videos) for path in (moving, still)]
    beside = f"start of its process: {start_s:.2f} s"
    return [
        Figure(f"CPU of a look at a {name} video", "", f"{cpu_s:.3f} s", beside)
        for name, cpu_s in zip(("moving", "frozen"), found, strict=True)
    ]


def _cpu_s(paths: list[Path]) -> float:
    return float(spend(python("-c", _CODE, *map(str, paths))).out)


def _write_still(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=_FPS)
        stream.width, stream.height, stream.pix_fmt = _WIDTH, _HEIGHT, "yuv420p"
        stream.options = {"preset": "ultrafast"}
        frame: Any = av.VideoFrame(_WIDTH, _HEIGHT, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes(n % 160 + 40 for n in range(plane.line_size)) * plane.height)
        for number in range(_FPS * _SECONDS):
            frame.pts, frame.time_base = number, Fraction(1, _FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
