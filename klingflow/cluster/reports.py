"""PURE. What became of one try to buy an order, as an engine is told: no word of a gateway, because
these may quote a prompt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self

from klingflow.cluster import versions
from klingflow.cluster.brief import brief
from klingflow.ledger.uids import next_try
from klingflow.model import FailureKind, Json
from klingflow.words import _

# What became of one try. `limited`: it was refused, though not for the shot's sake. `late`: its
# grant is too old, and nobody has claimed it. `stale`: what was claimed is another body, or at
# another gateway.
BoughtAs = Literal[
    "submitted", "limited", "unsent", "rejected", "in_doubt", "withdrawn", "stale", "late"
]


@dataclass(frozen=True, slots=True)
class Bought:
    """What became of one try. `sent`: this very call sent the POST; only then has the pace anything
    to learn. `stops`: the gateway refuses the account, not the shot. `proven` and `off_the_mark` as
    klingflow.decide.patience means them. `lost`: the way to the gateway is broken. `reason` quotes
    nobody. `host` has sent it. `stopped`: nobody may buy for the account, as its word of this
    number in the store says.
    """

    uid: str
    outcome: BoughtAs
    task_id: str | None = None
    tier: str | None = None
    kind: FailureKind | None = None
    reason: str = ""
    retry_after_s: float | None = None
    sent: bool = False
    stops: bool = False
    proven: bool = False
    off_the_mark: bool = False
    lost: bool = False
    host: str = ""
    stopped: int = 0

    @property
    def next_try(self) -> str | None:
        """The uid of the try that may follow."""
        return next_try(self.uid) if self.outcome in ("limited", "unsent") else None

    def as_json(self) -> dict[str, Json]:
        """Return it as JSON."""
        return brief(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Json]) -> Self:
        """Return what `as_json` made the document of. Raises UsageError for what a host of another
        version has told and nobody here understands.
        """
        return versions.read(cls, document, _("the report of a host"))
