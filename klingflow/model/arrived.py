"""PURE. What a video that arrived really is, and what may be remarked about it.

How a video is looked at is for klingflow.media, and which remark is made for
klingflow.results.arrived.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Sound = Literal["none", "silent", "heard"]
# The marks of AI-made video: GB 45438-2025, and the Content Credentials of C2PA.
Label = Literal["AIGC", "C2PA"]
# What may be remarked; `klingflow.results.arrived` has a row for each.
RemarkName = Literal[
    "unreadable",
    "no_picture",
    "damaged",
    "black",
    "frozen",
    "no_sound",
    "silent",
    "shorter",
    "smaller",
    "other_ratio",
]


@dataclass(frozen=True, slots=True)
class Media:
    """What a video is. `width` and `height` are in pixels as it is shown; they are 0 where there is
    no picture. `seconds` and `fps` (frames a second, on average) are counted from its packets,
    whatever its header says.

    `black` and `frozen` are True if the picture is so throughout. `damaged` is True if parts could
    not be decoded, or if the header promises more than is there.
    """

    readable: bool = True
    width: int = 0
    height: int = 0
    seconds: float = 0.0
    fps: float = 0.0
    sound: Sound = "none"
    black: bool = False
    frozen: bool = False
    damaged: bool = False
    labels: tuple[Label, ...] = ()


UNREADABLE: Final = Media(readable=False)
