"""Changes that a gateway shows in steps: found by what polls saw, proved, and given up again."""

from __future__ import annotations

import random

import pytest

from klingflow.decide.steps import Steps

FLOOR_S = 5.0


def watched(
    *, period_s: float, late_s: float = 0.0, windows: int = 60, width_s: float = 5.3, seed: int = 1
) -> Steps:
    """What is learned of changes that are shown at 3 s and every period from there, and up to
    `late_s` later, by polls at any time. A period of 0 shows them as they come.
    """
    steps, chance = Steps(), random.Random(seed)
    for number in range(windows):
        shown_at = 20.0 * number + 20.0 * chance.random()
        if period_s:
            shown_at = 3.0 + shown_at // period_s * period_s + late_s * chance.random()
        polled_at = shown_at + width_s * chance.random()
        steps.saw(polled_at - width_s, polled_at, FLOOR_S)
    return steps


@pytest.mark.parametrize("period_s", [12.0, 15.0, 20.0, 30.0])
@pytest.mark.parametrize("seed", range(5))
def test_steps_are_found(period_s: float, seed: int) -> None:
    """Their period, and when the next one is: polls go just after it."""
    steps = watched(period_s=period_s, seed=seed)
    assert steps.period_s == pytest.approx(period_s, abs=0.02)
    due = {steps.next(5000.0, 4990.0, FLOOR_S) for _ in range(3)}
    step = 3.0 + (5000 - 3) // period_s * period_s
    assert min((at - step) % period_s for at in due) < 1.5


@pytest.mark.parametrize("seed", range(20))
def test_where_there_are_none_nothing_is_believed(seed: int) -> None:
    """Changes that come at any time agree on no period."""
    assert watched(period_s=0.0, windows=500, seed=seed).period_s is None


@pytest.mark.parametrize("seed", range(5))
def test_a_row_that_is_refreshed_late_does_no_harm(seed: int) -> None:
    """Up to a second late: the steps are found all the same."""
    steps = watched(period_s=15.0, late_s=1.0, windows=150, seed=seed)
    assert steps.period_s == pytest.approx(15.0, abs=0.1)


@pytest.mark.parametrize("seed", range(5))
def test_steps_that_are_not_found_at_once_are_looked_for_soon(seed: int) -> None:
    """Wide windows agree later: again after four more, and not only after twice as many."""
    assert watched(period_s=15.0, windows=36, width_s=8.0, seed=seed).period_s is not None


def test_a_few_changes_prove_nothing() -> None:
    """Sixteen are looked at, and eight have to be foretold."""
    assert watched(period_s=15.0, windows=20).period_s is None
    assert watched(period_s=15.0, windows=30).period_s is not None


def test_wide_windows_say_nothing() -> None:
    """Each of them would hold a step, wherever it is."""
    assert watched(period_s=15.0, windows=200, width_s=14.0).period_s is None


def test_steps_that_end_are_given_up() -> None:
    """The gateway was changed: what it shows now is believed, and no memory."""
    steps, chance = watched(period_s=15.0), random.Random(3)
    for number in range(40):
        polled_at = 2000 + 20 * number + 20 * chance.random()
        steps.saw(polled_at - 5, polled_at, FLOOR_S)
    assert steps.period_s is None


def test_one_poll_in_four_looks_before_the_step() -> None:
    """A little more than a floor, so that the poll after it comes just after the step."""
    steps = watched(period_s=15.0)
    due = sorted(steps.next(5000.0, 4985.0, FLOOR_S) for _ in range(4))
    assert due[1] == due[2] == due[3]
    assert due[3] - due[0] == pytest.approx(5.5)
    assert steps.next(0.0, due[0] + 0.3, FLOOR_S) == pytest.approx(due[3])


@pytest.mark.parametrize("now", [4000.0 + n / 2 for n in range(40)])
def test_no_poll_comes_within_the_floor(now: float) -> None:
    """A step in that time is polled for as soon as may be."""
    steps = watched(period_s=15.0)
    assert all(steps.next(now - 7, now, FLOOR_S) >= now + FLOOR_S for _ in range(4))


@pytest.mark.parametrize(("at", "ago"), [(5000.0, 2.0), (5012.9, 14.9), (5013.1, 0.1)])
def test_the_last_step_is_known(at: float, ago: float) -> None:
    """A row is as old as that."""
    assert at - watched(period_s=15.0).latest(at) == pytest.approx(ago, abs=0.5)
