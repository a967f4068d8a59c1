"""How a video is given to the decoder, and how far its header is believed."""

from __future__ import annotations

from typing import Any, BinaryIO, Final

import av

CUT_S: Final = 1.0  # that a header may promise more than there is
_PIXELS_MOST: Final = 8192 * 4320
# What opening, reading and decoding a video raises.
FAILURES: Final = (OSError, ValueError, av.FFmpegError)


def opened(file: BinaryIO) -> Any:
    """Return the container in an open MP4. Raises FAILURES."""
    # From an open file, and as an MP4: no text in it can name another file or an address.
    container: Any = av.open(file, format="mp4", metadata_errors="ignore")
    for stream in container.streams.video:
        stream.codec_context.options = {"max_pixels": str(_PIXELS_MOST)}
    return container
