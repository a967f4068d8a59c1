"""PURE. How likely a task of an age is to finish now, from how long others took and from those that
are not finished yet; and how often to ask, for a price of a poll.

Times are ages in seconds. A Gaussian kernel over logarithms smooths the share of tasks that is
unfinished at an age, because durations spread by factors. What is asked, and what it costs, is
decided in polling.py.
"""

from __future__ import annotations

import math
import statistics
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from operator import mul
from typing import Final

from klingflow.decide.lasting import unfinished_after

_GRID: Final = 160
# Seconds beyond the last sample for which its hazard is taken to go on.
_BEYOND_S: Final = 1e6
# Steps, √c in units of the floor's root, for which the polls that they take are known.
LADDER: Final = tuple(0.02 * 1.25**n for n in range(36))


class Hazard:
    """The hazard h of one tier, as integrals over age: of h, and of √(h/2), which is how densely to
    poll at the price of 1.
    """

    def __init__(self, finished_s: Sequence[float], unfinished_s: Iterable[float] = ()) -> None:
        """Take at least two ages at which tasks finished, and the ages of those that have not."""
        finished_s, unfinished_s = sorted(finished_s), list(unfinished_s)
        shares = unfinished_after(finished_s, unfinished_s)
        weights = [before - after for before, after in pairwise([1.0, *shares])]
        left = shares[-1]
        logs = [math.log(s) for s in finished_s]
        width = max(0.9 * statistics.stdev(logs) * len(logs) ** -0.2, 0.05)
        low = min(logs) - 3 * width
        high = max(logs) + (0 if left else 3 * width)
        apart = (high - low) / _GRID
        grid = [low + apart * i for i in range(_GRID + 1)]
        binned = _binned(logs, weights, low, apart)
        alive = [left + share for share in _smoothed(binned, apart / width)]
        self._ages, self._polls, self._risk = [0.0, math.exp(low)], [0.0, 0.0], [0.0, 0.0]
        for i in range(_GRID):
            self._extend(math.exp(grid[i + 1]), math.log(alive[i] / alive[i + 1]))
        if left:
            last_s = finished_s[-1]
            outlasted_s = sum(age_s - last_s for age_s in unfinished_s if age_s > last_s)
            self._go_on(last_s, len(finished_s) / 2, outlasted_s)
        self._wanted: tuple[float, tuple[float, ...]] | None = None

    def next_at(self, elapsed_s: float, step: float) -> float:
        """Return the age of the poll after one at `elapsed_s`: where ∫√(h/2) has grown by `step`,
        √c; infinity where that is never.
        """
        wanted = _interpolate(self._ages, self._polls, elapsed_s) + (
            step if elapsed_s > 0 else step / 2
        )
        if wanted >= self._polls[-1]:
            return math.inf
        return _interpolate(self._polls, self._ages, wanted)

    def likelihood(self, unfinished_s: float, elapsed_s: float) -> float:
        """Return the chance that a task seen unfinished at one age has finished by another."""
        first, last = (
            _interpolate(self._ages, self._risk, age_s) for age_s in (unfinished_s, elapsed_s)
        )
        return 1 - math.exp(min(0.0, first - last))

    def polls_per_s(self, floor_s: float, farthest_s: float) -> tuple[float, ...]:
        """Return how many polls a second one task wants in the mean over its life, for each step of
        LADDER, never closer than the floor nor further apart than `farthest_s`.
        """
        if self._wanted is None or self._wanted[0] != floor_s:
            self._wanted = floor_s, self._per_s(floor_s, farthest_s)
        return self._wanted[1]

    def _per_s(self, floor_s: float, farthest_s: float) -> tuple[float, ...]:
        most, least, unit = 1 / floor_s, 1 / farthest_s, math.sqrt(floor_s)
        cells: list[tuple[float, float]] = []  # polls a second at the price of 1, and seconds lived
        for (age_s, until_s), (polls, more), risk in zip(
            pairwise(self._ages), pairwise(self._polls), self._risk, strict=False
        ):
            seconds = until_s - age_s
            if seconds > 0 and risk < 7:  # one of a thousand is left
                alive_s = math.exp(-risk) * min(seconds, 10 * farthest_s)
                cells.append(((more - polls) / seconds, alive_s))
        cells.sort()
        dense = [density for density, _ in cells]
        lived_s = [0.0, *accumulate(alive_s for _, alive_s in cells)]
        polled = [0.0, *accumulate(density * alive_s for density, alive_s in cells)]

        def taken(price: float) -> float:
            few = bisect_left(dense, least * price)
            many = bisect_left(dense, most * price)
            between = (polled[many] - polled[few]) / price
            return least * lived_s[few] + between + most * (lived_s[-1] - lived_s[many])

        return tuple(taken(step * unit) / lived_s[-1] for step in LADDER)

    def _extend(self, age_s: float, risk: float) -> None:
        seconds, risk = age_s - self._ages[-1], max(0.0, risk)
        self._ages.append(age_s)
        self._polls.append(self._polls[-1] + math.sqrt(risk * seconds / 2))
        self._risk.append(self._risk[-1] + risk)

    def _go_on(self, last_s: float, ended: float, outlasted_s: float) -> None:
        """Beyond the last sample the hazard of the later half goes on, where `ended` tasks did.

        The longer others have outlasted that sample, altogether `outlasted_s`, the lower it is.
        """
        middle = _interpolate(self._risk, self._ages, self._risk[-1] / 2)
        per_s = self._risk[-1] / 2 / max(last_s - middle, 1e-3)
        per_s = ended / (ended / max(per_s, 1e-9) + outlasted_s)
        self._extend(last_s + _BEYOND_S, per_s * _BEYOND_S)


def _binned(
    logs: Sequence[float], weights: Sequence[float], low: float, apart: float
) -> list[float]:
    """Return the weight at each point of the grid: a sample's is shared by the two points beside
    it, of which the nearer one has more. Samples one by one would need an error function each at
    every point.
    """
    binned = [0.0] * (_GRID + 1)
    for x, weight in zip(logs, weights, strict=True):
        place = (x - low) / apart
        before = min(int(place), _GRID - 1)
        binned[before + 1] += weight * (place - before)
        binned[before] += weight * (before + 1 - place)
    return binned


def _smoothed(binned: Sequence[float], apart: float) -> Iterator[float]:
    """Yield the smoothed share of samples above each point of the grid, whose points are so many
    widths `apart`; above 0 on the grid, which ends 3 widths past the last where all have finished.
    """
    reach = range(-_GRID, _GRID + 1)
    above = [math.erfc(n * apart / math.sqrt(2)) / 2 for n in reversed(reach)]
    for i in range(_GRID + 1):
        yield sum(map(mul, binned, above[_GRID - i :]))


def _interpolate(xs: Sequence[float], ys: Sequence[float], x: float) -> float:
    """Return y at x on the line through (xs, ys), constant beyond its ends. xs never fall."""
    if x <= xs[0]:
        return ys[0]
    if x >= xs[-1]:
        return ys[-1]
    i = bisect_left(xs, x)
    span = xs[i] - xs[i - 1]
    return ys[i - 1] + (ys[i] - ys[i - 1]) * ((x - xs[i - 1]) / span if span else 1.0)
