"""Between a ledger and the store: nothing is handed over before the lock says so, and whoever folds
the store in ends in the same lines.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import anyio
import anyio.lowlevel
import pytest

from klingflow.cluster.batches import withdraw_rest
from klingflow.cluster.follow import (
    batch_of,
    fold_in,
    folded,
    hand_over,
    left_over,
)
from klingflow.cluster.orders import failed
from klingflow.cluster.reading import Reader, told_by
from klingflow.cluster.store import FolderStore
from klingflow.cluster.waits import Supply, waiting
from klingflow.ledger.book import Book, doubt
from klingflow.ledger.handed_over import bought_again, claimed, handed_over, is_at_cluster
from klingflow.ledger.headers import lock_header
from klingflow.ledger.lifecycle import advance
from klingflow.ledger.lines import journal_line, lock_line
from klingflow.ledger.places import LedgerPaths, ledger_paths
from klingflow.ledger.store import open_ledger
from klingflow.ledger.uids import next_try, uid_of
from klingflow.manifest.request import fingerprint
from klingflow.model import Failure, Json, Purchase
from klingflow.runner.context import Job
from tests import clusters
from tests.clusters import LINEAGE, put, terms_of
from tests.purchases import AT, LATER

pytestmark = pytest.mark.anyio

BATCH = batch_of(LINEAGE, AT, "ab")
LIMITED = Failure("limited", "1302", "slow down")
BUSY = Failure("capacity", "1", "server busy")
LATEST = "2026-06-08T06:55:00.000Z"


def paths_at(folder: Path) -> LedgerPaths:
    """A ledger of the lineage, with a lock that holds nothing."""
    (folder / ".klingflow").mkdir(parents=True)
    (folder / "film.lock").write_bytes(lock_header(LINEAGE, 1, 0))
    return ledger_paths(folder / "film.yaml")


def order(store: FolderStore, name: str = "alley") -> Purchase:
    """What is handed over at the store."""
    return handed_over(clusters.order(name), store=store.identity, batch=BATCH)


def hand_out(store: FolderStore, *orders: Purchase) -> None:
    """Put the page of a batch, without any ledger."""
    clusters.hand_over(store, orders, batch=BATCH)


def of_a_night(store: FolderStore) -> Iterator[tuple[str, Purchase]]:
    """What hosts say of one order, in the order in which it happens."""
    at = replace(order(store), times={"intent": LATER, "updated": LATER})
    first = claimed(at, host="h1", nonce="n1")
    yield "intent", first
    refused = advance(first, "refused", LATER, error=LIMITED)
    yield "answer", refused
    second = claimed(replace(at, uid=next_try(at.uid) or ""), host="h2", nonce="n2")
    yield "intent", second
    yield "doubt", doubt(second, LATEST)
    bought = advance(second, "accepted", LATER, task_id="task_1", billed_tier="t")
    yield "answer", bought
    done = advance(bought, "succeeded", LATEST, finished_after_s=(1, 2))
    yield "done", advance(done, "downloaded", LATEST, sha256="aa", size_bytes=10)


async def lines_after(paths: LedgerPaths, store: FolderStore) -> list[bytes]:
    """The purchase lines of a lock, after the store was folded into it."""
    with open_ledger(paths, lambda: LATEST) as ledger:
        await fold_in(ledger, Reader(store, LINEAGE), LATEST)
    return paths.lock.read_bytes().splitlines()[1:]


# ---------------------------------------------------------------- what comes back


async def test_followers_end_in_the_same_lines(store: FolderStore, tmp_path: Path) -> None:
    """One that handed over and looked after every event, and one that looks once at the end."""
    early, late = paths_at(tmp_path / "early"), paths_at(tmp_path / "late")
    with open_ledger(early, lambda: AT) as ledger:
        await hand_over(ledger, store, terms_of(store, batch=BATCH), [order(store)])
    states = []
    for end, purchase in of_a_night(store):
        put(store, end, purchase)
        (*_, last) = await lines_after(early, store)
        states.append(last.partition(b'"state":"')[2].partition(b'"')[0].decode())
    assert states == ["intent", "intent", "intent", "in_doubt", "submitted", "done"]
    assert await lines_after(late, store) == await lines_after(early, store)
    assert len(await lines_after(late, store)) == 1


def test_what_the_store_says_counts_in_any_order(store: FolderStore) -> None:
    """A follower may be told twice, and of the end before the beginning."""
    hand_out(store, order(store))
    for end, purchase in of_a_night(store):
        put(store, end, purchase)
    told = told_by(store, Book(lineage=LINEAGE))
    found = set()
    for accounts in itertools.islice(itertools.permutations(told.accounts), 200):
        once = folded(Book(lineage=LINEAGE), replace(told, accounts=[*accounts, *accounts]), LATER)
        found.add(b"".join(sorted(lock_line(p) for p in once)))
    assert len(found) == 1


def test_a_book_that_knows_it_all_is_told_nothing(store: FolderStore) -> None:
    """So that a command that changes nothing writes nothing."""
    hand_out(store, order(store))
    told = told_by(store, Book(lineage=LINEAGE))
    book = Book(folded(Book(), told, LATER), lineage=LINEAGE)
    assert [is_at_cluster(p) for p in book.purchases.values()] == [True]
    assert folded(book, told, LATER) == []


def test_between_two_tries_the_take_is_never_free(store: FolderStore) -> None:
    """A limit passes: the ledger holds the next try before any host has claimed it."""
    hand_out(store, order(store))
    for end, purchase in itertools.islice(of_a_night(store), 2):
        put(store, end, purchase)
    book = Book(folded(Book(), told_by(store, Book(lineage=LINEAGE)), LATER), lineage=LINEAGE)
    (last,) = book.bought("alley", 1)
    assert (last.uid, is_at_cluster(last)) == (next_try(order(store).uid), True)


def test_another_films_purchases_are_not_ours(store: FolderStore) -> None:
    """A team shares one store."""
    hand_out(store, order(store))
    other = replace(order(store), uid=uid_of("f" * 16, "alley", 1, 1))
    put(store, "intent", other)
    assert {p.uid for p in told_by(store, Book(lineage=LINEAGE)).accounts} == {order(store).uid}


def test_a_damaged_object_is_a_doubt(store: FolderStore) -> None:
    """It may have been an answer with a task id."""
    data = journal_line(claimed(order(store), host="h", nonce="n")).replace(
        b"sha256:1", b"sha256:2"
    )
    store.put(f"purchases/{order(store).uid}.answer", data)
    book = Book(lineage=LINEAGE)
    (found,) = folded(book, told_by(store, book), LATER)
    assert (found.key, found.state) == ("alley", "in_doubt")
    assert [p.kind for p in book.problems] == ["damaged_purchases"]


@pytest.mark.parametrize("data", [b"", b"\x00" * 9, b'{"uid":"x"}'])
@pytest.mark.parametrize("chapter", ["intent", "answer", "resolved", "doubt", "done"])
def test_an_object_that_nobody_can_read_holds_its_order_in_doubt(
    store: FolderStore, chapter: str, data: bytes
) -> None:
    """Though its claim can be read: whose it is, its name says. What says more counts."""
    hand_out(store, order(store))
    if chapter != "intent":
        put(store, "intent", claimed(order(store), host="h", nonce="n"))
    store.put(f"purchases/{order(store).uid}.{chapter}", data)
    (found,) = folded(Book(lineage=LINEAGE), told_by(store, Book(lineage=LINEAGE)), LATER)
    assert (found.state, found.error and found.error.code) == ("in_doubt", "damaged")
    if chapter != "answer":
        put(store, "answer", advance(order(store), "accepted", LATER, task_id="task_1"))
        (found,) = folded(Book(lineage=LINEAGE), told_by(store, Book(lineage=LINEAGE)), LATER)
        assert found.state == "submitted"


def test_two_tasks_under_one_uid_are_both_told(store: FolderStore) -> None:
    """What contradicts the ledger stays in the store, and is a problem."""
    put(store, "answer", advance(order(store), "accepted", LATER, task_id="task_1"))
    known = advance(order(store), "accepted", AT, task_id="task_0")
    book = Book([known], lineage=LINEAGE)
    folded(book, told_by(store, book), LATER)
    assert [(p.kind, p.tasks) for p in book.problems] == [("contradicting_line", ("task_1",))]


def test_another_runners_claim_is_no_doubt(store: FolderStore) -> None:
    """Its answer is on its way; what became of it counts as soon as it is told."""
    book = Book(lineage=LINEAGE)
    claim = claimed(clusters.order("alley"), host="h", nonce="n")
    put(store, "intent", claim)
    assert folded(book, told_by(store, book), LATER) == []
    put(store, "doubt", doubt(claim, LATER))
    assert [p.state for p in folded(book, told_by(store, book), LATER)] == ["in_doubt"]


def test_a_claim_that_nobody_answers_is_in_doubt_in_the_end(store: FolderStore) -> None:
    """Its runner died. Every copy writes one line of it, and it can be settled."""
    claim = claimed(clusters.order("alley"), host="h", nonce="n")
    put(store, "intent", claim)
    late = "2026-06-08T08:30:00.000Z", "2027-01-01T00:00:00.000Z"
    found = [
        folded(Book(lineage=LINEAGE), told_by(store, Book(lineage=LINEAGE)), now) for now in late
    ]
    assert found[0] == found[1] == [doubt(claim, None)]
    book = Book(found[0], lineage=LINEAGE)
    assert folded(book, told_by(store, book), late[1]) == []
    put(store, "answer", advance(claim, "accepted", LATER, task_id="task_1"))
    (sold,) = folded(book, told_by(store, book), late[1])
    assert sold.task_id == "task_1"


# ---------------------------------------------------------------- handing over


async def test_the_lock_says_it_before_the_store(store: FolderStore, tmp_path: Path) -> None:
    """Whoever looks at the lock from then on holds the shot; the store may be away for long."""
    paths = paths_at(tmp_path / "film")
    (store.folder / "orders").rename(tmp_path / "away")
    with open_ledger(paths, lambda: AT) as ledger:

        async def hand() -> None:
            await hand_over(ledger, store, terms_of(store, batch=BATCH), [order(store)])
            raise AssertionError("the store is away")

        with anyio.fail_after(60):
            async with anyio.create_task_group() as group:
                group.start_soon(hand)
                while b'"state":"intent"' not in paths.lock.read_bytes():
                    await anyio.lowlevel.checkpoint()
                group.cancel_scope.cancel()
    (tmp_path / "away").rename(store.folder / "orders")
    with open_ledger(paths, lambda: LATER) as ledger:
        left = left_over(ledger.book, told_by(store, ledger.book), store)
        assert [p.uid for p in left] == [order(store).uid]
        await hand_over(ledger, store, terms_of(store, batch=f"{BATCH}2"), left)
        assert left_over(ledger.book, told_by(store, ledger.book), store) == []


async def test_a_later_command_finds_it_at_the_cluster(store: FolderStore, tmp_path: Path) -> None:
    """Opening a ledger makes no doubt of it."""
    paths = paths_at(tmp_path / "film")
    with open_ledger(paths, lambda: AT) as ledger:
        pages = await hand_over(ledger, store, terms_of(store, batch=BATCH), [order(store)])
        assert await hand_over(ledger, store, terms_of(store, batch=f"{BATCH}2"), []) == []
    assert store.names("orders") == [f"orders/{BATCH}/000000.jsonl"]
    assert pages[0].orders == (order(store),)
    with open_ledger(paths, lambda: LATER) as ledger:
        assert [*ledger.book.purchases.values()] == [order(store)]


async def test_what_is_withdrawn_is_said_by_the_claim_itself(
    store: FolderStore, tmp_path: Path
) -> None:
    """Who dies after it leaves no claim that hosts and people wait for."""
    with open_ledger(paths_at(tmp_path / "film"), lambda: AT) as ledger:
        await hand_over(ledger, store, terms_of(store, batch=BATCH), [order(store)])
        job = cast(Job, SimpleNamespace(ledger=ledger))
        assert len(await withdraw_rest(job, store, BATCH, LATER)) == 1
        assert store.names("purchases") == [f"purchases/{order(store).uid}.intent"]
        await fold_in(ledger, Reader(store, LINEAGE), LATEST)
        assert [p.state for p in ledger.book.purchases.values()] == ["rejected"]
        assert await withdraw_rest(job, store, BATCH, LATEST) == []


def test_a_take_that_is_bought_again_has_its_order(store: FolderStore) -> None:
    """That of the purchase that failed: nobody hands it over once more, and it is withdrawn with
    its batch.
    """
    hand_out(store, order(store))
    terms = terms_of(store, batch=BATCH, retries=1)
    bought = advance(claimed(order(store), host="h", nonce="n"), "accepted", AT, task_id="task_1")
    put(store, "answer", bought)
    put(store, "done", failed(terms, order(store), advance(bought, "failed", LATER, error=BUSY)))
    book = Book(lineage=LINEAGE)
    for one in folded(book, told_by(store, book), LATEST):
        book.put(one)
    first, second = sorted(book.purchases.values(), key=lambda p: p.attempt)
    assert (first.state, second.state, second.attempt) == ("failed", "intent", 2)
    assert is_at_cluster(second) and second.uid == uid_of(LINEAGE, "alley", 1, 2)
    assert bought_again(first) == second.uid
    assert left_over(book, told_by(store, book), store) == []


def test_an_order_that_waited_is_final_when_its_source_is_done(store: FolderStore) -> None:
    """Before any host claims it: so a shot that was given another id is found by its body, and
    every follower writes one line.
    """
    opening, door = order(store, "opening"), clusters.order("door", fingerprint="")
    frame: Json = {"from": "opening", "frame": "last"}
    door = replace(door, body={"prompt": "x", "image": frame})
    hand_out(store, opening, waiting(door, {"opening": Supply(order=opening.uid)}, []))
    early = Book(folded(Book(), told_by(store, Book(lineage=LINEAGE)), LATER), lineage=LINEAGE)
    assert early.purchases[door.uid].fingerprint == ""
    bought = advance(opening, "accepted", LATER, task_id="task_1")
    done = advance(advance(bought, "succeeded", LATER), "downloaded", LATEST, sha256="aa")
    put(store, "done", done)
    told = told_by(store, early)
    (last,) = (p for p in folded(early, told, LATEST) if p.uid == door.uid)
    assert last.body["image"] == {**frame, "purchase": opening.uid}
    assert last.fingerprint == fingerprint(last.body) and is_at_cluster(last)
    assert last in folded(Book(), told, LATEST)
    for purchase in folded(early, told, LATEST):
        early.put(purchase)
    assert folded(early, told, LATEST) == []
