"""MP4 boxes, small enough for tests to cut, lengthen and misname."""

from __future__ import annotations

import struct


def box(kind: bytes, payload: bytes = b"", length: int | None = None) -> bytes:
    """A box of `kind`; `length` is a lie about its length."""
    return struct.pack(">I4s", 8 + len(payload) if length is None else length, kind) + payload


def film(size: int = 200_000, seed: int = 1) -> bytes:
    """What looks like a whole MP4 of about `size` bytes; other seeds give other bytes."""
    noise = bytes((seed * i * i + i // 251) % 256 for i in range(1024))
    payload = (noise * (size // 1024 + 1))[:size]
    return box(b"ftyp", b"isom\x00\x00\x02\x00") + box(b"moov", b"m" * 100) + box(b"mdat", payload)
