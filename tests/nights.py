"""A whole batch on a virtual clock: the schedule, its pace and its polling as they are, against a
gateway of numbers.

`play` runs a Night as the runner would; with `all_seen=True` every end is noticed at once, which is
the oracle that a night is measured by, or as late as `noticed` says. Durations go by shot, so both
face the same tasks.
`best_order=True` buys by the critical path of the durations that will be.
`benchmarks/night.py` prints the ratios.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Literal

from klingflow.decide.chains import Chain, chains
from klingflow.decide.polling import Durations
from klingflow.decide.schedule import Fetch, Flight, Schedule, Wanted
from klingflow.model import Action, History, Limits, Plan
from tests.planned import plan, request, shot
from tests.purchases import submitted
from tests.simulations import duration_s

Progress = Literal["linear", "zero", "dishonest"]

TRIP_S = 0.3  # a query's round trip
CREATE_S = 1.0
DOWNLOAD_S = 3.0


@dataclass(frozen=True, slots=True)
class Night:
    """A batch and its gateway. Tasks are lognormal: median 90 s times the tier's factor, p95 240 s.

    Shot n is of tier n modulo `tiers`, and waits for the shots `needs[n]`. A query shows the row of
    its task, which is refreshed every `shown_every_s` (0: always) and up to `late_s` later each
    time: all rows at once, or each from its create on. `steps_known`: sixty refreshes of all rows
    were seen before. `learned` tasks of each tier are remembered from earlier runs.
    """

    shots: int = 200
    limits: Limits = field(default_factory=Limits)
    tiers: tuple[float, ...] = (0.8, 1.25)
    progress: Progress = "zero"
    shown_every_s: float = 0.0
    late_s: float = 0.0
    rows: Literal["together", "apart"] = "together"
    steps_known: bool = False
    needs: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    learned: int = 300
    seed: int = 1
    create_s: float = CREATE_S
    download_s: float = DOWNLOAD_S

    def at_once(self, places: int, seed: int | None = None) -> Night:
        """Return the same night with so many places, or another night of the kind."""
        limits = replace(self.limits, max_running=places)
        return replace(self, limits=limits, seed=seed or self.seed)

    def tier(self, number: int) -> str:
        """Return the tier of a shot."""
        return f"tier-{number % len(self.tiers)}"

    def takes_s(self, number: int) -> float:
        """Return how long the task of a shot takes, whatever the order of creates."""
        chance = random.Random(f"{self.seed} {number}")
        return duration_s(chance) * self.tiers[number % len(self.tiers)]


@dataclass(slots=True)
class Played:
    """What a night came to. Seconds run from its start; lists are in the order of events.

    `delays_s`: from each task's end to its notice; `gaps_s`: between two polls of one task;
    `held_s`: for how long each task held its place, by tier.
    """

    seconds: float = 0.0
    created: list[int] = field(default_factory=list)
    polled_at: list[float] = field(default_factory=list)
    delays_s: list[float] = field(default_factory=list)
    gaps_s: list[float] = field(default_factory=list)
    held_s: dict[str, list[float]] = field(default_factory=dict)
    most_running: int = 0

    @property
    def history(self) -> History:
        """What a ledger remembers of it."""
        return History({tier: tuple(sorted(s)) for tier, s in self.held_s.items()}, DOWNLOAD_S)

    @property
    def polls_per_shot(self) -> float:
        """Polls a shot, in the mean."""
        return len(self.polled_at) / len(self.created)

    @property
    def delay_s(self) -> float:
        """The mean delay of noticing an end."""
        return sum(self.delays_s) / len(self.delays_s)


def play(
    night: Night,
    *,
    all_seen: bool = False,
    noticed: Callable[[int, float], float] | None = None,
    best_order: bool = False,
    durations: Durations | None = None,
) -> Played:
    """Run a night to the end of its last download. `noticed` gives the age at which the task of a
    shot, created at a moment, is seen to be finished.
    """
    found = best_chains(night) if best_order else chains_of(night)
    seen = (lambda number, _: night.takes_s(number)) if all_seen else noticed
    return _Player(night, durations or learned(night), found, seen).played()


def plan_of(night: Night) -> Plan:
    """The plan of a night, before its first create."""
    wanted = (
        (
            shot(str(number), *map(str, night.needs.get(number, ()))),
            replace(request(), predicted_tier=night.tier(number)),
        )
        for number in range(night.shots)
    )
    return plan([], *wanted)


def chains_of(night: Night) -> Mapping[str, Chain]:
    """The chains that a run goes by: tasks of a tier take as long as is usual for it."""
    usual = {night.tier(n): factor for n, factor in enumerate(night.tiers)} if night.learned else {}
    return chains(plan_of(night), lambda tier: usual.get(tier, 1.0))


def best_chains(night: Night) -> Mapping[str, Chain]:
    """The chains by the durations that will be."""
    made = plan_of(night)
    alone = [replace(r, predicted_tier=s.id) for s, r in made.manifest]
    return chains(
        plan([], *zip(made.manifest.shots, alone, strict=True)),
        lambda number: night.takes_s(int(number)),
    )


def learned(night: Night) -> Durations:
    """Durations as the ledger remembers them: each of `learned` tasks a tier, to within 6 s."""
    durations = Durations()
    chance = random.Random(f"{night.seed} learned")
    for number in range(night.learned * len(night.tiers)):
        seconds = duration_s(chance) * night.tiers[number % len(night.tiers)]
        early_s = min(seconds, 6.0 * chance.random())
        durations.learn(night.tier(number), seconds - early_s, seconds - early_s + 6.0)
    if night.steps_known:
        _see_steps(durations, night)
    return durations


def _see_steps(durations: Durations, night: Night) -> None:
    first = Rows(night).next(0, 0.0, 0.0)
    for number in range(60, 0, -1):
        at = first - number * night.shown_every_s
        durations.changed(at - 0.2, at + 0.2, since=at - 7.1 * number, floor_s=5.0)


def ratio(night: Night) -> float:
    """How long a night is, over the oracle's."""
    return play(night).seconds / play(night, all_seen=True).seconds


class Rows:
    """The moments at which a gateway refreshes what queries show."""

    def __init__(self, night: Night) -> None:
        self._every_s, self._late_s = night.shown_every_s, night.late_s
        self._chance = random.Random(f"{night.seed} rows")
        self._phase_s = self._chance.random() * self._every_s
        self._together = night.rows == "together"
        self._moments: dict[int, list[float]] = {}

    def shown(self, task: int, since: float, now: float) -> float:
        """Return the moment that a query at `now` shows."""
        if not self._every_s:
            return now
        row, first = (-1, -self._phase_s) if self._together else (task, since)
        moments = self._moments.setdefault(row, [first])
        while moments[-1] <= now:
            late_s = self._late_s * self._chance.random()
            moments.append(moments[-1] + self._every_s + late_s)
        return next((at for at in reversed(moments) if at <= now), first)

    def next(self, task: int, since: float, at: float) -> float:
        """Return the first refresh after a moment."""
        self.shown(task, since, at)
        return next(found for found in self._moments[-1 if self._together else task] if found > at)


class _Player:
    def __init__(
        self,
        night: Night,
        durations: Durations,
        found: Mapping[str, Chain],
        noticed: Callable[[int, float], float] | None,
    ) -> None:
        self.night, self.chains, self.noticed = night, found, noticed
        self.schedule = Schedule(night.limits, durations)
        self.rows = Rows(night)
        self.chance = random.Random(f"{night.seed} chance")
        self.now = 0.0
        self.found = Played()
        self.left = night.shots
        self.open_needs = {n: set(needs) for n, needs in night.needs.items()}
        self.dependants: defaultdict[int, list[int]] = defaultdict(list)
        self._asked: dict[str, float] = {}  # when each task was asked after last
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def played(self) -> Played:
        for number, needs in self.night.needs.items():
            for need in needs:
                self.dependants[need].append(number)
        for number in range(self.night.shots):
            if not self.open_needs.get(number):
                self.schedule.want(self._wanted(number))
        while self.left:
            self._step()
        self.found.seconds = self.now
        return self.found

    def _step(self) -> None:
        step = self.schedule.next(self.now)
        if isinstance(step, Wanted):
            self._create(step)
        elif isinstance(step, Flight):
            self._poll(step)
        elif isinstance(step, Fetch):
            self._after(self.night.download_s, self._fetched)
        else:
            due = math.inf if step is None else step
            if not self._events or due < self._events[0][0]:
                assert due < math.inf, "the night stands still"
                self.now = due
            else:
                self.now, _, happens = heapq.heappop(self._events)
                happens()

    def _after(self, seconds: float, happens: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._order), happens))

    def _wanted(self, number: int) -> Wanted:
        tier, needs = self.night.tier(number), self.night.needs.get(number, ())
        wanted = replace(request(), predicted_tier=tier)
        named = shot(str(number), *map(str, needs))
        action = Action("create", str(number), "never bought", named, wanted)
        return Wanted(0, action, chain=self.chains[str(number)])

    def _create(self, wanted: Wanted) -> None:
        number, sent_at = int(wanted.action.key), self.now
        self.found.created.append(number)
        self.found.most_running = max(self.found.most_running, self.schedule.running)
        self._after(self.night.create_s, lambda: self._accepted(wanted, number, sent_at))

    def _accepted(self, wanted: Wanted, number: int, sent_at: float) -> None:
        now = self.now
        self.schedule.answered(proven=True)
        self.schedule.submit.accepted(now, sent_at)
        self.schedule.places.accepted()
        purchase = replace(submitted(str(number)), billed_tier=self.night.tier(number))
        flight = Flight(0, purchase, now, now, now + self.night.limits.deadline_s, wanted)
        if self.noticed:
            self._after(self.noticed(number, now), lambda: self._seen(flight, number))
        else:
            self.schedule.follow(flight, now, self.chance.random())

    def _poll(self, flight: Flight) -> None:
        asked_at, uid = self.now, flight.purchase.uid
        self.found.polled_at.append(asked_at)
        if uid in self._asked:
            self.found.gaps_s.append(asked_at - self._asked[uid])
        self._asked[uid] = asked_at
        trip_s = TRIP_S * (0.5 + self.chance.random())
        self._after(trip_s, lambda: self._answered(flight, asked_at + trip_s / 2))

    def _answered(self, flight: Flight, asked_at: float) -> None:
        number, since = int(flight.purchase.shot), flight.since
        takes_s = self.night.takes_s(number)
        age_s = self.rows.shown(number, since, asked_at) - since
        if age_s >= takes_s:
            self.schedule.succeeded(flight, self.now)
            return self._succeeded(flight, number)
        percent = self._percent(max(0.0, age_s), takes_s)
        self.schedule.unfinished(flight, self.now, "in_progress", percent)
        self.schedule.follow(flight, self.now, self.chance.random())

    def _percent(self, age_s: float, takes_s: float) -> float:
        match self.night.progress:
            case "linear":
                return float(int(min(99.0, 100 * age_s / takes_s)))
            case "zero":
                return 0.0
            case "dishonest":
                return float(int(99 * (1 - math.exp(-age_s / 15))))

    def _seen(self, flight: Flight, number: int) -> None:
        self.schedule.ended(flight)
        self._succeeded(flight, number)

    def _succeeded(self, flight: Flight, number: int) -> None:
        self.found.delays_s.append(self.now - flight.since - self.night.takes_s(number))
        held_s = self.now - flight.since + self.night.create_s
        self.found.held_s.setdefault(flight.tier, []).append(held_s)
        self.schedule.fetch(Fetch(0, flight.purchase, flight.wanted), self.now)
        for dependant in self.dependants[number]:
            self.open_needs[dependant].discard(number)
            if not self.open_needs[dependant]:
                self.schedule.want(self._wanted(dependant), released=True)

    def _fetched(self) -> None:
        self.schedule.fetched()
        self.left -= 1
