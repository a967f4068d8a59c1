"""Tasks and charges: a task's life as a function of time, and the book that remembers what was
bought.

Nothing here waits: what a task is now follows from when it was created, how long it takes and what
fate the faults gave it. A charge is written to the state file before anyone hears of it, so that a
killed sandbox still knows it; refunds need no line of their own, since they too follow from the
time.
"""

from __future__ import annotations

import errno
import heapq
import json
import os
import random
import secrets
import string
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

from klingflow.errors import UsageError
from klingflow.sandbox.billing import Spec
from klingflow.sandbox.options import TaskTime

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

_ALPHABET = string.ascii_letters + string.digits
_QUEUED_SHARE = 0.1  # of a task's time; the document only says that queued comes first
_PREDECESSOR_TRIES, _PREDECESSOR_POLL_S = 50, 0.02
_SHOWN = 200  # characters of a prompt that are kept: enough to know the shot by
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)

# A task's own failure: (code, message) by fate, in the words that real services use.
FAILURES = {
    "fail_moderation": ("task_failed", "内容审核未通过:提示词包含敏感信息 (content moderation)"),
    "fail_parameters": ("task_failed", "参数错误:duration 不支持 (invalid parameter: duration)"),
    "fail_input": ("task_failed", "参数错误:参考视频 URL 无法访问"),
    "fail_capacity": (
        "task_failed",
        "当前并发任务过多,请稍后重试 (concurrency limit, task backlog)",
    ),
    "error_without_status": ("task_failed", "参数错误:参考图 URL 无法访问"),
}


@dataclass(frozen=True, slots=True)
class Task:
    """One charge and the task it bought. Times are Unix seconds; `number` counts from 1 over the
    book.

    `fates` is what the faults do to it for good: their names, with the seconds that each was given.
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
    fates: dict[str, float]
    client_request_id: str = ""  # the client's own name for its request, where it gave one

    @property
    def ends(self) -> float:
        """When it is finished, well or not."""
        return self.created + self.takes_s

    @property
    def failure(self) -> tuple[str, str] | None:
        """(code, message) if it is to fail, else None."""
        return next((FAILURES[name] for name in self.fates if name in FAILURES), None)


class Phase(NamedTuple):
    """What a task is at a moment. Its status is queued, in_progress, completed or failed."""

    status: str
    progress: int


def phase(task: Task, now: float) -> Phase:
    """The Phase of a task at `now`."""
    age = now - task.created
    if age < 0:  # of a row that was last refreshed before the task was there
        return Phase("queued", 0)
    if age < task.takes_s or "stuck" in task.fates:
        share = min(age / task.takes_s, 0.99) if task.takes_s else 0.99
        return (
            Phase("queued", 0) if share < _QUEUED_SHARE else Phase("in_progress", int(100 * share))
        )
    return Phase("failed" if task.failure else "completed", 100)


def sample_s(time: TaskTime, seed: int, number: int) -> float:
    """How long the task of that number takes, in seconds: the same for the same seed."""
    return time.median_s * random.Random(f"{seed}:time:{number}").lognormvariate(0.0, time.sigma)


def seen_at(now: float, refresh_s: float) -> float:
    """The moment of which a query at `now` learns, where rows are refreshed every `refresh_s`
    seconds.
    """
    return now // refresh_s * refresh_s if refresh_s else now


def is_refunded(task: Task, now: float) -> bool:
    """Whether the charge was given back: tasks that failed are."""
    return phase(task, now).status == "failed"


class Book:
    """Every task and charge of a sandbox, in memory and, with a state file, on disk."""

    def __init__(self, state: str | None = None) -> None:
        """Raises UsageError when `state` cannot be used, or is something else than a state file."""
        self.tasks: dict[str, Task] = {}
        self.last: Task | None = None
        self._ends: list[float] = []
        self._fd: int | None = None
        if state is not None:
            self._open(state)

    def charge(
        self,
        spec: Spec,
        body_sha256: str,
        fates: dict[str, float],
        now: float,
        takes_s: float,
        client_request_id: str = "",
    ) -> Task:
        """Charge for a new task, written down first. Raises OSError if that fails: nothing is
        charged.
        """
        task = Task(
            id=_new_id("number_id" in fates),
            upstream_id=_new_id(False),
            number=len(self.tasks) + 1,
            created=now,
            takes_s=takes_s,
            tier=spec.tier,
            seconds=spec.seconds,
            clip_s=spec.clip_s,
            width=spec.width,
            height=spec.height,
            prompt=_whole(spec.prompt[:_SHOWN]),
            media_name=_whole(spec.media_name),
            body_sha256=body_sha256,
            fates=fates,
            client_request_id=_whole(client_request_id[:_SHOWN]),
        )
        if self._fd is not None:
            _append(self._fd, _line(task))
        self._remember(task)
        return task

    def running(self, now: float) -> int:
        """How many tasks are not finished at `now`, which may never go back."""
        while self._ends and self._ends[0] <= now:
            heapq.heappop(self._ends)
        return len(self._ends)

    def close(self) -> None:
        """Close the state file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _remember(self, task: Task) -> None:
        self.tasks[task.id] = self.last = task
        heapq.heappush(self._ends, task.ends)

    def _open(self, path: str) -> None:
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | _NOFOLLOW, 0o644)
            _wait_for_predecessor(self._fd)
            lines = Path(path).read_bytes().split(b"\n")
            for task in _read(path, lines[:-1]):
                self._remember(task)
            if lines[-1]:  # torn by a kill or a full disk: nobody was told of that task
                os.ftruncate(self._fd, os.fstat(self._fd).st_size - len(lines[-1]))
        except OSError as error:
            raise UsageError(f"{path}: cannot be used as a state file: {error.strerror}") from error


_FIELDS = tuple(field.name for field in fields(Task))


def _line(task: Task) -> bytes:
    # Not asdict, which copies everything deeply: this is on the way of every create.
    return (
        json.dumps({name: getattr(task, name) for name in _FIELDS}, ensure_ascii=False).encode()
        + b"\n"
    )


def _whole(text: str) -> str:
    """The text without half characters, which JSON can spell and nothing else can hold."""
    return text.encode("utf-8", "replace").decode()


def _append(fd: int, line: bytes) -> None:
    """The whole line or nothing, so that no later line is glued to a torn one."""
    size = os.fstat(fd).st_size
    if os.write(fd, line) != len(line):
        os.ftruncate(fd, size)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _wait_for_predecessor(fd: int) -> None:
    """Let a sandbox that is just being killed write its last charge first; who lives on is not
    waited for.
    """
    if fcntl is None:
        return
    for _ in range(_PREDECESSOR_TRIES):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_PREDECESSOR_POLL_S)
        else:
            return


def _read(path: str, lines: list[bytes]) -> Iterator[Task]:
    for number, line in enumerate(lines, 1):
        try:
            yield Task(**json.loads(line))
        except (ValueError, TypeError) as error:
            raise UsageError(f"{path}:{number}: is not a line of a sandbox's state file") from error


def _new_id(digits: bool) -> str:
    """Random, not seeded: two sandboxes never give one id to two tasks."""
    if digits:
        return str(secrets.randbelow(9 * 10**14) + 10**14)
    return "task_" + "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in secrets.token_bytes(32))


_COLUMNS = ("charges", "seconds", "refunds", "refunded_seconds")


def ledger(book: Book, now: float) -> dict[str, Any]:
    """The book as `GET /sandbox/ledger` shows it: every charge, every refund, and totals by tier."""
    charges = [_charge(task, now) for task in book.tasks.values()]
    tiers: dict[str, dict[str, int]] = {}
    for charge in charges:
        row = tiers.setdefault(charge["tier"], dict.fromkeys(_COLUMNS, 0))
        row["charges"] += 1
        row["seconds"] += charge["seconds"]
        row["refunds"] += charge["refunded"]
        row["refunded_seconds"] += charge["seconds"] * charge["refunded"]
    refunds = [
        {
            "task_id": task.id,
            "tier": task.tier,
            "seconds": task.seconds,
            "at": task.ends,
            "reason": task.failure,
        }
        for task in book.tasks.values()
        if is_refunded(task, now)
    ]
    totals = {name: sum(row[name] for row in tiers.values()) for name in _COLUMNS}
    return {"charges": charges, "refunds": refunds, "totals": {**totals, "by_tier": tiers}}


def _charge(task: Task, now: float) -> dict[str, Any]:
    return {
        "task_id": task.id,
        "tier": task.tier,
        "seconds": task.seconds,
        "at": task.created,
        "ends": task.ends,
        "status": phase(task, now).status,
        "refunded": is_refunded(task, now),
        "body_sha256": task.body_sha256,
        "media_name": task.media_name,
        "client_request_id": task.client_request_id,
        "prompt": task.prompt,
        "fates": sorted(task.fates),
    }
