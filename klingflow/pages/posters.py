"""The picture that stands for each video: drawn once, and kept by the video's content.

Without the `media` extra there are none, and the page shows the first frames of the videos
themselves.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Self

from klingflow import disk
from klingflow.api.gallery import Video
from klingflow.media.inspector import can_look, environ

NO_PICTURES = (
    "the page shows videos without pictures of them: pip install 'klingflow[media]' brings those"
)
_WORKERS = 2
_LIMIT_S = 20.0
_HASH = re.compile(r"[0-9a-f]{64}")


def can_draw() -> bool:
    """True if the extra is installed; it may still be broken."""
    return can_look() and importlib.util.find_spec("PIL") is not None


class Posters:
    """Pictures of videos. `folder` is where they are kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._painters = ThreadPoolExecutor(_WORKERS, "posters")
        self._own = threading.local()
        self._children: list[_Child] = []

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
        for child in self._children:
            child.kill()
        self._painters.shutdown(cancel_futures=True)
        for child in self._children:
            child.close()

    def _of(self, video: Video) -> bytes:
        if not can_draw() or not _HASH.fullmatch(video.sha256):
            return b""
        kept = self._folder / f"{video.sha256}.jpg"
        with suppress(OSError):
            return disk.read_whole(kept)
        picture = self._child().draw(video.path)
        if picture:
            with suppress(OSError):  # then it is drawn again the next time
                disk.make_folder(self._folder)
                disk.atomic_write(kept, picture)
        return picture

    def _child(self) -> _Child:
        """The process of this thread."""
        child: _Child | None = getattr(self._own, "child", None)
        if child is None or child.is_over:
            child = self._own.child = _Child()
            self._children.append(child)
        return child


class _Child:
    """A process that draws pictures, one after the other (klingflow.media.posters)."""

    def __init__(self) -> None:
        # -P: a folder from elsewhere may hold an `av.py`, which Python would run first.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "klingflow.media.posters"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environ(),
            start_new_session=True,  # Ctrl-C in the terminal is for the page alone
        )

    @property
    def is_over(self) -> bool:
        """True once the process has ended, perhaps by a crash."""
        return self._process.poll() is not None

    def draw(self, path: Path) -> bytes:
        """Return the picture of one video; b"" where the process crashes over it or is too slow."""
        assert self._process.stdin and self._process.stdout
        clock = threading.Timer(_LIMIT_S, self._process.kill)
        clock.start()
        try:
            self._process.stdin.write(json.dumps(str(path)).encode() + b"\n")
            self._process.stdin.flush()
            length = int.from_bytes(self._process.stdout.read(4), "big")
            return self._process.stdout.read(length)
        except (OSError, ValueError):
            return b""
        finally:
            clock.cancel()

    def kill(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()

    def close(self) -> None:
        """Wait for its end."""
        with self._process:
            self.kill()
