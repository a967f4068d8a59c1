"""PURE. A task's life as a function of time, and what the faults' fates do to it.

Nothing waits here: what a task is at a moment follows from when it was created, how long it takes
and which fates it was given. book.py keeps the tasks; shapes.py words them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

Status = Literal["queued", "in_progress", "completed", "failed"]
# What a fault does to a task for good. A fate is decided when the task is bought.
Fate = Literal[
    "number_id",
    "not_found_first",
    "not_found_404",
    "error_without_status",
    "stuck",
    "fail_moderation",
    "fail_parameters",
    "fail_input",
    "fail_capacity",
    "fail_quotes",
    "not_ready",
    "dead502",
    "gone",
]
Said = tuple[str, str]  # an error's code and message

_QUEUED_SHARE = 0.1  # of a task's time; the document only says that queued comes first
_MOST_SHARE = 0.99  # of its progress, before the task has ended
_NOT_READY = ("video_not_ready", "视频尚未就绪 (the video is not ready)")


class State(NamedTuple):
    """A status: the older shape's word, relays' other words, and why there is no video yet."""

    legacy: str
    synonyms: tuple[str, ...]
    no_video: Said | None
    refunded: bool = False


STATES: dict[Status, State] = {
    "queued": State("QUEUED", ("pending",), _NOT_READY),
    "in_progress": State("IN_PROGRESS", ("processing", "unknown"), _NOT_READY),
    "completed": State(
        "SUCCESS", ("succeed", "succeeded", "success", "SUCCESS", "generated"), None
    ),
    "failed": State(
        "FAILURE",
        (
            "FAILURE",
            "error",
            "canceled",
            "cancelled",
            "expired",
            "rejected",
            "moderated",
            "blocked",
        ),
        ("task_failed", "task status: FAILURE"),
        refunded=True,
    ),
}

# The failures of a task, in the words that real services use.
FAILURES: dict[Fate, Said] = {
    "fail_moderation": ("task_failed", "内容审核未通过:提示词包含敏感信息 (content moderation)"),
    "fail_parameters": ("task_failed", "参数错误:duration 不支持 (invalid parameter: duration)"),
    "fail_input": ("task_failed", "参数错误:参考视频 URL 无法访问"),
    "fail_capacity": (
        "task_failed",
        "当前并发任务过多,请稍后重试 (concurrency limit, task backlog)",
    ),
    "fail_quotes": ("task_failed", "参数错误:{prompt}"),
    "error_without_status": ("task_failed", "参数错误:参考图 URL 无法访问"),
}


@dataclass(frozen=True, slots=True)
class Task:
    """One charge and the task that it bought.

    Times are Unix seconds. `number` counts from 1 over the whole book. `fates` holds the seconds
    that each fate was given.
    """

    id: str
    upstream_id: str
    number: int
    created: float
    takes_s: float
    tier: str
    seconds: int
    clip_s: int
    width: int
    height: int
    prompt: str
    media_name: str
    body_sha256: str
    fates: dict[Fate, float]
    client_request_id: str = ""  # the client's own name for its request, if it gave one
    audio: bool = False

    @property
    def ends(self) -> float:
        """The time at which the task ends, completed or failed."""
        return self.created + self.takes_s

    @property
    def failure(self) -> Said | None:
        """(code, message) of a task that is going to fail, otherwise None."""
        found = next((FAILURES[name] for name in self.fates if name in FAILURES), None)
        return found and (found[0], found[1].replace("{prompt}", self.prompt))


class Phase(NamedTuple):
    """What a task is at a moment."""

    status: Status
    progress: int


def phase(task: Task, now: float) -> Phase:
    """Return the Phase of a task at `now`."""
    age = now - task.created
    if age < 0:  # the row was last refreshed before the task was there
        return Phase("queued", 0)
    ended = age >= task.takes_s and "stuck" not in task.fates
    if ended:
        return Phase("failed" if task.failure else "completed", 100)
    share = min(age / task.takes_s, _MOST_SHARE) if task.takes_s else _MOST_SHARE
    if share < _QUEUED_SHARE:
        return Phase("queued", 0)
    return Phase("in_progress", int(100 * share))


def no_video(task: Task, now: float) -> Said | None:
    """Return why a task's video cannot be had at `now`, or None."""
    status = phase(task, now).status
    if "stuck" in task.fates and now >= task.ends:
        status = "failed"  # its failure shows here alone
    elif status == "completed" and now < task.ends + task.fates.get("not_ready", 0):
        status = "in_progress"
    return STATES[status].no_video


def seen_at(now: float, refresh_s: float) -> float:
    """Return the moment that a query at `now` shows; rows are refreshed every `refresh_s` s."""
    return now // refresh_s * refresh_s if refresh_s else now


def is_refunded(task: Task, now: float) -> bool:
    """True if the charge was given back: the charge of a failed task is."""
    return STATES[phase(task, now).status].refunded
