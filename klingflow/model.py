"""PURE. The records that flow through klingflow: manifest → plan → run → ledger → results. Frozen
data, no rules.

A Shot is what the manifest wants, a Request what would be sent for it, a Purchase what the ledger
knows of one attempt to buy it, an Action what the plan means to do next, and a Manifest or a Plan
the whole of them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from klingflow.errors import Diagnostic, Mark

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

# What JSON can hold. `Any` on purpose: bodies are shaped by the field table, not by Python's types.
Json = Any


class Node:
    """A YAML value with its place: a scalar's Python value, a dict of Nodes by key, or a list of
    Nodes.

    `mark` is where the value begins, `key_mark` where its key does (None outside mappings). Nodes
    are shared between layers and between all shots that a matrix makes, so they are never changed
    once built. `plain` says that a scalar was written on one line and without escapes, so that
    offsets in it are columns; `inset` is then 1 if it stands in quotes.
    """

    # A long text has a million places, so those of one line share `_at`, and `_key` is only the
    # column of a key that stands on its value's line.
    __slots__ = ("_at", "_column", "_key", "inset", "plain", "value")

    def __init__(
        self,
        value: Any,
        mark: Mark,
        key_mark: Mark | None = None,
        plain: bool = False,
        inset: int = 0,
    ) -> None:
        self.value: Any = value
        self._at: Mark = mark
        self._column: int = mark.column
        self._key: Mark | int | None = None
        if key_mark is not None:
            self.key_mark = key_mark
        self.plain: bool = plain
        self.inset: int = inset

    @property
    def mark(self) -> Mark:
        """Return where it begins."""
        at, column = self._at, self._column
        return at if at.column == column else Mark(at.file, at.line, column)

    def holding(self, value: Any) -> Node:
        """Return a Node of another value at this place."""
        node = Node(value, self._at)
        node._column, node._key = self._column, self._key
        return node

    def share_line(self, at: Mark) -> None:
        """Take the line of its place from another place on it."""
        if at.line == self._at.line and at.file == self._at.file:
            self._at = at

    @property
    def key_mark(self) -> Mark | None:
        """Return where its key begins; None where it has no key."""
        key = self._key
        return Mark(self._at.file, self._at.line, key) if isinstance(key, int) else key

    @key_mark.setter
    def key_mark(self, mark: Mark) -> None:
        is_beside = mark.line == self._at.line and mark.file == self._at.file
        self._key = mark.column if is_beside else mark

    @property
    def place(self) -> Mark:
        """Return where its key begins, or its value where it has no key."""
        return self.key_mark or self.mark

    def at(self, *path: str | int) -> Node:
        """Return the deepest Node on `path` that the author wrote: for a value that an expression
        made, the expression's.
        """
        node = self
        for step in path:
            if not isinstance(node.value, (dict, list)):
                return node
            try:
                node = node.value[step]  # type: ignore[index]  # a wrong type of step is caught
            except (KeyError, IndexError, TypeError):
                return node
        return node


class Reference(NamedTuple):
    """A value that only the run knows: `shots.<shot>.<attribute>`."""

    shot: str
    attribute: str


class Pending(str):
    """Text with References in it, in a body that is not final yet. Its own text is the expression
    as written.

    A str, so that bodies stay JSON; its own type, so that what a CSV cell holds is never taken for
    one.
    """

    __slots__ = ("parts",)
    parts: tuple[str | Reference, ...]

    def __new__(cls, parts: Sequence[str | Reference]) -> Pending:
        text = "".join(
            p if isinstance(p, str) else f"${{{{ shots[{p.shot!r}].{p.attribute} }}}}"
            for p in parts
        )
        self = super().__new__(cls, text)
        self.parts = tuple(parts)
        return self


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` events per `period_s` seconds."""

    count: int
    period_s: float

    @property
    def interval_s(self) -> float:
        """Return the seconds between two events at this rate."""
        return self.period_s / self.count


@dataclass(frozen=True, slots=True)
class Limits:
    """The manifest's `run:` block (docs/plan-and-run.md, "Limits"). The defaults have their home
    here.
    """

    max_running: int = 5
    submit: Rate = Rate(30, 60.0)
    poll: Rate = Rate(120, 60.0)
    poll_floor_s: float = 5.0
    downloads: int = 4
    connections: int = 16
    retries: int = 0
    max_spend: Decimal | None = None
    max_tasks: int | None = None
    max_seconds: int | None = None
    deadline_s: float = 90 * 60.0
    tag_media: bool = False


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """The manifest's `gateway:` block."""

    base_url: str | None = None
    refund_5xx: bool = False


@dataclass(frozen=True, slots=True)
class AssetSettings:
    """The manifest's `assets:` block: where local references go. Signed addresses hold for
    `expires_s`.
    """

    store: str | None = None
    public_url: str | None = None
    endpoint: str | None = None
    region: str | None = None
    expires_s: float = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Price:
    """What one purchase is expected to cost, frozen with it. `basis` says how, e.g. `5 s × 0.6`."""

    amount: Decimal
    currency: str
    basis: str
    as_of: str | None = None


# What the gateway does with the money for a task that failed.
FailedTasks = Literal["refunded", "charged"]


@dataclass(frozen=True, slots=True)
class PriceRow:
    """What one tier costs. One of the first three is set; `min_seconds` are billed at least."""

    per_second: Decimal | None = None
    per_request: Decimal | None = None
    by_seconds: Mapping[int, Decimal] = field(default_factory=dict)
    min_seconds: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Prices:
    """A prices file, `file`: rows by exact name, and globs with the longest first. `failed_tasks`
    is None while the user has not said it; `overrules` if the environment named the file.
    """

    currency: str
    as_of: str | None
    exact: Mapping[str, PriceRow]
    globs: tuple[tuple[str, PriceRow], ...]
    failed_tasks: FailedTasks | None = None
    file: str = "prices.yaml"
    overrules: bool = False


def key_of(shot: str, take: int) -> str:
    """What a take is called everywhere: `opening`, and `opening#2` for its second take."""
    return shot if take == 1 else f"{shot}#{take}"


def task_named(task_id: str | None) -> str:
    """What a task is called in a sentence: `task 82734`, but not `task task_uS28`."""
    return str(task_id) if str(task_id).startswith("task") else f"task {task_id}"


def composed(name: str) -> str:
    """Return a shot's id in the one form in which accents belong to their letters (Unicode's NFC):
    what a Mac's file names, a keyboard and a spreadsheet write otherwise is one id.
    """
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def split_key(key: str) -> tuple[str, int]:
    """Return the shot and the take of a key, as typed. `opening#1` is understood, too."""
    shot, mark, take = composed(key).rpartition("#")
    return (shot, int(take)) if mark and take.isdecimal() else (composed(key), 1)


@dataclass(frozen=True, slots=True)
class Shot:
    """One take of one wanted video. `fields` holds rendered values; `node` the author's text behind
    them.
    """

    id: str
    take: int
    kind: str
    fields: Mapping[str, Json]
    output: str  # relative to the manifest's folder, with forward slashes
    node: Node
    tags: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    references: tuple[Reference, ...] = ()
    about: Mapping[str, Json] = field(default_factory=dict)  # title, note, dialogue
    further: bool = False  # beyond the takes that the manifest asks for: `--rerun rejected` buys it

    @property
    def key(self) -> str:
        """What the take is called: see `key_of`."""
        return key_of(self.id, self.take)

    @property
    def needs(self) -> tuple[str, ...]:
        """Return the ids of the shots that must be bought before this one, each once."""
        return tuple(dict.fromkeys((*self.after, *(r.shot for r in self.references))))


@dataclass(frozen=True, slots=True)
class Request:
    """What would be sent for a Shot. `fingerprint` is None while the body holds a Pending."""

    body: Mapping[str, Json]
    fingerprint: str | None
    predicted_tier: str
    seconds: int  # billable
    price: Price | None


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file that a manifest names where an address of an image or a video may stand, as it lies on
    this disk. `path` is relative to the manifest's folder, with forward slashes.

    `suffix` is the usual one of what its bytes are, "" for what no gateway takes. `sha256` is ""
    and all else is empty where there is no such file.
    """

    path: str
    size_bytes: int = 0
    sha256: str = ""
    suffix: str = ""
    width: int = 0
    height: int = 0


More = Callable[[Mapping[str, int]], Mapping[tuple[str, int], tuple["Shot", "Request"]]]


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest, read, expanded and checked: `requests[i]` belongs to `shots[i]`."""

    path: str
    name: str
    shots: tuple[Shot, ...]
    requests: tuple[Request, ...]
    limits: Limits
    gateway: GatewaySettings
    warnings: tuple[Diagnostic, ...]
    sources: Mapping[str, str]  # the text of every file read, by its name in diagnostics
    environment: tuple[str, ...] = ()  # the variables KLINGFLOW_VAR_… that set something
    budget: Decimal | None = None  # what the film may ever cost, in the currency of its prices
    prices: Prices | None = None
    files: Mapping[str, LocalFile] = field(default_factory=dict)  # by path; local references
    assets: AssetSettings = AssetSettings()
    # Makes the shots of these ids again, in so many takes as are given here.
    more: More | None = field(default=None, compare=False, repr=False)

    def __iter__(self) -> Iterator[tuple[Shot, Request]]:
        return iter(zip(self.shots, self.requests, strict=True))

    @property
    def takes(self) -> set[tuple[str, int]]:
        """Every (shot, take) that is wanted."""
        return {(shot.id, shot.take) for shot in self.shots}


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
    """Why something was refused or failed. `code` and `message` are the gateway's own, cleaned."""

    kind: FailureKind
    code: str
    message: str


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
    more records than anybody looks at. `_unread` then fills all of them in.
    """

    __slots__ = ("_unread",)
    _unread: Unread

    if not TYPE_CHECKING:  # for a type checker every field is there, and no other

        def __getattr__(self, name: str) -> Any:
            # Called for what is not set: two threads may be here at once, and fill in the same.
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
    # Of one in doubt: window, status, request id, what came back. Of one whose reply named several
    # ids: the reply.
    evidence: Mapping[str, Json] | None = None
    # True for one that `--rerun rejected` bought beyond the takes that the manifest asks for.
    further: bool | None = None

    @property
    def key(self) -> str:
        """What the take is called: see `key_of`."""
        return key_of(self.shot, self.take)

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


# Where else a body, or a take, was paid for; `klingflow.decide.elsewhere` has a row for each.
ElsewhereKind = Literal["place", "copy", "former", "lost", "box", "beside", "gateway"]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A purchase that this ledger has not: it is in another ledger, or was made at another gateway.

    `where` is that ledger's file or manifest, or the gateway's address. `origin` is the gateway
    that sold it, and `command` what a person types about it.
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
Share = Literal["spent", "in_doubt", "failed", "abandoned", "refunded", "not_charged"]


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
    spending: Mapping[Share, Sum] = field(default_factory=dict)  # of the film's ledgers
    left_out: Mapping[str, LeftOut] = field(default_factory=dict)  # by key; not to be bought
    filing: Filing = Filing()  # what the run does first
    # What has to be written before anything is renamed or bought. The actions hold the purchases as
    # they stand after it.
    moves: tuple[Move, ...] = ()
    history: History = History()  # of the ledger that it was made by
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)  # by key, where there is one
    forecast: Forecast | None = None  # of the run of all its plans; None where nobody knows
