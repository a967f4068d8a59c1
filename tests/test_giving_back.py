"""What a store has lost is given back by those who know it, and nobody buys it again."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from klingflow.cluster import accounts, hands
from klingflow.cluster.giving_back import forgotten, give_back, give_back_of, lost_of, objects_of
from klingflow.cluster.hand import Hand
from klingflow.cluster.orders import Ref, withdrawn
from klingflow.cluster.store import FolderStore, told_of
from klingflow.ledger.book import Book
from klingflow.ledger.handed_over import claimed, handed_over
from klingflow.ledger.lifecycle import advance
from klingflow.model import Failure, Purchase
from tests.clusters import LINEAGE, a_hand, a_store, asked, hand_over, lines, order, states
from tests.purchases import LATER
from tests.runs import said

pytestmark = pytest.mark.anyio

ACCEPTED = said(id="task_1", model="t", status="queued")
OTHER = said(id="task_2", model="t", status="queued")
ACCOUNT = "gateway.example.com"


def put_back(store: FolderStore, backup: Path) -> None:
    """Put a copy in the place of a store."""
    shutil.rmtree(store.folder)
    shutil.copytree(backup, store.folder)


def ordered(store: FolderStore, shot: str = "alley") -> tuple[Ref, Path]:
    """Hand an order over. Return it, and a backup of the store."""
    (ref,) = hand_over(store, [order(shot)])
    backup = store.folder.with_name("backup")
    shutil.copytree(store.folder, backup)
    return ref, backup


@pytest.mark.parametrize("restarts", [False, True])
async def test_what_this_host_has_sent_it_never_sends_again(
    store: FolderStore, tmp_path: Path, restarts: bool
) -> None:
    """Even where no tick tells that the store has lost it: it gets claim and answer again."""
    ref, backup = ordered(store)
    with a_hand(store, tmp_path / "host", [ACCEPTED, OTHER]) as hand:
        await hands.buy(hand, ref)
        before = lines(store)
        if not restarts:
            put_back(store, backup)
            hand.ticks.accept()
            told = await hands.buy(hand, ref)
            creates = len(asked(hand))
    if restarts:
        put_back(store, backup)
        with a_hand(store, tmp_path / "host", [OTHER]) as hand:
            hand.ticks.accept()
            told = await hands.buy(hand, ref)
            creates = 1 + len(asked(hand))
    assert (told.outcome, told.task_id, told.sent, creates) == ("submitted", "task_1", False, 1)
    assert lines(store) == before


async def test_a_host_that_died_knows_what_it_has_sent(store: FolderStore, tmp_path: Path) -> None:
    """Its black box is handed in, and what was sent stays."""
    ref, _ = ordered(store)
    with a_hand(store, tmp_path / "host", [ACCEPTED]) as hand:
        await hands.buy(hand, ref)
        hand.box.is_in_store = lambda purchase: None  # type: ignore[method-assign]  # it died
        await hand.box.keep(lines(store)["001.answer"])
    with a_hand(store, tmp_path / "host") as hand:
        assert await hands.hand_in(hand, tmp_path / "host") == []
        assert hand.box.has_sent(order("alley").uid)
        assert [p.task_id for p in hand.box.sent()] == ["task_1"]


async def test_nothing_is_claimed_at_a_store_that_has_lost_a_tick(
    store: FolderStore, tmp_path: Path
) -> None:
    """By a host that has sent nothing itself, either: what was sent it cannot know."""
    ref, backup = ordered(store)
    with a_hand(store, tmp_path / "other", [OTHER]) as other:
        with a_hand(store, tmp_path / "host", [ACCEPTED]) as hand:
            await hands.buy(hand, ref)
            assert other.ticks.look()
            put_back(store, backup)
            told = await hands.buy(other, ref)
        assert (told.outcome, asked(other), states(store)) == ("late", [], {})


async def test_a_host_gives_back_stops_the_account_and_waits_for_a_person(
    store: FolderStore, tmp_path: Path
) -> None:
    """The account is stopped in the store, where hosts read it that know of nothing."""
    ref, backup = ordered(store)
    with a_hand(store, tmp_path / "host", [ACCEPTED]) as hand:
        await hands.buy(hand, ref)
        before = lines(store)
        assert await forgotten(hand, ACCOUNT) == ""
        put_back(store, backup)
        for _ in range(2):
            assert "put back from a backup" in await forgotten(hand, ACCOUNT)
        assert (lines(store), is_stopped(store)) == (before, True)
        accounts.say(store, ACCOUNT, {"stopped": False})
        assert await forgotten(hand, ACCOUNT) == ""
        assert hand.ticks.look() and not is_stopped(store)


async def test_each_host_that_knows_more_stops_the_account(
    store: FolderStore, tmp_path: Path
) -> None:
    """Also one that is started after a person has let the others go on."""
    ref, backup = ordered(store)
    with a_hand(store, tmp_path / "late", [ACCEPTED]) as hand:
        await hands.buy(hand, ref)
    put_back(store, backup)
    accounts.say(store, ACCOUNT, {"stopped": False})
    with a_hand(store, tmp_path / "late") as hand:
        assert await forgotten(hand, ACCOUNT)
    assert is_stopped(store) and lines(store)["001.answer"].task_id == "task_1"


async def test_an_answer_is_given_back_whose_claim_the_backup_has(
    store: FolderStore, tmp_path: Path
) -> None:
    """It was made between the two: without its answer nobody would look after the task."""
    ref, _ = ordered(store)
    with a_hand(store, tmp_path / "host", [ACCEPTED]) as hand:
        await hands.buy(hand, ref)
        before, answer = lines(store), store.folder / told_of(order("alley").uid, "answer")
        book = Book([], lineage=LINEAGE)
        book.put(before["001.answer"])
        answer.unlink()
        await give_back(hand)
        assert lines(store) == before
        answer.unlink()
        assert (give_back_of(book, store), lines(store)) == (1, before)


def is_stopped(store: FolderStore) -> bool:
    """What was said last."""
    said = accounts.last_said(store, ACCOUNT)
    assert said
    return said.settings.stopped


# ---------------------------------------------------------------- the lock


def of_store(store: FolderStore, shot: str) -> Purchase:
    """A claim of a host."""
    claim = claimed(order(shot), host="h", nonce="n")
    at_store = handed_over(claim, store=store.identity, batch="b1")
    return replace(at_store, evidence={**(at_store.evidence or {}), **(claim.evidence or {})})


def known(store: FolderStore) -> dict[str, Purchase]:
    """A purchase of each kind that a lock may have."""
    intent = of_store(store, "a")
    bought = advance(intent, "accepted", LATER, task_id="task_1", billed_tier="t")
    doubtful = advance(intent, "doubted", LATER)
    refused = advance(intent, "refused", LATER, error=Failure("input", "bad", "no"))
    done = advance(advance(bought, "succeeded", LATER), "downloaded", LATER, sha256="0" * 64)
    return {
        "bought": bought,
        "done": done,
        "failed": advance(bought, "failed", LATER, error=Failure("moderation", "x", "no")),
        "doubted": doubtful,
        "abandoned": advance(doubtful, "abandoned", LATER),
        "refused": refused,
        "withdrawn": withdrawn(intent, host="h", nonce="n", at=LATER),
    }


@pytest.mark.parametrize(("kind", "left"), [
    ("bought", {"intent": "intent", "answer": "submitted"}),
    ("done", {"intent": "intent", "answer": "submitted"}),
    ("failed", {"intent": "intent", "answer": "submitted"}),
    ("doubted", {"intent": "intent", "doubt": "in_doubt"}),
    ("abandoned", {"intent": "intent", "resolved": "abandoned"}),
    ("refused", {"intent": "intent", "answer": "rejected"}),
    ("withdrawn", {"intent": "rejected"}),
])  # fmt: skip
def test_a_lock_gives_back_what_it_knows(
    store: FolderStore, kind: str, left: dict[str, str]
) -> None:
    """So that no host buys it: the claim first, then what became of it, with its task."""
    purchase = known(store)[kind]
    book = Book([], lineage=LINEAGE)
    book.put(purchase)
    assert give_back_of(book, store) == 1
    assert states(store) == {f"001.{chapter}": state for chapter, state in left.items()}
    assert {p.task_id for p in lines(store).values()} == {None, purchase.task_id}
    assert give_back_of(book, store) == 0
    assert give_back_of(book, store, names=[]) == 0  # by a list that is older than the store


def test_the_claim_comes_first(store: FolderStore) -> None:
    """An answer without a claim keeps nobody from buying."""
    names = list(objects_of(known(store)["done"]))
    assert [name.rpartition(".")[2] for name in names] == ["intent", "answer"]


def test_a_lock_gives_back_what_was_bought_at_this_store_for_its_film(
    store: FolderStore, tmp_path: Path
) -> None:
    """Neither an order that nobody may have claimed, nor what was bought elsewhere, nor what a lock
    from somewhere says of another film.
    """
    book, elsewhere = Book([], lineage=LINEAGE), a_store(tmp_path / "elsewhere")
    for purchase in (of_store(store, "a"), known(elsewhere)["done"]):
        book.put(purchase)
    foreign = Book([], lineage="another")
    foreign.put(known(store)["done"])
    assert [*lost_of(book, store.identity, ())] == []
    assert [*lost_of(foreign, store.identity, ())] == []


async def test_no_host_buys_what_a_lock_has_given_back(store: FolderStore, tmp_path: Path) -> None:
    """It tells of the task instead."""
    ref, backup = ordered(store, "a")
    book = Book([], lineage=LINEAGE)
    with a_hand(store, tmp_path / "dead", [ACCEPTED]) as hand:
        await hands.buy(hand, ref)
        book.put(replace(lines(store)["001.answer"]))
    put_back(store, backup)
    assert give_back_of(book, store) == 1
    with a_hand(store, tmp_path / "host", [OTHER]) as host:
        told = await bought_by(host, ref)
    assert told == ("submitted", "task_1", 0)


async def bought_by(hand: Hand, ref: Ref) -> tuple[str, str | None, int]:
    """Outcome and task of an order, and how many creates were sent for it."""
    told = await hands.buy(hand, ref)
    return told.outcome, told.task_id, len(asked(hand))
