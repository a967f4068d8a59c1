"""Small files that begin as images and videos do."""

from __future__ import annotations

import struct
import zlib


def png(width: int = 640, height: int = 360, shade: int = 0) -> bytes:
    """A grey picture that every program opens."""
    rows = b"".join(b"\0" + bytes([shade]) * width for _ in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def jpeg(width: int = 640, height: int = 360, before: int = 70_000) -> bytes:
    """The head of a JPEG whose size stands behind `before` bytes of a camera's notes."""
    notes = b""
    while before > 0:
        part = min(before, 65_000)
        notes += b"\xff\xe1" + struct.pack(">H", part + 2) + bytes(part)
        before -= part
    frame = b"\xff\xc2" + struct.pack(">HBHHB", 17, 8, height, width, 3)
    return b"\xff\xd8" + notes + b"\xff" + frame + bytes(9)


def mp4(brand: bytes = b"isom", size: int = 100) -> bytes:
    """The first box of a film."""
    return struct.pack(">I4s4sI", 20, b"ftyp", brand, 512) + b"isom" + bytes(size)
