"""PURE. What is remarkable about a video that arrived, beside what was bought.

A remark never changes the state of a purchase. What is found in the bytes of a video is a `Media`;
how a video is looked at is for klingflow.media.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from klingflow.manifest.meaning import Meaning, scene_of
from klingflow.model import Json, Media, Purchase, RemarkName
from klingflow.words import _, filled


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a purchase promised: `seconds`, `resolution` (such as 720P), `ratio` (such as 9:16),
    and `audio`, True if sound was bought. 0 and "" stand for what nobody promised.
    """

    seconds: int = 0
    resolution: str = ""
    ratio: str = ""
    audio: bool = False

    @property
    def side(self) -> int:
        """The shorter side of a frame of 16:9, in pixels."""
        return _number(self.resolution.removesuffix("P"))


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0


@dataclass(frozen=True, slots=True)
class _Row:
    """One remark. `words` are for people, for `str.format`: `got` is what arrived, `bought` what
    was bought. `ends` says that no later remark is worth making.
    """

    words: str
    applies: Callable[[Media, _Wanted], bool]
    got: Callable[[Media], Json] | None = None
    bought: Callable[[_Wanted], Json] | None = None
    ends: bool = False


# A generator's last frame may lie a little before the end, and sides are rounded to blocks.
_SHORTER_S = 0.5
_SMALLER = 0.9
_OTHER_RATIO = 1.06


def _is_smaller(media: Media, wanted: _Wanted) -> bool:
    """Return True if neither the shorter side is what was bought, nor the number of pixels: a
    square frame may keep the one, a wide frame the other.
    """
    is_low = min(media.width, media.height) < _SMALLER * wanted.side
    pixels = wanted.side * wanted.side * 16 / 9
    return is_low and media.width * media.height < _SMALLER * pixels


def _is_other_ratio(media: Media, wanted: _Wanted) -> bool:
    wide, _, high = wanted.ratio.partition(":")
    if not (_number(wide) and _number(high) and media.height):
        return False
    off = media.width / media.height * _number(high) / _number(wide)
    return not 1 / _OTHER_RATIO < off < _OTHER_RATIO


def _size(media: Media) -> str:
    return f"{media.width}x{media.height}"


REMARKS: Final[Mapping[RemarkName, _Row]] = {
    "unreadable": _Row(_("cannot be played"), lambda media, _: not media.readable, ends=True),
    "no_picture": _Row(_("has no picture"), lambda media, _: media.width == 0, ends=True),
    "damaged": _Row(_("damaged in parts"), lambda media, _: media.damaged),
    "black": _Row(_("black throughout"), lambda media, _: media.black),
    "frozen": _Row(_("frozen throughout"), lambda media, _: media.frozen and not media.black),
    "no_sound": _Row(
        _("has no sound, and sound was bought"),
        lambda media, wanted: wanted.audio and media.sound == "none",
    ),
    "silent": _Row(
        _("silent throughout, and sound was bought"),
        lambda media, wanted: wanted.audio and media.sound == "silent",
    ),
    "shorter": _Row(
        _("{got:g} s long, and {bought} s were bought"),
        lambda media, wanted: media.seconds < wanted.seconds - _SHORTER_S,
        lambda media: media.seconds,
        lambda wanted: wanted.seconds,
    ),
    "smaller": _Row(
        _("{got}, and {bought} was bought"), _is_smaller, _size, lambda wanted: wanted.resolution
    ),
    "other_ratio": _Row(
        _("{got}, and {bought} was bought"), _is_other_ratio, _size, lambda wanted: wanted.ratio
    ),
}


def remarks(media: Media, purchase: Purchase, what: Meaning) -> list[dict[str, Json]]:
    """Return what is remarkable about the video of a purchase, whose body means `what`: of each
    remark its `kind` and, where it compares, what arrived (`got`) and what was bought (`bought`).
    """
    wanted = _wanted(purchase, what)
    return [_remark(name, media, wanted) for name in _made(media, wanted)]


def in_words(remark: Mapping[str, Any]) -> str:
    """Return a remark in words."""
    return filled(REMARKS[remark["kind"]].words, remark)


def _made(media: Media, wanted: _Wanted) -> Iterator[RemarkName]:
    for name, row in REMARKS.items():
        if row.applies(media, wanted):
            yield name
            if row.ends:
                return


def _remark(name: RemarkName, media: Media, wanted: _Wanted) -> dict[str, Json]:
    row = REMARKS[name]
    remark: dict[str, Json] = {"kind": name}
    if row.got and row.bought:
        remark |= {"got": row.got(media), "bought": row.bought(wanted)}
    return remark


def _wanted(purchase: Purchase, what: Meaning) -> _Wanted:
    """Return what a purchase promised: a scene's length and size, and those of a video that goes
    in, are the source's; so is the ratio of a picture.
    """
    if scene_of(what) is not None or what.has_video:
        return _Wanted(audio=what.audio)
    ratio = str(what.aspect_ratio) if what.from_text else ""
    return _Wanted(purchase.seconds, str(what.resolution).upper(), ratio, what.audio)


_SHOWN: Final = ("width", "height", "seconds", "fps", "sound")


def shown(media: Media, purchase: Purchase, what: Meaning) -> dict[str, Json]:
    """Return what the run manifest says of the video of a purchase, whose body means `what`."""
    facts: dict[str, Json] = {}
    if media.readable:
        facts = {name: getattr(media, name) for name in _SHOWN} | {"labels": [*media.labels]}
    return {**facts, "remarks": remarks(media, purchase, what)}
