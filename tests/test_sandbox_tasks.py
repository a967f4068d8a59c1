"""A task's life over time, its charge and refund, and the state file."""

from __future__ import annotations

import statistics
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from klingflow.errors import UsageError
from klingflow.sandbox.billing import Spec
from klingflow.sandbox.options import (
    Options,
    Rate,
    TaskTime,
    options_from,
    parse_rate,
    parse_task_time,
)
from klingflow.sandbox.tasks import Book, Phase, Task, ledger, phase, sample_s, seen_at

SPEC = Spec("kling-2.5-720p-mute", 5, 5, 1280, 720, "雨夜", "opening")


def bought(
    book: Book, *, at: float = 100.0, takes_s: float = 10.0, fate: str | None = None
) -> Task:
    return book.charge(SPEC, "0" * 64, {fate: 2.0} if fate else {}, at, takes_s)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (100.0, Phase("queued", 0)),
        (101.5, Phase("in_progress", 15)),
        (109.99, Phase("in_progress", 99)),
        (110.0, Phase("completed", 100)),
    ],
)
def test_a_task_is_queued_then_progresses_then_completes(now: float, expected: Phase) -> None:
    """What it is follows from the time alone."""
    assert phase(bought(Book()), now) == expected


def test_a_task_without_duration_is_done_at_once() -> None:
    """`--task-time 0s`."""
    assert phase(bought(Book(), takes_s=0.0), 100.0) == Phase("completed", 100)


def test_a_stuck_task_is_never_done() -> None:
    """It stays in_progress at 99 %."""
    assert phase(bought(Book(), fate="stuck"), 1e9) == Phase("in_progress", 99)


def test_rows_are_refreshed_every_so_often() -> None:
    """Between two refreshes a query learns nothing new."""
    assert [seen_at(now, 15.0) for now in (0.0, 14.9, 15.0, 44.0)] == [0.0, 0.0, 15.0, 30.0]
    assert seen_at(14.9, 0.0) == 14.9


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


def test_unfinished_tasks_are_counted() -> None:
    """A task counts from its create to its end."""
    book = Book()
    bought(book, takes_s=10.0)
    bought(book, takes_s=5.0)
    assert [book.running(now) for now in (100.0, 105.0, 109.0, 110.0)] == [2, 1, 1, 0]


def test_lognormal_times_have_the_median_and_p95_that_were_asked_for() -> None:
    """And are the same for the same seed."""
    time = parse_task_time("lognormal:90s,240s")
    times = [sample_s(time, 1, number) for number in range(4000)]
    assert statistics.median(times) == pytest.approx(90, rel=0.05)
    assert statistics.quantiles(times, n=20)[-1] == pytest.approx(240, rel=0.08)
    assert (
        times[:3]
        == [sample_s(time, 1, number) for number in range(3)]
        != [sample_s(time, 2, n) for n in range(3)]
    )


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


def test_options_are_read_from_a_command_lines_values() -> None:
    """What is None or not an option of the server is left out, and the whole passes through one
    line of JSON.
    """
    values = {
        "port": 0,
        "task_time": "2s",
        "faults": ("create:cut=0.1",),
        "rate": None,
        "list_faults": False,
    }
    options = options_from({**values, "key": "secret"})
    assert options == Options(task_time="2s", faults=("create:cut=0.1",), key="secret")
    assert "secret" not in repr(options)
    assert parse_rate("30/1m") == Rate(30, 60.0)
    assert parse_task_time("250ms") == TaskTime(0.25)
    assert replace(options, key=None) != options


@pytest.mark.parametrize(
    "values",
    [
        {"task_time": "soon"},
        {"task_time": "lognormal:90s"},
        {"task_time": "lognormal:90s,10s"},
        {"rate": "30"},
        {"rate": "0/1m"},
        {"rate": "3/0s"},
        {"refresh": "5"},
        {"max_running": 0},
    ],
)
def test_options_that_cannot_be_read_are_refused(values: dict[str, str]) -> None:
    """With a sentence that shows how to write them."""
    with pytest.raises(UsageError):
        options_from(values)
