"""PURE. How long a run will take: the queue of creates played through many times on numbers alone,
with durations drawn from what the ledgers remember. Chance is handed in.

Plan and live view both say what is found here. Nothing is said of tiers that nobody knows.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist, median, quantiles
from typing import Final, NamedTuple

from klingflow.decide.chains import ALONE, Chain, chains
from klingflow.decide.history import expectation, together
from klingflow.decide.lasting import Lasting
from klingflow.decide.pace import BURST
from klingflow.decide.picks import sources
from klingflow.decide.plan import buys
from klingflow.ledger.moments import moment
from klingflow.model import Bound, Forecast, History, Limits, Plan, Purchase, Shot

# Tasks that are played in one forecast, in as many rounds as that allows. More rounds say no more.
_WORK: Final = 20_000
_ROUNDS: Final = (3, 100)
# The range that is said holds the run in four cases of five, if the gateway is as it was.
_TENTHS: Final = 10

Key = tuple[int, str]  # the number of a plan, the key of a take


@dataclass(frozen=True, slots=True)
class Task:
    """A task that a run has to see through. `age_s` is None for one that is still to be bought, and
    `needs` are other tasks of the run.
    """

    tier: str
    chain: Chain = ALONE
    needs: tuple[Key, ...] = ()
    age_s: float | None = None


def tasks_of(plans: Sequence[Plan]) -> dict[Key, Task]:
    """Return what a run of these plans has to see through, in its order."""
    expected = expectation(together(plan.history for plan in plans))
    return {
        (number, key): task
        for number, plan in enumerate(plans)
        for key, task in _tasks(plan, number, chains(plan, expected))
    }


def forecast(
    tasks: Mapping[Key, Task], history: History, limits: Limits, chance: Callable[[], float]
) -> Forecast | None:
    """Return how long it takes until all the tasks are here; None where nothing is to be waited
    for, and where too little is known.
    """
    lasting = _lasting(tasks.values(), history)
    if not tasks or lasting is None:
        return None
    night = _Night.of(tasks, limits)
    rounds = min(max(_WORK // len(tasks), _ROUNDS[0]), _ROUNDS[1])
    found = [
        night.played(_drawn(tasks.values(), lasting, chance, (n + 0.5) / rounds))
        for n in range(rounds)
    ]
    marks = quantiles(found, n=_TENTHS, method="inclusive")
    low_s, middle_s, high_s = (s + history.bring_s for s in (marks[0], median(found), marks[-1]))
    bound = _bound(night, tasks.values(), lasting)
    links = max(task.chain.links for task in tasks.values())
    return Forecast(low_s, middle_s, high_s, bound, links)


def _tasks(plan: Plan, number: int, found: Mapping[str, Chain]) -> Iterator[tuple[str, Task]]:
    """Yield the tasks that a run of a plan waits for, by the keys of their takes: those that it
    buys, and those that it resumes.
    """
    bought = {action.key for action in buys(plan)}
    resumed = {action.key for action in plan.actions if action.verb == "resume"}
    coming = bought | resumed
    for action in plan.actions:
        if action.key in resumed:
            assert action.purchase, "what is resumed was bought"
            age_s = _age_s(action.purchase, plan.terms.at)
            yield action.key, Task(action.purchase.tier, age_s=age_s)
        elif action.key in bought:
            assert action.shot and action.request, "only shots of the manifest are bought"
            needed = _keys_needed(action.shot, plan)
            needs = tuple((number, key) for key in needed if key in coming)
            yield action.key, Task(action.request.predicted_tier, found[action.key], needs)


def _keys_needed(shot: Shot, plan: Plan) -> list[str]:
    return [source.key for source in sources(shot, plan.by_key, plan.terms)]


def _age_s(bought: Purchase, now: str) -> float:
    """Return how old a task is that was bought; 0 where its record does not say."""
    since, at = moment(bought.times.get("submitted")), moment(now)
    return max(0.0, (at - since).total_seconds()) if at and since else 0.0


# ---------------------------------------------------------------- how long one task takes


def _lasting(tasks: Collection[Task], history: History) -> dict[str, Lasting] | None:
    """Return how long the tasks of each tier take; None where one of the tiers is not known."""
    ages: dict[str, list[float]] = {task.tier: [] for task in tasks}
    for task in tasks:
        if task.age_s is not None:
            ages[task.tier].append(task.age_s)
    found = {tier: Lasting(history.held_s.get(tier, ()), some) for tier, some in ages.items()}
    return found if all(lasting.is_known for lasting in found.values()) else None


def _drawn(
    tasks: Collection[Task],
    lasting: Mapping[str, Lasting],
    chance: Callable[[], float],
    luck: float,
) -> list[float]:
    """Return how long each task takes from now on, in a round that is the `luck` share of all from
    the fastest that the gateway may be to the slowest.
    """
    away = NormalDist().inv_cdf(luck)
    speeds = {tier: max(0.1, 1 + away * known.error) for tier, known in lasting.items()}
    drawn = []
    for task in tasks:
        age_s = task.age_s or 0.0
        seconds = lasting[task.tier].seconds(chance(), age_s) - age_s
        drawn.append(seconds * speeds[task.tier])
    return drawn


# ---------------------------------------------------------------- how long all take


class _Ready(NamedTuple):
    """A task that can be bought; the least first, as in `Schedule.want`."""

    is_alone: bool
    length: float
    is_ready_from_the_start: bool
    number: int


@dataclass(frozen=True, slots=True)
class _Night:
    """The queue of a run, for being played. Tasks are numbered."""

    places: int
    interval_s: float
    running: list[int]
    ready: list[_Ready]  # a heap
    needs: dict[int, int]  # how many tasks one waits for
    dependants: dict[int, list[int]]
    lengths: list[float]

    @classmethod
    def of(cls, tasks: Mapping[Key, Task], limits: Limits) -> _Night:
        """Return the queue as it stands now."""
        numbers = {key: number for number, key in enumerate(tasks)}
        running, ready = [], []
        needs: dict[int, int] = {}
        dependants: dict[int, list[int]] = {}
        for number, task in enumerate(tasks.values()):
            waits_for = [numbers[need] for need in task.needs if need in numbers]
            for need in waits_for:
                dependants.setdefault(need, []).append(number)
            if task.age_s is not None:
                running.append(number)
            elif waits_for:
                needs[number] = len(waits_for)
            else:
                ready.append(_Ready(task.chain.links == 1, -task.chain.length, True, number))
        ready.sort()
        lengths = [-task.chain.length for task in tasks.values()]
        interval_s = limits.submit.interval_s
        return cls(limits.max_running, interval_s, running, ready, needs, dependants, lengths)

    def played(self, seconds: Sequence[float]) -> float:
        """Return when the last task ends, if each takes so many seconds from its create, or from
        now on where it runs.
        """
        ends = [(seconds[number], number) for number in self.running]
        heapq.heapify(ends)
        ready, needs = [*self.ready], {**self.needs}
        now, full_at = 0.0, 0.0
        while ready or ends:
            may_go_at = max(now, full_at - (BURST - 1) * self.interval_s)
            is_free = len(ends) < self.places
            if ready and is_free and not (ends and ends[0][0] <= may_go_at):
                number = heapq.heappop(ready).number
                now = may_go_at
                full_at = max(full_at, now) + self.interval_s
                heapq.heappush(ends, (now + seconds[number], number))
                continue
            now, number = heapq.heappop(ends)
            for dependant in self.dependants.get(number, ()):
                needs[dependant] -= 1
                if not needs[dependant]:
                    ready_now = _Ready(False, self.lengths[dependant], False, dependant)
                    heapq.heappush(ready, ready_now)
        return now


def _bound(night: _Night, tasks: Collection[Task], lasting: Mapping[str, Lasting]) -> Bound:
    """Return what the run waits for: each bound alone, with tasks that take as long as usual."""
    means = [max(0.0, lasting[task.tier].mean_s - (task.age_s or 0.0)) for task in tasks]
    to_buy = sum(task.age_s is None for task in tasks)
    bounds: dict[Bound, float] = {
        "chain": replace(night, places=len(means), interval_s=0.0).played(means),
        "places": sum(means) / night.places,
        "rate": max(0, to_buy - BURST) * night.interval_s + min(means),
    }
    return max(bounds, key=bounds.__getitem__)
