"""Pictures that klingflow draws: the card of a shot whose video is not here, and subtitles over a
picture. Drawn by Pillow.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from PIL import Image, ImageDraw, ImageOps, UnidentifiedImageError

from klingflow.media.fonts import font
from klingflow.results.timeline import Clip

_BACKGROUND, _INK, _FAINT = (24, 26, 32), (236, 238, 243), (150, 158, 176)
_SHADE: Final = (0, 0, 0, 150)  # behind words over a picture
_SHORT: Final = 720  # the lengths below are pixels of a picture whose short side this is
_MARGIN, _HEAD, _BODY, _FOOT, _SAID = 48, 46, 30, 24, 40
_LINE: Final = 1.35  # of a font's size
_APART: Final = 14  # between one text and the next
_EDGE: Final = 3  # of the outline of a subtitle
_THINNEST: Final = 3  # pixels of a character: where to begin looking for a line's end
_MOST_LINES: Final = 12
_CLOSING: Final = frozenset("，。、；：？！）》」』”’…,.;:?!)]}")  # begin no line
_PIXELS_MOST: Final = 64_000_000  # of a reference: more is a trap


def card(clip: Clip, width: int, height: int, still: Path | None = None) -> Any:
    """Return the card of a shot: its name, scene, prompt and why no video is here, or its reference
    with the name below it.
    """
    picture = Image.new("RGB", (width, height), _BACKGROUND)
    unit = min(width, height) / _SHORT
    shown = _opened(still, width, height) if still else None
    if shown is not None:
        picture.paste(shown, ((width - shown.width) // 2, (height - shown.height) // 2))
        _write(picture, unit, _words(clip, brief=True), shaded=True)
    else:
        _write(picture, unit, _words(clip))
    return picture


def _words(clip: Clip, *, brief: bool = False) -> list[tuple[str, int, tuple[int, int, int]]]:
    """Return what a card says: texts with their sizes and colours."""
    where = " · ".join(filter(None, (clip.scene, f"{clip.seconds:g} s")))
    words = [(clip.name, _HEAD, _INK), (where, _FOOT, _FAINT)]
    if not brief:
        words += [(clip.prompt, _BODY, _INK), (clip.missing, _FOOT, _FAINT)]
    return [(text, size, ink) for text, size, ink in words if text]


def _opened(still: Path, width: int, height: int) -> Any:
    """Return a reference, in a size that fits; None if it cannot be shown."""
    try:
        with Image.open(still, formats=("PNG", "JPEG", "WEBP")) as image:
            if image.width * image.height > _PIXELS_MOST:
                return None
            upright = ImageOps.exif_transpose(image).convert("RGB")
            return ImageOps.contain(upright, (width, height))
    except (OSError, ValueError, UnidentifiedImageError, Image.DecompressionBombError):
        return None


def _write(
    picture: Any,
    unit: float,
    words: list[tuple[str, int, tuple[int, int, int]]],
    *,
    shaded: bool = False,
) -> None:
    margin = round(_MARGIN * unit)
    lines, y = [], margin // 2 if shaded else margin
    for text, size, ink in words:
        size = max(8, round(size * unit))
        for line in _lines(text, size, picture.width - 2 * margin):
            lines.append((y, line, size, ink))
            y += round(size * _LINE)
        y += round(_APART * unit)
    if shaded:
        shade = Image.new("RGBA", (picture.width, y), _SHADE)
        picture.paste(shade, (0, 0), shade)
    pen = ImageDraw.Draw(picture)
    for at, line, size, ink in lines:
        if at + size < picture.height:
            pen.text((margin, at), line, ink, font(size))


def subtitle(text: str, width: int, height: int) -> Any:
    """Return a transparent picture with the text at its lower edge."""
    picture = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    pen, unit = ImageDraw.Draw(picture), min(width, height) / _SHORT
    size, margin = max(10, round(_SAID * unit)), round(_MARGIN * unit)
    lines = list(_lines(text, size, width - 2 * margin))
    y = height - margin - round(len(lines) * size * _LINE)
    for line in lines:
        x = (width - font(size).getlength(line)) / 2
        edge = max(1, round(_EDGE * unit))
        pen.text((x, y), line, _INK, font(size), stroke_width=edge, stroke_fill=(0, 0, 0))
        y += round(size * _LINE)
    return picture


def _lines(text: str, size: int, width: int) -> Iterator[str]:
    """Yield a text in lines of at most `width` pixels, broken at spaces where there are any."""
    found = [line for part in text.splitlines() for line in _wrapped(part.strip(), size, width)]
    yield from found[:_MOST_LINES]


def _wrapped(text: str, size: int, width: int) -> Iterator[str]:
    face = font(size)
    while text:
        lengths = range(1, min(len(text), width // _THINNEST) + 1)
        fits = max(1, bisect.bisect_right(lengths, width, key=lambda n: face.getlength(text[:n])))
        space = text.rfind(" ", 1, fits + 1) if fits < len(text) else -1
        end = space if space > fits // 2 else fits
        while end > fits // 2 + 1 and text[end : end + 1] in _CLOSING:
            end -= 1
        yield text[:end].rstrip()
        text = text[end:].lstrip()
