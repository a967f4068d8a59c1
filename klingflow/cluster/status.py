"""PURE. What a desk says of itself, as whoever asks it is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from klingflow.cluster import versions
from klingflow.model import Json, LeftOut
from klingflow.words import _

_RESUME = "klingflow desk --resume"


@dataclass(frozen=True, slots=True)
class BatchStatus:
    """A batch: how many of its orders are on their way (`live`), `waiting`, settled and left out,
    and `why`; `unread` counts pages of a hundred, and `missing` says which host does not find one.
    """

    id: str
    film: str = ""
    live: int = 0
    waiting: int = 0
    unread: int = 0
    settled: int = 0
    left_out: int = 0
    why: str = ""
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """`batches` are those that it works on, `over` those that it is through with, `capped` the caps
    that left orders of these out; `coming` are the attempts whose videos are on their way, and
    `hosts` says how many creates each has sent. `halted` says why nothing is bought, `way_out` what
    ends that. `spend` is set aside of at most `max_spend`, in `currency`.
    """

    batches: tuple[BatchStatus, ...]
    over: tuple[str, ...]
    capped: Mapping[str, LeftOut] = field(default_factory=dict)
    coming: frozenset[str] = frozenset()
    hosts: Mapping[str, int] = field(default_factory=dict)
    halted: str = ""
    way_out: str = _RESUME
    running: int = 0
    places: int = 0
    per_minute: float = 0.0
    spend: str = "0"
    max_spend: str | None = None
    currency: str | None = None

    @classmethod
    def from_json(cls, document: Mapping[str, Json]) -> Self:
        """Return what `Desk.status` has told. Raises UsageError for a desk of another version."""
        what = _("the desk")
        batches = document.get("batches")
        made: dict[str, Json] = {}
        if batches is not None:
            made["batches"] = tuple(versions.read(BatchStatus, b, what) for b in batches)
        if "over" in document:
            made["over"] = tuple(document["over"])
        capped = document.get("capped", {})
        made["capped"] = {id: versions.read(LeftOut, cap, what) for id, cap in capped.items()}
        made["coming"] = frozenset(document.get("coming", ()))
        return versions.read(cls, document, what, **made)
