"""Whether a file is a whole MP4, going by its boxes: the only sign of a download that was cut
without a word.

A relay that proxies a video in chunks and runs into its own time limit ends the transfer properly,
so that neither HTTP nor the length tells. The boxes do: each says how long it is, and one that says
more than there is was cut.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO

# A fragmented film has two boxes a fragment; more than this is no film but a trap for whoever
# counts.
_MOST_BOXES = 100_000
_NEEDED = (b"ftyp", b"moov", b"mdat")


def check(path: Path, *, all_here: bool = False) -> str | None:
    """What is wrong with the file at `path`, or None: boxes from first to last byte, ftyp, moov and
    mdat among them. Where `all_here` bytes are that the server has, a few blanks may follow, such
    as the line's end that a script adds; an error page may not, for the film before it may have
    been cut between two boxes. Raises OSError.
    """
    with path.open("rb") as file:
        return _check(file, os.fstat(file.fileno()).st_size, all_here)


def _check(file: BinaryIO, size: int, all_here: bool) -> str | None:
    seen: set[bytes] = set()
    offset = 0
    for _ in range(_MOST_BOXES):
        if offset == size:
            missing = [name.decode() for name in _NEEDED if name not in seen]
            return f"the MP4 has no {' and no '.join(missing)}" if missing else None
        file.seek(offset)
        head = file.read(16)
        kind, length = _box(head, size - offset)
        if not seen and kind != b"ftyp":
            return "not an MP4"
        if length is None or length > size - offset:
            if (
                all_here
                and seen.issuperset(_NEEDED)
                and len(head) < 16
                and not head.strip(b"\0 \t\r\n")
            ):
                return None
            return f"the MP4 is cut short in the box at byte {offset} of {size}"
        seen.add(kind)
        offset += length
    return "the MP4 has too many boxes"


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
    if length == 1:
        length = struct.unpack(">Q", head[8:16])[0] if len(head) == 16 else 0
        return kind, length if length >= 16 else None
    return kind, length if length >= 8 else None
