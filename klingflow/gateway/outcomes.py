"""PURE. The outcomes of a request: a reply or none, and what a reply says of a create or of a
task. Values alone: create_replies.py and query_replies.py read them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from klingflow.model import Failure, Json


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP reply to the request for `url`. Header names are in lower case; `complete` is False
    if the body was cut.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    complete: bool = True
    url: str = field(default="", compare=False)

    @property
    def is_success(self) -> bool:
        """True for a status of 2xx."""
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class NoReply:
    """No status line came back. `sent` is False only where no byte of the request can have left.

    `heard` is the beginning of what came all the same and is no whole reply, without the key.
    """

    sent: bool
    reason: str
    heard: bytes = b""


Answer = Reply | NoReply


@dataclass(frozen=True, slots=True)
class Accepted:
    """Bought: the gateway will answer for `task_id`. `billed_tier` is the reply's `model`.

    `evidence` as in Doubtful: it helps a person to find the task if the reply names `other_ids`.
    """

    task_id: str
    billed_tier: str | None = None
    evidence: Mapping[str, Json] = field(default_factory=dict, compare=False)
    other_ids: frozenset[str] = field(default=frozenset(), compare=False)


@dataclass(frozen=True, slots=True)
class Refused:
    """Certainly not bought. `retry_after_s` is what the gateway asked for, as it asked."""

    failure: Failure
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Unsent:
    """Certainly not bought, because nothing was sent: the create may be tried again."""

    reason: str


@dataclass(frozen=True, slots=True)
class Doubtful:
    """Perhaps bought. `evidence` is for the person who settles it.

    `failure` is set where the reply also says that buying should stop. `off_the_mark`: the reply is
    a redirect, or a page that is no error, as a wrong address answers. `lost`: no reply came, or a
    5xx, so that the next create would probably be lost in the same way.
    """

    reason: str
    evidence: Mapping[str, Json] = field(default_factory=dict)
    failure: Failure | None = None
    off_the_mark: bool = False
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Running:
    """Not finished. `progress` is in percent, 0–100, as the gateway says, honest or not. `named`
    and `created_at` as in Succeeded. `said` is the status in the gateway's word.
    """

    progress: float | None = None
    billed_tier: str | None = None
    retry_after_s: float | None = None
    named: bool = True
    created_at: datetime | None = None
    said: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Succeeded:
    """Finished; the video is at `video_url` or, where that is None, at the content route.

    `named`: the reply says that it is about this task. An unnamed one is believed when the next
    reply says the same. `created_at` is when the gateway says that the task began, by its clock.
    `odd_url` is what stands where the address should be and is none.
    """

    video_url: str | None = None
    billed_tier: str | None = None
    seconds: float | None = None
    named: bool = True
    created_at: datetime | None = None
    odd_url: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class TaskFailed:
    """The task itself failed, for good. `named` and `created_at` as in Succeeded."""

    failure: Failure
    billed_tier: str | None = None
    named: bool = True
    created_at: datetime | None = None


Progress = Running | Succeeded | TaskFailed


@dataclass(frozen=True, slots=True)
class NoSuchTask:
    """The gateway does not know the id. That alone is not final: it may not know the id yet, or not
    at this moment.
    """

    failure: Failure


@dataclass(frozen=True, slots=True)
class Blind:
    """The key or the balance is refused, which says nothing about the task."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Hiccup:
    """Nothing was learned: ask again later."""

    reason: str
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Misnamed(Hiccup):
    """A reply with another id than the one asked after: another task's, or a relay's second name
    for ours.

    `answer` is what the reply says of the task called `name`.
    """

    name: str = ""
    answer: Progress = Running()


CreateOutcome = Accepted | Refused | Unsent | Doubtful
QueryOutcome = Progress | NoSuchTask | Blind | Hiccup
