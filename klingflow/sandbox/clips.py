"""Playable MP4s: drawn with a task's prompt and id, in the size, length and sound that were
bought, which needs the media extra; or shipped.

The shipped one is clip.mp4 beside this file; a `free` box at its end holds the task's id, so that
no two tasks have the same file. videos.py decides which of the two a task gets.
"""

from __future__ import annotations

import bisect
import functools
import importlib.util
import io
import math
import os
import struct
import subprocess
import unicodedata
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

_FPS = 24
_INDEX, _INDEX_OF_A_SECOND = 4096, 1536  # bytes, ample
_SAMPLES_S, _SAMPLES = 48_000, 1024  # a second's samples, and those of one AAC frame
_TONE_HZ, _LOUDNESS = 440, 600  # of 32767: to be heard, not to be minded
_SHORT_SIDE = 270  # pixels: the lengths below are for a picture of this height
_MARGIN, _FOOT, _BAR = 14, 64, 6
_THINNEST = 3  # pixels of a character: where to begin looking for a line's end
_CLOSING = frozenset("，。、；：？！）》」』”’…,.;:?!)]}")  # they begin no line
_BACKGROUND, _INK, _FAINT = (18, 22, 34), (235, 238, 245), (130, 140, 165)
_SIMPLIFIED = 2  # of the fonts in a file of Noto CJK, the one that draws as China writes
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
    audio: bool = False


def can_draw() -> bool:
    """True if the media extra (PyAV and Pillow) is installed; it may still fail to draw."""
    return all(importlib.util.find_spec(name) for name in ("av", "PIL"))


def plain(task_id: str) -> bytes:
    """Return the shipped clip, with the task's id in a last box that players skip."""
    return _shipped() + _named(task_id)


def lacks_font(shot: Shown) -> bool:
    """True if the clip leaves out Chinese characters, because no font for them is installed."""
    return any(map(_is_wide, shot.media_name + shot.prompt)) and not _font(16)[1]


def draw(shot: Shown) -> bytes:
    """Return a clip that shows the shot's name, prompt and id, in its size, length and sound.

    The same Shown gives the same bytes. Raises whatever the media extra raises.
    """
    import av  # for start-up: the media extra is slow

    picture = _picture(shot)
    file = io.BytesIO()
    # The index comes first, so that a player can begin early; it needs room that is kept free.
    options = {"moov_size": str(_INDEX + _INDEX_OF_A_SECOND * shot.seconds)}
    with av.open(file, "w", format="mp4", options=options) as container:
        video = _video_stream(container, shot)
        sound = _sound_stream(container) if shot.audio else None
        _write_video(container, video, _frames(shot, picture), shot.seconds)
        if sound:
            _write_tone(container, sound, shot.seconds)
    return file.getvalue() + _named(shot.task_id)


def _video_stream(container: Any, shot: Shown) -> Any:
    stream = container.add_stream("libx264", rate=_FPS)
    stream.width, stream.height = shot.width, shot.height
    stream.pix_fmt, stream.thread_count = "yuv420p", 1
    stream.options = {"preset": "superfast", "tune": "zerolatency", "crf": "34", "g": str(_FPS)}
    stream.time_base = stream.codec_context.time_base = Fraction(1, _FPS)
    return stream


def _sound_stream(container: Any) -> Any:
    stream = container.add_stream("aac", rate=_SAMPLES_S)
    stream.bit_rate, stream.layout = 32_000, "mono"
    return stream


def _write_video(container: Any, stream: Any, frames: Iterator[Any], seconds: int) -> None:
    """Encode one second, which begins with a whole picture, and repeat its packets: the length of
    a clip costs no time.
    """
    packets = [bytes(packet) for frame in frames for packet in stream.encode(frame)]
    packets += [bytes(packet) for packet in stream.encode(None)]
    _mux(container, stream, packets * seconds)


def _mux(container: Any, stream: Any, packets: list[bytes]) -> None:
    """Write packets one tick apart; the first of each second can be decoded by itself."""
    import av  # for start-up: the media extra is slow

    for at, data in enumerate(packets):
        packet: Any = av.Packet(data)
        packet.stream, packet.time_base = stream, Fraction(1, _FPS)
        packet.pts = packet.dts = at
        packet.duration = 1
        packet.is_keyframe = at % _FPS == 0
        container.mux(packet)


def _write_tone(container: Any, stream: Any, seconds: int) -> None:
    """Encode a quiet tone as AAC, in whole frames that are no longer than the picture."""
    import av  # for start-up: the media extra is slow

    for first in range(0, seconds * _SAMPLES_S - _SAMPLES, _SAMPLES):
        frame: Any = av.AudioFrame("s16", "mono", _SAMPLES)
        frame.sample_rate, frame.pts = _SAMPLES_S, first
        frame.time_base = Fraction(1, _SAMPLES_S)
        frame.planes[0].update(_tone(first % _SAMPLES_S))
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


@functools.lru_cache(maxsize=512)
def _tone(first: int) -> bytes:
    """Return the samples of one frame; `first` counts from the beginning of a second."""
    turn = math.tau * _TONE_HZ / _SAMPLES_S
    samples = (round(_LOUDNESS * math.sin(turn * (first + n))) for n in range(_SAMPLES))
    return struct.pack(f"<{_SAMPLES}h", *samples)


def _named(task_id: str) -> bytes:
    text = task_id.encode()
    return struct.pack(">I4s", 8 + len(text), b"free") + text


@functools.cache
def _shipped() -> bytes:
    return Path(__file__).with_name("clip.mp4").read_bytes()


def _frames(shot: Shown, picture: Any) -> Iterator[Any]:
    """Yield one second of the picture, with a bar that grows, so that something moves."""
    import av  # for start-up: the media extra is slow

    frames: Any = av.VideoFrame
    still: Any = frames.from_image(picture).reformat(format="yuv420p")
    light, *colours = still.planes
    row, pixels = light.line_size, bytearray(light)
    first = shot.height - round(_BAR * _scale(shot))
    for index in range(_FPS):
        wide = shot.width * (index + 1) // _FPS
        for y in range(first, shot.height):
            pixels[y * row : y * row + wide] = b"\x80" * wide
        frame = frames(shot.width, shot.height, "yuv420p")
        for plane, data in zip(frame.planes, (pixels, *colours), strict=True):
            plane.update(bytes(data))
        frame.pts, frame.time_base = index, Fraction(1, _FPS)
        yield frame


def _scale(shot: Shown) -> float:
    return min(shot.width, shot.height) / _SHORT_SIDE


def _picture(shot: Shown) -> Any:
    from PIL import Image, ImageDraw  # for start-up: the media extra is slow

    scale = _scale(shot)
    margin, foot = round(_MARGIN * scale), round(_FOOT * scale)
    picture = Image.new("RGB", (shot.width, shot.height), _BACKGROUND)
    pen = ImageDraw.Draw(picture)
    y = float(margin)
    for text, points in ((shot.media_name, 20), (shot.prompt, 16)):
        size = round(points * scale)
        font, chinese = _font(size)
        for line in _wrapped(_drawable(text, chinese), font, shot.width - 2 * margin):
            if y < shot.height - foot:
                pen.text((margin, y), line, _INK, font)
            y += size * 1.35
    sound = "sound" if shot.audio else "mute"
    what = f"{shot.width}x{shot.height}, {shot.seconds} s, {_FPS} fps, {sound}, sandbox"
    at = (margin, shot.height - round(40 * scale))
    pen.text(at, f"{shot.task_id}\n{what}", _FAINT, _font(round(10 * scale))[0])
    return picture


@functools.cache
def _font(size: int) -> tuple[Any, bool]:
    """Return a font of that size, and True if the font knows Chinese."""
    from PIL import ImageFont  # for start-up: the media extra is slow

    for path in (*_FONTS, *_installed()):
        try:
            return ImageFont.truetype(path, size, _SIMPLIFIED if "CJK" in path else 0), True
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
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    # Names of files are bytes in no encoding.
    return tuple(sorted(os.fsdecode(path) for path in found.stdout.split(b"\n") if path))


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
        if cut > 1 and text[cut : cut + 1] in _CLOSING:
            cut -= 1
        yield text[:cut].rstrip()
        text = text[cut:].lstrip()
