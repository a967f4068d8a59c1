"""PURE. A cell of a shot list → the value of a field, if the cell says one plainly: `5秒` is 5,
`9：16` and `竖屏` are 9:16.

Texts stay as they are. A cell that says no value plainly gives none; nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from klingflow.manifest.columns import Feeds
from klingflow.manifest.fields import SHOT
from klingflow.manifest.folds import half_width
from klingflow.manifest.foreign_values import model_meant, value_meant
from klingflow.manifest.shapes import ADDRESS
from klingflow.model import Json

_ADDRESS: Final = re.compile(str(ADDRESS["pattern"]))
_WITH_SUFFIX: Final = re.compile(
    r"https?://\S+|[^\n]+\.(?:png|jpe?g|webp|gif|bmp|mp4|mov|webm)", re.IGNORECASE
)
# Between references: line ends, Chinese and Western marks. A comma or a semicolon inside an address
# has no blank behind it.
_BETWEEN: Final = re.compile(r"\n+|[；、，]|[,;](?=\s|https?://)|(?<=\.png|\.jpg|webp|jpeg)[,;]")
_NAMES: Final = re.compile(r"[\n;；、,，/&＆+]+")
_CLOCK: Final = re.compile(r"(?:(\d{1,2}):)?(\d{1,2}):(\d{2})")
_SECONDS_MARK: Final = re.compile(r"(\d{1,3})\s*(?:\"|''|″|”)")
_COUNT: Final = re.compile(r"[x×*]?\s*(\d{1,3})\s*(?:条|个|次|版|遍|takes?)?", re.IGNORECASE)


def value_of(feeds: Feeds, text: str) -> Json:
    """Return the value that a cell with content gives a field; None if it says none plainly."""
    return _READERS.get(feeds, _text)(text)


def names_in(text: str) -> list[str]:
    """Return the names that a cell lists, each once."""
    names = (" ".join(name.split()) for name in _NAMES.split(text))
    return list(dict.fromkeys(filter(None, names)))


def are_addresses(text: str) -> bool:
    """Return True if a cell lists files or web addresses, not names."""
    return _addresses(text) is not None


def _text(text: str) -> Json:
    return text


def _seconds(text: str) -> Json:
    plain = half_width(text)
    if mark := _SECONDS_MARK.fullmatch(plain) or _SECONDS_MARK.fullmatch(text.strip()):
        return int(mark[1]) or None
    if clock := _CLOCK.fullmatch(plain):
        hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        return (hours * 60 + minutes) * 60 + seconds or None
    meant = value_meant("seconds", plain, ())
    return int(meant) if meant else None


def _choice(field: str) -> Callable[[str], Json]:
    choices: Sequence[Json] = SHOT[field].schema["enum"]

    def one(plain: str) -> Json:
        for choice in choices:
            if str(choice).casefold() == plain.casefold():
                return choice
        return value_meant(field, plain, choices)

    def read(text: str) -> Json:
        plain = half_width(text)
        if found := one(plain):
            return found
        # A cell may say the same twice: `竖屏 (9:16)`.
        said = {one(part) for part in re.split(r"[\s()]+", plain) if part}
        return said.pop() if len(said) == 1 else None

    return read


def _audio(text: str) -> Json:
    meant = value_meant("audio", text, ())
    return None if meant is None else meant == "true"


def _takes(text: str) -> Json:
    count = _COUNT.fullmatch(half_width(text))
    return int(count[1]) or None if count else None


def _model(text: str) -> Json:
    name = text.strip()
    return model_meant(name) or name


def _addresses(text: str) -> Json:
    found = []
    for part in map(str.strip, _BETWEEN.split(text)):
        if not part:
            continue
        if not _WITH_SUFFIX.fullmatch(part) or not _ADDRESS.match(part):
            return None
        found.append(part)
    return list(dict.fromkeys(found)) or None


def _address(text: str) -> Json:
    found = _addresses(text)
    return found[0] if isinstance(found, list) and len(found) == 1 else None


def _tags(text: str) -> Json:
    return names_in(text) or None


_READERS: Final[dict[Feeds, Callable[[str], Json]]] = {
    "seconds": _seconds,
    "resolution": _choice("resolution"),
    "aspect_ratio": _choice("aspect_ratio"),
    "motion_level": _choice("motion_level"),
    "kind": _choice("kind"),
    "audio": _audio,
    "takes": _takes,
    "model": _model,
    "images": _addresses,
    "tags": _tags,
    "image": _address,
    "first_frame": _address,
    "last_frame": _address,
    "motion_video": _address,
    "video": _address,
}
