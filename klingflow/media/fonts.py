"""The font in which cards and subtitles are drawn: one with Chinese characters, found by fontconfig
or where systems keep one.
"""

from __future__ import annotations

import functools
import os
import subprocess
import unicodedata
from pathlib import Path
from typing import Any, Final

from PIL import ImageFont

from klingflow.words import _

# What to install, for one line to the user.
REMEDY: Final = _(
    "no font with Chinese characters is installed, so they are drawn as boxes:"
    " apt install fonts-noto-cjk, or the like"
)
# Where systems without fontconfig keep one.
_USUAL: Final = (
    "/System/Library/Fonts/PingFang.ttc",
    _("/System/Library/Fonts/STHeiti Medium.ttc"),
    "C:/Windows/Fonts/msyh.ttc",
    "C:/Windows/Fonts/simhei.ttf",
)
_LIMIT_S: Final = 5


def lacks_chinese(text: str, path: str | None) -> bool:
    """True if a text has Chinese characters, and the font for them, at `path`, is not there."""
    return path is None and any(map(_is_wide, text))


def _is_wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in "WF"


@functools.cache
def font(size: int) -> Any:
    """Return the font in this size, in pixels."""
    path = chinese()
    return ImageFont.truetype(path, size) if path else ImageFont.load_default(size)


@functools.cache
def chinese() -> str | None:
    """Return the file of a font with Chinese characters; None where there is none."""
    return next((path for path in (_matched(), *_USUAL) if path and _is_font(path)), None)


def _is_font(path: str) -> bool:
    try:
        ImageFont.truetype(path, 16)
    except OSError:
        return False
    return Path(path).is_file()


def _matched() -> str:
    """Return the font that fontconfig gives for Chinese, "" where it has none."""
    try:
        found = subprocess.run(
            ["fc-match", "--format", "%{file}\\n%{lang}", ":lang=zh-cn"],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_LIMIT_S,
            check=True,
            env={k: v for k, v in os.environ.items() if not k.startswith("KLINGFLOW_")},
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    file, _, languages = found.stdout.partition(b"\n")
    # Without a font for Chinese, fontconfig gives the one that it gives for everything.
    return os.fsdecode(file) if b"zh-cn" in languages.split(b"|") else ""
