"""PURE. When to ask about a task next, learned per tier from how long its tasks took.

Asking costs the gateway a request, not asking costs the user time. With h(t) the hazard (the chance
that a task of age t finishes now), the schedule that trades them best asks with density n(t) =
√(h(t) / 2c) per second: the next time where ∫n = 1, the first where it is ½. PURE: ages are seconds
since the create, chance is handed in.
"""

from __future__ import annotations

import math
import statistics
from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence

from klingflow.model import Purchase

# Until so many durations of a tier are known, the interval is fixed at twice the floor.
ENOUGH = 20
# c, what a poll is worth in seconds of delay, as a share of the floor: 1.2 s at the default of 5 s.
# Simulated, that takes 6.9 polls and 6.8 s of median delay, where 1 s takes 7.5 and 6.2 (`python -m
# benchmarks simulated`).
COST = 0.245
# Never further apart than this many floors, so that a task of unusual length is not forgotten.
FARTHEST = 9
# Samples kept per tier: the gateway's speed changes over days, and so should the memory of it.
KEPT = 1000
# Progress has proved honest in a tier when so many tasks were foretold, in the middle, within this
# share.
HONEST_TASKS = 10
HONEST_ERROR = 0.15
_GRID = 160

Progress = Sequence[tuple[float, float]]  # (age in seconds, percent), as polls saw it


class Durations:
    """What is known of how long tasks take, tier by tier."""

    def __init__(self) -> None:
        self._tiers: dict[str, _Tier] = {}

    def learn(
        self, tier: str, unfinished_s: float, finished_s: float, progress: Progress = ()
    ) -> None:
        """A task was unfinished at one age and finished at the next poll: its middle is learned."""
        self._tiers.setdefault(tier, _Tier()).learn((unfinished_s + finished_s) / 2, progress)

    def learn_from(self, purchases: Iterable[Purchase]) -> None:
        """Learn what a ledger remembers, of each tier the latest."""
        by_tier: defaultdict[str, list[tuple[str, tuple[float, float]]]] = defaultdict(list)
        for purchase in purchases:
            if purchase.finished_after_s is not None:
                tier = purchase.billed_tier or purchase.predicted_tier
                by_tier[tier].append(
                    (purchase.times.get("finished", ""), purchase.finished_after_s)
                )
        for tier, found in by_tier.items():
            for _, bounds in sorted(found)[-KEPT:]:
                self.learn(tier, *bounds)

    def next_delay_s(
        self, tier: str, elapsed_s: float, *, floor_s: float, u: float, progress: Progress = ()
    ) -> float:
        """Seconds from age `elapsed_s` (0: just created) to the next poll; between one floor and
        nine.
        """
        known = self._tiers.get(tier)
        if known is None or not known.has_learned():
            return 2 * floor_s * (0.9 + 0.2 * u)
        end_s = known.foretold(progress)
        if end_s is None:
            end_s = known.next_at(elapsed_s, math.sqrt(COST * floor_s))
        return min(max(end_s - elapsed_s, floor_s), FARTHEST * floor_s)

    def likelihood(self, tier: str, unfinished_s: float, elapsed_s: float) -> float:
        """The chance, 0–1, that a task seen unfinished at one age has finished by another.

        Without a history it is only an order: the longer not looked at, the likelier.
        """
        known = self._tiers.get(tier)
        if known is None or not known.has_learned():
            return 1 - math.exp(min(0.0, unfinished_s - elapsed_s) / 60)
        return known.likelihood(unfinished_s, elapsed_s)


class _Tier:
    """One tier's durations, and what is integrated from them over a grid of ages: √(h/2) and h."""

    def __init__(self) -> None:
        self._samples: deque[float] = deque(maxlen=KEPT)
        self._errors: deque[float] = deque(maxlen=2 * HONEST_TASKS)
        self._unused = 0  # samples since the last build
        self._ages: list[float] = []
        self._polls: list[float] = []
        self._hazard: list[float] = []

    def learn(self, duration_s: float, progress: Progress) -> None:
        duration_s = max(duration_s, 1e-3)
        self._samples.append(duration_s)
        self._unused += 1
        errors = [
            abs(100 * age_s / percent / duration_s - 1)
            for age_s, percent in progress
            if percent >= 10
        ]
        if errors:
            self._errors.append(statistics.median(errors))

    def has_learned(self) -> bool:
        """True if there is a schedule. Makes it again where the samples have changed much."""
        if len(self._samples) >= ENOUGH and self._unused >= max(10, len(self._samples) // 4):
            self._build()
            self._unused = 0
        return bool(self._ages)

    def next_at(self, elapsed_s: float, step: float) -> float:
        """The age of the poll after one at `elapsed_s`: where ∫√(h/2) has grown by `step`, √c."""
        wanted = _interpolate(self._ages, self._polls, elapsed_s) + (
            step if elapsed_s > 0 else step / 2
        )
        return (
            _interpolate(self._polls, self._ages, wanted) if wanted < self._polls[-1] else math.inf
        )

    def foretold(self, progress: Progress) -> float | None:
        """The age at which a task is done, going by its progress; None where that has not proved
        honest.
        """
        if len(self._errors) < HONEST_TASKS or not progress:
            return None
        age_s, percent = progress[-1]
        if not 10 <= percent < 100 or statistics.median(self._errors) > HONEST_ERROR:
            return None
        return age_s * 100 / percent

    def likelihood(self, unfinished_s: float, elapsed_s: float) -> float:
        first, last = (
            _interpolate(self._ages, self._hazard, age_s) for age_s in (unfinished_s, elapsed_s)
        )
        return 1 - math.exp(min(0.0, first - last))

    def _build(self) -> None:
        """h comes from a Gaussian kernel over the logarithms of the samples: durations spread by
        factors.
        """
        logs = [math.log(s) for s in self._samples]
        width = max(0.9 * statistics.stdev(logs) * len(logs) ** -0.2, 0.05)
        low, high = min(logs) - 3 * width, max(logs) + 3 * width
        grid = [low + (high - low) * i / _GRID for i in range(_GRID + 1)]
        alive = [_survival(logs, at, width) for at in grid]
        self._ages, self._polls, self._hazard = [0.0, math.exp(low)], [0.0, 0.0], [0.0, 0.0]
        for i in range(_GRID):
            risk = math.log(alive[i] / alive[i + 1])
            seconds = math.exp(grid[i + 1]) - self._ages[-1]
            self._ages.append(math.exp(grid[i + 1]))
            self._polls.append(self._polls[-1] + math.sqrt(max(0.0, risk) * seconds / 2))
            self._hazard.append(self._hazard[-1] + risk)


def _survival(logs: Sequence[float], at: float, width: float) -> float:
    """The smoothed share of samples above `at`; above 0 on the grid, which ends 3 widths past the
    last.
    """
    scale = width * math.sqrt(2)
    return sum(math.erfc((at - x) / scale) for x in logs) / (2 * len(logs))


def _interpolate(xs: Sequence[float], ys: Sequence[float], x: float) -> float:
    """Return y at x on the line through (xs, ys), constant beyond its ends. xs never fall."""
    if x <= xs[0]:
        return ys[0]
    if x >= xs[-1]:
        return ys[-1]
    i = bisect_left(xs, x)
    span = xs[i] - xs[i - 1]
    return ys[i - 1] + (ys[i] - ys[i - 1]) * ((x - xs[i - 1]) / span if span else 1.0)
