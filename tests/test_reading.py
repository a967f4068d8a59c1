"""What a store tells of one film: each object is read once, and none whose end the ledger knows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from klingflow.cluster.claims import owed
from klingflow.cluster.follow import folded
from klingflow.cluster.orders import Terms, unused
from klingflow.cluster.reading import Reader, terms_in
from klingflow.cluster.store import Chapter, FolderStore, told_of
from klingflow.ledger.book import Book, doubt
from klingflow.ledger.handed_over import claimed, handed_over
from klingflow.ledger.lifecycle import advance
from klingflow.ledger.lines import journal_line
from klingflow.ledger.uids import try_of
from klingflow.model import Failure, Purchase
from tests.clusters import LINEAGE, hand_over, order, terms_of
from tests.purchases import LATER

BATCH = f"{LINEAGE}-20260608-ab"
CLAIM = claimed(order("alley"), host="h", nonce="n")
SOLD = advance(CLAIM, "accepted", LATER, task_id="task_1")
DONE = advance(advance(SOLD, "succeeded", LATER), "downloaded", LATER, sha256="aa", size_bytes=1)
FAILED = advance(SOLD, "failed", LATER, error=Failure("moderation", "x", "no"))
UNCHARGED = advance(FAILED, "not_charged", LATER)


class Counted(FolderStore):
    """A store that says which objects were read of it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.read: list[str] = []

    def get(self, name: str) -> bytes | None:
        self.read.append(name.rpartition("-")[2])
        return super().get(name)


@pytest.fixture
def store(tmp_path: Path) -> Counted:
    """A store in which a host has claimed an order and got its answer."""
    (tmp_path / "store").mkdir()
    store = Counted(tmp_path / "store")
    hand_over(store, [order("alley"), order("bridge")], batch=BATCH)
    put(store, intent=CLAIM, answer=SOLD)
    return store


def put(store: FolderStore, **told: Purchase) -> None:
    """Make an object of each, under the chapter that it is named after."""
    for chapter, purchase in told.items():
        name: Chapter = chapter  # type: ignore[assignment]  # a keyword's name is a text
        store.put(told_of(purchase.uid, name), journal_line(purchase))


def book_of(*purchases: Purchase) -> Book:
    """A ledger of the film."""
    return Book(purchases, lineage=LINEAGE)


def test_a_reader_reads_each_object_once(store: Counted) -> None:
    """Later it reads what has come meanwhile, and its whole memory is told."""
    reader, book = Reader(store, LINEAGE), book_of()
    assert {p.state for p in folded(book, reader.told(book), LATER)} == {"submitted", "intent"}
    assert store.read == ["ab/000000.jsonl", "001.answer", "001.intent"]
    put(store, done=DONE)
    told = reader.told(book)
    assert {p.state for p in folded(book, told, LATER)} == {"done", "intent"}
    assert (store.read[3:], len(told.ordered)) == (["001.done"], 2)


@pytest.mark.parametrize(("known", "told", "read"), [
    (DONE, {"done": DONE}, []),
    (DONE, {}, []),
    (FAILED, {"done": FAILED}, []),
    (FAILED, {"done": FAILED, "resolved": UNCHARGED}, 4),
    (FAILED, {}, 2),
    (SOLD, {}, 2),
])  # fmt: skip
def test_what_has_ended_is_not_read_again(
    store: Counted, known: Purchase, told: dict[str, Purchase], read: object
) -> None:
    """An end that ledger and store know is one for good, unless a person has said more."""
    put(store, **told)
    Reader(store, LINEAGE).told(book_of(known))
    assert len(store.read[1:]) == (read or 0)


def test_what_the_store_does_not_know_of_a_purchase_is_still_owed(store: Counted) -> None:
    """Its video is here, and its answer never reached the store."""
    bridge = claimed(order("bridge"), host="h", nonce="n")
    put(store, intent=bridge)
    sold = advance(bridge, "accepted", LATER, task_id="task_2")
    done = advance(advance(sold, "succeeded", LATER), "downloaded", LATER, sha256="bb")
    told = Reader(store, LINEAGE).told(book_of(done, DONE))
    assert [*owed([done, DONE], told, "h")] == [done]


@pytest.mark.parametrize("in_store", [True, False])
def test_no_try_follows_what_a_person_has_settled(store: Counted, in_store: bool) -> None:
    """A host that starts again may say that it never used its claim: the take is bought by then."""
    settled = advance(doubt(CLAIM, LATER), "resubmitted", LATER)
    (store.folder / told_of(CLAIM.uid, "answer")).unlink()
    put(store, answer=unused(CLAIM, LATER), doubt=doubt(CLAIM, LATER))
    if in_store:
        put(store, resolved=settled)
    told = Reader(store, LINEAGE).told(book_of(settled))
    assert {try_of(one.uid) for one in told.accounts} == {1}


def test_the_order_of_reading_changes_nothing(store: Counted) -> None:
    """Who looks after each object, and who looks once, end in the same purchase."""
    reader, book = Reader(store, LINEAGE), book_of()
    for step in ({}, {"done": DONE}):
        put(store, **step)
        for purchase in folded(book, reader.told(book), LATER):
            book.put(purchase)
    late = book_of()
    found = folded(late, Reader(store, LINEAGE).told(late), LATER)
    assert book.purchases == {p.uid: p for p in found}
    assert book.purchases[DONE.uid].state == "done"


def test_what_is_damaged_is_told_of_once(store: Counted) -> None:
    """A follower that looks all night has one problem to show."""
    store.put(told_of(order("bridge").uid, "intent"), b"no claim\n")
    store.put(f"orders/{BATCH}/000001.jsonl", b"no page\n")
    reader, book = Reader(store, LINEAGE), book_of()
    for _ in range(3):
        folded(book, reader.told(book), LATER)
    assert len(book.problems) == 2


def test_any_page_tells_the_terms_of_a_batch(store: Counted) -> None:
    """A batch without a page that can be believed has none."""
    known = terms_in(store, BATCH)
    assert known == Terms.from_json({**terms_of(store, batch=BATCH).as_json(), "pages": 1})
    assert terms_in(store, "another") is None


@pytest.mark.parametrize("batch", ["..", "../x", "/", "a/b", "", "a\nb", "./a"])
def test_what_can_be_no_batch_is_not_asked_for(
    store: Counted, monkeypatch: pytest.MonkeyPatch, batch: str
) -> None:
    """A lock that anybody may have written calls it so, and a bucket may refuse the question."""
    monkeypatch.setattr(store, "names", lambda folder, begin: pytest.fail("asked"))
    assert terms_in(store, batch) is None


@pytest.mark.parametrize("ended", [False, True])
def test_two_who_handed_over_the_same_shot_end_in_the_same_lines(
    store: Counted, ended: bool
) -> None:
    """Each of them had recorded an intent of its own, before it saw the other's page."""
    theirs = handed_over(
        replace(order("alley"), times={"intent": LATER, "updated": LATER}),
        store=store.identity,
        batch=f"{LINEAGE}-20260609-cd",
    )
    hand_over(store, [theirs], batch=f"{LINEAGE}-20260609-cd")
    if ended:
        put(store, done=DONE)
    books = [book_of(order("alley")), book_of(theirs)]
    for book in books:
        for purchase in folded(book, Reader(store, LINEAGE).told(book), LATER):
            book.purchases[purchase.uid] = purchase
        assert folded(book, Reader(store, LINEAGE).told(book), LATER) == []
    lines = [sorted(journal_line(p) for p in book.purchases.values()) for book in books]
    assert lines[0] == lines[1]
