"""Playable MP4s: drawn with a task's prompt and id, which needs the media extra, or shipped.

The shipped one is clip.mp4 beside this file; a `free` box at its end holds the task's id, so that
no two tasks have the same file. videos.py decides which of the two a task gets.
"""

from __future__ import annotations

import bisect
import functools
import importlib.util
import io
import struct
import subprocess
import unicodedata
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

_SHORT_SIDE = 270  # pixels: enough to read, quick to encode
_MOST_FRAMES = 30
_MARGIN, _FOOT = 14, 64
_THINNEST = 3  # pixels of a character: where to begin looking for a line's end
_BACKGROUND, _INK, _FAINT = (18, 22, 34), (235, 238, 245), (130, 140, 165)
# Where systems keep a font with Chinese characters; the first one found is taken.
_FONTS = (
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/google-noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
    "/System/Library/Fonts/PingFang.ttc",
    "/System/Library/Fonts/STHeiti Medium.ttc",
    "/System/Library/Fonts/Hiragino Sans GB.ttc",
    "C:/Windows/Fonts/msyh.ttc",
    "C:/Windows/Fonts/simhei.ttf",
)


class Shown(NamedTuple):
    """What a clip shows; width and height (pixels) and length (seconds) are as bought."""

    task_id: str
    media_name: str
    prompt: str
    width: int
    height: int
    seconds: int


def can_draw() -> bool:
    """True if the media extra (PyAV and Pillow) is installed; it may still fail to draw."""
    return all(importlib.util.find_spec(name) for name in ("av", "PIL"))


def plain(task_id: str) -> bytes:
    """Return the shipped clip, with the task's id in a last box that players skip."""
    return _shipped() + _named(task_id)


def draw(shot: Shown) -> bytes:
    """Return a small clip that shows the shot's name, prompt and id, in its shape and length.

    The same Shown gives the same bytes. Raises whatever the media extra raises.
    """
    import av  # for start-up: the media extra is slow

    rate = Fraction(min(shot.seconds, _MOST_FRAMES), shot.seconds)
    picture = _picture(shot)
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream: Any = container.add_stream("libx264", rate=rate)
        stream.width, stream.height = picture.size
        stream.pix_fmt, stream.thread_count = "yuv420p", 1
        stream.options = {"preset": "ultrafast", "tune": "zerolatency", "crf": "30"}
        for frame in _frames(picture, round(shot.seconds * rate)):
            pixels: Any = av.VideoFrame
            container.mux(stream.encode(pixels.from_image(frame)))
        container.mux(stream.encode(None))
    return file.getvalue() + _named(shot.task_id)


def _named(task_id: str) -> bytes:
    text = task_id.encode()
    return struct.pack(">I4s", 8 + len(text), b"free") + text


@functools.cache
def _shipped() -> bytes:
    return Path(__file__).with_name("clip.mp4").read_bytes()


def _frames(picture: Any, count: int) -> Iterator[Any]:
    """Yield the picture `count` times, with a bar that grows, so that something moves."""
    from PIL import ImageDraw  # for start-up: the media extra is slow

    width, height = picture.size
    pen = ImageDraw.Draw(picture)
    for index in range(count):
        pen.rectangle((0, height - 6, width * (index + 1) // count, height), fill=_FAINT)
        yield picture


def _picture(shot: Shown) -> Any:
    from PIL import Image, ImageDraw  # for start-up: the media extra is slow

    scale = _SHORT_SIDE / min(shot.width, shot.height)
    width, height = (2 * round(side * scale / 2) for side in (shot.width, shot.height))
    picture = Image.new("RGB", (width, height), _BACKGROUND)
    pen = ImageDraw.Draw(picture)
    y = float(_MARGIN)
    for text, size in ((shot.media_name, 20), (shot.prompt, 16)):
        font, chinese = _font(size)
        for line in _wrapped(_drawable(text, chinese), font, width - 2 * _MARGIN):
            if y < height - _FOOT:
                pen.text((_MARGIN, y), line, _INK, font)
            y += size * 1.35
    what = f"{shot.width}x{shot.height}, {shot.seconds} s, sandbox"
    pen.text((_MARGIN, height - 40), f"{shot.task_id}\n{what}", _FAINT, _font(10)[0])
    return picture


@functools.cache
def _font(size: int) -> tuple[Any, bool]:
    """Return a font of that size, and True if the font knows Chinese."""
    from PIL import ImageFont  # for start-up: the media extra is slow

    for path in (*_FONTS, *_installed()):
        try:
            return ImageFont.truetype(path, size), True
        except OSError:
            continue
    return ImageFont.load_default(size), False


@functools.cache
def _installed() -> tuple[str, ...]:
    """Return the Chinese fonts that fontconfig knows, none without fontconfig."""
    try:
        found = subprocess.run(
            ["fc-list", ":lang=zh", "--format", "%{file}\\n"],
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(sorted(filter(None, found.stdout.splitlines())))


def _drawable(text: str, chinese: bool) -> str:
    """Return the text on one line; a note replaces characters that the font would show as boxes."""
    wide = sum(map(_is_wide, text))
    if chinese or not wide:
        return " ".join(text.split())
    narrow = "".join(" " if _is_wide(c) else c for c in text)
    rest = " ".join(narrow.split())
    return f"{rest} [{wide} characters; no Chinese font is installed]".strip()


def _is_wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in "WF"


def _wrapped(text: str, font: Any, width: int) -> Iterator[str]:
    """Yield lines no wider than `width` pixels, broken at spaces if there are any."""
    while text:
        lengths = range(1, min(len(text), width // _THINNEST) + 1)
        fits = max(1, bisect.bisect_right(lengths, width, key=lambda n: font.getlength(text[:n])))
        space = text.rfind(" ", 1, fits + 1) if fits < len(text) else -1
        cut = space if space > fits // 2 else fits
        yield text[:cut].rstrip()
        text = text[cut:].lstrip()
