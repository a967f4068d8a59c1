"""The process that draws one small picture of each video whose path it reads. A decoder may crash,
so it is a process of its own; starting one for each video would take longer than the pictures.

Reads one path of a video a line (JSON), and answers each with the length of a JPEG, in four bytes,
and the JPEG; a length of 0 means that there is no picture.
"""

from __future__ import annotations

import io
import json
import signal
import sys
from pathlib import Path
from typing import Any

from klingflow import plain_files
from klingflow.media.frames import NoFrame, seen
from klingflow.media.process import begin_count, give_way

_CPU_S = 30  # for one picture
_AT = 0.3  # of a video's length: its first frames are often black
_LONG_SIDE = 640
_QUALITY = 80


def main() -> None:
    """Answer until there is nothing more to read."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal is for the page alone
    give_way()
    for line in sys.stdin.buffer:
        begin_count(_CPU_S)
        picture = poster(Path(json.loads(line)))
        sys.stdout.buffer.write(len(picture).to_bytes(4, "big") + picture)
        sys.stdout.buffer.flush()


def poster(path: Path) -> bytes:
    """Return a picture of a video as a JPEG, b"" where none can be decoded."""
    try:
        with plain_files.opened_itself(path) as file, seen(file) as container:
            return _drawn(container)
    except (NoFrame, OSError):
        return b""


def _drawn(container: Any) -> bytes:
    """The frame nearest to the moment that can be decoded by itself."""
    if container.duration:
        container.seek(int(container.duration * _AT))
    for found in container.decode(video=0):
        picture, data = found.to_image(), io.BytesIO()
        picture.thumbnail((_LONG_SIDE, _LONG_SIDE))
        picture.save(data, "JPEG", quality=_QUALITY)
        return data.getvalue()
    return b""


if __name__ == "__main__":
    main()
