"""A run without a network: the real runner over a real ledger, behind whose seam a gateway says
what a test tells it to say. Time and chance are the test's.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar, cast

import anyio
from jsonschema import Draft202012Validator

from klingflow.api import loading, running, site
from klingflow.api.schemas import generate
from klingflow.decide.allotment import caps_of
from klingflow.decide.patience import Patience
from klingflow.decide.polling import Durations
from klingflow.decide.schedule import Fetch, Flight, Schedule, Step, Wanted
from klingflow.gateway.http import Gateway
from klingflow.gateway.outcomes import Answer, NoReply, Reply
from klingflow.model import Purchase
from klingflow.runner.context import Context, Job
from klingflow.runner.upload import upload
from tests.boxes import film
from tests.harness import pipeline_at
from tests.purchases import submitted

ORIGIN = "https://gateway.example.com"
UNSENT = NoReply(False, "no connection")
LOST = NoReply(True, "no answer in time")
VIDEO = film(4000)

# Whatever a test lets the runner tell has the form that is published.
LOG = Draft202012Validator(generate("log"))

S = TypeVar("S", Wanted, Flight, Fetch)

# What one request comes to, or what is done in place of the gateway.
Said = Answer | Callable[[], Awaitable[Answer]]


def said(status: int = 200, /, **document: Any) -> Reply:
    """A JSON reply. A key `retry_after` is the header."""
    wait = document.pop("retry_after", None)
    headers = {} if wait is None else {"retry-after": str(wait)}
    return Reply(status, headers, json.dumps(document).encode())


def refused(status: int, code: str, message: str = "no", **more: Any) -> Reply:
    """An error as the gateway's document has them."""
    return said(status, error={"code": code, "message": message}, **more)


class Video:
    """The reply to a download, which is not packed."""

    is_packed, unknown_packing = False, ""

    def __init__(self, status: int, data: bytes = b"", **headers: str) -> None:
        self.status, self._data = status, data
        self.headers = {"content-length": str(len(data)), **headers}

    async def read(self) -> bytes:
        data, self._data = self._data, b""
        return data

    async def at_least(self, size: int) -> bytes:
        return await self.read()

    async def words(self, begun: bytes = b"") -> bytes:
        return begun + await self.read()


class Shown(Video):
    """A web server that shows a folder with one file, at whatever is asked for."""

    def __init__(self, folder: Path) -> None:
        super().__init__(206)
        self._folder = folder

    async def at_least(self, size: int) -> bytes:
        (path,) = self._folder.glob("*")
        self.headers = {"content-range": f"bytes 0-4095/{path.stat().st_size}"}
        return path.read_bytes()[:size]


class Scripted:
    """Every request of a route gets the next of its answers. `asked` says what was asked for."""

    def __init__(
        self,
        creates: Sequence[Said] = (),
        queries: Sequence[Said] = (),
        videos: Sequence[Video | NoReply] = (),
    ) -> None:
        self._creates, self._queries, self._videos = iter(creates), iter(queries), iter(videos)
        self.asked: list[str] = []
        self.sent: list[bytes] = []

    @property
    def bodies(self) -> list[Any]:
        """The bodies of the creates, read."""
        return [json.loads(body) for body in self.sent]

    async def create(self, body: bytes, request_id: str) -> Answer:
        self.asked.append(f"create {request_id}")
        self.sent.append(body)
        return await _given(self._creates)

    async def query(self, task_id: str, *, apart: bool = False) -> Answer:
        self.asked.append(f"query {task_id}{' apart' * apart}")
        return await _given(self._queries)

    def content_url(self, task_id: str) -> str:
        return f"{ORIGIN}/v1/videos/{task_id}/content"

    @asynccontextmanager
    async def open(
        self, url: str, headers: Mapping[str, str] | None = None, method: str = "GET"
    ) -> AsyncIterator[Video | NoReply]:
        self.asked.append(f"{'open' if method == 'GET' else method} {url}")
        yield next(self._videos)


async def _given(answers: Iterator[Said]) -> Answer:
    answer = next(answers, None)
    assert answer is not None, "nobody expected this request"
    return answer if isinstance(answer, (Reply, NoReply)) else await answer()


@dataclass
class Run:
    """One manifest's run, step by step. `at` is the monotonic time, `told` the events."""

    job: Job
    gateway: Scripted
    context: Context
    told: list[dict[str, Any]]
    clock: list[float] = field(default_factory=lambda: [0.0])

    @property
    def at(self) -> float:
        return self.clock[0]

    @at.setter
    def at(self, now: float) -> None:
        self.clock[0] = now

    @property
    def events(self) -> list[str]:
        """The names of what was told."""
        return [event["event"] for event in self.told]

    @property
    def purchases(self) -> list[Purchase]:
        """What the ledger holds, in order."""
        return [*self.job.ledger.book.purchases.values()]

    @property
    def states(self) -> list[str]:
        """The states of what the ledger holds."""
        return [p.state for p in self.purchases]

    def next(self) -> Step | float | None:
        """What the schedule starts now."""
        return self.context.schedule.next(self.at)

    def want(self, number: int = 0) -> Wanted:
        """Queue an action of the plan, and take what the schedule grants now."""
        self.context.schedule.want(self.context.wanted(0, self.job.plan.actions[number]))
        return self.next_of(Wanted)

    def next_of(self, kind: type[S]) -> S:
        """The step of this kind that the schedule starts now."""
        step = self.next()
        assert isinstance(step, kind)
        return step

    async def flight(
        self, number: int = 1, body: Mapping[str, Any] | None = None, **about: Any
    ) -> Flight:
        """A task of ours at the gateway, `task_<number>`, that is being polled; `body` was sent."""
        purchase = submitted(f"shot{number:03}", task_id=f"task_{number}")
        if body is not None:
            purchase = replace(purchase, body=body)
        await self.job.ledger.record(purchase)
        self.context.schedule.running += 1
        wanted = self.context.wanted(0, self.job.plan.actions[number - 1])
        return replace(Flight(0, purchase, 0.0, 0.0, 9000.0, wanted), **about)

    async def finished(self, **about: Any) -> Fetch:
        """A task that has succeeded, whose download the schedule has granted."""
        flight = await self.flight()
        url = about.pop("video_url", None)
        purchase = await self.context.record(0, flight.purchase, "succeeded", video_url=url)
        self.context.schedule.fetch(Fetch(0, purchase, flight.wanted, **about), self.at)
        return self.next_of(Fetch)


@contextmanager
def a_run(
    folder: Path,
    *,
    shots: Mapping[str, Any] | int = 1,
    creates: Sequence[Said] = (),
    queries: Sequence[Said] = (),
    videos: Sequence[Video | NoReply] = (),
    buying: bool = True,
    fail_fast: bool = False,
    bought: Sequence[Purchase] = (),
    top: Mapping[str, Any] | None = None,
    **limits: Any,
) -> Iterator[Run]:
    """A run of a manifest in `folder` with its ledger held, of which no step has been taken.
    `bought` is in the ledger from earlier runs.
    """
    pipeline = pipeline_at(folder)
    pipeline.write(shots, **(top or {}))
    manifest = loading.load(pipeline.manifest)
    limited = replace(manifest.limits, **limits)
    gateway, told, clock = Scripted(creates, queries, videos), list[dict[str, Any]](), [0.0]
    with running.open_job(manifest, site.Wish(black_box=False), ORIGIN) as job:
        for purchase in bought:
            job.ledger.book.put(purchase)
        job.plan = job.plan_again()
        if buying:
            running.allot([job], limited)
        context = Context(
            jobs=[job],
            gateway=cast(Gateway, gateway),
            limits=limited,
            schedule=Schedule(limited, Durations(), caps_of([job.plan], limited)),
            patience=Patience(limited, buying=buying, fail_fast=fail_fast),
            emit=told.append,
            clock=lambda: clock[0],
            now=site.now,
            chance=lambda: 0.5,
            new_uid=lambda: f"uid-{len(job.ledger.book.purchases) + 1}",
        )
        yield Run(job, gateway, context, told, clock)
        for event in told:
            LOG.validate(event)


def uploaded(run: Run) -> None:
    """Upload what is to be uploaded now."""
    while (file := run.context.sending.next()) is not None:
        anyio.run(upload, run.context, file)
