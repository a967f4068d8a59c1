"""PURE. What a run does next, and when: its queues. Knows nothing of HTTP or files; the time
(monotonic seconds) and chance (u in [0, 1)) are handed in, so that a simulation can drive it as the
runner does.

    ready ──Buy──▶ flights ──Poll──▶ fetches ──Fetch──▶ (done)

`next(now)` gives the step to start now, or the time at which to ask again, or None when only
something that is still going on can bring more work. Whoever starts a step reports what came of it
through the methods below.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field
from itertools import count

from klingflow.decide.belief import Naming
from klingflow.decide.caps import Caps
from klingflow.decide.chains import ALONE, Chain
from klingflow.decide.delivery import Delivery
from klingflow.decide.pace import BURST, AdaptiveRate, AdaptiveRunning, Gcra
from klingflow.decide.patience import Unknown
from klingflow.decide.pauses import Pauses
from klingflow.decide.polling import FARTHEST, Durations
from klingflow.ledger.answers import LastAnswer
from klingflow.model import Action, LeftOut, Limits, Purchase

# Progress reports kept of a task, for telling whether they are honest.
_PROGRESS_KEPT = 20
# While shots wait, so many times the polls that the rate allows are due: the rate is never idle,
# and what is asked after is chosen among many.
_CHOICE = 2.0
# The chances of tasks that are due are worked out again after so many seconds for each of them: at
# once for a few hundred, and seldom enough for thousands.
_STALE_S = 2e-4

# When a take is bought: the least first. See `Schedule.want`.
Turn = tuple[bool, float, bool, int]


@dataclass(slots=True, eq=False)
class Wanted:
    """A take to buy, for manifest number `job` of the run. `failures` counts what was bought in
    vain.

    `known` are the purchases of this take that the decision to buy has taken into account, by uid.
    `chain` is the longest one that the take begins.
    """

    job: int
    action: Action
    known: frozenset[str] = frozenset()
    chain: Chain = ALONE
    reserved: bool = False
    failures: int = 0
    turn: Turn | None = None  # since it was queued; what is not bought keeps it


@dataclass(slots=True, eq=False)
class Flight:
    """An unfinished task. Times are monotonic seconds; `unfinished_at` is the last poll that found
    it so.
    """

    job: int
    purchase: Purchase
    since: float
    unfinished_at: float
    deadline: float
    wanted: Wanted
    unknown: Unknown = field(default_factory=Unknown)
    naming: Naming = field(default_factory=Naming)
    timed: bool = True  # False where a pause between two runs makes the duration unknown
    progress: list[tuple[float, float]] = field(
        default_factory=list
    )  # (age, percent), as polls saw it; the age is that of what was shown
    answer: LastAnswer | None = None
    shown: tuple[str, float | None] | None = None  # status and progress, as the last poll saw them

    @property
    def tier(self) -> str:
        """The tier whose durations this task's will be like."""
        return self.purchase.tier

    def age_s(self, now: float) -> float:
        """Return the seconds since the create was accepted."""
        return max(0.0, now - self.since)


@dataclass(slots=True, eq=False)
class Fetch:
    """A finished task whose file is not here yet."""

    job: int
    purchase: Purchase
    wanted: Wanted
    delivery: Delivery = field(default_factory=Delivery)


Step = Wanted | Flight | Fetch


class Schedule:
    """The queues of one run over all its manifests."""

    def __init__(self, limits: Limits, durations: Durations, caps: Caps | None = None) -> None:
        self.caps: Caps = caps or Caps(limits.max_spend, limits.max_tasks, limits.max_seconds)
        self.submit: AdaptiveRate = AdaptiveRate(limits.submit, BURST)
        self.places: AdaptiveRunning = AdaptiveRunning(limits.max_running)
        self.durations: Durations = durations
        self.ready: list[tuple[Turn, Wanted]] = []  # a heap
        self.capped: list[tuple[Wanted, LeftOut]] = []
        self.running: int = 0  # creates on their way and unfinished tasks
        self.creating: int = 0  # of them, creates on their way
        # Until the gateway has answered one create otherwise than by refusing us, they go one by
        # one: a wrong key or address is found out by a single request.
        self.proven: bool = False
        self.pauses: Pauses = Pauses()
        self.buying: bool = True
        self.working: bool = True  # False: no new step of any kind
        self._polls = Gcra(limits.poll, BURST)
        self._poll_floor_s = limits.poll_floor_s
        self._downloads = limits.downloads
        self._downloading = 0
        self._flights: list[tuple[float, int, Flight]] = []
        self._due: list[tuple[float, int, Flight]] = []  # the likeliest to be finished first
        self._ordered_at = -math.inf
        self._fetches: list[tuple[float, int, Fetch]] = []
        self._order = count()

    def want(self, wanted: Wanted, *, released: bool = False) -> None:
        """Queue a take to be bought, if anything still is. `released`: the run has brought what the
        take waited for.

        The batch waits longest for chains: takes that begin one or go on with one come first, the
        longest first, of equal ones those released. The others follow, what takes longest first.
        Where all that is equal, takes are bought as they were queued.
        """
        if not self.buying:
            return
        alone = wanted.chain.links == 1 and not released
        wanted.turn = (alone, -wanted.chain.length, not released, next(self._order))
        heapq.heappush(self.ready, (wanted.turn, wanted))

    def answered(self, *, proven: bool) -> None:
        """Note that a create is not on its way any more; `proven`: the gateway dealt with it,
        whatever it said of the shot.
        """
        self.creating -= 1
        self.proven = self.proven or proven

    def again(self, wanted: Wanted) -> None:
        """Queue a take whose create certainly bought nothing: it keeps its reservation and its
        turn.
        """
        self.running -= 1
        if self.buying:
            assert wanted.turn is not None, "it was queued before"
            heapq.heappush(self.ready, (wanted.turn, wanted))

    def resume(self, flight: Flight, due: float) -> None:
        """Poll a task found in the ledger at `due`; it takes a place among the running."""
        self.running += 1
        self._watch(flight)
        heapq.heappush(self._flights, (due, next(self._order), flight))

    def follow(
        self, flight: Flight, now: float, u: float, *, retry_after_s: float | None = None
    ) -> None:
        """Poll `flight` when its tier's durations say so, not before the gateway asked for, and not
        after its deadline: a gateway that asks for a year's pause must not hold the run for one.
        """
        self._watch(flight)
        urgent = self._is_waited_for(flight)
        delay_s = self.durations.next_delay_s(
            flight.tier,
            flight.age_s(now),
            floor_s=self._poll_floor_s,
            u=u,
            progress=flight.progress,
            per_s=(_CHOICE if urgent else 1.0) / self._polls.interval_s,
            urgent=urgent,
        )
        due = self.durations.shown_at(
            now + delay_s,
            now,
            since=flight.since,
            floor_s=self._poll_floor_s,
            foretold=self.durations.foretold(flight.tier, flight.progress),
        )
        due = max(due, min(now + (retry_after_s or 0.0), flight.deadline))
        heapq.heappush(self._flights, (due, next(self._order), flight))

    def landed(self, *, give_back: Wanted | None = None) -> None:
        """Free the place of a create that is over, or of a finished task; `give_back` frees also
        what it reserved.
        """
        self.running -= 1
        if give_back is not None and give_back.reserved:
            request = give_back.action.request
            assert request is not None
            self.caps.release(request, give_back.job)
            give_back.reserved = False

    def unfinished(self, flight: Flight, now: float, said: str, progress: float | None) -> None:
        """Keep what a poll showed of an unfinished task, and learn when it changed."""
        shown = (said, progress)
        if flight.shown not in (None, shown):
            self._changed(flight, now)
        flight.unfinished_at = now
        if progress is not None:
            age_s = flight.age_s(self.durations.as_of(now, since=flight.since))
            flight.progress = [*flight.progress[-_PROGRESS_KEPT:], (age_s, progress)]
        flight.shown = shown

    def succeeded(self, flight: Flight, now: float) -> None:
        """Learn how long a task took that a poll found finished. It gives its place free."""
        self._changed(flight, now)
        if flight.timed:
            bounds = (flight.unfinished_at - flight.since, now - flight.since)
            self.durations.learn(flight.tier, *bounds, flight.progress)
        self.ended(flight)

    def _changed(self, flight: Flight, now: float) -> None:
        self.durations.changed(
            flight.unfinished_at, now, since=flight.since, floor_s=self._poll_floor_s
        )

    def ended(self, flight: Flight) -> None:
        """Free the place of a task that is over."""
        self.durations.ended(flight.tier, flight.purchase.uid)
        self.landed()

    def parked(self, flight: Flight) -> None:
        """Free the place of a task that is not asked after any more in this run."""
        unfinished_s = flight.unfinished_at - flight.since
        self.durations.park(flight.tier, flight.purchase.uid, unfinished_s)
        self.landed()

    def leave_out(self, wanted: Wanted, why: LeftOut) -> None:
        """Buy a take in a later run: a cap or the budget has no room for it."""
        self.capped.append((wanted, why))

    def refunded(self, wanted: Wanted, purchase: Purchase) -> None:
        """Give back the money for a task that failed, if its price is known."""
        if purchase.price is not None:
            self.caps.refund(purchase.price, wanted.job, reserved=wanted.reserved)
            wanted.reserved = False

    def fetch(self, fetch: Fetch, due: float) -> None:
        """Download at `due`."""
        heapq.heappush(self._fetches, (due, next(self._order), fetch))

    def spare_poll(self, now: float) -> bool:
        """Count a question beside the polls' own, if their rate has room for it at once."""
        if self.pauses.holds_polls(now) or self._polls.delay_s(now) > 0:
            return False
        self._polls.take(now)
        return True

    def fetched(self) -> None:
        """Note that a download has ended, one way or the other."""
        self._downloading -= 1

    def stop_buying(self) -> None:
        """Buy nothing more; what was bought is still polled and downloaded."""
        self.buying = False
        self.ready.clear()

    def stop(self) -> None:
        """Start no new step of any kind."""
        self.stop_buying()
        self.working = False

    def next(self, now: float) -> Step | float | None:
        """Return the step to start at `now`, or when to ask again, or None if there is nothing to
        wait for here.
        """
        if not self.working:
            return None
        times: list[float] = []
        for choose in (self._next_buy, self._next_poll, self._next_fetch):
            step = choose(now)
            if isinstance(step, float):
                times.append(step)
            elif step is not None:
                return step
        return min(times, default=None)

    def _watch(self, flight: Flight) -> None:
        unfinished_s = flight.unfinished_at - flight.since
        self.durations.watch(flight.tier, flight.purchase.uid, unfinished_s)

    def _is_waited_for(self, flight: Flight) -> bool:
        """True if a second of delay in noticing the end of `flight` is a second of the batch: takes
        wait for its video, or for a place.

        Not where the rate of creates is what is short: places that it will not fill before the next
        poll are free.
        """
        if self.buying and flight.wanted.chain.links > 1:
            return True
        free = self.places.limit - self.running
        filled_soon = FARTHEST * self._poll_floor_s * self.submit.per_s
        return len(self.ready) > free and free < filled_soon

    def _next_buy(self, now: float) -> Wanted | float | None:
        one_by_one = self.pauses.missed or not self.proven
        if self.running >= self.places.limit or (self.creating and one_by_one):
            return None
        self._reserve_first()
        if not self.ready:
            return None
        delay_s = max(self.submit.delay_s(now), self.pauses.creates_from - now)
        if delay_s > 0:
            return now + delay_s
        self.submit.take(now)
        self.running += 1
        self.creating += 1
        return heapq.heappop(self.ready)[1]

    def _reserve_first(self) -> None:
        """Make the first of `ready` one whose cost is reserved; what a cap forbids goes to
        `capped`.
        """
        while self.ready and not self.ready[0][1].reserved:
            wanted = self.ready[0][1]
            request = wanted.action.request
            assert request is not None, "only shots of the manifest are wanted"
            refusal = self.caps.reserve(request, wanted.job)
            if refusal is None:
                wanted.reserved = True
            else:
                heapq.heappop(self.ready)
                self.leave_out(wanted, refusal)

    def _next_poll(self, now: float) -> Flight | float | None:
        if self.pauses.holds_polls(now):
            return self.pauses.polls_from if self._flights or self._due else None
        while self._flights and self._flights[0][0] <= now:
            _, order, flight = heapq.heappop(self._flights)
            heapq.heappush(self._due, (-self._chance(flight, now), order, flight))
        if not self._due:
            return self._flights[0][0] if self._flights else None
        delay_s = self._polls.delay_s(now)
        if delay_s > 0:
            return now + delay_s
        self._polls.take(now)
        self._order_due(now)
        return heapq.heappop(self._due)[2]

    def _order_due(self, now: float) -> None:
        """When the poll budget binds, the task most likely to be finished goes first: the chances
        of those that were due before have grown since, each at a speed of its own.
        """
        if now - self._ordered_at < _STALE_S * len(self._due):
            return
        self._ordered_at = now
        self._due = [(-self._chance(flight, now), order, flight) for _, order, flight in self._due]
        heapq.heapify(self._due)

    def _chance(self, flight: Flight, now: float) -> float:
        """Return the chance that a poll shows the end of a task: by what a gateway that shows
        changes in steps showed last, and shows now.
        """
        seen_s, shown_s = (
            self.durations.as_of(at, since=flight.since) - flight.since
            for at in (flight.unfinished_at, now)
        )
        return self.durations.likelihood(flight.tier, seen_s, shown_s, flight.progress)

    def _next_fetch(self, now: float) -> Fetch | float | None:
        if self._downloading >= self._downloads or not self._fetches:
            return None
        if self._fetches[0][0] > now:
            return self._fetches[0][0]
        self._downloading += 1
        return heapq.heappop(self._fetches)[2]
