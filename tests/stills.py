"""The stills of pipelines/last-ferry.yaml: `python -m tests.stills` draws them. They stand in for
photographs: a sky, ground, and a shape in front.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

REFS = Path(__file__).parent.parent / "pipelines" / "refs"
_WIDTH, _HEIGHT, _HORIZON = 640, 360, 230
Colour = tuple[int, int, int]
# Each still: the sky's top and its lowest part, the ground, and what stands there, in the middle.
STILLS: dict[str, tuple[Colour, Colour, Colour, Colour]] = {
    "awei": ((24, 32, 54), (196, 120, 84), (30, 40, 52), (226, 88, 62)),
    "chuanzhang": ((24, 32, 54), (196, 120, 84), (30, 40, 52), (240, 236, 220)),
    "ferry-dusk": ((18, 26, 60), (236, 142, 86), (22, 50, 78), (14, 20, 30)),
    "ferry-night": ((6, 8, 22), (22, 30, 62), (10, 20, 40), (250, 214, 120)),
}


def still(name: str) -> bytes:
    """The PNG of one still."""
    rows = b"".join(b"\0" + bytes(row) for row in _rows(*STILLS[name]))
    head = struct.pack(">IIBBBBB", _WIDTH, _HEIGHT, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _rows(top: Colour, low: Colour, ground: Colour, shape: Colour) -> Iterator[list[int]]:
    for y in range(_HEIGHT):
        part = min(y / _HORIZON, 1)
        sky = [round(a + (b - a) * part) for a, b in zip(top, low, strict=True)]
        colour = sky if y < _HORIZON else list(ground)
        half = _half_width(y)
        side = colour * (_WIDTH // 2 - half)
        yield side + list(shape) * (2 * half) + side


def _half_width(y: int) -> int:
    """Half the width of a figure at a row: a head, shoulders, a coat."""
    if 90 <= y < 150:
        return round((30**2 - (y - 120) ** 2) ** 0.5) if abs(y - 120) < 30 else 0
    return 40 + (y - 150) // 4 if 150 <= y < 320 else 0


if __name__ == "__main__":
    REFS.mkdir(exist_ok=True)
    for name in STILLS:
        (REFS / f"{name}.png").write_bytes(still(name))
