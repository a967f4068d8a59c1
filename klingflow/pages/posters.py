"""The picture that stands for each video: drawn once, and kept by the video's content.

Without the `media` extra there are none, and the page shows the first frames of the videos
themselves.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Self

from klingflow import disk, plain_files
from klingflow.api.gallery import Video
from klingflow.media.painter import BYTES_MOST, Painter, is_jpeg
from klingflow.media.process import can_decode
from klingflow.words import _

NO_PICTURES = _(
    "the page shows videos without pictures of them: pip install 'klingflow[media]' brings those"
)
_WORKERS = 2
_HASH = re.compile(r"[0-9a-f]{64}")


class Posters:
    """Pictures of videos. `folder` is where they are kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._painters = ThreadPoolExecutor(_WORKERS, "posters")
        self._own = threading.local()
        self._open: list[Painter] = []

    async def of(self, video: Video) -> bytes:
        """Return the picture of a video as a JPEG, b"" where there is none."""
        return await asyncio.get_running_loop().run_in_executor(self._painters, self._of, video)

    def all(self, videos: Iterable[Video], tell: Callable[[], None]) -> list[bytes]:
        """Return the pictures of videos, in their order; `tell` is called after each. Blocks."""

        def told(video: Video) -> bytes:
            picture = self._of(video)
            tell()
            return picture

        return list(self._painters.map(told, videos))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Draw no more."""
        for painter in self._open:
            painter.kill()
        self._painters.shutdown(cancel_futures=True)
        for painter in self._open:
            painter.close()

    def _of(self, video: Video) -> bytes:
        if not can_decode() or not _HASH.fullmatch(video.sha256):
            return b""
        kept = self._folder / f"{video.sha256}.jpg"
        if picture := _kept(kept):
            return picture
        picture = self._painter().draw(video.path)
        # A run may have put another video there since the ledger was read: its picture would stand
        # for the former one for ever.
        if not _is_still(video):
            return b""
        if picture:
            with suppress(OSError):  # then it is drawn again the next time
                disk.make_folder(self._folder)
                disk.atomic_write(kept, picture)
        return picture

    def _painter(self) -> Painter:
        """Return the process that this thread draws with."""
        painter: Painter | None = getattr(self._own, "painter", None)
        if painter is None or painter.is_over:
            painter = self._own.painter = Painter()
            self._open.append(painter)
        return painter


def _is_still(video: Video) -> bool:
    """True if the file is the video that the ledger names."""
    try:
        with video.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == video.sha256
    except OSError:
        return False


def _kept(path: Path) -> bytes:
    """Return the picture at `path`, b"" where there is none. A link there, from a folder of a
    stranger's, is not followed: the picture goes into reports that people give away. A file there
    is believed: whoever brings it brings the video and the ledger, too.
    """
    try:
        with plain_files.opened_itself(path) as file:
            data = file.read(BYTES_MOST)
    except OSError:
        return b""
    return data if is_jpeg(data) else b""
