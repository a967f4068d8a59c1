"""The sandbox's book: charges and refunds, and the state file that keeps them."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from klingflow.errors import UsageError
from klingflow.sandbox.billing import Spec
from klingflow.sandbox.book import Book, ledger
from klingflow.sandbox.tasks import Fate, Task

SPEC = Spec("kling-2.5-720p-audio", 5, 6, 1280, 720, "雨夜", "opening", audio=True)


def bought(
    book: Book, *, at: float = 100.0, takes_s: float = 10.0, fate: Fate | None = None
) -> Task:
    return book.charge(SPEC, "0" * 64, {fate: 2.0} if fate else {}, at, takes_s)


def test_a_failed_task_is_refunded_when_it_fails() -> None:
    """The charge stays in the ledger beside its refund."""
    book = Book()
    task = bought(book, fate="fail_moderation")
    bought(book)
    assert ledger(book, 105.0)["refunds"] == []
    assert ledger(book, 110.0)["refunds"] == [
        {"task_id": task.id, "tier": SPEC.tier, "seconds": 5, "at": 110.0, "reason": task.failure}
    ]
    totals = {"charges": 2, "seconds": 10, "refunds": 1, "refunded_seconds": 5}
    assert ledger(book, 110.0)["totals"] == {**totals, "by_tier": {SPEC.tier: totals}}


def test_a_task_has_all_that_was_asked_for() -> None:
    """Sound too: the video is made from the task."""
    task = bought(Book())
    assert {name: getattr(task, name) for name in SPEC.__slots__} == {
        name: getattr(SPEC, name) for name in SPEC.__slots__
    }


def test_unfinished_tasks_are_counted() -> None:
    """A task counts from its create to its end."""
    book = Book()
    bought(book, takes_s=10.0)
    bought(book, takes_s=5.0)
    assert [book.running(now) for now in (100.0, 105.0, 109.0, 110.0)] == [2, 1, 1, 0]


def test_a_state_file_brings_every_task_back(tmp_path: Path) -> None:
    """Tasks, charges and their order."""
    path = str(tmp_path / "state")
    first = Book(path)
    tasks = [bought(first), bought(first, fate="fail_input")]
    first.close()
    again = Book(path)
    assert list(again.tasks.values()) == tasks
    assert bought(again).number == 3
    again.close()
    assert ledger(Book(path), 200.0)["totals"]["charges"] == 3


def test_a_torn_last_line_is_dropped(tmp_path: Path) -> None:
    """Nobody was told of that task, for the line comes before the reply."""
    path = tmp_path / "state"
    first = Book(str(path))
    task = bought(first)
    first.close()
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:40])
    again = Book(str(path))
    assert list(again.tasks) == [task.id]
    bought(again)
    again.close()
    assert len(Book(str(path)).tasks) == 2


def test_a_charge_that_a_dying_sandbox_still_writes_is_not_missed(tmp_path: Path) -> None:
    """Its successor waits for it to let go of the file."""
    path = str(tmp_path / "state")
    first = Book(path)

    def last_words() -> None:
        bought(first)
        first.close()

    dying = threading.Timer(0.05, last_words)
    dying.start()
    assert len(Book(path).tasks) == 1
    dying.join()


@pytest.mark.parametrize("content", [b"hello\n", b"[]\n", b'{"id": "task_1"}\n', b"\xff\xfe\n"])
def test_another_file_is_not_taken_for_a_state_file(tmp_path: Path, content: bytes) -> None:
    """It is refused with its line, and left as it is."""
    path = tmp_path / "state"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"state:1: is not a line"):
        Book(str(path))
    assert path.read_bytes() == content


def test_a_charge_that_cannot_be_written_is_no_charge(tmp_path: Path) -> None:
    """The ledger never holds what a restart would forget."""
    book = Book(str(tmp_path / "state"))
    book.close()
    book._fd = -1
    with pytest.raises(OSError, match="Bad file descriptor"):
        bought(book)
    assert book.tasks == {}


def test_ids_are_never_given_twice() -> None:
    """Two sandboxes with one seed are still two gateways."""
    assert bought(Book()).id != bought(Book()).id
