"""PURE. What a manifest wants: shots, the requests for them, prices, and the settings of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from klingflow.errors import Diagnostic
from klingflow.model.keys import key_of
from klingflow.model.nodes import Json, Node, Reference


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
    about: Mapping[str, Json] = field(default_factory=dict)  # scene, title, note, dialogue
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
    profile: str = ""  # that lies over every shot; "" for the film itself
    profiles: tuple[str, ...] = ()  # the names of all that it has
    # Makes the shots of these ids again, in so many takes as are given here.
    more: More | None = field(default=None, compare=False, repr=False)
    # Reads the manifest again under the profile of this name.
    under: Callable[[str], Manifest] | None = field(default=None, compare=False, repr=False)

    def __iter__(self) -> Iterator[tuple[Shot, Request]]:
        return iter(zip(self.shots, self.requests, strict=True))

    @property
    def ids(self) -> set[str]:
        """The id of every shot that is wanted."""
        return {shot.id for shot in self.shots}

    @property
    def takes(self) -> set[tuple[str, int]]:
        """Every (shot, take) that is wanted."""
        return {(shot.id, shot.take) for shot in self.shots}
