"""PURE. The order to make one video, as bench.py gets it: which videos and cards follow each other,
how long each lasts, and which words stand in the picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from klingflow.model import Json
from klingflow.results.timeline import Clip, Cue


@dataclass(frozen=True, slots=True)
class Part:
    """A video or a card, for so many frames of the cut. The card of a shot has a picture on it if
    `still` names one. `said` are subtitles, in seconds of the part. Files have absolute paths.
    """

    frames: int
    video: str = ""
    card: Clip | None = None
    still: str = ""
    said: tuple[Cue, ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """Parts one after the other, as an MP4 at `target`, which is not there yet. `mark` is for its
    metadata AIGC; `quick` is for one that is only looked at.
    """

    target: str
    width: int
    height: int
    rate: Fraction
    parts: tuple[Part, ...]
    mark: str = ""
    quick: bool = False

    @property
    def frames(self) -> int:
        """Return how many frames it will have."""
        return sum(part.frames for part in self.parts)

    def part_at(self, frame: int) -> Part:
        """Return the part that a frame belongs to; the last one beyond the end."""
        for part in self.parts:
            if frame < part.frames:
                return part
            frame -= part.frames
        return self.parts[-1]


def as_json(order: Order) -> Json:
    """Return an order as JSON."""
    return {**asdict(order), "rate": str(order.rate)}


def order_in(document: Mapping[str, Any]) -> Order:
    """Return the order that a document of `as_json` holds."""
    parts = tuple(map(_part, document["parts"]))
    return Order(**{**document, "rate": Fraction(document["rate"]), "parts": parts})


def _part(document: Mapping[str, Any]) -> Part:
    card, said = document["card"], document["said"]
    shown = Clip(**{**card, "dialogue": tuple(card["dialogue"])}) if card else None
    return Part(**{**document, "card": shown, "said": tuple(Cue(*cue) for cue in said)})
