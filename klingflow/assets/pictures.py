"""PURE. What a file is by its bytes, and the sides of an image: PNG, JPEG, WebP, MP4 and MOV.

Bytes come from a function that is handed in, since the size of a JPEG may stand far inside it.
Nothing is decoded. Sources: PNG (RFC 2083), JPEG (ITU T.81, annex B), WebP (RFC 9649), MP4 (ISO
14496-12).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

# The bytes from an offset on, at most so many.
Read: TypeAlias = Callable[[int, int], bytes]


class Picture(NamedTuple):
    """What a file is: the usual suffix of its kind, "" for any other; and the sides of an image in
    pixels, 0 where they are not known.
    """

    suffix: str = ""
    width: int = 0
    height: int = 0


_HEAD = 32  # bytes, enough for every kind but JPEG
_START_OF_FRAME: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE: Final = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length
_SEGMENTS_MOST = 1000
_QUICKTIME: Final = b"qt  "
# Brands of pictures in the box format of MP4: HEIC and AVIF.
_STILLS: Final = frozenset({b"heic", b"heix", b"heif", b"mif1", b"msf1", b"avif", b"avis"})
_OLD_QUICKTIME: Final = frozenset({b"moov", b"mdat", b"wide", b"free"})  # before it had brands


def picture(read: Read) -> Picture:
    """Return what a file is."""
    head = read(0, _HEAD)
    box = head[4:8]
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png(head)
    if head.startswith(b"\xff\xd8\xff"):
        return _jpeg(read)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return _webp(head)
    if box == b"ftyp":
        return _film(head[8:12])
    return Picture("mov") if box in _OLD_QUICKTIME else Picture()


def _png(head: bytes) -> Picture:
    if head[12:16] != b"IHDR" or len(head) < 24:
        return Picture("png")
    return Picture("png", *struct.unpack(">II", head[16:24]))


def _jpeg(read: Read) -> Picture:
    """Walk over the segments to the one that has the size."""
    at = 2
    for _ in range(_SEGMENTS_MOST):
        segment = read(at, 9)
        if len(segment) < 9 or segment[0] != 0xFF:
            break
        marker = segment[1]
        if marker in _START_OF_FRAME:
            height, width = struct.unpack(">HH", segment[5:9])
            return Picture("jpg", width, height)
        at += _length(marker, segment)
    return Picture("jpg")


def _length(marker: int, segment: bytes) -> int:
    """Return the bytes from one marker to the next."""
    if marker == 0xFF:  # padding
        return 1
    return 2 if marker in _ALONE else 2 + max(2, int.from_bytes(segment[2:4], "big"))


def _webp(head: bytes) -> Picture:
    if len(head) < 30:
        return Picture("webp")
    match head[12:16]:
        case b"VP8 ":
            width, height = struct.unpack("<HH", head[26:30])
            return Picture("webp", width & 0x3FFF, height & 0x3FFF)
        case b"VP8L":
            bits = int.from_bytes(head[21:25], "little")
            return Picture("webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
        case b"VP8X":
            width = int.from_bytes(head[24:27], "little") + 1
            return Picture("webp", width, int.from_bytes(head[27:30], "little") + 1)
    return Picture("webp")


def _film(brand: bytes) -> Picture:
    if brand in _STILLS:
        return Picture()
    return Picture("mov" if brand == _QUICKTIME else "mp4")
