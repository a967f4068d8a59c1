"""A whole batch, simulated: what polling may cost the gateway, and what it may cost the night."""

from __future__ import annotations

from itertools import pairwise

import pytest

from klingflow.model import Limits
from tests.nights import Night, Rows, play

SHORT = Night(shots=60)


@pytest.mark.parametrize("places", [3, 20])
@pytest.mark.parametrize("shown_every_s", [0.0, 15.0])
def test_a_night_keeps_its_limits(places: int, shown_every_s: float) -> None:
    """No more tasks than places, no task asked twice within the floor, no poll beyond the rate."""
    night = Night(shots=60, shown_every_s=shown_every_s).at_once(places)
    played = play(night)
    assert played.most_running == places
    assert min(played.gaps_s) >= night.limits.poll_floor_s
    assert _most_within(played.polled_at, 60.0) <= night.limits.poll.count + 3


def test_the_oracle_plays_the_same_tasks_and_is_faster() -> None:
    """Every end is noticed at once, and nothing is asked."""
    night = SHORT.at_once(5)
    oracle = play(night, all_seen=True)
    assert not oracle.polled_at
    assert max(oracle.delays_s) < 1e-6
    assert sorted(oracle.created) == list(range(60))
    assert oracle.seconds < play(night).seconds


def test_an_end_is_noticed_when_it_is_said_to_be() -> None:
    """Later than by the oracle, by as much."""
    night = SHORT.at_once(5)
    played = play(night, noticed=lambda number, _: night.takes_s(number) + 4.0)
    assert played.delay_s == pytest.approx(4.0)


def test_refreshes_are_foretold() -> None:
    """The next one is what a query at that moment shows."""
    rows = Rows(Night(shown_every_s=15.0, late_s=2.0))
    at = rows.next(0, 0.0, 100.0)
    assert 100 < at <= 117
    assert rows.shown(0, 0.0, at) == at


def test_shots_wait_for_what_they_need() -> None:
    """A chain of three is bought in its order."""
    night = Night(shots=6, needs={1: (5,), 2: (1,)}, limits=Limits(max_running=6))
    created = play(night).created
    assert created.index(5) < created.index(1) < created.index(2)


def test_the_same_night_twice_is_the_same() -> None:
    """All chance comes from the seed."""
    assert play(SHORT) == play(SHORT)


def _most_within(moments: list[float], seconds: float) -> int:
    """The most moments in any so many seconds."""
    first, most = 0, 0
    for last, moment in enumerate(moments):
        while moments[first] <= moment - seconds:
            first += 1
        most = max(most, last - first + 1)
    assert all(a <= b for a, b in pairwise(moments))
    return most
