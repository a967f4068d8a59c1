"""The gateway's door: every request of one process passes here, and what the limits and the ledger
promised of it is looked at. What klingflow says of itself is not asked; what it has written is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from klingflow.gateway.outcomes import Answer, NoReply
from klingflow.model import Limits, Rate
from klingflow.runner.context import Job
from tests.campaigns.powercut import Disk
from tests.campaigns.world import Gateway, Video

_BURST = 3  # design: a burst of 1 to 3
_A_MOMENT_S = 1e-6


@dataclass
class Found:
    """What went wrong, by kind."""

    by_kind: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, kind: str, what: str) -> None:
        self.by_kind[kind].append(what)

    def add_all(self, kind: str, some: Iterable[str]) -> None:
        for what in some:
            self.add(kind, what)

    def __bool__(self) -> bool:
        return any(self.by_kind.values())

    def __str__(self) -> str:
        return "\n".join(
            f"{kind}: {what}" for kind, some in self.by_kind.items() for what in some[:5]
        )


class Door:
    """Stands before `gateway` for one life. `disk` gives the disk as it is; `slack_s` is how much
    later than its grant a request may come, for its intent has to reach the disk first.
    """

    def __init__(
        self,
        gateway: Gateway,
        limits: Limits,
        jobs: Sequence[Job],
        disk: Callable[[], Disk],
        found: Found,
        *,
        slack_s: float,
    ) -> None:
        self._gateway, self._limits, self._jobs, self._disk = gateway, limits, jobs, disk
        self._found = found
        self._slack_s = slack_s
        self._open = self._downloading = 0
        self._creates: list[float] = []
        self._polls: list[float] = []
        self._last_poll: dict[str, float] = {}

    async def create(self, body: bytes, request_id: str) -> Answer:
        uid, _, key = request_id.partition("/")
        self._creates.append(self._gateway.clock())
        if not self._is_durable(uid):
            self._broken(f"{key}: its order went out before its intent was on the disk")
        unfinished = sum(
            p.state in ("intent", "submitted")
            for j in self._jobs
            for p in j.ledger.book.purchases.values()
        )
        self._at_most(unfinished, self._limits.max_running, "max_running")
        with self._connected():
            return await self._gateway.create(body, request_id)

    async def query(self, task_id: str, *, apart: bool = False) -> Answer:
        now_s = self._gateway.clock()
        last_s = self._last_poll.get(task_id)
        if last_s is None and not self._is_durable(task_id):
            self._broken(f"{task_id} was asked for before it was on the disk")
        if (
            last_s is not None
            and now_s - last_s < self._limits.poll_floor_s - _A_MOMENT_S
            and not self._done(task_id)
        ):
            self._broken(f"{task_id} was asked for after {now_s - last_s:.3f} s")
        self._last_poll[task_id] = now_s
        self._polls.append(now_s)
        with self._connected():
            return await self._gateway.query(task_id, apart=apart)

    def content_url(self, task_id: str) -> str:
        return self._gateway.content_url(task_id)

    @asynccontextmanager
    async def open(
        self, url: str, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[Video | NoReply]:
        self._downloading += 1
        self._at_most(self._downloading, self._limits.downloads, "downloads")
        try:
            with self._connected():
                async with self._gateway.open(url, headers) as video:
                    yield video
        finally:
            self._downloading -= 1

    def judge_the_whole(self) -> None:
        """What can be said of a run only when it is over."""
        self._rate_kept(self._creates, self._limits.submit, "creates")
        self._rate_kept(self._polls, self._limits.poll, "polls")

    # --------

    @contextmanager
    def _connected(self) -> Iterator[None]:
        self._open += 1
        self._at_most(self._open, self._limits.connections, "connections")
        try:
            yield
        finally:
            self._open -= 1

    def _done(self, task_id: str) -> bool:
        """Whether it is known to be finished: then only its video's address is asked for."""
        found = (
            j.ledger.book.purchases[u]
            for j in self._jobs
            if (u := j.ledger.book.task_ids.get(task_id))
        )
        return any(p.state in ("succeeded", "done") for p in found)

    def _is_durable(self, text: str) -> bool:
        disk, word = self._disk(), text.encode()
        return any(word in disk.contents.get(file, b"") for file in disk.names.values())

    def _rate_kept(self, times: Sequence[float], rate: Rate, what: str) -> None:
        """No span of time holds more than the rate grants, its burst, and what the disk held up."""
        highest_s = float("-inf")
        for number, at_s in enumerate(times):
            ahead_s = at_s - number * rate.interval_s  # falls where they come faster than granted
            if ahead_s < highest_s - (_BURST - 1) * rate.interval_s - self._slack_s:
                return self._broken(
                    f"{what}: more than {rate.count}/{rate.period_s:g}s at {at_s:.3f}"
                )
            highest_s = max(highest_s, ahead_s)

    def _at_most(self, number: int, most: int, what: str) -> None:
        if number > most:
            self._broken(f"{what}: {number} at once, where {most} are allowed")

    def _broken(self, what: str) -> None:
        self._found.add("rules broken", what)
