"""Decisions alone, on a virtual clock: polls and their delay, refusals at a limit that halves."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import mean

from benchmarks.figures import Figure
from klingflow.decide.pace import AdaptiveRate, Gcra
from tests.simulations import ALLOWED, Polls, creates, fixed_polls, learned_polls

_SEEDS = (1, 2, 3)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Polls per task and their median delay (s), learned and fixed; refusals per 1,000 creates."""

    learned: Polls
    progress: Polls
    every_10_s: Polls
    every_15_s: Polls
    refused: float
    refused_static: float


def simulate() -> Outcome:
    """Return the means over the seeds."""
    return Outcome(
        _mean([learned_polls(seed=seed) for seed in _SEEDS]),
        _mean([learned_polls(seed=seed, honest_progress=True) for seed in _SEEDS]),
        _mean([fixed_polls(10, seed=seed) for seed in _SEEDS]),
        _mean([fixed_polls(15, seed=seed) for seed in _SEEDS]),
        mean(creates(AdaptiveRate(ALLOWED), seed=seed).refused for seed in _SEEDS),
        mean(creates(Gcra(ALLOWED), seed=seed).refused for seed in _SEEDS),
    )


def figures() -> list[Figure]:
    """Return the lines of polling and buying."""
    found = simulate()
    fixed = f"every 10 s: {_said(found.every_10_s)}; 15 s: {_said(found.every_15_s)}"
    return [
        _polling(
            "polls per shot, once learned", "≤ 7, ≤ 7 s", found.learned, fixed, found.every_15_s
        ),
        _polling(
            "the same, with honest progress", "fewer", found.progress, fixed, found.every_15_s
        ),
        Figure(
            "429s per 1,000 creates, limit halves",
            "≤ 25",
            f"{found.refused:.0f}",
            f"static bucket: {found.refused_static:.0f}",
            f"{found.refused / found.refused_static:.2f}",
        ),
    ]


def _polling(figure: str, target: str, polls: Polls, beside: str, than: Polls) -> Figure:
    ratio = f"{polls.per_task / than.per_task:.2f}, {polls.delay_s / than.delay_s:.2f}"
    return Figure(figure, target, _said(polls), beside, ratio)


def _said(polls: Polls) -> str:
    return f"{polls.per_task:.1f}, {polls.delay_s:.1f} s"


def _mean(polls: list[Polls]) -> Polls:
    return Polls(mean(p.per_task for p in polls), mean(p.delay_s for p in polls))
