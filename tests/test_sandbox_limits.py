"""The sandbox's limits on creates: a rate in a sliding window, and a number of running tasks."""

from __future__ import annotations

import pytest

from klingflow.sandbox.limits import Limits
from klingflow.sandbox.options import Rate


@pytest.fixture
def limits() -> Limits:
    return Limits()


def test_a_rate_counts_what_fits_in_any_period(limits: Limits) -> None:
    """Two in ten seconds: the third waits until the first is ten seconds old. Refusals are free."""
    limits.rate = Rate(2, 10.0)
    found = [limits.wait_s(now) for now in (0.0, 4.0, 5.0, 9.0, 10.0, 11.0)]
    assert found == [None, None, 5.0, 1.0, None, 3.0]


def test_without_limits_everything_fits(limits: Limits) -> None:
    """None lifts a limit."""
    assert [limits.wait_s(0.0) for _ in range(100)] == [None] * 100
    assert not limits.is_full(10**6)


def test_a_number_of_running_tasks_is_full_when_reached(limits: Limits) -> None:
    """The next one would be one too many."""
    limits.most_running = 3
    assert [limits.is_full(running) for running in (0, 2, 3, 4)] == [False, False, True, True]
