"""Tasks at a cluster: what is final is so in the store, and videos lie there under their hashes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from klingflow.cluster import hands
from klingflow.cluster.bringing import Brought, Seen, bring, given_up, look
from klingflow.cluster.hand import Hand
from klingflow.cluster.orders import OrdersDamaged, Ref
from klingflow.cluster.store import FolderStore, told_of
from klingflow.gateway.http import Gateway
from klingflow.ledger.handed_over import bought_again
from klingflow.ledger.lines import parse_journal
from klingflow.ledger.moments import moment
from klingflow.ledger.uids import uid_of
from tests.clusters import LINEAGE, a_hand, hand_over, lines, order, states
from tests.purchases import LATER
from tests.runs import VIDEO, Said, Scripted, said
from tests.runs import Video as Reply

pytestmark = pytest.mark.anyio

TIER = "kling-3.0-720p"
UID = order("alley").uid
BUSY = said(id="task_1", status="in_progress", progress=30)
READY = said(id="task_1", status="completed", model=TIER, video_url="https://cdn.example.com/1.mp4")
FAILED = said(id="task_1", status="failed", error={"code": "1", "message": "server busy"})
GONE = said(404, error={"code": "task_not_exist", "message": "no such task"})
NO_KEY = said(401, error={"code": "invalid_api_key", "message": "no"})
FIRST = Seen()
NAME = f"videos/{hashlib.sha256(VIDEO).hexdigest()}.mp4"


@contextmanager
def bought(
    store: FolderStore,
    state: Path,
    queries: Sequence[Said] = (),
    videos: Sequence[Reply] = (),
    retries: int = 0,
) -> Iterator[tuple[Hand, Ref]]:
    """A hand that may buy one order, and ask after its task."""
    (ref,) = hand_over(store, [order("alley")], retries=retries)
    with a_hand(store, state) as hand:
        creates = [said(id="task_1", status="queued")]
        hand.gateway = cast(Gateway, Scripted(creates, queries, videos))
        yield hand, ref


async def _looked(hand: Hand, ref: Ref, seen: Seen = FIRST, *, age_s: float = 60.0) -> Seen:
    begun = moment(LATER)
    assert begun is not None
    hand.wall = lambda: begun.timestamp() + age_s
    return await look(hand, ref, UID, seen)


@pytest.mark.parametrize(("answer", "after", "end"), [
    (BUSY, Seen(progress=30.0, age_s=60.0, unfinished_s=60.0, by_its_id=True), None),
    (READY, Seen("succeeded", tier=TIER, age_s=60.0, by_its_id=True), None),
    (FAILED, Seen("failed", kind="capacity", age_s=60.0, by_its_id=True), "failed"),
    (GONE, Seen("unknown", age_s=60.0, unknown_polls=1), None),
    (NO_KEY, Seen("blind", kind="key", age_s=60.0), None),
])  # fmt: skip
async def test_a_look_says_how_a_task_is(
    store: FolderStore, tmp_path: Path, answer: Said, after: Seen, end: str | None
) -> None:
    """A failure is in the store by then."""
    with bought(store, tmp_path / "host", [answer]) as (hand, ref):
        await hands.buy(hand, ref)
        seen = await _looked(hand, ref)
    assert replace(seen, unknown_since=0.0) == after
    assert states(store).get("001.done") == end


@pytest.mark.parametrize("claimed", [True, False])
@pytest.mark.parametrize("others", [True, False])
async def test_a_failure_says_under_which_id_the_take_is_bought_again(
    store: FolderStore, tmp_path: Path, claimed: bool, others: bool
) -> None:
    """What the store says counts, whichever host wrote it; and whether that is claimed already."""
    second = uid_of(LINEAGE, "alley", 1, 2)
    if claimed:
        store.put(told_of(second, "intent"), b"any")
    with bought(store, tmp_path / "host", [FAILED, FAILED], retries=1) as (hand, ref):
        await hands.buy(hand, ref)
        if others:
            await _looked(hand, ref)
        seen = await _looked(hand, ref)
    assert (seen.state, seen.again, seen.is_claimed) == ("failed", second, claimed)
    told = store.get(told_of(UID, "done")) or b""
    assert bought_again(parse_journal(told, "").accounts[0]) == second


async def test_a_failed_task_that_is_forgotten_stays_failed(
    store: FolderStore, tmp_path: Path
) -> None:
    """A desk without memory has it watched again: the store knows what the gateway does not."""
    seen = Seen()
    with bought(store, tmp_path / "host", [FAILED, GONE, GONE, GONE], retries=1) as (hand, ref):
        await hands.buy(hand, ref)
        assert (await _looked(hand, ref)).again
        for age_s in (10.0, 40.0, 70.0):
            seen = await _looked(hand, ref, seen, age_s=age_s)
    assert (seen.state, seen.again) == ("failed", uid_of(LINEAGE, "alley", 1, 2))
    assert "001.parked" not in states(store)


async def test_a_task_that_takes_too_long_is_parked(store: FolderStore, tmp_path: Path) -> None:
    """After the deadline of its batch, with what the gateway said last."""
    with bought(store, tmp_path / "host", [BUSY]) as (hand, ref):
        await hands.buy(hand, ref)
        seen = await _looked(hand, ref, age_s=3600.0)
    parked = lines(store)["001.parked"]
    assert (seen.state, seen.is_final, parked.state) == ("parked", True, "parked")
    assert parked.error and parked.error.code == "deadline" and parked.evidence


async def test_a_task_that_stays_unknown_is_parked(store: FolderStore, tmp_path: Path) -> None:
    """After a minute and three polls in a row, as in one process."""
    seen = Seen()
    with bought(store, tmp_path / "host", [GONE] * 3) as (hand, ref):
        await hands.buy(hand, ref)
        for age_s in (10.0, 40.0, 70.0):
            assert not seen.is_final
            seen = await _looked(hand, ref, seen, age_s=age_s)
    assert (seen.state, states(store)["001.parked"]) == ("parked", "parked")


async def test_a_video_is_brought_to_the_store(store: FolderStore, tmp_path: Path) -> None:
    """Under its hash, before `.done` says so; nothing stays in the scratch folder."""
    scratch = tmp_path / "scratch"
    with bought(store, tmp_path / "host", [READY, READY], [Reply(200, VIDEO)]) as (hand, ref):
        await hands.buy(hand, ref)
        seen = await _looked(hand, ref)
        assert await bring(hand, UID, seen, scratch) == Brought("done", size_bytes=len(VIDEO))
        assert await bring(hand, UID, seen, scratch) == Brought("done", size_bytes=len(VIDEO))
    done = lines(store)["001.done"]
    assert (done.state, done.sha256, done.billed_tier) == ("done", NAME[7:-4], TIER)
    assert store.get(NAME) == VIDEO
    assert [*scratch.iterdir()] == []


async def test_a_download_that_fails_is_tried_again(store: FolderStore, tmp_path: Path) -> None:
    """From the other address, after a pause that grows, and not for ever."""
    replies = [Reply(502)] * 8
    with bought(store, tmp_path / "host", [READY] * 9, replies) as (hand, ref):
        await hands.buy(hand, ref)
        seen, last, pauses = await _looked(hand, ref), None, []
        for _ in range(8):
            last = await bring(hand, UID, seen, tmp_path / "scratch", last)
            pauses.append(last.pause_s)
    assert last and (last.state, last.tries) == ("undelivered", 8)
    assert pauses[:3] == [0.5, 1.0, 2.0]
    assert "001.done" not in states(store)


async def test_two_executions_do_not_write_one_file(store: FolderStore, tmp_path: Path) -> None:
    """The second comes again later."""
    with bought(store, tmp_path / "host") as (hand, ref):
        await hands.buy(hand, ref)
        hand.bringing.add(UID)
        told = await bring(hand, UID, Seen("succeeded"), tmp_path / "scratch")
    assert told == Brought("again", 5.0)


@pytest.mark.parametrize("answer", [None, b"", b"damaged"])
async def test_a_purchase_of_which_nobody_can_read_the_task_is_in_doubt(
    store: FolderStore, tmp_path: Path, answer: bytes | None
) -> None:
    """For good, so that nobody looks after it any more; the store says so."""
    with bought(store, tmp_path / "host") as (hand, ref):
        await hands.buy(hand, ref)
        hand.answers.clear()  # as on another host
        path = store.folder / told_of(UID, "answer")
        path.unlink()
        if answer is not None:
            path.write_bytes(answer)
        with pytest.raises(OrdersDamaged):
            await look(hand, ref, UID, Seen())
        assert store.get(told_of(UID, "doubt")) is None
        seen = await given_up(hand, UID)
    doubt = store.get(told_of(UID, "doubt")) or b""
    assert (seen.state, seen.is_final) == ("damaged", True)
    assert b'"code":"damaged"' in doubt


async def test_a_task_whose_page_is_damaged_is_no_doubt(store: FolderStore, tmp_path: Path) -> None:
    """Everybody can read which task it is; nobody knows how long to wait for it."""
    with bought(store, tmp_path / "host") as (hand, ref):
        await hands.buy(hand, ref)
        assert await given_up(hand, UID) == Seen("damaged")
    assert store.get(told_of(UID, "doubt")) is None


async def test_a_video_is_copied_from_the_store(store: FolderStore, tmp_path: Path) -> None:
    """To a file of its own; over nothing."""
    (tmp_path / "video").write_bytes(VIDEO)
    for _ in range(2):
        store.keep(NAME, tmp_path / "video")
    assert store.copy_to(NAME, tmp_path / "copy")
    assert not store.copy_to("videos/none.mp4", tmp_path / "none")
    with pytest.raises(FileExistsError):
        store.copy_to(NAME, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == VIDEO
    assert not (tmp_path / "none").exists()
