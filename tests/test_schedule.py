"""The schedule's own promises."""

from __future__ import annotations

from klingflow.decide.polling import Durations
from klingflow.decide.schedule import Flight, Schedule, Wanted
from klingflow.model import Limits, Rate
from tests.purchases import submitted


def test_after_a_stop_nothing_is_queued() -> None:
    """A retry or a dependant that comes up after buying has stopped is not bought."""
    schedule = Schedule(Limits(), Durations())
    schedule.stop_buying()
    schedule.want(Wanted(0, None))  # type: ignore[arg-type]  # never looked at
    schedule.again(Wanted(0, None))  # type: ignore[arg-type]
    assert schedule.next(0.0) is None


def test_a_year_of_retry_after_does_not_outlive_the_deadline() -> None:
    """The poll comes at the task's deadline at the latest, so that it can be parked."""
    flight = Flight(0, submitted("a"), 0.0, 0.0, 60.0, Wanted(0, None))  # type: ignore[arg-type]  # never looked at
    schedule = Schedule(Limits(), Durations())
    schedule.follow(flight, 1.0, 0.5, retry_after_s=1e9)
    assert schedule.next(1.0) == 60.0


def test_questions_beside_the_polls_keep_their_rate() -> None:
    """A download that asks for a new address has no budget of its own."""
    schedule = Schedule(Limits(poll=Rate(30, 60.0)), Durations())
    asked_at = (0.0, 0.0, 0.0, 0.0, 1.9, 2.0)
    granted = [True, True, True, False, False, True]
    assert [schedule.spare_poll(now) for now in asked_at] == granted
    schedule.pause(20.0)
    assert not schedule.spare_poll(19.0)
