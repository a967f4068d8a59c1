"""A run at a cluster: what it waits for, and what it ends with where ledger or store fail."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from klingflow.api.following import Follower, followed
from klingflow.cluster.ordering import ordered
from klingflow.cluster.status import Status
from klingflow.cluster.store import FolderStore, told_of
from klingflow.errors import ClusterAway, LedgerBroken, StoreAway
from klingflow.ledger.lifecycle import advance
from klingflow.ledger.lines import journal_line
from klingflow.ledger.uids import attempt_of, film_of
from klingflow.model import LeftOut, Purchase
from tests.clusters import BATCH, a_job, a_store, hand_over
from tests.purchases import AT, LATER, ORIGIN
from tests.runs import Run, a_run

pytestmark = pytest.mark.anyio


class Failing(Follower):
    """One whose ledger cannot be written, and whose store goes away at the second hand-over."""

    async def run(self) -> None:
        """Fail."""
        raise LedgerBroken("film.journal: cannot be written")

    async def hand_over(self) -> bool:
        """Fail at the second time."""
        if self.handed:
            raise StoreAway("the store is not there")
        self.handed.add("a")
        return False


def failing(run: Run, folder: Path) -> Follower:
    """Such a follower of a run, at a desk that nobody asks."""
    desk = cast(Any, SimpleNamespace())
    return Failing(run.job, desk, a_store(folder / "store"), run.context.limits, run.told.append)


async def test_a_broken_ledger_ends_a_run_as_such(tmp_path: Path) -> None:
    """The command line knows the error by its kind."""
    broken = pytest.raises(LedgerBroken, match="cannot be written")
    with a_run(tmp_path / "film") as run, broken:
        await followed(failing(run, tmp_path), lambda: None, detach=False)


async def test_a_store_that_is_away_is_asked_again(tmp_path: Path) -> None:
    """Nobody knows then whether more is to be handed over."""
    with a_run(tmp_path / "film") as run:
        follower = failing(run, tmp_path)
        assert [await follower._next(), await follower._next()] == [False, True]


class Said:
    """A desk that says of its batches what a test tells it to say."""

    def __init__(self) -> None:
        self.live: list[str] = []
        self.over: list[str] = []
        self.coming: list[str] = []
        self.capped: dict[str, Any] = {}
        self.halted = ""
        self.missing = ""
        self.hosting = ["north/1"]
        self.handed: list[str] = []
        self.stopped: list[tuple[str, int]] = []
        self.meanwhile: Callable[[], Awaitable[None]] | None = None

    async def status(self) -> Status:
        """Say it."""
        live = [{"id": one, "missing": self.missing} for one in self.live]
        known = {"over": self.over, "coming": self.coming, "capped": self.capped}
        known |= {"halted": self.halted}
        return Status.from_json({"batches": live, **known})

    async def hosts(self) -> list[str]:
        """Name those that are there."""
        return self.hosting

    async def hand_over(self, batch: str, *_: object) -> None:
        """Remember it, after what happens meanwhile."""
        if self.meanwhile:
            await self.meanwhile()
        self.handed.append(batch)

    async def stop(self, batch: str) -> None:
        """Remember it, and how often it was told of the batch before."""
        self.stopped.append((batch, self.handed.count(batch)))


class Heard(FolderStore):
    """A store that calls `meanwhile` while it takes an object."""

    meanwhile: Callable[[], None] = staticmethod(lambda: None)

    def put(self, name: str, data: bytes) -> bool:
        """Put it."""
        self.meanwhile()
        return super().put(name, data)


@contextmanager
def following(folder: Path) -> Iterator[tuple[Follower, Said, Heard]]:
    """One who follows a film of two shots at a desk, before anything is handed over."""
    a_store(folder / "store")
    store, desk = Heard(folder / "store"), Said()
    with a_job(folder / "film") as job:
        limits = job.plan.manifest.limits
        yield Follower(job, cast(Any, desk), store, limits, lambda event: None), desk, store


async def test_a_desk_hears_of_ctrl_c_after_the_batch(tmp_path: Path) -> None:
    """Otherwise it would buy a batch that the user has stopped."""
    with following(tmp_path) as (follower, desk, _store):
        desk.meanwhile = follower.stop
        await follower.hand_over()
        (batch,) = desk.handed
        assert desk.stopped == [(batch, 0), (batch, 1)]


async def test_who_does_not_follow_is_told_that_no_desk_has_heard(tmp_path: Path) -> None:
    """Nobody would tell it again. The next run does."""

    async def away() -> None:
        raise ClusterAway("the cluster's server does not answer")

    with following(tmp_path) as (follower, desk, _store):
        desk.meanwhile = away
        with pytest.raises(ClusterAway, match="does not answer"):
            await followed(follower, lambda: None, detach=True)
    with following(tmp_path) as (follower, desk, _store):
        assert await followed(follower, lambda: None, detach=True) == []
        assert len(desk.handed) == 1


async def test_what_is_handed_over_at_ctrl_c_is_withdrawn(tmp_path: Path) -> None:
    """No desk is told of it, and nobody waits for a batch that no desk knows."""
    with following(tmp_path) as (follower, desk, store):
        store.meanwhile = lambda: setattr(follower.outcome, "interrupted", True)
        await follower.hand_over()
        assert (desk.handed, len(follower.open)) == ([], 1)
        await follower._look()
        states = {p.state for p in follower.job.ledger.book.purchases.values()}
        assert (desk.handed, follower.open, states) == ([], {}, {"rejected"})


async def sold(follower: Follower) -> list[Purchase]:
    """The film's shots, of which all are bought in one batch, and none has come yet."""
    job, store = follower.job, cast(FolderStore, follower.store)
    terms = {"origin": ORIGIN, "store": store.identity, "batch": BATCH}
    orders = ordered(job.plan, job.ledger.book, **terms, at=AT)
    hand_over(store, orders)
    found = [advance(one, "accepted", AT, task_id=f"task_{one.shot}") for one in orders]
    await job.ledger.record(*found)
    return found


def bring(follower: Follower, purchases: Iterable[Purchase]) -> None:
    """Let their videos be in the store."""
    for one in purchases:
        facts = {"sha256": "aa", "size_bytes": 1}
        done = advance(advance(one, "succeeded", LATER), "downloaded", LATER, **facts)
        follower.store.put(told_of(one.uid, "done"), journal_line(done))


@pytest.mark.parametrize("remembers", [True, False])
async def test_what_was_bought_while_nobody_followed_is_waited_for(
    tmp_path: Path, remembers: bool
) -> None:
    """A desk that has lost its memory is told of the batch, so that somebody looks after it."""
    with following(tmp_path) as (follower, desk, _store):
        purchases = await sold(follower)
        desk.live = [BATCH] if remembers else []
        await follower.take_up_bought()
        await follower._look()
        assert (follower._is_quiet(), desk.handed) == (False, [] if remembers else [BATCH])
        desk.over, desk.coming = [BATCH], [str(attempt_of(one.uid)) for one in purchases]
        await follower._look()
        assert not follower._is_quiet()  # the videos are on their way
        bring(follower, purchases)
        await follower._look()
        assert follower._is_quiet()


async def test_a_video_that_no_host_brings_is_not_waited_for(tmp_path: Path) -> None:
    """The desk says which are on their way; what came until then is taken in all the same."""
    with following(tmp_path) as (follower, desk, _store):
        one, other = await sold(follower)
        desk.over = [BATCH]
        await follower.take_up_bought()
        await follower._look()
        assert follower._is_quiet()
        bring(follower, [one])
        assert not await follower._next()
        states = {uid: p.state for uid, p in follower.job.ledger.book.purchases.items()}
        assert states == {one.uid: "done", other.uid: "submitted"}


async def test_what_a_cap_of_the_account_left_out_is_said_with_its_reason(tmp_path: Path) -> None:
    """It is no order that a person has withdrawn, and it is not handed over again."""
    with following(tmp_path) as (follower, desk, _store):
        await follower.hand_over()
        (batch,) = desk.handed
        reason = "of the account: max_spend: 2.00 of 2.00 CNY are used"
        desk.over = [batch]
        desk.capped = {batch: {"cap": "max_spend", "reason": reason, "again": False}}
        await follower._look()
        shots = follower.job.plan.by_key.keys()
        assert follower.left_out == dict.fromkeys(shots, LeftOut("max_spend", reason))
        purchases = follower.job.ledger.book.purchases.values()
        assert {p.error and p.error.message for p in purchases} == {reason}
        assert not await follower._next()


async def test_what_was_bought_before_is_not_told_as_bought(tmp_path: Path) -> None:
    """An earlier run has said so; its video is news."""
    with following(tmp_path) as (first, _desk, store):
        purchases = await sold(first)
        told = list[Any]()
        limits = first.job.plan.manifest.limits
        follower = Follower(first.job, first.desk, store, limits, told.append)
        bring(follower, purchases)
        await follower._fold()
        assert [event["event"] for event in told] == ["succeeded", "done"] * 2


class Listing(FolderStore):
    """A store that counts how often it is asked for the names of purchases, and of which."""

    asked: list[tuple[str, str]]

    def names(self, folder: str, begin: str = "") -> list[str]:
        """Note it, and list them."""
        self.asked.append((folder, begin))
        return super().names(folder, begin)


async def test_what_a_store_has_lost_is_found_without_further_lists(tmp_path: Path) -> None:
    """Who follows lists the purchases of its own film alone, once at each look."""
    with following(tmp_path) as (first, desk, store):
        await sold(first)
        listing = Listing(store.folder)
        listing.asked, told = [], list[Any]()
        limits = first.job.plan.manifest.limits
        follower = Follower(first.job, cast(Any, desk), listing, limits, told.append)
        await follower._look()
        film = film_of(first.job.ledger.book.lineage)
        assert listing.asked == [("orders", f"{film}-"), ("purchases", f"{film}-")]
        assert [event["event"] for event in told] == ["given_back"]
        await follower._look()
        assert len(store.names("purchases")) == 4  # a claim and an answer for each shot


@pytest.mark.parametrize(("said", "reason"), [
    ({"halted": "no money"}, "no money (klingflow desk --resume)"),
    ({"missing": "host north: it has another store"}, "host north: it has another store"),
])  # fmt: skip
async def test_what_waits_for_a_person_is_told_once(
    tmp_path: Path, said: dict[str, str], reason: str
) -> None:
    """With the way out, however long it lasts."""
    with following(tmp_path) as (follower, desk, _store):
        follower.emit = (told := list[Any]()).append
        await follower.hand_over()
        desk.live = [*desk.handed, "of another film"]
        for name, value in said.items():
            setattr(desk, name, value)
        for _ in range(3):
            await follower._look()
        assert [(e["event"], e.get("reason", e.get("takes"))) for e in told] == [
            ("handed_over", 2),
            ("halted", reason),
        ]


async def test_of_another_films_orders_nothing_is_told(tmp_path: Path) -> None:
    """Whoever follows that film says it."""
    with following(tmp_path) as (follower, desk, _store):
        follower.emit = (told := list[Any]()).append
        desk.live, desk.missing = ["of another film"], "host north: it has another store"
        await follower._look()
        assert told == []


async def test_without_hosts_a_stopped_run_takes_its_orders_back(tmp_path: Path) -> None:
    """No desk answers then, and nobody can claim later what is withdrawn."""
    with following(tmp_path) as (follower, desk, _store):
        await follower.hand_over()
        desk.hosting = []
        await follower.stop()
        await follower._look()
        states = {p.state for p in follower.job.ledger.book.purchases.values()}
        assert (follower.open, states) == ({}, {"rejected"})
