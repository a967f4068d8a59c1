"""Asks a process of its own for pictures of videos (posters.py), one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO

from klingflow.media.decoder import Decoder
from klingflow.media.process import command
from klingflow.words import _

_COMMAND = command("posters")
_LIMIT_S = 20.0  # for one picture on a busy machine
BYTES_MOST = 4 << 20  # of one picture


def is_jpeg(data: bytes) -> bool:
    """Return True for data that begins and ends as a JPEG does."""
    return data.startswith(b"\xff\xd8\xff") and data.endswith(b"\xff\xd9")


class Painter(Decoder):
    """One such process. Two threads must not ask it at once."""

    def __init__(self, command: Sequence[str] = _COMMAND) -> None:
        super().__init__(command)

    def draw(self, path: Path) -> bytes:
        """Return the picture of one video as a JPEG; b"" where there is none, or where the process
        crashes over it, is too slow or answers with anything else, and has then ended.
        """
        try:
            self.ask(str(path))
            with self.answer(_LIMIT_S) as said:
                return _picture(said)
        except (OSError, ValueError):
            self.close()
            return b""


def _picture(said: IO[bytes]) -> bytes:
    """Return what the process says of one video. Raises ValueError for what it never says: a video
    may have taken it over.
    """
    head = said.read(4)
    length = int.from_bytes(head, "big")
    if len(head) < 4 or length > BYTES_MOST:
        raise ValueError(_("no answer"))
    picture = said.read(length)
    if len(picture) < length or (picture and not is_jpeg(picture)):
        raise ValueError(_("no picture"))
    return picture
