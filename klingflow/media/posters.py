"""The process that draws one small picture out of each video it is told of. A decoder may crash, so
it is a process of its own; starting one for each video would take longer than the pictures.

Reads one path of a video a line (JSON), and answers each with the length of a JPEG, in four bytes,
and the JPEG; a length of 0 where there is no picture.
"""

from __future__ import annotations

import io
import json
import os
import signal
import sys
from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError
from PIL import Image

from klingflow import disk
from klingflow.media.child import begin_count, give_way

_AT = 0.3  # of a video's length: its first frames are often black
_LONG_SIDE = 640
_QUALITY = 80
_PIXELS_MOST = 64_000_000


def main() -> None:
    """Answer until there is nothing more to read."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal is for the page alone
    give_way()
    for line in sys.stdin.buffer:
        begin_count()
        picture = poster(Path(json.loads(line)))
        sys.stdout.buffer.write(len(picture).to_bytes(4, "big") + picture)
        sys.stdout.buffer.flush()


def poster(path: Path) -> bytes:
    """Return a picture of a video as a JPEG, b"" where none can be decoded."""
    try:
        file = os.fdopen(disk.open_itself(path, os.O_RDONLY), "rb")
        with file, av.open(file, "r") as container:
            picture = _picture(container)
    except (FFmpegError, OSError, ValueError, IndexError):
        return b""
    if picture is None:
        return b""
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=_QUALITY)
    return data.getvalue()


def _picture(container: InputContainer) -> Image.Image | None:
    stream = container.streams.video[0]
    if stream.width * stream.height > _PIXELS_MOST:
        return None
    if container.duration:
        container.seek(int(container.duration * _AT))
    for frame in container.decode(stream):
        picture: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]
        picture.thumbnail((_LONG_SIDE, _LONG_SIDE))
        return picture
    return None


if __name__ == "__main__":
    main()
