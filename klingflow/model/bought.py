"""PURE. What a ledger knows: purchases, the states and events of their lives, and its problems.

Which event leads to which state is decided in klingflow.ledger.lifecycle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from klingflow.model.keys import key_of
from klingflow.model.nodes import Json
from klingflow.model.wanted import Price
from klingflow.words import kept, read

# Where a purchase is in its life, and what may happen to it; `klingflow.ledger.lifecycle` has a row
# for each.
State = Literal[
    "intent",
    "submitted",
    "succeeded",
    "done",
    "rejected",
    "failed",
    "in_doubt",
    "parked",
    "abandoned",
]
Event = Literal[
    "accepted",
    "found",
    "refused",
    "unsent",
    "doubted",
    "succeeded",
    "failed",
    "recovered",
    "parked",
    "unparked",
    "downloaded",
    "undelivered",
    "abandoned",
    "not_charged",
    "resubmitted",
]


# What a Failure may be; klingflow.gateway.failures.KINDS has a row for each.
FailureKind = Literal[
    "quota",
    "moderation",
    "model",
    "input",
    "capacity",
    "key",
    "parameters",
    "limited",
    "too_large",
    "not_sent",
    "unknown",
]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something was refused or failed. `code` and `message` are the gateway's own, cleaned, or
    klingflow's: then `words` are what a ledger keeps of the sentence, by `klingflow.words.kept`.
    """

    kind: FailureKind
    code: str
    message: str
    words: Mapping[str, Json] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        """Make a sentence of the message by its words, or keep the words of a sentence."""
        if self.words is not None:
            object.__setattr__(self, "message", read(self.message, self.words))
        object.__setattr__(self, "words", kept(self.message))


class Bought(NamedTuple):
    """The take that a purchase was bought for."""

    shot: str
    take: int

    @property
    def key(self) -> str:
        """What the take is called: see `key_of`."""
        return key_of(self.shot, self.take)


class Unread(Protocol):
    """Where a Purchase stands of which not every field was read (klingflow.ledger.written)."""

    def complete(self, purchase: Purchase) -> None:
        """Fill in the fields that were left unset."""


class _ReadLater:
    """A record whose fields may be unset until somebody asks for one, because a ledger has many
    more records than anybody looks at. `_unread` then fills in all of them.
    """

    __slots__ = ("_unread",)
    _unread: Unread

    if not TYPE_CHECKING:  # for a type checker every field is there, and no other

        def __getattr__(self, name: str) -> Any:
            # Called for a field that is not set: two threads may do so, and fill in the same.
            if name not in self.__dataclass_fields__:
                raise AttributeError(f"{type(self).__name__} has no {name}")
            self._unread.complete(self)
            return object.__getattribute__(self, name)


@dataclass(frozen=True, slots=True)
class Purchase(_ReadLater):
    """One attempt to buy one take, as the ledger keeps it (schemas/lock.schema.json).

    `shot`, `take` and `output` are where it stands now: the take that it belongs to, and where its
    video lies or goes. Only `klingflow.ledger.lifecycle.placed` changes them. `was` is the take
    that it was bought for, where that is another one. `attempt` counts the purchases of that take
    and never changes.

    Times are UTC, ISO 8601 with milliseconds, by the name of what happened: intent, submitted,
    finished, done, …; `updated` is that of the last change. `finished_after_s` bounds the
    generation time: seconds from the accepted create to the last poll that found it unfinished and
    to the first that found it finished.
    """

    uid: str
    shot: str
    take: int
    attempt: int
    state: State
    fingerprint: str
    body: Mapping[str, Json]
    origin: str
    predicted_tier: str
    seconds: int
    price: Price | None = None
    task_id: str | None = None
    billed_tier: str | None = None
    times: Mapping[str, str] = field(default_factory=dict)
    was: Bought | None = None
    finished_after_s: tuple[float, float] | None = None
    video_url: str | None = None
    output: str | None = None
    sha256: str | None = None
    size_bytes: int | None = None
    error: Failure | None = None
    # For a purchase in doubt: window, status, request id, what came back. For a reply with several
    # ids: the reply.
    evidence: Mapping[str, Json] | None = None
    # True for one that `--rerun rejected` bought beyond the takes that the manifest asks for.
    further: bool | None = None

    @property
    def key(self) -> str:
        """What the take is called: see `key_of`."""
        return key_of(self.shot, self.take)

    @property
    def tier(self) -> str:
        """The tier that the gateway billed; while that is not known, the predicted one."""
        return self.billed_tier or self.predicted_tier

    @property
    def bought_for(self) -> Bought:
        """The take that it was bought for. With `attempt` it tells this attempt from any other."""
        return self.was or Bought(self.shot, self.take)


class Move(NamedTuple):
    """A purchase as it stands after a move, which a run writes down before it does anything else;
    and the key of the take where it stands before. They are the same where it was pruned.
    """

    purchase: Purchase
    before: str


@dataclass(frozen=True, slots=True)
class FileFact:
    """A file on disk."""

    size_bytes: int
    sha256: str


class Place(NamedTuple):
    """A file, or one line of it (from 1), as problems name it."""

    file: str
    line: int | None = None

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}"


_NOWHERE = Place("")

# One row each in `klingflow.ledger.problems.ROWS`.
ProblemKind = Literal[
    "damaged_line",
    "damaged_purchases",
    "damaged_pruned",
    "conflict_markers",
    "empty_lock",
    "no_header",
    "two_lineages",
    "lines_missing",
    "lost_by_lock",
    "left_in_box",
    "contradicting_line",
    "task_held_twice",
    "paid_twice",
    "same_video",
    "box_unwritable",
    "link_refused",
    "place_taken",
    "place_below",
    "place_blocked",
    "foreign_journal",
    "draft_not_kept",
    "store_away",
    "unknown_field",
    "wrong_field",
    "small_field",
    "missing_field",
]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a ledger, as a fact; `klingflow.ledger.problems.worded` words it.

    `keys`, `tasks` and `attempts` are those of the purchases that it is about, in one order.
    `name` is that of a field, `detail` its value or what the system said.
    """

    kind: ProblemKind
    place: Place = _NOWHERE
    keys: tuple[str, ...] = ()
    tasks: tuple[str | None, ...] = ()
    attempts: tuple[int, ...] = ()
    count: int = 0
    name: str = ""
    detail: str = ""
