"""Is a file a whole MP4, going by its boxes? A download that was cut says so by nothing else.

A relay that proxies a video in chunks and runs into its own time limit ends the transfer properly,
so neither HTTP nor the length tells. The boxes do: each says how long it is, and a box that says
more than there is was cut.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO

from klingflow.words import _, joined

# A fragmented film has two boxes a fragment; more than this is no film but a trap for a reader that
# counts.
_MOST_BOXES = 100_000
_NEEDED = (b"ftyp", b"moov", b"mdat")
_HEAD_BYTES = 16
_BLANKS = b"\0 \t\r\n"


def check(path: Path, *, all_here: bool = False) -> str | None:
    """Return what is wrong with the file at `path`, None for a good one: it must have boxes from
    first to last byte, ftyp, moov and mdat among them. Raises OSError.

    `all_here` says that these are all the bytes that the server has: then a few blanks may follow,
    such as the line's end that a script adds. An error page may not, because the film before it may
    have been cut between two boxes.
    """
    with path.open("rb") as file:
        return _check(file, os.fstat(file.fileno()).st_size, all_here)


def _check(file: BinaryIO, size: int, all_here: bool) -> str | None:
    seen: set[bytes] = set()
    offset = 0
    for _unused in range(_MOST_BOXES):
        if offset == size:
            return _missing(seen)
        file.seek(offset)
        head = file.read(_HEAD_BYTES)
        kind, length = _box(head, size - offset)
        if not seen and kind != b"ftyp":
            return _("not an MP4")
        if length is None or length > size - offset:
            is_whole = all_here and seen.issuperset(_NEEDED) and _is_blank_end(head)
            if is_whole:
                return None
            return _(
                "the MP4 is cut short in the box at byte {offset} of {size}",
                offset=offset,
                size=size,
            )
        seen.add(kind)
        offset += length
    return _("the MP4 has too many boxes")


def _missing(seen: set[bytes]) -> str | None:
    missing = [name.decode() for name in _NEEDED if name not in seen]
    if not missing:
        return None
    return _("the MP4 has no {missing}", missing=joined(_(" and no "), missing))


def _is_blank_end(head: bytes) -> bool:
    """True if `head` is the end of the file and holds blanks alone."""
    return len(head) < _HEAD_BYTES and not head.strip(_BLANKS)


def _box(head: bytes, left: int) -> tuple[bytes, int | None]:
    """(kind, length in bytes) of the box that begins with `head`; no length where the head is not
    whole.

    A length of 1 means that 64 bits follow, 0 that the box goes on to the end of the file (ISO
    14496-12, 4.2).
    """
    if len(head) < 8:
        return b"", None
    length, kind = struct.unpack(">I4s", head[:8])
    if length == 0:
        return kind, left
    least = 8
    if length == 1:
        least = _HEAD_BYTES
        length = struct.unpack(">Q", head[8:])[0] if len(head) == _HEAD_BYTES else 0
    return kind, length if length >= least else None
