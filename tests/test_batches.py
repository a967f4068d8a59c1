"""The batches of a film: what a run that died began to hand over is not forgotten."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import cast

import pytest

from klingflow.assets.folders import FolderStore as Assets
from klingflow.cluster.batches import (
    Handed,
    bring_home,
    fold_in,
    hand_over,
    open_batches,
    ordered_bodies,
)
from klingflow.cluster.follow import batch_of
from klingflow.cluster.ordering import ordered
from klingflow.cluster.orders import Page, as_bytes, from_bytes, page_name
from klingflow.cluster.reading import Reader
from klingflow.cluster.references import Uploading
from klingflow.cluster.store import VIDEOS, FolderStore
from klingflow.gateway.http import Gateway
from klingflow.ledger.lifecycle import advance
from klingflow.model import Json
from klingflow.runner.context import Job
from tests.clusters import LINEAGE, Shelf, a_job, a_store, terms_of
from tests.pictures import png
from tests.purchases import AT, LATER, ORIGIN
from tests.runs import VIDEO

pytestmark = pytest.mark.anyio

STILL, PUBLIC = png(), "https://cdn.example.com/refs"
OLD = batch_of(LINEAGE, AT, "ab")


def files_of(job: Job, store: FolderStore) -> Uploading:
    """What uploads a film's local files, where each can be read back."""
    shelf = cast(Gateway, Shelf(job.site.folder / "public"))
    return Uploading(job, store, lambda _: nullcontext(shelf), lambda event, **facts: None, 2)


async def die_after(store: FolderStore, job: Job, pages: int) -> None:
    """Hand both shots over as a run does that dies after so many pages of one order each."""
    made = ordered(job.plan, job.ledger.book, origin=ORIGIN, store=store.identity, batch=OLD, at=AT)
    await job.ledger.record(*made)
    await job.ledger.fold()
    terms = terms_of(store, batch=OLD, pages=2)
    for number, order in enumerate(made[:pages]):
        store.put(page_name(OLD, number), as_bytes(Page(terms, number, (order,))))


@pytest.mark.parametrize("pages", [0, 1])
async def test_what_no_page_holds_goes_with_the_next_batch(tmp_path: Path, pages: int) -> None:
    """Under the same ids, which are bought once; nobody waits for the pages that never came."""
    store = a_store(tmp_path / "store")
    with a_job(tmp_path / "film") as job:
        await die_after(store, job, pages)
    with a_job(tmp_path / "film") as job:
        assert [action.verb for action in job.plan.actions] == ["held", "held"]
        limits = job.plan.manifest.limits
        left = (await hand_over(job, store, limits, LATER, files_of(job, store))).orders
        assert len(left) == 2 - pages
        assert await hand_over(job, store, limits, LATER, files_of(job, store)) == Handed((), {})
    with a_job(tmp_path / "film") as job:
        found = {terms.batch for terms in await open_batches(job, store)}
    assert len(found) == 1 + pages and (OLD in found) is (pages == 1)
    (new,) = found - {OLD}
    page = from_bytes(store.get(page_name(new, 0)) or b"", new, 0)
    assert [order.uid for order in page.orders] == [order.uid for order in left]
    if pages:
        assert from_bytes(store.get(page_name(OLD, 1)) or b"", OLD, 1).orders == ()


async def test_what_nobody_agreed_to_is_taken_back(tmp_path: Path) -> None:
    """Whoever was asked saw no order that a lock names, and no page holds: it may be anybody's."""
    store = a_store(tmp_path / "store")
    with a_job(tmp_path / "film") as job:
        await die_after(store, job, 1)
    with a_job(tmp_path / "film") as job:
        limits, files = job.plan.manifest.limits, files_of(job, store)
        handed = await hand_over(job, store, limits, LATER, files, goes_on=False)
        (key,) = handed.unsendable
        assert handed.orders == ()
        await fold_in(job, Reader(store, LINEAGE), LATER)
        verbs = {action.key: action.verb for action in job.plan_again().actions}
    assert verbs.pop(key) == "create" and [*verbs.values()] == ["held"]


async def test_what_has_changed_meanwhile_is_not_handed_over(tmp_path: Path) -> None:
    """Nor what waits for it; both are taken back, so that the next plan has them. What is as it was
    goes on.
    """
    store = a_store(tmp_path / "store")
    with a_film(tmp_path / "film") as job:
        await die_after(store, job, 0)
    (tmp_path / "film" / "mei.png").write_bytes(png(shade=9))
    with a_job(tmp_path / "film") as job:
        limits = job.plan.manifest.limits
        handed = await hand_over(job, store, limits, LATER, files_of(job, store))
        assert [order.key for order in handed.orders] == ["alone"]
        assert {*handed.unsendable} == {"opening", "door", "street"}
        await fold_in(job, Reader(store, LINEAGE), LATER)
        verbs = {action.key: action.verb for action in job.plan_again().actions}
    assert verbs == {"opening": "create", "door": "waits", "street": "waits", "alone": "held"}


async def test_a_chain_that_is_as_it_was_goes_on(tmp_path: Path) -> None:
    """Also what waits, whose body nobody knows yet."""
    store = a_store(tmp_path / "store")
    with a_film(tmp_path / "film") as job:
        await die_after(store, job, 0)
    with a_film(tmp_path / "film") as job:
        limits = job.plan.manifest.limits
        handed = await hand_over(job, store, limits, LATER, files_of(job, store))
        keys = {order.key for order in handed.orders}
    assert (keys, handed.unsendable) == ({"opening", "door", "street", "alone"}, {})


async def test_a_damaged_page_keeps_no_batch_from_being_followed(tmp_path: Path) -> None:
    """Every other page says what holds for the batch; without one the batch is unknown."""
    store = a_store(tmp_path / "store")
    store.put(page_name(OLD, 0), b"no page\n")
    with a_job(tmp_path / "film") as job:
        await die_after(store, job, 2)
    with a_job(tmp_path / "film") as job:
        assert [terms.batch for terms in await open_batches(job, store)] == [OLD]
        (store.folder / page_name(OLD, 1)).write_bytes(b"no page\n")
        assert await open_batches(job, store) == []
        limits = job.plan.manifest.limits
        handed = await hand_over(job, store, limits, LATER, files_of(job, store))
        assert len(handed.orders) == 2


async def test_a_doubt_keeps_no_batch_open(tmp_path: Path) -> None:
    """The desk would go through all orders of the batch in vain, at every run."""
    store = a_store(tmp_path / "store")
    with a_job(tmp_path / "film") as job:
        await die_after(store, job, 2)
        for order in [*job.ledger.book.purchases.values()]:
            assert [terms.batch for terms in await open_batches(job, store)] == [OLD]
            await job.ledger.record(advance(order, "doubted", LATER))
        assert await open_batches(job, store) == []


async def test_a_lock_names_no_batch_of_another_film(tmp_path: Path) -> None:
    """Its desk would go on with what somebody has stopped there."""
    store = a_store(tmp_path / "store")
    page = Page(terms_of(store, batch=OLD, lineage="fedcba9876543210", pages=1), 0, ())
    store.put(page_name(OLD, 0), as_bytes(page))
    with a_job(tmp_path / "film") as job:
        await die_after(store, job, 0)
        assert await open_batches(job, store) == []


async def test_what_came_while_nobody_followed_is_brought_home(tmp_path: Path) -> None:
    """The ledger has it as done, because every command takes in what the store knows; the store has
    its video.
    """
    store, digest = a_store(tmp_path / "store"), hashlib.sha256(VIDEO).hexdigest()
    (tmp_path / "video").write_bytes(VIDEO)
    store.keep(f"{VIDEOS}/{digest}.mp4", tmp_path / "video")
    with a_job(tmp_path / "film") as job:
        await die_after(store, job, 2)
        for order in [*job.ledger.book.purchases.values()]:
            bought = advance(order, "accepted", AT, task_id=f"task_{order.shot}", billed_tier="t")
            done = advance(bought, "succeeded", LATER, finished_after_s=(1, 2))
            facts = {"sha256": digest, "size_bytes": len(VIDEO)}
            await job.ledger.record(advance(done, "downloaded", LATER, **facts))
    with a_job(tmp_path / "film") as job:
        assert [action.verb for action in job.plan.actions] == ["download", "download"]
        await bring_home(job, store, LATER)
        assert [action.verb for action in job.plan_again().actions] == ["keep", "keep"]


async def test_a_ledger_knows_which_bodies_it_ordered(tmp_path: Path) -> None:
    """So that a run notices when another copy of the film has bought another one."""
    store = a_store(tmp_path / "store")
    with a_film(tmp_path / "film") as job:
        await die_after(store, job, 0)
        ordered_here = ordered_bodies(job)
        known = {p.key: ordered_here[p.uid] for p in job.ledger.book.purchases.values()}
        assert known["alone"].startswith("sha256:") and known["door"] == ""
        for purchase in [*job.ledger.book.purchases.values()]:
            await job.ledger.record(advance(purchase, "doubted", LATER))
        assert ordered_bodies(job) == {}


FRAME: Json = {"from": "opening", "frame": "last"}
CHAIN: dict[str, Json] = {
    "opening": {"prompt": "x", "image": "./mei.png"},
    "door": {"prompt": "y", "image": FRAME},
    "street": {"prompt": "z", "after": ["door"]},
    "alone": {"prompt": "w"},
}


@contextmanager
def a_film(folder: Path) -> Iterator[Job]:
    """A film with a chain that begins at a still."""
    folder.mkdir(exist_ok=True)
    (folder / "mei.png").write_bytes(STILL)
    with a_job(folder, **CHAIN) as job:
        job.store = Assets(folder / "public", PUBLIC)
        yield job


async def test_a_film_is_handed_over_whole(tmp_path: Path) -> None:
    """Its stills are uploaded before, and each page has their addresses; the lock has none."""
    store = a_store(tmp_path / "store")
    with a_film(tmp_path / "film") as job:
        limits = job.plan.manifest.limits
        handed = await hand_over(job, store, limits, LATER, files_of(job, store))
        keys = [order.key for order in handed.orders]
        assert keys == ["opening", "door", "alone", "street"] and not handed.unsendable
        (terms,) = await open_batches(job, store)
        page = from_bytes(store.get(page_name(terms.batch, 0)) or b"", terms.batch, 0)
        name = f"{hashlib.sha256(STILL).hexdigest()}.png"
        assert page.addresses == {name[:-4]: f"{PUBLIC}/{name}"}
        assert page.terms.assets["public_url"] == PUBLIC
        assert PUBLIC.encode() not in job.site.paths.lock.read_bytes()
        assert {a.verb for a in job.plan_again().actions} == {"held"}


async def test_a_still_that_cannot_go_holds_up_its_chain_alone(tmp_path: Path) -> None:
    """What waits for it is not handed over either; the rest is."""
    store = a_store(tmp_path / "store")
    with a_film(tmp_path / "film") as job:
        (job.site.folder / "mei.png").write_bytes(png(shade=9))
        limits = job.plan.manifest.limits
        handed = await hand_over(job, store, limits, LATER, files_of(job, store))
        assert [order.key for order in handed.orders] == ["alone"]
        assert handed.unsendable == {
            "opening": "mei.png could not be uploaded: it has changed since the plan was made;"
            " run again",
            "door": "waits for a shot that cannot be sent",
            "street": "waits for a shot that cannot be sent",
        }
        assert [*job.ledger.book.takes()] == [("alone", 1)]


async def test_only_what_is_wanted_is_handed_over(tmp_path: Path) -> None:
    """What waits for another shot goes with it, or not at all."""
    store = a_store(tmp_path / "store")
    with a_film(tmp_path / "film") as job:
        limits, files = job.plan.manifest.limits, files_of(job, store)
        handed = await hand_over(job, store, limits, LATER, files, {"door", "alone"}.__contains__)
        assert [order.key for order in handed.orders] == ["alone"]


async def test_a_chain_that_a_run_died_with_goes_with_the_next_batch(tmp_path: Path) -> None:
    """What it waits for is in the lock, so that nothing of it is lost."""
    store = a_store(tmp_path / "store")
    with a_film(tmp_path / "film") as job:
        await die_after(store, job, 0)
    with a_film(tmp_path / "film") as job:
        limits = job.plan.manifest.limits
        left = await hand_over(job, store, limits, LATER, files_of(job, store))
        (terms,) = await open_batches(job, store)
        page = from_bytes(store.get(page_name(terms.batch, 0)) or b"", terms.batch, 0)
    needs = {ask.key: ask.needs for ask in page.asks()}
    uids = {order.key: order.uid for order in left.orders}
    assert needs["door"] == (uids["opening"],) and needs["street"] == (uids["door"],)
    assert len(page.addresses) == 1


async def test_a_lost_still_of_a_dead_run_is_withdrawn(tmp_path: Path) -> None:
    """Its orders would be at the cluster for ever."""
    store = a_store(tmp_path / "store")
    with a_film(tmp_path / "film") as job:
        await die_after(store, job, 0)
    with a_film(tmp_path / "film") as job:
        (job.site.folder / "mei.png").write_bytes(png(shade=9))
        limits = job.plan.manifest.limits
        handed = await hand_over(job, store, limits, LATER, files_of(job, store))
        assert [order.key for order in handed.orders] == ["alone"]
        await fold_in(job, Reader(store, LINEAGE), LATER)
        states = {p.key: p.state for p in job.ledger.book.purchases.values()}
    assert states == {**dict.fromkeys(["opening", "door", "street"], "rejected"), "alone": "intent"}
