"""When the ends of a night's tasks are noticed at best: how long they take is known as a
distribution, not one by one, and polls keep to their floor and their budget.

The polls of each task are spread by √hazard, as thinly as all of them together have to be. Where
rows are refreshed, an end is noticed at the first refresh after it, as if there were no budget.
"""

from __future__ import annotations

import math
import random
from functools import cache
from itertools import pairwise
from statistics import NormalDist, fmean
from typing import Final

from klingflow.decide.polling import FARTHEST
from tests.nights import TRIP_S, Night, Rows
from tests.simulations import MEDIAN_S, SPREAD

_CELL_S: Final = 2.0
_CELLS: Final = 1000


class AtBest:
    """The age at which each task of a night is seen to be finished."""

    def __init__(self, night: Night) -> None:
        self._night = night
        self._rows = Rows(night)
        self._price = _price(night.tiers, *_budget(night))

    def __call__(self, number: int, since: float) -> float:
        """Return the age of a task that was created at `since`, in seconds."""
        night, takes_s = self._night, self._night.takes_s(number)
        if night.shown_every_s:
            return self._rows.next(number, since, since + takes_s) - since + TRIP_S / 2
        cells = _alive(night.tiers[number % len(night.tiers)])
        cell = min(int(takes_s / _CELL_S), _CELLS - 2)
        gap_s = _gap_s(cells[cell], cells[cell + 1], self._price, night.limits.poll_floor_s)
        luck = random.Random(f"{night.seed} {number} noticed").random()
        return takes_s + luck * gap_s + TRIP_S / 2


def _budget(night: Night) -> tuple[int, float, float, float]:
    limits = night.limits
    return limits.max_running, limits.poll_floor_s, 1 / limits.poll.interval_s, night.create_s


@cache
def _alive(factor: float) -> list[float]:
    """Return the share of a tier's tasks that is unfinished at the begin of each cell."""
    normal = NormalDist(math.log(MEDIAN_S * factor), SPREAD)
    return [1.0, *(1 - normal.cdf(math.log(n * _CELL_S)) for n in range(1, _CELLS))]


def _gap_s(before: float, after: float, price: float, floor_s: float) -> float:
    """Return the seconds between two polls at an age: √(2c/h), never closer than the floor."""
    farthest_s = FARTHEST * floor_s
    if after >= before or after <= 0:
        return farthest_s
    per_s = math.log(before / after) / _CELL_S
    return min(max(math.sqrt(2 * price / per_s), floor_s), farthest_s)


@cache
def _price(
    tiers: tuple[float, ...], places: int, floor_s: float, per_s: float, create_s: float
) -> float:
    """Return c, the least price of a poll at which all places together keep the budget."""
    low, high = 1e-3, 1e3
    for _ in range(40):
        price = math.sqrt(low * high)
        found = [_life(_alive(factor), price, floor_s) for factor in tiers]
        polls, seconds = (fmean(column) for column in zip(*found, strict=True))
        if places * polls / (seconds + create_s) > per_s:
            low = price
        else:
            high = price
    return high


def _life(alive: list[float], price: float, floor_s: float) -> tuple[float, float]:
    """Return the polls that a task takes at a price, and for how long it holds its place."""
    polls = seconds = 0.0
    for before, after in pairwise(alive):
        gap_s = _gap_s(before, after, price, floor_s)
        lived_s = _CELL_S * (before + after) / 2
        polls += lived_s / gap_s
        seconds += lived_s + (before - after) * (gap_s / 2 + TRIP_S / 2)
    return polls, seconds
