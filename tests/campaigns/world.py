"""A gateway of numbers, simulated apart from the sandbox: it takes orders, charges, loses replies,
forgets, fails, and keeps the list of charges that everything is judged by.

What happens at the gateway happens whether or not the client lives to hear of it: an order's fate
is decided when it comes in, and a charge falls due at its own time.
"""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio

from klingflow.gateway.http import Timeouts
from klingflow.gateway.outcomes import Answer, NoReply, Reply
from klingflow.gateway.reading import Cut
from tests.boxes import film

ORIGIN = "https://gateway.example.com"
TIER = "kling-2.5-720p"
# Longer than any order is on its way: whoever looks at the list this much later sees all of it.
SETTLED_S = 900.0

_CREATE_FAULTS = (
    "unsent", "refused", "limited", "5xx before", "5xx after", "lost", "never read", "no id",
    "html", "cut", "another's id", "late", "too late", "unavailable",
)  # fmt: skip
_QUERY_FAULTS = (
    "no reply",
    "5xx",
    "unknown",
    "another's",
    "unnamed",
    "html",
    "no status",
    "slow",
    "retry",
)
_VIDEO_FAULTS = ("no reply", "502", "cut", "short", "html", "not yet")


@dataclass
class Weather:
    """How likely each fault is, by route; `fair` is none."""

    create: Mapping[str, float] = field(default_factory=dict)
    query: Mapping[str, float] = field(default_factory=dict)
    video: Mapping[str, float] = field(default_factory=dict)
    running: int = 1000  # tasks that the gateway lets a customer run at once
    forgets_s: float = 0.0  # how long a new task is unknown to the query route
    blackout: tuple[float, float] = (0.0, 0.0)  # the key is refused on every route meanwhile

    @classmethod
    def drawn(cls, chance: random.Random, now_s: float) -> Weather:
        """Some faults and not others, or their number would hide what a few can do."""

        def some(names: tuple[str, ...]) -> dict[str, float]:
            return {n: chance.choice((0.02, 0.1, 0.3)) for n in names if chance.random() < 0.3}

        begins = now_s + chance.uniform(0, 300)
        return cls(
            some(_CREATE_FAULTS),
            some(_QUERY_FAULTS),
            some(_VIDEO_FAULTS),
            running=chance.choice((1, 3, 1000, 1000)),
            forgets_s=chance.choice((0.0, 0.0, 10.0, 50.0)),
            blackout=(begins, begins + chance.uniform(0, 200))
            if chance.random() < 0.1
            else (0.0, 0.0),
        )


FAIR = Weather()


@dataclass
class Task:
    """An order that was accepted. `fate` is done, stuck, or the words of its failure."""

    id: str
    key: str  # the take, as the order named itself
    posted_at: float
    charged_at: float
    finishes_at: float
    fate: str
    life: int
    # When it was ordered: failures after which it may be bought again, and its own key.
    permitted: frozenset[str]

    @property
    def failed(self) -> bool:
        return self.fate not in ("done", "stuck")

    def status(self, now_s: float) -> str:
        if self.fate == "stuck" or now_s < self.finishes_at:
            return "in_progress"
        return "failed" if self.failed else "completed"


@dataclass
class Rerun:
    """What the person behind a life has allowed to be bought again."""

    life: int = 0
    failed: bool = False
    retries: int = 0


def _is_permitted(before: Task, task: Task) -> bool:
    """True if a person has allowed to buy this take again after what became of the task before."""
    return not task.permitted.isdisjoint({before.fate.partition(":")[0], task.key})


class Gateway:
    """The gateway, and what the campaign sees from there. `clock` gives the world's seconds."""

    def __init__(self, chance: random.Random, clock: Callable[[], float]) -> None:
        self.chance = chance
        self.clock = clock
        self.weather = FAIR
        self.allowed = Rerun()
        self.allowed_takes: set[str] = (
            set()
        )  # of which the person said that they may be bought again
        self.tasks: dict[str, Task] = {}
        self.kept: set[str] = set()  # ids that the client has on its disk
        self.twice: list[str] = []  # takes charged again that nobody allowed
        self.posts = self.queries = self.videos = 0
        self._due: list[Task] = []  # accepted, to be charged at their time
        self._refused_until = 0.0

    # -------- what the judge and the person see

    def settle(self) -> None:
        """Charge what is due by now, and see whether anybody allowed it."""
        now_s = self.clock()
        for task in sorted(
            (t for t in self._due if t.charged_at <= now_s), key=lambda t: t.charged_at
        ):
            self._due.remove(task)
            for before in self.of(task.key):
                if not self._may_follow(before, task):
                    self.twice.append(f"{task.key}: {before.id} ({before.fate}) and then {task.id}")
            self.tasks[task.id] = task

    def _may_follow(self, before: Task, task: Task) -> bool:
        over = before.failed and before.finishes_at <= task.posted_at
        return over and (self._is_followed(before, task) or _is_permitted(before, task))

    def _is_followed(self, before: Task, task: Task) -> bool:
        """True if there was another task between these two, which needed the permission to follow
        the first and was judged by it.
        """
        moments = (t.posted_at for t in self.accepted() if t.key == task.key)
        return any(before.posted_at < at < task.posted_at for at in moments)

    def _permitted(self, key: str) -> frozenset[str]:
        """What the person has allowed by now; a late order is judged by when it was made."""
        failures = {"capacity", "moderation"} if self.allowed.failed else set()
        failures |= {"capacity"} if self.allowed.retries else set()
        return frozenset(failures | ({key} & self.allowed_takes))

    def accepted(self) -> list[Task]:
        """All that was or will be charged."""
        return [*self.tasks.values(), *self._due]

    def of(self, key: str) -> list[Task]:
        """What was charged for a take."""
        return [t for t in self.tasks.values() if t.key == key]

    def brighten(self) -> None:
        """Fair weather from now on: what was stuck gets done."""
        self.weather = FAIR
        for task in self.accepted():
            if task.fate == "stuck":
                task.fate, task.finishes_at = "done", self.clock()

    # -------- the three routes, as klingflow's own adapter offers them

    async def create(self, body: bytes, request_id: str) -> Answer:
        self.posts += 1
        key = request_id.partition("/")[2]
        assert json.loads(body)["prompt"]
        await anyio.sleep(self.chance.uniform(0.001, 0.2))
        self.settle()
        fault = self._fault(self.weather.create)
        if (said := self._turned_away(fault)) is not None:
            return said
        task = self._order(key, fault)
        delay_s = self.chance.uniform(
            *((30, 600) if fault in ("late", "too late") else (0.01, 2.0))
        )
        patience_s = Timeouts().create_total_s
        await anyio.sleep(min(delay_s, patience_s))
        return self._said_of(task, "lost" if delay_s > patience_s else fault)

    def _turned_away(self, fault: str | None) -> Answer | None:
        now_s = self.clock()
        running = sum(t.status(now_s) == "in_progress" for t in self.accepted())
        if fault == "unsent":
            return NoReply(False, "no connection")
        if self._is_blind():
            return _error(401, "invalid_api_key", "invalid token")
        if fault == "limited" or now_s < self._refused_until or running >= self.weather.running:
            headers = {"retry-after": "7"} if self.chance.random() < 0.3 else {}
            self._refused_until = max(self._refused_until, now_s + self.chance.uniform(0, 3))
            return _error(429, "rate_limit", "too many requests", headers)
        return _REFUSALS.get(fault or "")

    def _order(self, key: str, fault: str | None) -> Task | None:
        """The order is in: whatever becomes of the reply, it is charged; only `never read` is lost
        on its way here.
        """
        if fault == "never read":
            return None
        now_s = self.clock()
        charged_at = now_s + (self.chance.uniform(0, 600) if fault == "too late" else 0.0)
        fate = self.chance.choices(
            ("done", "stuck", "capacity: queue full", "moderation: unsafe"), (16, 1, 2, 1)
        )[0]
        if self.weather is FAIR:
            fate = "done"
        finishes_at = charged_at + self.chance.lognormvariate(4.5, 0.6)
        number = len(self.tasks) + len(self._due) + 1
        task_id = f"task-{number}-{self.chance.getrandbits(32):08x}"
        permitted = self._permitted(key)
        task = Task(
            task_id, key, now_s, charged_at, finishes_at, fate, self.allowed.life, permitted
        )
        self._due.append(task)
        self.settle()
        return task

    def _said_of(self, task: Task | None, fault: str | None) -> Answer:
        if task is None or fault in ("lost", "too late"):
            return NoReply(True, "the connection broke before the answer")
        whole = _json({"id": task.id, "object": "video", "model": TIER, "status": "queued"})
        # An id that the client does not hold is nobody's to it: that lie could be seen by no one.
        others = [t for t in self.tasks if t in self.kept and t != task.id]
        return {
            "5xx after": Reply(500, {}, b"oops"),
            "no id": Reply(200, {}, b'{"object":"video"}'),
            "html": Reply(200, {}, b"<html>welcome</html>"),
            "cut": Reply(200, {}, whole[:5], complete=False),
            "another's id": Reply(200, {}, _json({"id": self.chance.choice(others or [""])})),
        }.get(fault or "", Reply(200, {}, whole))

    async def query(self, task_id: str, *, apart: bool = False) -> Answer:
        self.queries += 1
        fault = self._fault(self.weather.query)
        await anyio.sleep(
            self.chance.uniform(10, 30) if fault == "slow" else self.chance.uniform(0.01, 0.5)
        )
        self.settle()
        if fault == "no reply":
            return NoReply(True, "no answer in time")
        if self._is_blind():
            return _error(401, "invalid_api_key", "invalid token")
        if fault == "5xx":
            return Reply(503, {}, b"")
        task, now_s = self.tasks.get(task_id), self.clock()
        if task is None or fault == "unknown" or now_s < task.charged_at + self.weather.forgets_s:
            return _error(404, "task_not_exist", "task not exist")
        return self._reply_about(task, fault)

    def _reply_about(self, task: Task, fault: str | None) -> Answer:
        document = self._state(task)
        if fault == "another's":
            document = self._state(self.chance.choice([*self.tasks.values()]))
        elif fault == "unnamed" and self.chance.random() < 0.5:
            del document["id"]
        elif fault == "no status":
            del document["status"]
        headers = {"retry-after": "31"} if fault == "retry" else {}
        return Reply(200, headers, b"<html></html>" if fault == "html" else _json(document))

    def _state(self, task: Task) -> dict[str, Any]:
        status = task.status(self.clock())
        said: dict[str, Any] = {
            "id": task.id,
            "task_id": f"up-{task.id}",
            "model": TIER,
            "status": status,
        }
        if status == "completed":
            said["video_url"] = f"{ORIGIN}/files/{task.id}"
        elif status == "failed":
            code, _, words = task.fate.partition(": ")
            said["error"] = {"code": code, "message": words}
        return said

    def content_url(self, task_id: str) -> str:
        return f"{ORIGIN}/v1/videos/{task_id}/content"

    @asynccontextmanager
    async def open(
        self, url: str, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[Video | NoReply]:
        self.videos += 1
        await anyio.sleep(self.chance.uniform(0.01, 0.5))
        fault = self._fault(self.weather.video)
        task = next((t for t in self.tasks.values() if t.id in url.split("/")), None)
        if fault == "no reply":
            yield NoReply(True, "no answer in time")
        elif self._is_blind():
            yield Video(self, 401, b"{}")
        elif fault == "502" or task is None or task.status(self.clock()) != "completed":
            yield Video(self, 502, b"")
        elif fault == "not yet":
            yield Video(self, 404, b'{"error":{"code":"not_ready","message":"not ready"}}')
        elif fault == "html":
            yield Video(self, 200, b"<html>one moment</html>")
        else:
            yield Video(self, 200, video_of(task.id), fault)

    # --------

    def _fault(self, faults: Mapping[str, float]) -> str | None:
        return next((name for name, share in faults.items() if self.chance.random() < share), None)

    def _is_blind(self) -> bool:
        begins, ends = self.weather.blackout
        return begins <= self.clock() < ends


class Video:
    """The reply to a download, by pieces; `cut` breaks it off, `short` ends it early as if that
    were all.
    """

    is_packed, unknown_packing = False, ""

    def __init__(
        self, gateway: Gateway, status: int, data: bytes, fault: str | None = None
    ) -> None:
        self.status = status
        self.headers = {} if fault == "short" else {"content-length": str(len(data))}
        self._gateway = gateway
        self._cut = fault == "cut"
        self._data = data[: len(data) // 2] if fault in ("cut", "short") else data

    async def read(self) -> bytes:
        await anyio.sleep(self._gateway.chance.uniform(0.001, 1.0))
        piece, self._data = self._data[:700], self._data[700:]
        if not piece and self._cut:
            raise Cut("the connection broke")
        return piece

    async def at_least(self, size: int) -> bytes:
        data = b""
        while len(data) < size and (piece := await self.read()):
            data += piece
        return data

    async def words(self, begun: bytes = b"") -> bytes:
        return begun + await self.at_least(16_000)


def video_of(task_id: str) -> bytes:
    """The video of a task, unlike any other's."""
    return (
        film(1000, seed=sum(task_id.encode())) + b"\0\0\0\x18free" + task_id.encode()[:16].ljust(16)
    )


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document).encode()


def _error(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, headers or {}, _json({"error": {"code": code, "message": message}}))


# What turns a create away for good, by its fault; nothing was bought.
_REFUSALS: dict[str, Answer] = {
    "refused": _error(400, "moderation", "the prompt is sensitive"),
    "unavailable": _error(503, "model_not_found", "no available channel"),
    "5xx before": Reply(502, {}, b"<html>bad gateway</html>"),
}
