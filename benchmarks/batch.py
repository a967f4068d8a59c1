"""How long a batch of sixty shots is, beside the best order of creates; and how well its length is
foretold.

Tasks are lognormal (median 90 s, p95 240 s), of two tiers, and learned from a batch before. The
best order in hindsight goes by the critical path of the durations that will be, which nobody can
know; the best known one by those that are usual for their tiers. In both, every end is noticed at
once. Beside a forecast stands what would be said by one who knows the distribution of such batches:
its median. How far that is off comes from the renders alone.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median

from benchmarks.figures import Figure
from klingflow.decide.forecast import forecast, tasks_of
from klingflow.model import Forecast
from tests.nights import Night, plan_of, play

_SHOTS, _FIVE = 60, 5
_CHAIN: Mapping[int, tuple[int, ...]] = {
    number: (number - 1,) for number in range(_SHOTS - _FIVE + 1, _SHOTS)
}


@dataclass(frozen=True, slots=True)
class Foretold:
    """Median error of the forecasts, and the share of batches that ended in their ranges."""

    error: float
    held: float


def figures(seeds: int) -> list[Figure]:
    """Return a line for each number of places, means and medians over so many batches."""
    found = [_ordered(places, seeds) for places in (3, 5, 10, 20)]
    return [*found, *(_foretold(places, seeds) for places in (3, 5, 10, 20))]


def chained(places: int, seeds: int) -> tuple[float, float]:
    """Return how long a batch with a chain of five is, which stands last in the manifest: over that
    of the best known order, and over that of the best in hindsight.
    """
    known, hindsight = [], []
    for night in _nights(places, seeds, _CHAIN):
        seconds = play(night).seconds
        known.append(seconds / play(night, all_seen=True).seconds)
        hindsight.append(seconds / play(night, all_seen=True, best_order=True).seconds)
    return fmean(known), fmean(hindsight)


def foretold(places: int, seeds: int) -> Foretold:
    """Return how near the forecasts are."""
    errors, held = [], 0
    for night in _nights(places, seeds, {}):
        found, seconds = _forecast(night), play(night).seconds
        errors.append(abs(found.middle_s / seconds - 1))
        held += found.low_s <= seconds <= found.high_s
    return Foretold(median(errors), held / seeds)


def scattered(places: int, seeds: int) -> float:
    """Return how far batches are off the median of three times as many others, in the middle."""
    nights = _nights(places, 4 * seeds, {})
    seconds = [play(night).seconds for night in nights]
    usual = median(seconds[seeds:])
    return median(abs(usual / each - 1) for each in seconds[:seeds])


def _nights(places: int, seeds: int, needs: Mapping[int, tuple[int, ...]]) -> Sequence[Night]:
    night = Night(shots=_SHOTS, needs=needs).at_once(places)
    return [replace(night, seed=seed) for seed in range(seeds)]


def _forecast(night: Night) -> Forecast:
    """What a plan says before the night, by a night of a hundred shots before it."""
    past = play(replace(night, shots=100, needs={}, seed=1000 + night.seed)).history
    tasks = tasks_of([replace(plan_of(night), history=past)])
    found = forecast(tasks, past, night.limits, random.Random(1).random)
    assert found is not None, "a hundred shots are enough"
    return found


def _ordered(places: int, seeds: int) -> Figure:
    known, hindsight = chained(places, seeds)
    return Figure(
        f"a chain of 5 in {_SHOTS} shots, {places} at once",
        "≤ 1.05",
        f"{known:.3f} of the best known",
        f"{hindsight:.3f} of the best in hindsight",
        f"{known:.2f}",
    )


def _foretold(places: int, seeds: int) -> Figure:
    found, least = foretold(places, seeds), scattered(places, seeds)
    return Figure(
        f"forecast of {seeds} batches, {places} at once",
        "≤ 10 %",
        f"{100 * found.error:.1f} % off, in the middle",
        f"{100 * found.held:.0f} % in the range; distribution known: {100 * least:.1f} % off",
        f"{found.error / least:.2f}",
    )
