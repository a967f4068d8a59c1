"""The video of each task: drawn once and kept for a while, or plain; and the one range asked for.

A clip that cannot be drawn (a media extra that is broken or too old, a font that fails) is replaced
by the plain clip, and the sandbox says so once.
"""

from __future__ import annotations

import asyncio
import collections
import hashlib
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from starlette.responses import Response

from klingflow.sandbox import clips
from klingflow.sandbox.tasks import Task

_KEPT = 128
_NO_FONT = (
    "no Chinese font is installed, so the sandbox's videos leave Chinese out; install one, such as"
    " fonts-noto-cjk (Debian, Ubuntu) or google-noto-sans-cjk-fonts (Fedora)"
)


class Videos:
    """The clip of each task. `plain` draws none; `tell` is told, once, why one cannot be drawn."""

    def __init__(self, plain: bool, tell: Callable[[str], None]) -> None:
        self._drawn = clips.can_draw() and not plain
        self._tell = tell
        self._told: set[str] = set()
        self._kept: collections.OrderedDict[str, bytes] = collections.OrderedDict()
        self._painter = ThreadPoolExecutor(1, "clips")

    async def of(self, task: Task) -> bytes:
        """Return the MP4 of a task."""
        if not self._drawn:
            return clips.plain(task.id)
        clip = self._kept.get(task.id)
        if clip is None:
            loop = asyncio.get_running_loop()
            clip = await loop.run_in_executor(self._painter, self._draw, task)
            self._keep(task, clip)
        return clip

    def close(self) -> None:
        """Stop drawing."""
        self._painter.shutdown(wait=False, cancel_futures=True)

    def _keep(self, task: Task, clip: bytes) -> None:
        self._kept[task.id] = clip
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)

    def _draw(self, task: Task) -> bytes:
        # A client's name for its request is often an id and what the request is about.
        name = task.media_name or task.client_request_id.rpartition("/")[2]
        shot = clips.Shown(
            task.id, name, task.prompt, task.width, task.height, task.clip_s, task.audio
        )
        try:
            if clips.lacks_font(shot):
                self._say(_NO_FONT)
            return clips.draw(shot)
        except Exception as error:  # a library that is broken or too old raises anything
            why = f"{type(error).__name__}: {error}"
            self._say(f"a video could not be drawn ({why}); the plain clip is sent instead")
            return clips.plain(task.id)

    def _say(self, line: str) -> None:
        kind = line[:20]
        if kind not in self._told:
            self._told.add(kind)
            self._tell(line)


def ranged(clip: bytes, headers: Mapping[str, str]) -> Response:
    """Return the clip as a reply, or the one range of it that the request's headers ask for."""
    tag = f'"{hashlib.sha256(clip).hexdigest()[:16]}"'
    sent = {"etag": tag, "accept-ranges": "bytes"}
    span = _span(headers, tag, len(clip))
    if span is None:
        return Response(clip, 200, sent, "video/mp4")
    start, end = span
    if start > end:
        return Response(b"", 416, {"content-range": f"bytes */{len(clip)}"})
    sent["content-range"] = f"bytes {start}-{end}/{len(clip)}"
    return Response(clip[start : end + 1], 206, sent, "video/mp4")


def _span(headers: Mapping[str, str], tag: str, size: int) -> tuple[int, int] | None:
    """Return the first and last byte asked for; None stands for all. The last may be the lower."""
    same = headers.get("if-range", tag) == tag
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", headers.get("range", "").strip())
    if not same or found is None:
        return None
    first, last = found.groups()
    if first:
        return int(first), min(int(last or size), size - 1)
    return (max(0, size - int(last)), size - 1) if last else None
