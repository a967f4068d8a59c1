"""A task's life over time, and the tables of its states and fates."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from klingflow.sandbox import shapes
from klingflow.sandbox.faults import CATALOGUE
from klingflow.sandbox.tasks import (
    FAILURES,
    STATES,
    Fate,
    Phase,
    Status,
    Task,
    is_refunded,
    no_video,
    phase,
    seen_at,
)

STATUSES = get_args(Status)


def task(*fates: Fate, takes_s: float = 10.0, **more: Any) -> Task:
    """A task created at 100 s; each of its fates was given 2 s."""
    return Task(
        "task_1", "task_2", 1, 100.0, takes_s, "kling-2.5-720p-mute", 5, 5, 1280, 720, "雨夜", "",
        "0" * 64, dict.fromkeys(fates, 2.0), **more,
    )  # fmt: skip


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
    assert phase(task(), now) == expected


def test_a_task_without_duration_is_done_at_once() -> None:
    """`--task-time 0s`."""
    assert phase(task(takes_s=0.0), 100.0) == Phase("completed", 100)


def test_a_stuck_task_is_never_done() -> None:
    """It stays in_progress at 99 %."""
    assert phase(task("stuck"), 1e9) == Phase("in_progress", 99)


def test_rows_are_refreshed_every_so_often() -> None:
    """Between two refreshes a query learns nothing new."""
    assert [seen_at(now, 15.0) for now in (0.0, 14.9, 15.0, 44.0)] == [0.0, 0.0, 15.0, 30.0]
    assert seen_at(14.9, 0.0) == 14.9


@pytest.mark.parametrize(
    ("fates", "now", "code"),
    [
        ((), 105.0, "video_not_ready"),
        ((), 110.0, None),
        (("not_ready",), 111.9, "video_not_ready"),
        (("not_ready",), 112.0, None),
        (("fail_input",), 105.0, "video_not_ready"),
        (("fail_input",), 110.0, "task_failed"),
        (("stuck",), 105.0, "video_not_ready"),
        (("stuck",), 110.0, "task_failed"),
    ],
)
def test_a_video_is_there_when_its_task_has_completed(
    fates: tuple[Fate, ...], now: float, code: str | None
) -> None:
    """Not before, not at once under `not_ready`, and never of a task that failed or is stuck."""
    why = no_video(task(*fates), now)
    assert (why and why[0]) == code


def test_only_the_charge_of_a_failed_task_is_given_back() -> None:
    """At the moment of its failure; a stuck task keeps its charge."""
    assert [is_refunded(task("fail_input"), now) for now in (109.0, 110.0)] == [False, True]
    assert not is_refunded(task(), 110.0)
    assert not is_refunded(task("stuck"), 1e9)


@pytest.mark.parametrize("table", [STATES, shapes._ADDED, shapes._LEGACY_WORDS])
def test_every_status_has_its_row_everywhere(table: dict[Status, Any]) -> None:
    """A status that some table lacks would fail only when a task reaches it."""
    assert list(table) == list(STATUSES)


@pytest.mark.parametrize("status", STATUSES)
def test_every_synonym_of_a_status_is_a_fault(status: Status) -> None:
    """Each word of the table is one that the catalogue can make the sandbox say."""
    said = {f.name for f in CATALOGUE if f.name.startswith("status_") and f.does.endswith(status)}
    assert said == {f"status_{word}" for word in STATES[status].synonyms}


def test_every_fate_is_a_fault_of_the_catalogue() -> None:
    """And every fault that lasts is a fate: a name that one side lacks would do nothing."""
    fates = [fault.fate for fault in CATALOGUE if fault.moment == "task"]
    assert sorted(map(str, fates)) == sorted(get_args(Fate))
    assert {fault.fate for fault in CATALOGUE if fault.moment != "task"} == {None}
    assert FAILURES.keys() <= set(fates)
