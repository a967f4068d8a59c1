"""PURE. How long tasks of one tier last, by the estimate of Kaplan and Meier: it counts those that
are not finished yet, so that the first to finish do not make all look fast.

Times are seconds. What is smoothed for polling is in hazard.py.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from statistics import fmean, stdev
from typing import Final

from klingflow.decide.history import ENOUGH

# A share of the tasks of a tier that no task has outlasted yet: below it, its durations are known.
_KNOWN_SHARE: Final = 0.75
# A task that has outlasted all others is expected to take so much longer than it, or they, have.
_LONGER: Final = 1.25


def unfinished_after(finished_s: Sequence[float], unfinished_s: Collection[float]) -> list[float]:
    """Return the share of tasks that is unfinished after each of the ascending `finished_s`.
    `unfinished_s` are the ages of those that are not finished, in any order.

    Of one age, those that finished come first: the others were there to finish, too.
    """
    ages = sorted(unfinished_s)
    shares: list[float] = []
    left = 1.0
    for number, seconds in enumerate(finished_s):
        at_risk = len(finished_s) - number + len(ages) - bisect_left(ages, seconds)
        left *= 1 - 1 / at_risk
        shares.append(left)
    return shares


class Lasting:
    """How long tasks of one tier hold their places."""

    def __init__(self, held_s: Sequence[float], ages_s: Collection[float] = ()) -> None:
        """Take ascending durations, and the ages of tasks that run."""
        self._held_s = held_s
        # What has ended by each of `held_s`.
        self._shares: list[float] = [1 - left for left in unfinished_after(held_s, ages_s)]
        longest = max([*held_s[-1:], *ages_s], default=0.0)
        self._beyond_s = _LONGER * longest
        self.mean_s: float = self._mean_s()
        # How far the mean of so few may be from the truth, as a share of it.
        spread = stdev(held_s) / fmean(held_s) if len(held_s) > 1 and held_s[-1] > 0 else 0.0
        self.error: float = spread / math.sqrt(max(1, len(held_s)))

    @property
    def is_known(self) -> bool:
        """True if enough tasks have ended to say how long others take."""
        return len(self._held_s) >= ENOUGH and self._shares[-1] >= _KNOWN_SHARE

    def seconds(self, u: float, age_s: float = 0.0) -> float:
        """Return how long a task takes in all that is unfinished at an age, for a chance `u`."""
        ended = bisect_right(self._held_s, age_s)
        before = self._shares[ended - 1] if ended else 0.0
        number = max(ended, bisect_left(self._shares, before + u * (1 - before)))
        if number < len(self._held_s):
            return self._held_s[number]
        return max(self._beyond_s, _LONGER * age_s)

    def _mean_s(self) -> float:
        before, mean_s = 0.0, 0.0
        for share, seconds in zip(self._shares, self._held_s, strict=True):
            mean_s += (share - before) * seconds
            before = share
        return mean_s + (1 - before) * self._beyond_s
