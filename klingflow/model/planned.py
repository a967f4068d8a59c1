"""PURE. What a plan means to do: an action for each take, what a run does before it buys, and how
long it will take.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, NamedTuple

from klingflow.model.bought import FileFact, Move, Problem, Purchase
from klingflow.model.picked import NO_PICKS, Picks, Verdict
from klingflow.model.wanted import Manifest, Request, Shot

# What a plan means to do about a take; `klingflow.decide.verbs` has a row for each.
Verb = Literal[
    "create",
    "keep",
    "resume",
    "download",
    "changed",
    "failed",
    "in_doubt",
    "waits",
    "held",
    "orphan",
]


# Where else a body, or a take, was paid for; `klingflow.decide.elsewhere` has a row for each.
ElsewhereKind = Literal["place", "copy", "former", "lost", "box", "beside", "gateway"]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A purchase that is not in this ledger: it is in another ledger, or was made at another
    gateway. `where` is that ledger's file or manifest, or the gateway's address. `origin` is the
    gateway that sold it, and `command` what a person types about it.
    """

    kind: ElsewhereKind
    where: str
    origin: str = ""
    command: str = ""


@dataclass(frozen=True, slots=True)
class Elsewheres:
    """What was found elsewhere, by the fingerprint of its body and by the take that it was for."""

    by_body: Mapping[str, tuple[Elsewhere, ...]] = field(default_factory=dict)
    by_take: Mapping[tuple[str, int], Elsewhere] = field(default_factory=dict)


NOWHERE_ELSE = Elsewheres()


# What became of the money for a purchase; `klingflow.decide.spending` has a row for each.
Share = Literal["spent", "in_doubt", "at_cluster", "failed", "abandoned", "refunded", "not_charged"]


@dataclass(frozen=True, slots=True)
class Sum:
    """Purchases added up: how many, their amounts by currency, and the tiers of those of which
    nobody knows a price, with how often each occurs.
    """

    number: int = 0
    amounts: Mapping[str, Decimal] = field(default_factory=dict)
    unpriced: Mapping[str, int] = field(default_factory=dict)


# What may leave a shot out of a run.
CapName = Literal["max_spend", "max_tasks", "max_seconds", "budget"]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Why a cap or the budget keeps a shot from being bought, in words for the user. `again` is
    True if another run under the same caps may buy it.
    """

    cap: CapName
    reason: str
    again: bool = False


@dataclass(frozen=True, slots=True)
class Action:
    """One line of a plan: what it means to do about one take, and why."""

    verb: Verb
    key: str
    reason: str
    shot: Shot | None = None  # None for an orphan
    request: Request | None = None
    purchase: Purchase | None = None
    elsewhere: Elsewhere | None = None  # where else it was paid for


@dataclass(frozen=True, slots=True)
class Terms:
    """What a plan is made by, beside the manifest and its ledger.

    `files` are the videos on disk, by their paths relative to the manifest's folder; `contents` is
    what they hold. `rerun` may hold `failed`, `changed` and `rejected`. `origin` is the gateway of
    the run, "" while it is not known. `again` are the keys of takes that are to be bought in spite
    of moves and elsewheres. `at` is the time of its moves. `takes` are the keys of every shot that
    has several takes. `once_more` are the keys of takes that `--rerun rejected` buys.
    """

    files: Mapping[str, FileFact] = field(default_factory=dict)
    rerun: Set[str] = frozenset()
    origin: str = ""
    again: Set[str] = frozenset()
    elsewhere: Elsewheres = NOWHERE_ELSE
    at: str = field(default="", compare=False)
    picks: Picks = NO_PICKS
    takes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    once_more: Set[str] = frozenset()
    contents: Set[FileFact] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "contents", frozenset(self.files.values()))


class Step(NamedTuple):
    """A video of this size and hash that goes to another name; `stays` says that the source keeps
    it, too. Paths are relative to the manifest's folder.
    """

    uid: str
    source: str
    target: str
    fact: FileFact
    stays: bool = False


@dataclass(frozen=True, slots=True)
class Filing:
    """How files come to lie where they belong: `placed` has the new outputs of purchases by uid, to
    be recorded before the first of the `steps`. `spare` are unfinished names of videos that lie at
    their place, to be dropped last.
    """

    placed: Mapping[str, str] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    spare: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Return True if there is anything to do."""
        return bool(self.placed or self.steps or self.spare)


@dataclass(frozen=True, slots=True)
class History:
    """How long tasks took that ledgers remember.

    `held_s` are the seconds for which each held its place, from its intent to the poll that found
    its end, by tier and ascending. `bring_s` is what a download took, in the middle.
    """

    held_s: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    bring_s: float = 0.0


# What keeps a run from being faster: the places at the gateway, the rate of creates, or takes that
# wait for each other.
Bound = Literal["places", "rate", "chain"]


@dataclass(frozen=True, slots=True)
class Forecast:
    """How long a run will take, as tasks that ledgers remember suggest: in four cases of five
    between `low_s` and `high_s`, in the middle `middle_s`. `links` is the length of the longest
    chain of takes.
    """

    low_s: float
    middle_s: float
    high_s: float
    bound: Bound
    links: int = 1


@dataclass(frozen=True, slots=True)
class Plan:
    """The difference between a manifest and its ledger, in the manifest's order; orphans last.

    `by_key` has every shot's action, also of those that are not selected, after those of the shots
    it needs. `left_out` is what `klingflow.decide.allotment` found under the limits of a run.
    """

    manifest: Manifest
    actions: tuple[Action, ...]
    by_key: Mapping[str, Action] = field(default_factory=dict)
    terms: Terms = Terms()
    problems: tuple[Problem, ...] = ()  # of the ledger, as `Book.problems`
    ledger: str = ""  # `klingflow.ledger.book.content` of the ledger that it was made by
    spending: Mapping[Share, Sum] = field(default_factory=dict)  # of all of the film's ledgers
    beside: Mapping[Share, Sum] = field(default_factory=dict)  # of those except its own
    left_out: Mapping[str, LeftOut] = field(default_factory=dict)  # by key; not to be bought
    filing: Filing = Filing()  # what the run does first
    # What has to be written before anything is renamed or bought. The actions hold the purchases as
    # they stand after it.
    moves: tuple[Move, ...] = ()
    history: History = History()  # of the ledger that it was made by
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)  # by key, where there is one
    forecast: Forecast | None = None  # of the run of all its plans; None if nobody knows
