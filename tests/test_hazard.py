"""The hazard of a tier: who has not finished yet counts, and what polls a price comes to."""

from __future__ import annotations

import math
import random

import pytest

from klingflow.decide.hazard import LADDER, Hazard
from tests.simulations import duration_s

CHANCE = random.Random(7)
ENDS_S = [duration_s(CHANCE) for _ in range(2000)]
FULL = Hazard(ENDS_S)


def seen_at(age_s: float) -> Hazard:
    """The hazard as far as it can be known when all tasks are of one age."""
    ended = [end_s for end_s in ENDS_S if end_s <= age_s]
    return Hazard(ended, [age_s] * (len(ENDS_S) - len(ended)))


@pytest.mark.parametrize("age_s", [45.0, 60.0, 90.0, 150.0])
def test_the_first_to_finish_do_not_make_all_look_fast(age_s: float) -> None:
    """What is known at an age is what will be known in the end, up to that age."""
    found = seen_at(age_s).likelihood(0.0, age_s * 0.9)
    assert found == pytest.approx(FULL.likelihood(0.0, age_s * 0.9), abs=0.03)
    assert Hazard([s for s in ENDS_S if s <= age_s]).likelihood(0.0, age_s * 0.9) > 2 / 3


def test_beyond_the_last_sample_the_hazard_goes_on() -> None:
    """Tasks that outlast all that is known are polled all the same."""
    early = seen_at(60.0)
    assert 60 < early.next_at(60.0, 1.0) < 60 + 2 * (FULL.next_at(60.0, 1.0) - 60)
    assert early.next_at(1000.0, 1.0) < 1045


def test_tasks_that_are_stuck_are_not_expected_to_end_soon() -> None:
    """A hundred that have outlasted all others by an hour are asked after seldom."""
    assert Hazard(ENDS_S[:100], [5400.0] * 100).next_at(5400.0, 1.0) > 5445


def test_where_all_have_finished_nothing_is_expected_beyond() -> None:
    """There is no next poll in sight."""
    assert FULL.next_at(max(ENDS_S) * 3, 1.0) == math.inf


def test_unfinished_ages_of_tasks_just_bought_say_nothing() -> None:
    """Their time is still to come."""
    assert Hazard(ENDS_S, [0.0] * 500).likelihood(0.0, 90.0) == FULL.likelihood(0.0, 90.0)


@pytest.mark.parametrize("step", [0.5, 1.0, 2.0])
def test_polls_lie_a_step_apart(step: float) -> None:
    """The first after half of one, so that a larger price means fewer of them."""
    first_s, second_s = FULL.next_at(0.0, step), FULL.next_at(FULL.next_at(0.0, step), step)
    assert first_s == pytest.approx(FULL.next_at(1e-9, step / 2))
    assert FULL.next_at(0.0, 2 * step) == pytest.approx(FULL.next_at(1e-9, step))
    assert first_s < second_s


def test_a_larger_price_takes_fewer_polls() -> None:
    """Between one every floor and one every nine."""
    rates = FULL.polls_per_s(5.0, 45.0)
    assert list(rates) == sorted(rates, reverse=True)
    assert len(rates) == len(LADDER)
    assert rates[0] == pytest.approx(1 / 5, rel=0.25)
    assert rates[-1] == pytest.approx(1 / 45, rel=0.01)


def test_the_polls_foretold_are_those_it_takes() -> None:
    """A task of 107 s in the mean, which takes about seven polls at the usual price."""
    number = min(range(len(LADDER)), key=lambda n: abs(LADDER[n] - math.sqrt(0.245)))
    mean_s = sum(ENDS_S) / len(ENDS_S)
    assert FULL.polls_per_s(5.0, 45.0)[number] * mean_s == pytest.approx(6.6, abs=0.7)


def test_everything_scales_with_the_floor() -> None:
    """Tasks ten times faster and a floor ten times lower want ten times the polls a second."""
    fast = Hazard([end_s / 10 for end_s in ENDS_S])
    for rate, slow in zip(fast.polls_per_s(0.5, 4.5), FULL.polls_per_s(5.0, 45.0), strict=True):
        assert rate == pytest.approx(10 * slow)
