"""How a video is given to the decoder, how far its header is believed, and which way up a player
shows it.
"""

from __future__ import annotations

from typing import Any, BinaryIO, Final

import av

CUT_S: Final = 1.0  # that a header may promise more than there is
_PIXELS_MOST: Final = 8192 * 4320
# The exceptions of opening, reading and decoding a video.
FAILURES: Final = (OSError, ValueError, av.FFmpegError)


def opened(file: BinaryIO) -> Any:
    """Return the container in an open MP4. Raises FAILURES."""
    # From an open file, and as an MP4: no text in it can name another file or an address.
    container: Any = av.open(file, format="mp4", metadata_errors="ignore")
    for stream in container.streams.video:
        stream.codec_context.options = {"max_pixels": str(_PIXELS_MOST)}
    return container


def turn_of(frame: Any) -> int:
    """Return by how many degrees, 0 to 270, a player turns a frame."""
    return int(frame.rotation) % 360


def sides_of(frame: Any) -> tuple[int, int]:
    """Return the width and height of a frame in pixels, as it is shown."""
    is_turned = turn_of(frame) in (90, 270)
    return (frame.height, frame.width) if is_turned else (frame.width, frame.height)
