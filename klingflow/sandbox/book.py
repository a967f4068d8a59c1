"""The book of a sandbox: every task and charge, in memory and in the state file.

A charge is written to the state file before anyone hears of it, so that a killed sandbox still
knows it. A refund needs no line of its own: it follows from the time (tasks.py).
"""

from __future__ import annotations

import errno
import heapq
import json
import os
import secrets
import string
import sys
import time
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from klingflow.errors import UsageError
from klingflow.sandbox.billing import Spec
from klingflow.sandbox.tasks import Fate, Task, is_refunded, phase

_ALPHABET = string.ascii_letters + string.digits
_PREDECESSOR_TRIES, _PREDECESSOR_POLL_S = 50, 0.02
_SHOWN = 200  # characters of a prompt that are kept: enough to know the shot by
# Not through a link; and as bytes, since Windows would write line ends of its own.
_FLAGS = (
    os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
)

if sys.platform == "win32":

    def _locked(fd: int) -> bool:
        """Return True: what a process writes there is written when its call returns, and the rest
        of a killed one's line is a torn line, as anywhere.
        """
        return True

else:
    import fcntl

    def _locked(fd: int) -> bool:
        """Return True if no other sandbox holds the state file; this one holds it from now on."""
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


class Book:
    """Every task and charge of a sandbox, in memory and, with a state file, on disk."""

    def __init__(self, state: str | None = None) -> None:
        """Raises UsageError for a `state` that cannot be used or is not a state file."""
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
        fates: dict[Fate, float],
        now: float,
        takes_s: float,
        client_request_id: str = "",
    ) -> Task:
        """Charge for a new task and return it. The charge is written down first.

        Raises OSError if the state file cannot be written: nothing is charged.
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
            audio=spec.audio,
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
        """Return how many tasks have not ended at `now`, which may never go back."""
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
            self._fd = os.open(path, _FLAGS, 0o644)
            _wait_for_predecessor(self._fd)
            lines = Path(path).read_bytes().split(b"\n")
            for task in _read(path, lines[:-1]):
                self._remember(task)
            if lines[-1]:  # torn by a kill or a full disk: nobody was told of that task
                os.ftruncate(self._fd, os.fstat(self._fd).st_size - len(lines[-1]))
        except OSError as error:
            raise UsageError(f"{path}: cannot be used as a state file: {error.strerror}") from error


# The state file


_FIELDS = tuple(field.name for field in fields(Task))


def _line(task: Task) -> bytes:
    # Not asdict, which copies everything deeply: every create waits for this.
    values = {name: getattr(task, name) for name in _FIELDS}
    return json.dumps(values, ensure_ascii=False).encode() + b"\n"


def _whole(text: str) -> str:
    """Return the text without half characters, which JSON can spell and nothing else can hold."""
    return text.encode("utf-8", "replace").decode()


def _append(fd: int, line: bytes) -> None:
    """Write the whole line or nothing, so that no later line is glued to a torn one."""
    size = os.fstat(fd).st_size
    if os.write(fd, line) != len(line):
        os.ftruncate(fd, size)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _wait_for_predecessor(fd: int) -> None:
    """Let a sandbox that is being killed write its last charge first.

    The wait has a bound: a sandbox that lives on keeps the lock.
    """
    for _ in range(_PREDECESSOR_TRIES):
        if _locked(fd):
            return
        time.sleep(_PREDECESSOR_POLL_S)


def _read(path: str, lines: list[bytes]) -> Iterator[Task]:
    for number, line in enumerate(lines, 1):
        try:
            yield Task(**json.loads(line))
        except (ValueError, TypeError) as error:
            raise UsageError(f"{path}:{number}: is not a line of a sandbox's state file") from error


def _new_id(digits: bool) -> str:
    """Return a random id, not a seeded one: two sandboxes never give one id to two tasks."""
    if digits:
        return str(secrets.randbelow(9 * 10**14) + 10**14)
    return "task_" + "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in secrets.token_bytes(32))


# The accounts


_COLUMNS = ("charges", "seconds", "refunds", "refunded_seconds")


def ledger(book: Book, now: float) -> dict[str, Any]:
    """Return what `GET /sandbox/ledger` shows: every charge and refund, and totals by tier."""
    tasks = book.tasks.values()
    charges = [_charge(task, now) for task in tasks]
    refunds = [_refund(task) for task in tasks if is_refunded(task, now)]
    tiers: dict[str, dict[str, int]] = {}
    for charge in charges:
        row = tiers.setdefault(charge["tier"], dict.fromkeys(_COLUMNS, 0))
        row["charges"] += 1
        row["seconds"] += charge["seconds"]
        row["refunds"] += charge["refunded"]
        row["refunded_seconds"] += charge["seconds"] * charge["refunded"]
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


def _refund(task: Task) -> dict[str, Any]:
    return {
        "task_id": task.id,
        "tier": task.tier,
        "seconds": task.seconds,
        "at": task.ends,
        "reason": task.failure,
    }
