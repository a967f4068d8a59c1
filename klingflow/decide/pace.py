"""PURE. How fast to buy: a bucket for steady rates, and a rate and a number of running tasks that
learn from 429.

PURE: `now` is monotonic seconds and `u` chance in [0, 1), both handed in. Nobody waits here; the
answers are delays. Each limit has the same three words: `delay_s(now)` is 0 where a request may go
now, `take(now)` counts it. What a limit has learned goes into plain JSON and back by `state` and
`resume`, so that another process can go on with it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from klingflow.model import Json, Rate

# Creates, and polls, that may go at once after a quiet while (design: a burst of 1 to 3).
BURST = 3
# One cut a round trip by this share; a limit that halves is found in three cuts.
CUT = 0.75
# Share of the configured rate that each acceptance gives back: about one refusal in a hundred
# creates at a limit of half the configured rate.
RISE = 0.001
# A rate never falls below this share of the configured one: then the pauses do the work.
LEAST = 0.01


class Gcra:
    """At most `burst` at once, and `rate` in the long run (the generic cell rate algorithm: one
    number of state).
    """

    def __init__(self, rate: Rate, burst: int = 1) -> None:
        self.interval_s: float = rate.interval_s
        self._burst = burst
        self._due = -math.inf  # when the bucket will be full again

    def delay_s(self, now: float) -> float:
        """Return the seconds until one may go."""
        return max(0.0, self._due - (self._burst - 1) * self.interval_s - now)

    def take(self, now: float) -> None:
        """Count one that goes now."""
        self._due = max(self._due, now) + self.interval_s

    def state(self) -> dict[str, Json]:
        """Return what was taken so far, as JSON."""
        return {"interval_s": self.interval_s, "due": _told(self._due)}

    def resume(self, state: Mapping[str, Json]) -> None:
        """Go on from a `state` of a bucket of the same rate and burst."""
        self.interval_s, self._due = state["interval_s"], _heard(state["due"])


def _told(at: float) -> float | None:
    """Return a time as JSON has it, which knows no infinity: null stands for "never yet"."""
    return None if at == -math.inf else at


def _heard(at: float | None) -> float:
    return -math.inf if at is None else at


@dataclass(frozen=True, slots=True)
class Pauses:
    """When to give up on 429: nothing accepted for `seconds` and in `rounds` round trips. As many
    seconds that the gateway itself asked for stand for the rounds.

    Limits by the minute end by themselves well within five; arrears do not end. While tasks of ours
    are running at the gateway nothing counts, because the limit may end with them.

    No pause reaches beyond those seconds, whatever the gateway asks for: six times an hour would be
    a night. A gateway that asks for more than `longest_asked_s` says that there is nothing to wait
    for (a day's quota, or nonsense): that is the end at once. Should tasks of ours be running, the
    gateway is asked again at our own pace meanwhile.
    """

    rounds: int = 6
    seconds: float = 300.0
    first_pause_s: float = 1.0
    longest_pause_s: float = 60.0
    longest_asked_s: float = 3600.0


class AdaptiveRate:
    """The rate of creates: the configured one, lowered by refusals (429), raised slowly by
    acceptances.

    Refusals of requests that were on their way together are one round and count once. From a
    refusal to the next acceptance one request at a time is tried, after the pause that the gateway
    asked for or a growing one.
    """

    def __init__(self, rate: Rate, burst: int = 1, pauses: Pauses | None = None) -> None:
        self._bucket = Gcra(rate, burst)
        self._fastest = 1 / rate.interval_s
        self._pauses = pauses or Pauses()
        self._per_s = self._fastest
        self._paused_until = -math.inf
        self._cut_at = -math.inf
        self._asked_too_long = False  # by the latest refusal
        self._rounds = 0  # consecutive round trips without an acceptance
        # Of these the latest ones in which no task of ours was running: how many, since when, and
        # how many seconds the gateway asked us to wait.
        self._alone_rounds, self._alone_since, self._asked_s = 0, 0.0, 0.0

    @property
    def per_s(self) -> float:
        """Creates per second at present."""
        return self._per_s

    def delay_s(self, now: float) -> float:
        """Return the seconds until a create may go, by rate and pause."""
        return max(self._bucket.delay_s(now), self._paused_until - now)

    def take(self, now: float) -> None:
        """Count a create that goes now."""
        self._bucket.take(now)
        if self._rounds:
            # Sent to find out whether it is over: the next waits for the answer, or about as long
            # again.
            self._paused_until = now + self._backoff_s(self._rounds)

    def refused(
        self,
        now: float,
        sent_at: float,
        retry_after_s: float | None,
        u: float,
        *,
        running: int = 0,
    ) -> None:
        """Note that a create sent at `sent_at` was refused for the time being, while `running`
        tasks of ours were unfinished.
        """
        is_new_round = sent_at >= self._cut_at
        if is_new_round:
            self._new_round(now)
        self._count_alone(now, is_new_round=is_new_round, running=running)
        pause_s = self._backoff_s(self._rounds) * (0.5 + u / 2)
        self._asked_too_long = (retry_after_s or 0.0) > self._pauses.longest_asked_s
        if retry_after_s is not None and not self._asked_too_long:
            asked_s = min(retry_after_s, self._longest_wait_s(now))
            self._asked_s += asked_s if is_new_round else 0.0
            # Believed so far, unless it has been wrong three times running.
            pause_s = max(asked_s, pause_s if self._rounds > 3 else 0.0)
        self._paused_until = max(self._paused_until, now + pause_s)

    def accepted(self, now: float, sent_at: float) -> None:
        """Note that a create sent at `sent_at` was accepted. One that left before the last cut says
        nothing about it.
        """
        if sent_at < self._cut_at:
            return
        if self._rounds:
            self._rounds, self._asked_too_long = 0, False
            self._alone_rounds = 0
            self._paused_until = now
        self._set(min(self._fastest, self._per_s + RISE * self._fastest))

    def exhausted(self, now: float) -> bool:
        """True if the limit will not pass: stop trying."""
        if self._asked_too_long:
            return True
        was_waited_for = 0 < self._pauses.seconds <= self._asked_s
        is_enough = self._alone_rounds >= self._pauses.rounds or was_waited_for
        waited_s = now - self._alone_since
        return self._alone_rounds > 0 and is_enough and waited_s >= self._pauses.seconds

    def state(self) -> dict[str, Json]:
        """Return what was taken and learned so far, as JSON."""
        return {
            "bucket": self._bucket.state(),
            "per_s": self._per_s,
            "paused_until": _told(self._paused_until),
            "cut_at": _told(self._cut_at),
            "asked_too_long": self._asked_too_long,
            "rounds": self._rounds,
            "alone_rounds": self._alone_rounds,
            "alone_since": self._alone_since,
            "asked_s": self._asked_s,
        }

    def resume(self, state: Mapping[str, Json]) -> None:
        """Go on from a `state` of a pace of the same rate, burst and pauses."""
        self._bucket.resume(state["bucket"])
        self._per_s = state["per_s"]
        self._paused_until = _heard(state["paused_until"])
        self._cut_at = _heard(state["cut_at"])
        self._asked_too_long = state["asked_too_long"]
        self._rounds, self._alone_rounds = state["rounds"], state["alone_rounds"]
        self._alone_since, self._asked_s = state["alone_since"], state["asked_s"]

    def _count_alone(self, now: float, *, is_new_round: bool, running: int) -> None:
        if running:
            self._alone_rounds = 0
        elif is_new_round:
            if self._alone_rounds == 0:
                self._alone_since, self._asked_s = now, 0.0
            self._alone_rounds += 1

    def _longest_wait_s(self, now: float) -> float:
        """Return how long a pause may be that the gateway asks for: at most to the moment at which
        the run gives up, while that is ahead.
        """
        if self._alone_rounds == 0:
            return self._pauses.seconds
        left_s = self._alone_since + self._pauses.seconds - now
        return left_s if left_s > 0 else self._pauses.seconds

    def _new_round(self, now: float) -> None:
        self._cut_at = now
        if self._rounds == 0:
            # Later refusals in a row say that the gate is shut, not that the rate is still too
            # high.
            self._set(max(LEAST * self._fastest, self._per_s * CUT))
        self._rounds += 1

    def _set(self, per_s: float) -> None:
        self._per_s = per_s
        self._bucket.interval_s = 1 / per_s

    def _backoff_s(self, rounds: int) -> float:
        return float(
            min(
                self._pauses.longest_pause_s,
                self._pauses.first_pause_s * 2.0 ** min(rounds - 1, 30),
            )
        )


class AdaptiveRunning:
    """How many tasks may be unfinished at once: the configured number, until 429 says that the
    gateway's is lower.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._cut_at = -math.inf
        self._accepted = 0
        self.limit: int = most

    def refused(self, now: float, sent_at: float, running: int) -> None:
        """Note that a create sent at `sent_at` was refused; `running` others were unfinished."""
        if sent_at < self._cut_at:
            return
        self._cut_at = now
        self._accepted = 0
        self.limit = max(1, int(min(self.limit, running) * CUT))

    def accepted(self) -> None:
        """Note that a create was accepted: one more may run after as many acceptances as may run
        now.
        """
        self._accepted += 1
        if self._accepted >= self.limit and self.limit < self._most:
            self.limit += 1
            self._accepted = 0

    def state(self) -> dict[str, Json]:
        """Return what was learned so far, as JSON."""
        return {"limit": self.limit, "cut_at": _told(self._cut_at), "accepted": self._accepted}

    def resume(self, state: Mapping[str, Json]) -> None:
        """Go on from a `state` of the same configured number."""
        self.limit, self._accepted = state["limit"], state["accepted"]
        self._cut_at = _heard(state["cut_at"])
