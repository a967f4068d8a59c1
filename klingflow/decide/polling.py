"""PURE. When to ask about a task next, learned per tier from how long its tasks took.

Asking costs the gateway a request, not asking costs the user time. With h(t) the hazard (the chance
that a task of age t finishes now), the schedule that trades them best asks with density n(t) =
√(h(t) / 2c) per second: the next time where ∫n = 1, the first where it is ½. PURE: ages are seconds
since the create, chance is handed in.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict, deque
from collections.abc import Collection, Sequence
from itertools import chain
from typing import NamedTuple

from klingflow.decide.hazard import LADDER, Hazard
from klingflow.decide.history import KEPT, latest
from klingflow.decide.steps import Steps
from klingflow.ledger.moments import moment
from klingflow.model import Purchase

# Until so many durations of a tier are known, the interval is fixed at twice the floor.
ENOUGH = 20
# c, what a poll is worth in seconds of delay, as a share of the floor: 1.2 s at the default of 5 s.
# Simulated, that takes 6.9 polls and 6.8 s of median delay, where 1 s takes 7.5 and 6.2 (`python -m
# benchmarks simulated`).
COST = 0.245
# Never further apart than this many floors, so that a task of unusual length is not forgotten.
FARTHEST = 9
# Progress has proved honest in a tier when so many tasks were foretold, in the middle, within this
# share.
HONEST_TASKS = 10
HONEST_ERROR = 0.15
# What is foretold is never nearer than this: a percentage is a whole number.
LEAST_ERROR = 0.01
# Where changes are shown in steps, a poll goes to the step next to this share of the way to when it
# would go otherwise: one step too late costs more than a poll.
SOONER = 0.85

Progress = Sequence[tuple[float, float]]  # (age in seconds, percent), as polls saw it


class Foretold(NamedTuple):
    """The age at which a task is done, by progress that has proved honest in its tier; and how far
    off that is for half of its tasks. Both in seconds.
    """

    end_s: float
    error_s: float

    def likelihood(self, age_s: float) -> float:
        """Return the chance, 0–1, that the task is done at an age."""
        return 1 / (1 + math.exp((self.end_s - age_s) / self.error_s))


class Durations:
    """What is known of how long tasks take, tier by tier."""

    def __init__(self) -> None:
        self._tiers: defaultdict[str, _Tier] = defaultdict(_Tier)
        self._together, self._apart = Steps(), Steps()  # by the clock, by the age of each task
        self._counts_from = -math.inf  # a change that is seen

    def learn(
        self, tier: str, unfinished_s: float, finished_s: float, progress: Progress = ()
    ) -> None:
        """Learn the middle of the ages at which a task was unfinished, and then finished."""
        self._tiers[tier].learn((unfinished_s + finished_s) / 2, progress)

    def watch(self, tier: str, uid: str, unfinished_s: float) -> None:
        """Note that a task is on its way, and was seen unfinished at an age."""
        known = self._tiers[tier]
        known.parked.pop(uid, None)
        known.unfinished[uid] = unfinished_s

    def ended(self, tier: str, uid: str) -> None:
        """Note that a task is over."""
        self._tiers[tier].unfinished.pop(uid, None)

    def park(self, tier: str, uid: str, unfinished_s: float) -> None:
        """Note that a task was unfinished at an age, and is not asked after any more."""
        self.ended(tier, uid)
        self._tiers[tier].parked[uid] = unfinished_s

    def changed(
        self, unchanged_at: float, changed_at: float, *, since: float, floor_s: float
    ) -> None:
        """Note that a task, created at `since`, changed between two polls. All are seconds of one
        clock.

        Of changes seen in quick succession only one counts: many tasks would agree on any period.
        """
        if changed_at < self._counts_from:
            return
        self._counts_from = changed_at + floor_s / 10
        self._together.saw(unchanged_at, changed_at, floor_s)
        self._apart.saw(unchanged_at - since, changed_at - since, floor_s)

    def as_of(self, now: float, *, since: float) -> float:
        """Return the moment that a poll at `now` shows: the last step, if changes are shown in
        steps.
        """
        for steps, zero in ((self._together, 0.0), (self._apart, since)):
            if steps.period_s is not None:
                return max(since, zero + steps.latest(now - zero))
        return now

    def shown_at(
        self,
        due: float,
        now: float,
        *,
        since: float,
        floor_s: float,
        foretold: Foretold | None = None,
    ) -> float:
        """Return when to poll in place of `due`: just after the step next to it, if changes are
        shown in steps; not within a floor of `now`. Where the end is foretold and near, that is the
        first step that can show it.
        """
        farthest = now + FARTHEST * floor_s
        end = since + foretold.end_s - foretold.error_s if foretold else math.inf
        for steps, zero in ((self._together, 0.0), (self._apart, since)):
            if (period_s := steps.period_s) is not None:
                nearest = now + SOONER * (due - now) - period_s / 2
                soonest = end if end < farthest else nearest
                return min(zero + steps.next(soonest - zero, now - zero, floor_s), farthest)
        return due

    def learn_from(self, purchases: Collection[Purchase]) -> None:
        """Learn what a ledger remembers, of each tier the latest; of parked tasks, how old they
        were.
        """
        for purchase in purchases:
            if purchase.state == "parked":
                tier = purchase.tier
                self.park(tier, purchase.uid, _parked_after_s(purchase))
        for tier, found in latest(p for p in purchases if p.state != "parked").items():
            for purchase in reversed(found):
                assert purchase.finished_after_s is not None, "only what finished is remembered"
                self.learn(tier, *purchase.finished_after_s)

    def next_delay_s(
        self,
        tier: str,
        elapsed_s: float,
        *,
        floor_s: float,
        u: float,
        progress: Progress = (),
        per_s: float | None = None,
        urgent: bool = False,
    ) -> float:
        """Return the seconds from age `elapsed_s` (0: just created) to the next poll; between one
        floor and nine.

        `per_s`: the polls a second that all tasks together may take. `urgent`: every second of
        delay is one of the batch, so that all of them are spent.
        """
        known = self._tiers.get(tier)
        hazard = known.learned() if known else None
        if known is None or hazard is None:
            apart_s = self._blind_floors(per_s if urgent else None, floor_s) * floor_s
            return max(apart_s * (0.9 + 0.2 * u), floor_s)
        foretold = known.foretold(progress)
        if foretold is None:
            next_s = hazard.next_at(elapsed_s, self._step(floor_s, per_s, urgent=urgent))
        else:
            next_s = foretold.end_s
        return min(max(next_s - elapsed_s, floor_s), FARTHEST * floor_s)

    def foretold(self, tier: str, progress: Progress) -> Foretold | None:
        """Return when a task is done, by its progress; None where that has not proved honest, or
        says nothing yet.
        """
        known = self._tiers.get(tier)
        return known.foretold(progress) if known and known.learned() else None

    def likelihood(
        self, tier: str, unfinished_s: float, elapsed_s: float, progress: Progress = ()
    ) -> float:
        """Return the chance, 0–1, that a task seen unfinished at one age has finished by another.

        Without a history it is only an order: the longer not looked at, the likelier.
        """
        if (foretold := self.foretold(tier, progress)) is not None:
            return foretold.likelihood(elapsed_s) if elapsed_s > unfinished_s else 0.0
        known = self._tiers.get(tier)
        hazard = known.learned() if known else None
        if hazard is None:
            return 1 - math.exp(min(0.0, unfinished_s - elapsed_s) / 60)
        return hazard.likelihood(unfinished_s, elapsed_s)

    def _blind_floors(self, per_s: float | None, floor_s: float) -> float:
        """Return how many floors apart to ask where nothing is known: two, or what the budget
        allows.
        """
        if per_s is None:
            return 2.0
        tasks = sum(len(tier.unfinished) for tier in self._tiers.values())
        return min(2.0, max(1.0, tasks / per_s / floor_s))

    def _step(self, floor_s: float, per_s: float | None, *, urgent: bool) -> float:
        """√c: the least at which all tasks on their way keep within the budget; where it is not
        urgent, no less than the table says.
        """
        usual = math.sqrt(COST * floor_s)
        if per_s is None:
            return usual
        unit = math.sqrt(floor_s)
        wanted = self._wanted_per_s(floor_s)
        least = next(
            (s for s, rate in zip(LADDER, wanted, strict=True) if rate <= per_s), LADDER[-1]
        )
        return least * unit if urgent else max(usual, least * unit)

    def _wanted_per_s(self, floor_s: float) -> list[float]:
        """Return how many polls a second all tasks on their way want, for each step of LADDER."""
        wanted = [0.0] * len(LADDER)
        for tier in self._tiers.values():
            tasks, hazard = len(tier.unfinished), tier.learned()
            if not tasks:
                continue
            blind = (0.5 / floor_s,) * len(LADDER)
            rates = hazard.polls_per_s(floor_s, FARTHEST * floor_s) if hazard else blind
            for n, rate in enumerate(rates):
                wanted[n] += tasks * rate
        return wanted


def _parked_after_s(purchase: Purchase) -> float:
    """Return the age at which a task was parked; 0 where its record does not say, which says
    nothing.
    """
    submitted, parked = (moment(purchase.times.get(name)) for name in ("submitted", "parked"))
    return max(0.0, (parked - submitted).total_seconds()) if parked and submitted else 0.0


def _first_seen(progress: Progress) -> dict[float, float]:
    """Return the age at which each percentage was seen first: later it may be long out of date."""
    return {percent: age_s for age_s, percent in reversed(progress)}


class _Tier:
    """One tier's durations, and the hazard that follows from them."""

    def __init__(self) -> None:
        # The age at which each task was last seen unfinished, by uid: those on their way, and those
        # that nobody asks after now.
        self.unfinished: dict[str, float] = {}
        self.parked: dict[str, float] = {}
        self._samples: deque[float] = deque(maxlen=KEPT)
        self._errors: deque[float] = deque(maxlen=2 * HONEST_TASKS)
        self._error = math.inf  # the middle one, once there are enough
        self._unused = 0  # samples since the last build
        self._hazard: Hazard | None = None

    def learn(self, duration_s: float, progress: Progress) -> None:
        duration_s = max(duration_s, 1e-3)
        self._samples.append(duration_s)
        self._unused += 1
        errors = [
            abs(100 * age_s / percent / duration_s - 1)
            for percent, age_s in _first_seen(progress).items()
            if percent >= 10
        ]
        if not errors:
            return
        self._errors.append(statistics.median(errors))
        if len(self._errors) >= HONEST_TASKS:
            self._error = statistics.median(self._errors)

    def learned(self) -> Hazard | None:
        """Return the hazard, made again where the samples have changed much; None before there are
        enough.
        """
        if len(self._samples) >= ENOUGH and self._unused >= max(10, len(self._samples) // 4):
            unfinished_s = chain(self.unfinished.values(), self.parked.values())
            self._hazard = Hazard(self._samples, unfinished_s)
            self._unused = 0
        return self._hazard

    def foretold(self, progress: Progress) -> Foretold | None:
        """Return when a task is done, by its progress; None where that has not proved honest."""
        error = self._error
        if error > HONEST_ERROR or not progress:
            return None
        age_s, percent = progress[-1]
        if not 10 <= percent < 100 or age_s <= 0:
            return None
        end_s = _first_seen(progress)[percent] * 100 / percent
        if end_s <= age_s:
            end_s = age_s * 100 / percent
        return Foretold(end_s, max(error, LEAST_ERROR) * end_s)
