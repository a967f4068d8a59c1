"""The claim: hosts of a cluster and a single runner make the same one, and one of them has it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from klingflow.cluster import hands
from klingflow.cluster.claims import Claims
from klingflow.cluster.exclusive import answered, claim
from klingflow.cluster.hand import Hand
from klingflow.cluster.orders import unused
from klingflow.cluster.store import FolderStore, told_of
from klingflow.decide.schedule import Wanted
from klingflow.errors import StoreAway
from klingflow.ledger.handed_over import claimed
from klingflow.ledger.lifecycle import advance
from klingflow.ledger.lines import journal_line
from klingflow.model import Purchase
from klingflow.runner.buy import buy
from tests.clusters import a_hand, asked, hand_over, order, states
from tests.purchases import LATER
from tests.runs import Run, a_run, said

pytestmark = pytest.mark.anyio

ACCEPTED = said(id="task_1", model="t", status="queued")


def as_handed_over(run: Run, wanted: Wanted) -> Purchase:
    """The order of another copy of the run's ledger, for the shot that the run wants."""
    claims = run.job.claims
    assert wanted.action.shot and wanted.action.request and claims
    shot = wanted.action.shot
    uid = claims.uid(run.job.ledger.book, shot.id, shot.take, 1)
    fingerprint = str(wanted.action.request.fingerprint)
    return replace(order(shot.id, fingerprint=fingerprint), uid=uid)


@pytest.mark.parametrize("first", ["host", "run"])
async def test_a_plain_run_beside_a_cluster_buys_nothing_twice(
    first: str, store: FolderStore, tmp_path: Path
) -> None:
    """Of a host with an order and a run that knows no order, at the same moment, one sends."""
    with a_run(tmp_path / "film", creates=[ACCEPTED]) as run:
        run.job.claims = Claims(store, host="laptop", nonce=lambda: "n")
        wanted = run.want()
        (ref,) = hand_over(store, [as_handed_over(run, wanted)])
        with a_hand(store, tmp_path / "host", [ACCEPTED]) as hand:
            async with anyio.create_task_group() as group:
                if first == "host":
                    group.start_soon(hands.buy, hand, ref)
                group.start_soon(buy, run.context, wanted)
                if first == "run":
                    group.start_soon(hands.buy, hand, ref)
            sent = [what for what in (*asked(hand), *run.gateway.asked) if "create" in what]
    assert (len(sent), states(store)["001.answer"]) == (1, "submitted")


async def test_another_claim_is_handed_back(store: FolderStore) -> None:
    """Ours is ours, also if nobody saw its end; by the nonce of its execution."""
    ours, theirs = (claimed(order("a"), host="h", nonce=nonce) for nonce in "nm")
    assert await claim_at(store, ours) is None
    assert await claim_at(store, ours) is None
    assert await claim_at(store, theirs) == ours


async def claim_at(store: FolderStore, intent: Purchase) -> Purchase | None:
    """Claim at a store that is there."""

    def away(error: StoreAway) -> None:
        raise error

    return await claim(store, intent, away=away, pause=anyio.lowlevel.checkpoint)


async def test_a_store_that_is_away_is_asked_until_its_caller_gives_up(
    store: FolderStore, tmp_path: Path
) -> None:
    """`away` decides, at each try."""
    (store.folder / "purchases").rename(tmp_path / "away")
    tries = []

    def away(error: StoreAway) -> None:
        tries.append(error)
        if len(tries) == 3:
            raise error

    with pytest.raises(StoreAway):
        await claim(store, order("a"), away=away, pause=anyio.lowlevel.checkpoint)
    assert len(tries) == 3


@pytest.mark.parametrize(("chapters", "state"), [
    (["answer"], "submitted"),
    (["doubt", "answer"], "submitted"),
    (["resolved"], "abandoned"),
    (["doubt", "resolved", "unsent"], "abandoned"),
    (["doubt", "resolved", "answer"], "submitted"),
    ([], "in_doubt"),
])  # fmt: skip
async def test_whoever_finds_a_claim_waits_for_its_answer(
    chapters: list[str], state: str, store: FolderStore, tmp_path: Path
) -> None:
    """After the longest create, it is in doubt for everybody. A person's word outranks that it was
    never sent, but no task.
    """
    taken = claimed(order("a"), host="h", nonce="n")
    in_doubt = advance(taken, "doubted", LATER)
    told = {
        "answer": advance(taken, "accepted", LATER, task_id="task_1"),
        "doubt": in_doubt,
        "resolved": advance(in_doubt, "abandoned", LATER),
        "unsent": unused(taken, LATER),
    }
    for chapter in chapters:
        name = "answer" if chapter == "unsent" else chapter
        store.put(f"purchases/{taken.uid}.{name}", journal_line(told[chapter]))
    with a_hand(store, tmp_path / "host") as hand:
        assert (await answered(hand, taken)).state == state
        assert (chapters or states(store)) == (chapters or {"001.doubt": "in_doubt"})


async def test_a_claim_that_says_it_is_not_used_is_not_waited_for(
    store: FolderStore, tmp_path: Path
) -> None:
    """It is its own answer."""
    with a_hand(store, tmp_path / "host") as hand:
        unused = advance(order("a"), "unsent", LATER)
        assert await waited(hand, unused) == unused
    assert store.get(told_of(unused.uid, "doubt")) is None


async def waited(hand: Hand, claim: Purchase) -> Purchase:
    """What became of it."""
    with anyio.fail_after(60):
        return await answered(hand, claim)
