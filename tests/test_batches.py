"""The batches of a film: what a run that died began to hand over is not forgotten."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from klingflow.api import loading, running
from klingflow.api.site import Wish
from klingflow.cluster.batches import bring_home, hand_over, open_batches
from klingflow.cluster.follow import batch_of, ordered
from klingflow.cluster.orders import Page, as_bytes, from_bytes, page_name
from klingflow.cluster.store import VIDEOS, FolderStore
from klingflow.ledger.lifecycle import advance
from klingflow.ledger.lines import lock_header
from klingflow.runner.context import Job
from tests.clusters import LINEAGE, a_store, terms_of
from tests.harness import pipeline_at
from tests.purchases import AT, LATER, ORIGIN
from tests.runs import VIDEO

pytestmark = pytest.mark.anyio

OLD = batch_of(LINEAGE, AT, "ab")


@contextmanager
def a_job(folder: Path) -> Iterator[Job]:
    """A film of two shots whose lock is committed, held."""
    pipeline = pipeline_at(folder)
    if not (folder / "film.lock").exists():
        pipeline.write(2)
        (folder / "film.lock").write_bytes(lock_header(LINEAGE, 1, 0))
    manifest = loading.load(pipeline.manifest)
    with running.open_job(manifest, Wish(black_box=False), ORIGIN) as job:
        yield job


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
        left = await hand_over(job, store, limits, LATER)
        assert len(left) == 2 - pages
        assert await hand_over(job, store, limits, LATER) == []
    with a_job(tmp_path / "film") as job:
        found = {terms.batch for terms in await open_batches(job, store)}
    assert len(found) == 1 + pages and (OLD in found) is (pages == 1)
    (new,) = found - {OLD}
    page = from_bytes(store.get(page_name(new, 0)) or b"", new, 0)
    assert [order.uid for order in page.orders] == [order.uid for order in left]
    if pages:
        assert from_bytes(store.get(page_name(OLD, 1)) or b"", OLD, 1).orders == ()


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
        assert len(await hand_over(job, store, job.plan.manifest.limits, LATER)) == 2


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
