"""How much time a run has left, as its tasks end."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from klingflow.model import History, Limits, Plan, Rate
from klingflow.terminal.remaining import Remaining
from klingflow.terminal.tally import Tally
from tests.planned import plan, shot
from tests.plans import several
from tests.purchases import AT, LATER, submitted

KNOWN = History({"kling-3.0-720p": (60.0,) * 9})
TWO = Limits(max_running=2, submit=Rate(1000, 1.0))


class Run:
    """A run of a plan, told event by event."""

    def __init__(self, made: Plan, history: History = KNOWN, limits: Limits = TWO) -> None:
        made = replace(made, history=history)
        self.tally = Tally.of([made], 0.0)
        self.remaining = Remaining([made], limits, lambda: random.Random(1).random)

    def tell(self, name: str, key: str, at: float, **facts: Any) -> None:
        event = {"event": name, "path": "film.yaml", "shot": key, **facts}
        self.tally.note(event, at)
        self.remaining.note(event)

    def left_s(self, now: float) -> float | None:
        return self.remaining.left_s(self.tally, now)


def test_before_anything_happens_the_plan_s_forecast_is_left() -> None:
    """Four shots on two places; what is kept is not waited for. Seconds pass."""
    run = Run(several(["create", "create", "create", "create", "keep"]))
    assert (run.left_s(0.0), run.left_s(4.0)) == (120.0, 116.0)


def test_what_runs_has_a_part_of_its_time_behind_it() -> None:
    run = Run(several(["create", "create"]))
    run.tell("intent", "a", 0.0)
    run.tell("submitted", "a", 10.0)
    run.tell("submitted", "b", 30.0)
    assert run.left_s(50.0) == pytest.approx(40.0)


def test_a_task_from_an_earlier_run_is_as_old_as_it_was() -> None:
    """By the record, at the time of the plan."""
    made = plan([submitted("a")], shot("a"), at=LATER)
    assert AT < LATER
    assert Run(made).left_s(9.0) == pytest.approx(60.0 - 10.877 - 9.0)


def test_nothing_is_said_until_enough_tasks_have_ended() -> None:
    """Then those of this run count."""
    run = Run(several(["create"] * 7), History(), Limits(max_running=9))
    for n in range(5):
        run.tell("submitted", "abcde"[n], 0.0)
        assert run.left_s(10.0 * n) is None
        run.tell("succeeded", "abcde"[n], 10.0 * n, after_s=30.0)
    assert run.left_s(60.0) == pytest.approx(30.0)


def test_a_new_forecast_goes_in_by_parts() -> None:
    """Every five seconds; the figure does not jump."""
    run = Run(several(["create", "create", "create", "create"]))
    assert run.left_s(0.0) == 120.0
    for key in "ab":
        run.tell("submitted", key, 0.0)
        run.tell("succeeded", key, 2.0, after_s=60.0)
    assert run.left_s(4.0) == 116.0
    assert run.left_s(5.0) == pytest.approx(115.0 + 0.4 * (60.0 - 115.0))


@pytest.mark.parametrize("last", [(), ("downloading",), ("downloading", "done")])
def test_no_time_is_left_once_the_last_task_has_ended(last: tuple[str, ...]) -> None:
    """At once, not only with the next forecast, and after that forecast too."""
    run = Run(several(["create"]))
    run.tell("submitted", "a", 0.0)
    assert run.left_s(0.0) == 60.0
    run.tell("succeeded", "a", 1.0, after_s=1.0)
    for event in last:
        run.tell(event, "a", 1.0)
    assert [run.left_s(now) for now in (1.0, 100.0)] == [None, None]


def test_what_will_not_be_bought_is_not_waited_for() -> None:
    """After a stop, and where the run may buy nothing."""
    run = Run(several(["create"]))
    run.tally.note({"event": "stopped", "reason": "a cap"}, 0.0)
    assert run.left_s(0.0) is None
    assert Run(several(["create"]), limits=replace(TWO, max_tasks=0)).left_s(0.0) is None


def test_places_that_the_gateway_refuses_are_not_counted_on() -> None:
    run = Run(several(["create"] * 4))
    run.tell("submitted", "a", 0.0)
    run.tell("limited", "b", 0.0)
    assert run.left_s(0.0) == 240.0


def test_events_of_other_films_teach_nothing() -> None:
    run = Run(several(["create"]), History())
    for _ in range(9):
        event = {"event": "succeeded", "path": "else.yaml", "shot": "a", "after_s": 30.0}
        run.remaining.note(event)
        run.remaining.note({**event, "path": "film.yaml", "shot": "gone"})
    assert run.left_s(0.0) is None
