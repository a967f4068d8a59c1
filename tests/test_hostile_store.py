"""A store that somebody has tampered with, or that lies: nothing is bought twice, no task is lost,
and what is wrong is named.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from klingflow.cluster import hands
from klingflow.cluster.follow import folded
from klingflow.cluster.hand import Hand, line_in
from klingflow.cluster.orders import OrdersDamaged
from klingflow.cluster.reading import told_by
from klingflow.cluster.store import FolderStore, PutOnce, open_store, told_of
from klingflow.errors import StoreAway
from klingflow.ledger.book import Book
from klingflow.ledger.handed_over import claimed
from klingflow.ledger.lifecycle import advance
from klingflow.ledger.lines import journal_line
from klingflow.model import Purchase
from tests.buckets import Service, serving
from tests.clusters import LINEAGE, a_hand, asked, hand_over, lines, order
from tests.purchases import LATER
from tests.runs import said

pytestmark = pytest.mark.anyio

ACCEPTED = said(id="task_1", model="t", status="queued")
OTHER = said(id="task_2", model="t", status="queued")
ALLEY, DOOR = order("alley"), order("door")


@pytest.fixture
def service() -> Iterator[Service]:
    """A service of buckets."""
    with serving() as running:
        yield running


def bucket_of(service: Service) -> PutOnce:
    """A store in a bucket."""
    return open_store("s3://films/store", service.environ, None)


def creates(*hosts: Hand) -> int:
    """How many POSTs hosts have sent."""
    return sum(len(asked(host)) for host in hosts)


# ---------------------------------------------------------------- objects


def _intent_of_a_stranger() -> bytes:
    return journal_line(claimed(ALLEY, host="nobody", nonce="n"))


def _intent_of_another() -> bytes:
    return journal_line(claimed(DOOR, host="h", nonce="n"))


@pytest.mark.parametrize("data", [
    lambda: b"",
    lambda: b"\0" * 1000,
    lambda: b"<?xml version='1.0'?><Error><Code>SlowDown</Code></Error>",
    lambda: _intent_of_a_stranger()[:100],
    lambda: _intent_of_a_stranger() * 2,
    _intent_of_a_stranger,
    _intent_of_another,
])  # fmt: skip
async def test_whatever_lies_in_the_place_of_a_claim_nobody_buys(
    store: FolderStore, tmp_path: Path, data: Callable[[], bytes]
) -> None:
    """The shot is in doubt until somebody knows more."""
    (ref,) = hand_over(store, [ALLEY])
    (store.folder / told_of(ALLEY.uid, "intent")).write_bytes(data())
    with a_hand(store, tmp_path / "host", [ACCEPTED]) as hand:
        told = await hands.buy(hand, ref)
    assert (told.outcome, creates(hand)) == ("in_doubt", 0)


@pytest.mark.parametrize("kind", ["pipe", "link", "folder"])
def test_what_is_no_plain_file_is_named(store: FolderStore, tmp_path: Path, kind: str) -> None:
    """A person has to find it."""
    if sys.platform == "win32":
        pytest.skip("as POSIX has it")
    name = told_of(ALLEY.uid, "intent")
    path = store.folder / name
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(StoreAway, match=name):
        store.get(name)


def test_an_object_without_end_is_not_read_whole(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is damaged, by its name."""
    name = told_of(ALLEY.uid, "intent")
    with (store.folder / name).open("wb") as file:
        file.truncate(1 << 40)  # of no blocks
    data = store.get(name)
    assert data == b""
    with pytest.raises(OrdersDamaged, match=name):
        line_in(data, name)


def answer_of(purchase: Purchase, task: str) -> Purchase:
    """A claim that was answered."""
    return advance(claimed(purchase, host="h", nonce="n"), "accepted", LATER, task_id=task)


@pytest.mark.parametrize("chapter", ["answer", "done", "resolved", "parked"])
def test_an_object_that_speaks_of_another_purchase_says_nothing_of_either(
    store: FolderStore, chapter: str
) -> None:
    """Somebody has put it in the wrong place: the claim whose place it is is in doubt."""
    hand_over(store, [ALLEY, DOOR])
    for purchase in (ALLEY, DOOR):
        claim = claimed(purchase, host="h", nonce="n")
        store.put(told_of(purchase.uid, "intent"), journal_line(claim))
    name = f"purchases/{ALLEY.uid}.{chapter}"
    store.put(name, journal_line(answer_of(DOOR, "task_9")))
    book = Book([ALLEY, DOOR], lineage=LINEAGE)
    news = {p.uid: p for p in folded(book, told_by(store, book), LATER)}
    assert news[ALLEY.uid].state == "in_doubt" and not news[ALLEY.uid].task_id
    assert not news.get(DOOR.uid, DOOR).task_id
    assert any(problem.place and name in str(problem.place) for problem in book.problems)
    with pytest.raises(OrdersDamaged, match=f"{name} is of another purchase"):
        line_in(store.get(name) or b"", name)


# ---------------------------------------------------------------- a bucket that lies


class Forgetful(FolderStore):
    """A bucket that takes every put, whoever was first."""

    def put(self, name: str, data: bytes) -> bool:
        if name.endswith(".intent"):
            (self.folder / name).write_bytes(data)
            return True
        return super().put(name, data)


async def test_a_second_put_that_is_taken_buys_nothing(store: FolderStore, tmp_path: Path) -> None:
    """A claim that is there is never put over; what is read back counts."""
    lying = Forgetful(store.folder)
    (ref,) = hand_over(store, [ALLEY])
    with (
        a_hand(lying, tmp_path / "one", [ACCEPTED]) as one,
        a_hand(lying, tmp_path / "other", [OTHER]) as other,
    ):
        first = await hands.buy(one, ref)
        second = await hands.buy(other, ref)
    assert (first.task_id, second.task_id, creates(one, other)) == ("task_1", "task_1", 1)


class PutOver(FolderStore):
    """A bucket in which another host's claim lies as soon as ours was taken."""

    def put(self, name: str, data: bytes) -> bool:
        was_made = super().put(name, data)
        if name.endswith(".intent"):
            (self.folder / name).write_bytes(_intent_of_a_stranger())
        return was_made


async def test_a_claim_that_was_put_over_is_not_used(store: FolderStore, tmp_path: Path) -> None:
    """Whoever finds its own there sends."""
    (ref,) = hand_over(store, [ALLEY])
    with a_hand(PutOver(store.folder), tmp_path / "one", [ACCEPTED]) as hand:
        told = await hands.buy(hand, ref)
    assert (told.outcome, creates(hand)) == ("in_doubt", 0)


async def test_a_claim_that_is_lost_after_the_put_is_not_used(
    store: FolderStore, tmp_path: Path
) -> None:
    """It is made until it is there."""

    class Losing(FolderStore):
        losses = 3

        def put(self, name: str, data: bytes) -> bool:
            if name.endswith(".intent") and self.losses:
                self.losses -= 1
                return True
            return super().put(name, data)

    (ref,) = hand_over(store, [ALLEY])
    lying = Losing(store.folder)
    with a_hand(lying, tmp_path / "one", [ACCEPTED]) as hand:
        with anyio.fail_after(60):
            told = await hands.buy(hand, ref)
    assert (told.outcome, creates(hand), lying.losses) == ("submitted", 1, 0)
    assert lines(store)["001.intent"].state == "intent"


# ---------------------------------------------------------------- a service of buckets


@pytest.mark.parametrize("lie", ["denied", "busy"])
def test_a_service_that_refuses_is_named(service: Service, lie: str) -> None:
    """By its store and its own code; nothing counts as missing or made."""
    store = bucket_of(service)
    assert store.put("purchases/a.intent", b"1")
    service.lie = lie
    # What the library says of a busy service has its code, or in older ones only the status.
    code = {"denied": "AccessDenied", "busy": "(SlowDown|503)"}[lie]
    for ask in (
        lambda: store.get("purchases/a.intent"),
        lambda: store.get("purchases/b.intent"),
        lambda: store.put("purchases/b.intent", b"1"),
        lambda: store.names("purchases"),
    ):
        with pytest.raises(StoreAway, match=f"s3://films/store .*{code}"):
            ask()
    service.lie = ""
    assert store.names("purchases") == ["purchases/a.intent"]


@pytest.mark.parametrize("lie", ["error in 200", "cut off"])
async def test_what_a_service_garbles_is_no_claim_of_ours(
    service: Service, tmp_path: Path, lie: str
) -> None:
    """A body that is an error, or half a body: nobody buys, nothing is lost, and all is well when
    the service tells the truth again.
    """
    store = bucket_of(service)
    taken = answer_of(ALLEY, "task_1")
    claim = replace(claimed(ALLEY, host="h", nonce="n"))
    store.put(told_of(ALLEY.uid, "intent"), journal_line(claim))
    store.put(told_of(ALLEY.uid, "answer"), journal_line(taken))
    book = Book([ALLEY], lineage=LINEAGE)
    service.lie = lie
    try:
        garbled = folded(book, told_by(store, book), LATER)
    except StoreAway:
        garbled = []
    assert {p.state for p in garbled} <= {"in_doubt"}
    service.lie = ""
    (news,) = folded(book, told_by(store, book), LATER)
    assert (news.state, news.task_id) == ("submitted", "task_1")
