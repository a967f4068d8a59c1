"""The world that pace and polling decide about, simulated: a gateway with a rate limit, and tasks
that take time.

Both simulations run on numbers alone, so that a day passes in a second. `benchmarks/` prints what
they come to.
"""

from __future__ import annotations

import heapq
import math
import random
import statistics
from typing import NamedTuple, Protocol

from klingflow.decide.pace import AdaptiveRate, Gcra
from klingflow.decide.polling import Durations
from klingflow.model import Rate

# The gateway allows 60 creates in 10 s, and half of that from a third of the way on.
ALLOWED = Rate(60, 10.0)
ROUND_TRIP_S = 0.3
# Tasks are lognormal: p95 is 240 s.
MEDIAN_S = 90.0
SPREAD = math.log(240 / MEDIAN_S) / 1.6449


class Pace(Protocol):
    """What the simulation asks of a limit."""

    def delay_s(self, now: float) -> float: ...
    def take(self, now: float) -> None: ...


class Creates(NamedTuple):
    """What buying `accepted` shots came to."""

    refused: int
    seconds: float


def creates(
    pace: Pace,
    *,
    wanted: int = 1000,
    halves_at: int = 300,
    retry_after_s: float | None = None,
    seed: int = 1,
) -> Creates:
    """Buy `wanted` shots from a gateway whose limit halves after `halves_at` of them."""
    chance = random.Random(seed)
    limit = Gcra(ALLOWED, burst=3)
    halved = Gcra(Rate(ALLOWED.count // 2, ALLOWED.period_s), burst=3)
    replies: list[
        tuple[float, float, bool]
    ] = []  # (when it comes, when it was sent, whether accepted)
    now, accepted, refused, granted = 0.0, 0, 0, 0
    while accepted < wanted:
        delay_s = pace.delay_s(now) if granted < wanted else math.inf
        if replies and replies[0][0] <= now + delay_s:
            now, sent_at, bought = heapq.heappop(replies)
            accepted, refused = accepted + bought, refused + (not bought)
            granted -= not bought
            _tell(pace, now, sent_at, bought, retry_after_s, chance.random())
            continue
        now += delay_s
        pace.take(now)
        gate = limit if accepted < halves_at else halved
        bought = gate.delay_s(now) == 0
        if bought:
            gate.take(now)
        granted += 1
        heapq.heappush(replies, (now + ROUND_TRIP_S * (0.5 + chance.random()), now, bought))
    return Creates(refused, now)


def _tell(
    pace: Pace, now: float, sent_at: float, bought: bool, retry_after_s: float | None, u: float
) -> None:
    if not isinstance(pace, AdaptiveRate):
        return
    if bought:
        pace.accepted(now, sent_at)
    else:
        pace.refused(now, sent_at, retry_after_s, u)


class Polls(NamedTuple):
    """Means over the tasks after the first `learning`: polls a task, and the median delay of
    noticing its end.
    """

    per_task: float
    delay_s: float


def learned_polls(
    *, honest_progress: bool = False, seed: int = 1, tasks: int = 4000, scale: float = 1.0
) -> Polls:
    """Poll lognormal tasks (median 90 s, p95 240 s) by a schedule learned from the polls
    themselves.
    """
    durations, chance, found = Durations(), random.Random(seed), []
    for _ in range(tasks):
        end_s, age_s, seen_s, polls = duration_s(chance) * scale, 0.0, 0.0, 0
        progress: list[tuple[float, float]] = []
        while True:
            age_s += durations.next_delay_s(
                "tier", age_s, floor_s=5.0 * scale, u=chance.random(), progress=progress
            )
            polls += 1
            if age_s >= end_s:
                break
            seen_s = age_s
            if honest_progress:
                progress.append((age_s, float(int(100 * age_s / end_s))))
        durations.learn("tier", seen_s, age_s, progress)
        found.append((polls, age_s - end_s))
    return _summed(found[200:])


def fixed_polls(interval_s: float, *, seed: int = 1, tasks: int = 4000) -> Polls:
    """The same tasks, polled at a fixed interval."""
    chance = random.Random(seed)
    ends = [duration_s(chance) for _ in range(tasks)]
    counts = [math.ceil(end_s / interval_s) for end_s in ends]
    return _summed([(n, n * interval_s - end_s) for n, end_s in zip(counts, ends, strict=True)])


def duration_s(chance: random.Random) -> float:
    """How long one task takes."""
    return chance.lognormvariate(math.log(MEDIAN_S), SPREAD)


def _summed(found: list[tuple[int, float]]) -> Polls:
    return Polls(
        statistics.mean(n for n, _ in found), statistics.median(delay_s for _, delay_s in found)
    )
