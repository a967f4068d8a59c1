"""PURE. The marks of AI-made video.

C2PA keeps its manifest in a `uuid` box of its own at the top of an MP4 (C2PA 2.1, A.5). China's
labelling rules keep a JSON text in the metadata of the film under the key AIGC (GB 45438-2025,
annex E); a decoder lists that metadata. Nothing is verified: who cuts a video wants to know that a
mark is there.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

from klingflow.model import Label

# The bytes from an offset on, at most so many.
Read: TypeAlias = Callable[[int, int], bytes]

AIGC: Final = "AIGC"  # the key in a film's metadata
_C2PA: Final = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_BOXES_MOST = 10_000
_HEAD_BYTES = 32  # of a box: length, kind, long length, and the 16 bytes of a `uuid`


def labels(read: Read, size_bytes: int, metadata: Mapping[str, str]) -> tuple[Label, ...]:
    """Return the marks in a file of `size_bytes`, whose metadata a decoder has listed."""
    found: list[Label] = []
    if any(_is_aigc(key, value) for key, value in metadata.items()):
        found.append(AIGC)
    if _C2PA in _uuids(read, size_bytes):
        found.append("C2PA")
    return tuple(found)


def is_mark(key: str) -> bool:
    """Return True for the key of the mark of AI-made video in a film's metadata."""
    return key.upper() == AIGC


def _is_aigc(key: str, value: str) -> bool:
    """Return True for the key, or for a comment that has the key in JSON, since not every writer
    can choose the key.
    """
    return is_mark(key) or f'"{AIGC}"' in value


def _uuids(read: Read, size_bytes: int) -> Iterator[bytes]:
    """Yield the names of the `uuid` boxes at the top."""
    at = 0
    for _ in range(_BOXES_MOST):
        head = read(at, _HEAD_BYTES)
        if len(head) < 8:
            return
        length, kind = struct.unpack(">I4s", head[:8])
        name_at = 8
        if length == 1 and len(head) >= 16:
            length, name_at = struct.unpack(">Q", head[8:16])[0], 16
        if kind == b"uuid":
            yield head[name_at : name_at + 16]
        if length < 8 or at + length >= size_bytes:  # 0: up to the end of the file
            return
        at += length
