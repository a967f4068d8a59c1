"""What a host does with a shot, and with the pages of a desk, without an engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from klingflow.cluster import accounts, hands
from klingflow.cluster.giving_back import give_back
from klingflow.cluster.hand import Hand
from klingflow.cluster.orders import Ref
from klingflow.cluster.queued import Order
from klingflow.cluster.store import FolderStore
from klingflow.cluster.temporal.steps import Steps
from klingflow.cluster.temporal.telling import Telling
from klingflow.gateway.http import Gateway
from klingflow.gateway.outcomes import Answer, NoReply
from tests.clusters import a_hand, a_store, asked, hand_over, order, states
from tests.runs import VIDEO, Said, Scripted, Video, said

pytestmark = pytest.mark.anyio

ACCEPTED = said(id="task_1", model="t", status="queued")
FAILED = said(id="task_1", status="failed", error={"code": "1", "message": "server busy"})
BUSY = said(id="task_1", status="in_progress")
NOW = datetime(2026, 6, 8, tzinfo=UTC)
LONG_AGO_S = 60.0
A_DAY_S = 86_400.0
A_MONTH_S = 30 * A_DAY_S


@dataclass
class Heard:
    """What a desk is told."""

    reports: list[list[Any]] = field(default_factory=list)

    async def tell(self, *report: Any) -> None:
        """Hear a report."""
        self.reports.append([*report])

    @property
    def brief(self) -> list[tuple[str, Any]]:
        """The name of each report, and what came of it."""
        ends = [what["outcome"] if name == "bought" else end for name, what, end in self.reports]
        return [(name, end) for (name, *_), end in zip(self.reports, ends, strict=True)]


class Done(Scripted):
    """A gateway whose tasks have all succeeded, and that has a video for each. `most` is how many
    it was asked for at once; none of them has come before `expected` were.
    """

    most = 0
    _now = 0

    def __init__(self, creates: Sequence[Said], expected: int = 1) -> None:
        super().__init__(creates)
        self._expected, self._are_there = expected, anyio.Event()

    async def query(self, task_id: str, *, apart: bool = False) -> Answer:
        self.asked.append(f"query {task_id}")
        url = f"https://cdn.example.com/{task_id}.mp4"
        return said(id=task_id, status="completed", model="t", video_url=url)

    @asynccontextmanager
    async def open(
        self, url: str, headers: Mapping[str, str] | None = None, method: str = "GET"
    ) -> AsyncIterator[Video | NoReply]:
        self.asked.append(f"open {url}")
        self._now += 1
        self.most = max(self.most, self._now)
        if self.most >= self._expected:
            self._are_there.set()
        await self._are_there.wait()
        await anyio.sleep(0.1)  # in which another could be asked for
        yield Video(200, VIDEO)
        self._now -= 1


class Away(Done):
    """Such a gateway, which has the videos in an hour."""

    def __init__(self, creates: Sequence[Said]) -> None:
        super().__init__(creates)
        self.opened = anyio.Event()

    @asynccontextmanager
    async def open(
        self, url: str, headers: Mapping[str, str] | None = None, method: str = "GET"
    ) -> AsyncIterator[Video | NoReply]:
        self.opened.set()
        yield Video(503, b"", **{"retry-after": "3600"})


class Held:
    """An answer that a gateway keeps back until it is `free`; `asked` once somebody waits."""

    def __init__(self, answer: Answer = ACCEPTED) -> None:
        self._answer = answer
        self.asked, self.free = anyio.Event(), anyio.Event()

    async def __call__(self) -> Answer:
        self.asked.set()
        await self.free.wait()
        return self._answer


@dataclass
class Host:
    """A host of one or more places, the orders of its one page, and what its desk was told."""

    hand: Hand
    refs: Sequence[Ref]
    heard: Heard
    steps: Steps

    async def shot(
        self,
        number: int = 0,
        *,
        attempt: int = 1,
        late_s: float = 0.0,
        said: Sequence[str] = (),
    ) -> str:
        """Do a shot whose moment was `late_s` seconds before this execution was begun; `said` is
        what the heartbeats of the one before it said last.
        """
        engine = ActivityEnvironment()
        engine.info = replace(
            engine.info, attempt=attempt, started_time=NOW, heartbeat_details=said
        )
        ref = self.refs[number]
        page = await hands.page(self.hand, ref.batch, ref.page)
        ask = [*page.asks()][number]
        errand = Order(ask, ask.uid).as_json()
        return await engine.run(self.steps.shot, errand, NOW.timestamp() - late_s)


@contextmanager
def a_host(
    folder: Path, gateway: Scripted, shots: Sequence[str] = ("alley",), places: int = 4, **more: Any
) -> Iterator[Host]:
    """A host, and a batch of these shots in its store."""
    store, heard = a_store(folder / "store"), Heard()
    refs = hand_over(store, [order(shot) for shot in shots], **{"poll_floor_s": 0.01, **more})
    with a_hand(store, folder / "north") as hand:
        hand.gateway = cast(Gateway, gateway)
        ways: Any = (lambda line: None, lambda error: None)
        steps = Steps(hand, cast(Telling, heard), folder, *ways, at_once=places)
        yield Host(hand, refs, heard, steps)


async def leaves(host: Host, number: int = 0, **more: Any) -> None:
    """Do a shot, and hold that the engine is told to have another host go on with it."""
    with pytest.raises(ApplicationError) as found:
        await host.shot(number, **more)
    assert found.value.type == "Leaving"


async def test_a_shot_is_bought_watched_and_brought(tmp_path: Path) -> None:
    """And the desk is told of each as soon as it is so, with the moment of the grant, by which it
    knows what the first report is on.
    """
    with a_host(tmp_path, Done([ACCEPTED])) as host:
        assert await host.shot() == "done"
        uid = order("alley").uid
        (_, bought, at), *after = host.heard.reports
        assert (bought["outcome"], at) == ("submitted", NOW.timestamp())
        assert after == [["over", uid, True], ["delivered", uid, True]]
        assert not host.hand.answers  # whose bodies would fill the memory of a host


async def test_the_shot_of_a_dead_host_is_gone_on_with(tmp_path: Path) -> None:
    """Nothing is sent, and its task is looked at at once: nobody knows when it was polled last, and
    what waits for its place has waited for long. Here a host that goes on would else ask in a
    month.
    """
    with a_host(tmp_path, Done([ACCEPTED]), poll_floor_s=A_MONTH_S) as host:
        await hands.buy(host.hand, host.refs[0])
        with anyio.fail_after(60):
            assert await host.shot(attempt=2, late_s=LONG_AGO_S) == "done"
        assert [one.partition(" ")[0] for one in asked(host.hand)].count("create") == 1
        assert [name for name, *_ in host.heard.reports] == ["bought", "over", "delivered"]


async def test_what_a_dead_host_was_waiting_for_is_not_bought_again(tmp_path: Path) -> None:
    """Its heartbeats said that it was bought, which the desk knows. In a store that is older than
    that nobody finds the task, and the desk is told that it holds no place.
    """
    with a_host(tmp_path, Scripted()) as host:
        assert await host.shot(attempt=2, late_s=LONG_AGO_S, said=["watch"]) == "damaged"
        assert host.heard.brief == [("over", False)]


async def test_what_a_store_has_lost_is_waited_for(tmp_path: Path) -> None:
    """It was put back from a backup without the answer, which the host that bought gives back. Only
    what is missing after a person has said that all have done so is given up.
    """
    with a_host(tmp_path, Done([])) as host:
        store, account = host.hand.store, ActivityEnvironment().info.task_queue
        with a_hand(cast(FolderStore, store), tmp_path / "south", [ACCEPTED]) as other:
            await hands.buy(other, host.refs[0])
            assert host.hand.ticks.leave()
            for lost in ("purchases/*.answer", "probes/ticks/*"):
                for path in (tmp_path / "store").glob(lost):
                    path.unlink()
            for _ in range(2):
                with pytest.raises(ApplicationError) as found:
                    await host.shot(attempt=2, late_s=LONG_AGO_S, said=["watch"])
                assert found.value.type == "StoreLost"
            assert {name for name, *_ in host.heard.reports} == {"store"}
            assert not [*(tmp_path / "store").glob("purchases/*.doubt")]
            await give_back(other)
        accounts.say(store, account, {"stopped": False})
        assert await host.shot(attempt=3, late_s=LONG_AGO_S, said=["watch"]) == "done"


@pytest.mark.parametrize("end", ["completed", "failed"])
async def test_an_end_that_a_store_has_lost_is_found_again(tmp_path: Path, end: str) -> None:
    """The store was put back from a backup while the desk was told: another execution says in it
    again how the task has ended.
    """
    gateway = Done([ACCEPTED]) if end == "completed" else Scripted([ACCEPTED], [FAILED] * 4)
    with a_host(tmp_path, gateway) as host:
        ends, tell = tmp_path / "store" / "purchases", host.heard.tell

        async def lose(*report: Any) -> None:
            await tell(*report)
            for path in ends.glob("*.done"):
                path.unlink()

        host.heard.tell = lose  # type: ignore[method-assign]
        with pytest.raises(ApplicationError) as found:
            await host.shot()
        assert found.value.type == "StoreLost" and not [*ends.glob("*.done")]
        host.heard.tell = tell  # type: ignore[method-assign]
        await host.shot(attempt=2, late_s=LONG_AGO_S)
        assert [*ends.glob("*.done")]
        assert [one.partition(" ")[0] for one in asked(host.hand)].count("create") == 1


async def test_what_ended_while_a_server_died_is_done_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server has come back from a backup after a day, and so has the store. The desk has not
    heard that the shot was bought, and nobody is asked to bring its video: the host says it again,
    and does that.
    """
    with a_host(tmp_path, Done([ACCEPTED])) as host:
        assert await host.shot() == "done"
        ended_at = host.hand.clock()
        first, ends = [*host.heard.reports], tmp_path / "store" / "purchases"
        for path in ends.glob("*.done"):
            path.unlink()
        host.heard.reports.clear()
        delivered, tell = anyio.Event(), host.heard.tell

        async def hear(*report: Any) -> None:
            await tell(*report)
            if report[0] == "delivered":
                delivered.set()

        host.heard.tell = hear  # type: ignore[method-assign]
        monkeypatch.setattr(host.hand, "clock", lambda: ended_at + A_DAY_S)
        host.steps.repeat(A_DAY_S)
        with anyio.fail_after(60):
            await delivered.wait()
        assert [one[0] for one in host.heard.reports] == [one[0] for one in first]
        assert host.heard.reports[0][2] == first[0][2] and [*ends.glob("*.done")]
        assert [one.partition(" ")[0] for one in asked(host.hand)].count("create") == 1


async def test_what_nobody_has_claimed_is_not_bought_late(tmp_path: Path) -> None:
    """Its moment has passed with its host; the desk grants it again."""
    with a_host(tmp_path, Scripted()) as host:
        assert await host.shot(attempt=2, late_s=LONG_AGO_S) == "late"
        assert host.heard.brief == [("bought", "late")]


async def test_an_order_that_nobody_can_read_is_stale(tmp_path: Path) -> None:
    """The desk is told so: it buys the rest."""
    with a_host(tmp_path, Scripted()) as host:
        ref = host.refs[0]
        (ask,) = (await hands.page(host.hand, ref.batch, ref.page)).asks()
        errand = Order(ask, ask.uid).as_json()
        errand["ask"]["ref"][2] = 99
        engine = ActivityEnvironment()
        engine.info = replace(engine.info, started_time=NOW)
        assert await engine.run(host.steps.shot, errand, NOW.timestamp()) == "stale"
        assert host.heard.brief == [("bought", "stale")]


@pytest.mark.parametrize("wait_s", [0.0, hands.LATE_S + 1])
async def test_a_create_waits_for_a_place_on_its_host(tmp_path: Path, wait_s: float) -> None:
    """Until its moment has passed: then it is late."""
    first, now = Held(), [0.0]
    second = said(id="task_2", model="t", status="queued")
    found: dict[int, str] = {}
    with a_host(tmp_path, Done([first, second]), ("alley", "bridge"), places=1) as host:
        waits, calls = anyio.Event(), list[float]()

        async def shoot(number: int) -> None:
            found[number] = await host.shot(number)

        def clock() -> float:
            calls.append(now[0])
            if len(calls) == 2:  # its turn is known; what comes next is to wait for a place
                waits.set()
            return now[0]

        async with anyio.create_task_group() as group:
            host.hand.clock = lambda: now[0]
            group.start_soon(shoot, 0)
            await first.asked.wait()
            host.hand.clock = clock
            group.start_soon(shoot, 1)
            await waits.wait()
            now[0] += wait_s
            first.free.set()
    assert found == {0: "done", 1: "late" if wait_s else "done"}


async def test_what_was_bought_needs_no_place(tmp_path: Path) -> None:
    """A thousand tasks of a dead host go by the creates of the one that goes on."""
    first = Held()
    with a_host(tmp_path, Done([ACCEPTED, first]), ("alley", "bridge"), places=1) as host:
        await hands.buy(host.hand, host.refs[0])
        async with anyio.create_task_group() as group:
            group.start_soon(host.shot, 1)
            await first.asked.wait()
            with anyio.fail_after(60):
                assert await host.shot(0, attempt=2, late_s=LONG_AGO_S) == "done"
            first.free.set()


async def test_no_more_videos_are_fetched_at_once_than_a_host_has_places(tmp_path: Path) -> None:
    """However many tasks are over at a time."""
    shots = ("alley", "bridge", "canal", "door")
    creates = [said(id=f"task_{shot}", model="t", status="queued") for shot in shots]
    gateway = Done(creates, expected=2)
    with a_host(tmp_path, gateway, shots, places=2) as host:
        for ref in host.refs:
            await hands.buy(host.hand, ref)
        async with anyio.create_task_group() as group:
            for number in range(len(shots)):
                group.start_soon(host.shot, number)
    assert (gateway.most, host.heard.brief.count(("delivered", True))) == (2, 4)


async def test_a_host_that_leaves_finishes_its_create(tmp_path: Path) -> None:
    """Its task is another host's to wait for."""
    held = Held()
    with a_host(tmp_path, Scripted([held])) as host:
        async with anyio.create_task_group() as group:
            group.start_soon(leaves, host)
            await held.asked.wait()
            host.steps.leave()
            held.free.set()
        assert host.heard.brief == [("bought", "submitted")]


async def test_a_host_that_leaves_begins_no_create(tmp_path: Path) -> None:
    """What waits for a place is another host's, which has time for it yet."""
    with a_host(tmp_path, Scripted()) as host:
        host.steps.leave()
        await leaves(host)
        assert (host.heard.reports, states(host.hand.store)) == ([], {})  # type: ignore[arg-type]


async def test_a_poll_is_broken_off_by_a_host_that_leaves(tmp_path: Path) -> None:
    """However long its answer takes."""
    held = Held(BUSY)
    with a_host(tmp_path, Scripted([ACCEPTED], [held])) as host, anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            group.start_soon(leaves, host)
            await held.asked.wait()
            host.steps.leave()


async def test_no_video_is_tried_again_by_a_host_that_leaves(tmp_path: Path) -> None:
    """Whatever is left of the pause after its last try."""
    gateway = Away([ACCEPTED])
    with a_host(tmp_path, gateway) as host, anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            group.start_soon(leaves, host)
            await gateway.opened.wait()
            host.steps.leave()
        assert host.heard.brief == [("bought", "submitted"), ("over", True)]
