"""A single runner where hosts of a cluster may buy too: it claims before it buys, and the store has
what it learns.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from klingflow.cluster.claims import Claims, owed
from klingflow.cluster.follow import folded
from klingflow.cluster.hand import Waits
from klingflow.cluster.reading import told_by
from klingflow.cluster.store import VIDEOS, FolderStore, told_of
from klingflow.errors import StoreAway
from klingflow.gateway.outcomes import Answer
from klingflow.ledger.book import Book, doubt
from klingflow.ledger.handed_over import claimed
from klingflow.ledger.lifecycle import advance
from klingflow.ledger.lines import journal_line
from klingflow.ledger.uids import try_of
from klingflow.model import Purchase
from klingflow.runner.buy import buy
from klingflow.runner.fetch import fetch
from tests.clusters import LINEAGE, order, states
from tests.purchases import LATER
from tests.runs import VIDEO, Run, Video, a_run, refused, said

pytestmark = pytest.mark.anyio

ACCEPTED = said(id="task_1", model="t", status="queued")
LIMITED = refused(429, "rate_limit", "slow down")


def claims_at(store: FolderStore, *, host: str = "h", waits: Waits | None = None) -> Claims:
    """The claims of a runner on a host."""
    return Claims(store, host=host, nonce=lambda: "n", waits=waits)


def bought(run: Run) -> list[tuple[int | None, str]]:
    """The tries and states of what the ledger holds."""
    return [(try_of(p.uid), p.state) for p in run.job.ledger.book.purchases.values()]


async def test_the_claim_comes_before_everything(store: FolderStore, tmp_path: Path) -> None:
    """Nothing is in the ledger before it, and the answer is in the store after it."""
    seen: list[object] = []

    async def look() -> Answer:
        seen.append(states(store))
        return ACCEPTED

    with a_run(tmp_path / "film", creates=[look]) as run:
        run.job.claims = claims_at(store)
        await buy(run.context, run.want())
        assert bought(run) == [(1, "submitted")]
    assert seen == [{"001.intent": "intent"}]
    assert states(store) == {"001.answer": "submitted", "001.intent": "intent"}


async def test_each_try_has_a_claim(store: FolderStore, tmp_path: Path) -> None:
    """A limit that passes lets the same attempt be tried again."""
    with a_run(tmp_path / "film", creates=[LIMITED, ACCEPTED]) as run:
        run.job.claims = claims_at(store)
        wanted = run.want()
        for _ in range(2):
            await buy(run.context, wanted)
        assert bought(run) == [(1, "rejected"), (2, "submitted")]
    assert states(store)["002.answer"] == "submitted"


async def test_what_another_host_has_claimed_is_not_bought(
    store: FolderStore, tmp_path: Path
) -> None:
    """It costs nothing here, and counts for no cap."""
    with a_run(tmp_path / "film") as run:
        run.job.claims = claims_at(store)
        wanted = run.want()
        shot, lineage = wanted.action.shot, run.job.ledger.book.lineage
        assert shot and lineage
        uid = run.job.claims.uid(run.job.ledger.book, shot.id, shot.take, 1)
        theirs = claimed(replace(order(shot.id), uid=uid), host="other", nonce="m")
        store.put(f"purchases/{uid}.intent", journal_line(theirs))
        await buy(run.context, wanted)
        assert (bought(run), run.gateway.asked, run.context.bought) == ([], [], [])
        assert run.context.schedule.caps.tasks == 0
        assert run.told[-1]["event"] == "spared"
        assert run.told[-1]["reason"] == "another host has claimed it (other)"


async def test_a_store_that_is_away_keeps_a_run_from_buying(
    store: FolderStore, tmp_path: Path
) -> None:
    """Until it is told to stop; then the shot is left for the next run."""
    with a_run(tmp_path / "film") as run:
        run.job.claims = claims_at(store)
        wanted = run.want()
        (store.folder / "purchases").rename(tmp_path / "away")
        run.context.stop_buying("enough")
        await buy(run.context, wanted)
        assert (bought(run), run.gateway.asked) == ([], [])


async def test_a_claim_that_nobody_can_read_ends_no_run(store: FolderStore, tmp_path: Path) -> None:
    """Its shot is left out; the next start finds it in doubt."""
    with a_run(tmp_path / "film") as run:
        run.job.claims = claims_at(store)
        wanted = run.want()
        shot = wanted.action.shot
        assert shot
        uid = run.job.claims.uid(run.job.ledger.book, shot.id, shot.take, 1)
        store.put(told_of(uid, "intent"), b"no claim\n")
        await buy(run.context, wanted)
        assert (bought(run), run.gateway.asked) == ([], [])
        assert run.told[-1]["event"] == "spared"


async def test_a_claim_that_took_too_long_is_not_used(store: FolderStore, tmp_path: Path) -> None:
    """Others may have called it a doubt by now."""
    with a_run(tmp_path / "film") as run:
        run.job.claims = claims_at(store, waits=Waits(claim_s=-1.0))
        await buy(run.context, run.want())
        assert (bought(run), run.gateway.asked) == ([(1, "rejected")], [])
    assert states(store) == {"001.answer": "rejected", "001.intent": "intent"}


async def test_an_answer_that_the_store_did_not_take_is_handed_in(
    store: FolderStore, tmp_path: Path
) -> None:
    """By the next start, out of the ledger."""

    async def unmount() -> Answer:
        (store.folder / "purchases").rename(tmp_path / "away")
        run.context.stop("interrupted")
        return ACCEPTED

    with a_run(tmp_path / "film", creates=[unmount]) as run:
        run.job.claims = claims_at(store)
        await buy(run.context, run.want())
        assert bought(run) == [(1, "submitted")]
        (tmp_path / "away").rename(store.folder / "purchases")
        assert states(store) == {"001.intent": "intent"}
        await run.job.claims.hand_in(run.job.ledger.book)
    assert states(store)["001.answer"] == "submitted"


CLAIM = claimed(order("alley"), host="h", nonce="n")
SOLD = advance(CLAIM, "accepted", LATER, task_id="task_1")


@pytest.mark.parametrize(("known", "in_store", "host", "is_owed"), [
    (SOLD, [CLAIM], "h", True),
    (SOLD, [CLAIM], "other", True),
    (SOLD, [CLAIM, doubt(CLAIM, LATER)], "h", True),
    (SOLD, [CLAIM, SOLD], "h", False),
    (advance(SOLD, "parked", LATER), [CLAIM, SOLD], "h", False),
    (SOLD, [], "h", False),
    (SOLD, [order("alley")], "h", False),
    (CLAIM, [CLAIM], "h", False),
    (doubt(CLAIM, LATER), [CLAIM], "h", True),
    (doubt(CLAIM, LATER), [CLAIM], "other", False),
    (doubt(CLAIM, LATER), [CLAIM, doubt(CLAIM, LATER)], "h", False),
    (advance(CLAIM, "refused", LATER), [CLAIM], "other", True),
])  # fmt: skip
def test_a_ledger_owes_the_store_what_it_alone_knows(
    store: FolderStore, known: Purchase, in_store: list[Purchase], host: str, is_owed: bool
) -> None:
    """An answer whoever claimed it; a doubt only where nobody else can be waiting."""
    ends = {"intent": "intent", "in_doubt": "doubt"}
    for purchase in in_store:
        end = ends.get(purchase.state, "answer")
        store.put(f"purchases/{purchase.uid}.{end}", journal_line(purchase))
    assert [*owed([known], told_by(store, Book(lineage=LINEAGE)), host)] == [known] * is_owed


async def test_a_persons_word_leaves_the_place_of_an_answer_free(store: FolderStore) -> None:
    """A host that could not reach the store for long still brings the task's id."""
    store.put(told_of(CLAIM.uid, "intent"), journal_line(CLAIM))
    given_up = advance(doubt(CLAIM, LATER), "abandoned", LATER)
    await claims_at(store, host="other").hand_in(Book([given_up], lineage=LINEAGE))
    assert states(store) == {"001.intent": "intent", "001.resolved": "abandoned"}
    await claims_at(store).answered(SOLD, lambda: True)
    assert [
        p.task_id
        for p in folded(Book(lineage=LINEAGE), told_by(store, Book(lineage=LINEAGE)), LATER)
    ] == ["task_1"]


async def test_a_claim_is_ours_though_nobody_saw_it_made(store: FolderStore) -> None:
    """It bears our nonce."""
    claims = claims_at(store)
    intent = claims.named(order("alley"))
    for _ in range(2):
        assert await claims.claim(intent, lambda: True) is None
    other = claims_at(store, host="other")
    assert await other.claim(other.named(order("alley")), lambda: True) == intent


async def test_a_store_that_comes_back_is_used(store: FolderStore, tmp_path: Path) -> None:
    """A run that goes on waits for it."""
    claims = claims_at(store)
    intent = claims.named(order("alley"))
    (store.folder / "purchases").rename(tmp_path / "away")
    with pytest.raises(StoreAway):
        await claims.claim(intent, lambda: False)

    def goes_on() -> bool:
        (tmp_path / "away").rename(store.folder / "purchases")
        return True

    with anyio.fail_after(60):
        assert await claims.claim(intent, goes_on) is None


DIGEST = hashlib.sha256(VIDEO).hexdigest()


@pytest.mark.parametrize(
    ("there", "asked"), [(VIDEO, 0), (VIDEO[:-1] + b"?", 1), (b"", 1)], ids=["whole", "bad", "none"]
)
async def test_a_video_of_a_host_comes_from_the_store(
    store: FolderStore, tmp_path: Path, there: bytes, asked: int
) -> None:
    """The gateway is asked for what the store does not have whole."""
    if there:
        (store.folder / VIDEOS / f"{DIGEST}.mp4").write_bytes(there)
    with a_run(tmp_path / "film", videos=[Video(200, VIDEO)]) as run:
        run.job.claims = claims_at(store)
        step = await run.finished()
        step.purchase = replace(step.purchase, sha256=DIGEST, size_bytes=len(VIDEO))
        await fetch(run.context, step)
        assert [p.state for p in run.purchases] == ["done"]
        assert len(run.gateway.asked) == asked
    film = tmp_path / "film" / "outputs" / "film"
    assert {path.name: path.read_bytes() for path in film.iterdir()} == {"shot001.mp4": VIDEO}


async def test_a_run_learns_at_its_end_what_hosts_have_done(
    store: FolderStore, tmp_path: Path
) -> None:
    """So that what it met as claimed is no shot that was never bought."""
    with a_run(tmp_path / "film") as run:
        run.job.claims = claims_at(store)
        uid = run.job.claims.uid(run.job.ledger.book, "shot001", 1, 1)
        theirs = claimed(replace(order("shot001"), uid=uid), host="other", nonce="m")
        store.put(f"purchases/{uid}.intent", journal_line(theirs))
        answer = advance(theirs, "accepted", LATER, task_id="task_1", billed_tier="t")
        store.put(f"purchases/{uid}.answer", journal_line(answer))
        await run.job.claims.fold(run.job, LATER)
        assert bought(run) == [(1, "submitted")]
        (tmp_path / "store" / "purchases").rename(tmp_path / "away")
        await run.job.claims.fold(run.job, LATER)
