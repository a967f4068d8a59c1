"""What a run does next, and when: its queues. Knows nothing of HTTP or files; the time (monotonic seconds) and
chance (u in [0, 1)) are handed in, so that a simulation can drive it as the runner does.

    ready ──Buy──▶ flights ──Poll──▶ fetches ──Fetch──▶ (done)

`next(now)` gives the step to start now, or the time at which to ask again, or None when only something that is
still going on can bring more work. Whoever starts a step reports what came of it through the methods below.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from klingflow.decide.caps import Caps
from klingflow.decide.pace import AdaptiveRate, Gcra
from klingflow.model import Action, Purchase


@dataclass(slots=True, eq=False)
class Wanted:
    """A take to buy, for manifest number `job` of the run. `failures` counts what was bought in vain."""

    job: int
    action: Action
    reserved: bool = False
    failures: int = 0


@dataclass(slots=True, eq=False)
class Flight:
    """An unfinished task. Times are monotonic seconds; `unfinished_at` is the last poll that found it so."""

    job: int
    purchase: Purchase
    since: float
    unfinished_at: float
    deadline: float
    wanted: Wanted
    unknown_polls: int = 0
    timed: bool = True  # False where a pause between two runs makes the duration unknown


@dataclass(slots=True, eq=False)
class Fetch:
    """A finished task whose file is not here yet. `tries` counts downloads that brought nothing."""

    job: int
    purchase: Purchase
    wanted: Wanted
    tries: int = 0


Step = Wanted | Flight | Fetch


class Schedule:
    """The queues of one run over all its manifests.

    `likelihood(flight, now)` orders polls when more are due than the poll budget allows: the likelier a task is
    finished, the sooner it is asked about.
    """

    def __init__(
        self,
        *,
        caps: Caps,
        submit: AdaptiveRate,
        polls: Gcra,
        max_running: int,
        downloads: int,
        likelihood: Callable[[Flight, float], float],
    ) -> None:
        self.caps = caps
        self.submit = submit
        self.polls = polls
        self.max_running = max_running
        self.downloads = downloads
        self.ready: deque[Wanted] = deque()
        self.capped: list[tuple[Wanted, str]] = []
        self.running = 0  # creates on their way and unfinished tasks
        self.fetching = 0
        self.buying = True
        self.working = True  # False: no new step of any kind
        self._likelihood = likelihood
        self._flights: list[tuple[float, int, Flight]] = []
        self._due: list[tuple[float, int, Flight]] = []
        self._fetches: list[tuple[float, int, Fetch]] = []
        self._paused_until = 0.0
        self._order = count()

    def want(self, wanted: Wanted) -> None:
        """Queue a take to be bought."""
        self.ready.append(wanted)

    def again(self, wanted: Wanted) -> None:
        """Queue a take whose create certainly bought nothing: it keeps its reservation and its turn."""
        self.running -= 1
        self.ready.appendleft(wanted)

    def follow(self, flight: Flight, due: float, *, new: bool = False) -> None:
        """Poll `flight` at `due`. `new`: a task found in the ledger, which takes a place among the running."""
        self.running += new
        heapq.heappush(self._flights, (due, next(self._order), flight))

    def landed(self, *, give_back: Wanted | None = None) -> None:
        """A create that is over, or a task that is finished, gives its place free; `give_back` also what it reserved."""
        self.running -= 1
        if give_back is not None and give_back.reserved:
            request = give_back.action.request
            assert request is not None
            self.caps.release(request.price, request.seconds)
            give_back.reserved = False

    def fetch(self, fetch: Fetch, due: float) -> None:
        """Download at `due`."""
        heapq.heappush(self._fetches, (due, next(self._order), fetch))

    def fetched(self) -> None:
        """A download has ended, one way or the other."""
        self.fetching -= 1

    def pause(self, until: float) -> None:
        """No polls and no creates before `until`."""
        self._paused_until = max(self._paused_until, until)

    def is_paused(self, now: float) -> bool:
        """Whether `pause` holds at `now`."""
        return now < self._paused_until

    def stop_buying(self) -> None:
        """Nothing more is bought; what was bought is still polled and downloaded."""
        self.buying = False
        self.ready.clear()

    def stop(self) -> None:
        """No new step of any kind."""
        self.stop_buying()
        self.working = False

    def next(self, now: float) -> Step | float | None:
        """The step to start at `now`, or when to ask again, or None if there is nothing to wait for here."""
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

    def _next_buy(self, now: float) -> Wanted | float | None:
        if self.running >= self.max_running:
            return None
        self._reserve_first()
        if not self.ready:
            return None
        if self.is_paused(now):
            return self._paused_until
        delay_s = self.submit.delay_s(now)
        if delay_s > 0:
            return now + delay_s
        self.submit.take(now)
        self.running += 1
        return self.ready.popleft()

    def _reserve_first(self) -> None:
        """Make the first of `ready` one whose cost is reserved; what a cap forbids goes to `capped`."""
        while self.ready and not self.ready[0].reserved:
            wanted = self.ready[0]
            request = wanted.action.request
            assert request is not None, "only shots of the manifest are wanted"
            refusal = self.caps.reserve(request.price, request.seconds)
            if refusal is None:
                wanted.reserved = True
            else:
                self.capped.append((self.ready.popleft(), refusal))

    def _next_poll(self, now: float) -> Flight | float | None:
        if self.is_paused(now):
            return self._paused_until if self._flights or self._due else None
        while self._flights and self._flights[0][0] <= now:
            _, order, flight = heapq.heappop(self._flights)
            heapq.heappush(self._due, (-self._likelihood(flight, now), order, flight))
        if not self._due:
            return self._flights[0][0] if self._flights else None
        delay_s = self.polls.delay_s(now)
        if delay_s > 0:
            return now + delay_s
        self.polls.take(now)
        return heapq.heappop(self._due)[2]

    def _next_fetch(self, now: float) -> Fetch | float | None:
        if self.fetching >= self.downloads or not self._fetches:
            return None
        if self._fetches[0][0] > now:
            return self._fetches[0][0]
        self.fetching += 1
        return heapq.heappop(self._fetches)[2]
