"""PURE. What people say about takes: the lines of a picks file, and what they mean for a ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from klingflow.errors import Diagnostic, Mark
from klingflow.model.keys import key_of


class PickLine(NamedTuple):
    """One line of a picks file: what a person says of one take's video.

    `purchase` is the uid of the purchase that is meant, "" where the line names the take alone.
    """

    shot: str
    take: int
    rejects: bool = False
    note: str = ""
    purchase: str = ""
    mark: Mark = Mark("", 1, 1)

    @property
    def key(self) -> str:
        """What the take is called: see `key_of`."""
        return key_of(self.shot, self.take)


class Said(NamedTuple):
    """What the lines of a picks file say of one purchase."""

    picked: bool = False
    rejected: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Picks:
    """A picks file held against a ledger.

    `lines` are those of the file, each with the purchase that it means, if there is one. `said` is
    what they say of purchases, by uid. `astray` are the shots with a pick that means no purchase,
    each with why. `doubts` are the diagnostics of all lines that mean none.
    """

    lines: tuple[PickLine, ...] = ()
    said: Mapping[str, Said] = field(default_factory=dict)
    astray: Mapping[str, str] = field(default_factory=dict)
    doubts: tuple[Diagnostic, ...] = ()


NO_PICKS = Picks()


# What the picks say of a take; "open" where they say nothing of its present purchase.
PickWord = Literal["picked", "rejected", "disputed", "open"]


class Verdict(NamedTuple):
    """What the picks say of one take. `earlier` is what they say of a purchase of it that is not
    the present one, and that counts for nothing. `counts` is True for the take that stands for its
    shot.
    """

    word: PickWord = "open"
    note: str = ""
    earlier: PickWord = "open"
    counts: bool = False
