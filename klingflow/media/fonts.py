"""The font in which cards and subtitles are drawn: one with Chinese characters, found by fontconfig
or where systems keep one.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import unicodedata
from pathlib import Path
from typing import Any, Final, NamedTuple

from PIL import ImageFont

from klingflow.media.process import bare_environ
from klingflow.words import _

# What to install, for one line to the user.
REMEDY: Final = _(
    "no font with Chinese characters was found, so they are drawn as boxes:"
    " apt install fonts-noto-cjk, or the like"
)


class Face(NamedTuple):
    """A font in a file, which may hold several: those of one file draw characters as China, Japan
    or Korea write them.
    """

    path: str
    number: int = 0


# Where systems keep one; where fontconfig is installed, it knows better.
_USUAL: Final = (
    Face("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc", 2),
    Face("/usr/share/fonts/google-noto-sans-cjk-fonts/NotoSansCJK-Regular.ttc", 2),
    Face("/usr/share/fonts/google-noto-cjk/NotoSansCJK-Regular.ttc", 2),
    Face("/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc", 2),
    Face("/usr/share/fonts/truetype/wqy/wqy-microhei.ttc"),
    Face("/System/Library/Fonts/PingFang.ttc"),
    Face("/System/Library/Fonts/STHeiti Medium.ttc"),
    Face("C:/Windows/Fonts/msyh.ttc"),
    Face("C:/Windows/Fonts/simhei.ttf"),
)
_LIMIT_S: Final = 5


def lacks_chinese(text: str, face: Face | None) -> bool:
    """Return True if a text has Chinese characters, and the font for them, `face`, is missing."""
    return face is None and any(map(_is_wide, text))


def _is_wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in "WF"


@functools.cache
def font(size: int) -> Any:
    """Return the font in this size, in pixels."""
    face = chinese()
    return (
        ImageFont.truetype(face.path, size, face.number) if face else ImageFont.load_default(size)
    )


@functools.cache
def chinese() -> Face | None:
    """Return a font with Chinese characters; None if there is none."""
    return next((face for face in (_matched(), *_USUAL) if face and _is_font(face)), None)


def _is_font(face: Face) -> bool:
    try:
        ImageFont.truetype(face.path, 16, face.number)
    except OSError:
        return False
    return Path(face.path).is_file()


def _matched() -> Face | None:
    """Return the font that fontconfig gives for Chinese; None if it has none."""
    program = shutil.which("fc-match")
    # Windows looks in the current folder first, which may be a stranger's.
    if program is None or not Path(program).is_absolute():
        return None
    try:
        found = subprocess.run(
            [program, "--format", "%{index}\\n%{lang}\\n%{file}", "sans-serif:lang=zh-cn"],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_LIMIT_S,
            check=True,
            env=bare_environ(),
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return _face(found.stdout)


def _face(said: bytes) -> Face | None:
    """Return the font that fontconfig names: an index, languages and a file."""
    index, _, rest = said.partition(b"\n")
    languages, _, file = rest.partition(b"\n")
    # Without a font for Chinese, fontconfig gives the one that it gives for everything.
    if b"zh-cn" not in languages.split(b"|") or not index.isdigit():
        return None
    # The upper half of the index is the instance of a variable font.
    return Face(os.fsdecode(file), int(index) & 0xFFFF)
