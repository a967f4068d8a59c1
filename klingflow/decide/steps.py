"""PURE. Learns whether a gateway shows changes in steps, as from rows that it refreshes every 15 s
(gateway.md 4), and when the next step is.

A change that a poll saw lies between it and the poll before. If such windows, laid over each other
by one period, have a moment in common, that is where the steps are; it is believed once later
changes have kept to it. Moments are seconds of one clock: of the gateway, where all tasks are
refreshed together, or each task's age. When to ask is decided in polling.py.
"""

from __future__ import annotations

import cmath
import math
from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

# Periods that are looked for, in floors: polls go about as close as shorter ones anyway.
_SHORTEST: Final = 2
_LONGEST: Final = 9
_TRIES: Final = 2000
_REPEATED: Final = 3  # and that often in the windows kept
# Windows kept, and the fewest that a period is looked for in.
_KEPT: Final = 96
_ENOUGH: Final = 16
# From so many windows on, where there are no steps, looking for them becomes rare.
_SOON: Final = 28
# A window wider than this share of a period says little of it.
_NARROW: Final = 0.6
_TELLING: Final = 0.99  # one that is wider says nothing
# The share of windows that have to hold a step; a row may be refreshed late now and then.
_SHARE: Final = 0.9
# Of N windows without any steps, n · (mean vector)² is above this for one period in 3,000.
_ALIGNED: Final = 8.0
# So many later changes are foretold before steps are believed, and this share has to come true.
_FORETOLD: Final = 8
_TRUE: Final = 0.75
# Steps are polled for so much later than they have been seen, as a share of the period.
_LATER: Final = 0.02
# One poll in so many looks whether the steps are still there; they are made out again after so many
# changes, and are known well enough within this share of the period.
_CHECK: Final = 4
_AGAIN: Final = 4
_SURE: Final = 0.08
# So many floors before a step a task is looked at to be looked at again just after it: a reply
# takes its time.
_BEFORE: Final = 1.1

Window = tuple[float, float]  # unchanged at the first moment, changed at the second


class _Comb(NamedTuple):
    """Steps at `last_s` and every `period_s` before and after, or up to `unsure_s` earlier."""

    period_s: float
    last_s: float
    unsure_s: float

    def next(self, at: float) -> float:
        """Return the first step at or after a moment."""
        return self.last_s + math.ceil((at - self.last_s) / self.period_s) * self.period_s

    def latest(self, at: float) -> float:
        """Return the last step at or before a moment."""
        return self.last_s + math.floor((at - self.last_s) / self.period_s) * self.period_s

    def has(self, window: Window) -> bool:
        """True if a step can be in a window."""
        end = self.next(window[0])
        return end <= window[1] or end - self.unsure_s < window[1]


class Steps:
    """The steps of one clock."""

    def __init__(self) -> None:
        self._windows: deque[Window] = deque(maxlen=_KEPT)
        self._comb: _Comb | None = None
        self._came_true: deque[bool] = deque(maxlen=2 * _FORETOLD)
        self._seen = 0
        self._look_at = _ENOUGH  # so many windows: then a period is looked for
        self._asked = 0

    @property
    def period_s(self) -> float | None:
        """The seconds between two steps; None while they are not believed."""
        is_proven = len(self._came_true) >= _FORETOLD and self._share() >= _TRUE
        return self._comb.period_s if self._comb and is_proven else None

    def saw(self, unchanged_at: float, changed_at: float, floor_s: float) -> None:
        """Learn of a change between two polls."""
        window = (unchanged_at, changed_at)
        if self._comb is not None:
            self._prove(self._comb, window)
        elif changed_at - unchanged_at <= _NARROW * _LONGEST * floor_s:
            self._keep(window)
            if self._seen >= self._look_at:
                self._look_at = self._seen + max(_AGAIN, self._seen - _SOON)
                self._comb = _found(self._windows, floor_s)

    def next(self, at: float, now: float, floor_s: float) -> float:
        """Return when to poll for the first step at or after a moment. Asked while believed.

        One time in four so that the answer, and that of a poll a floor later, say where the steps
        are: before the step, or in the middle of where it can be.
        """
        comb, soonest = self._comb, now + floor_s
        assert comb is not None, "steps are believed"
        later_s = _LATER * comb.period_s
        is_missed = comb.next(now) + later_s < soonest
        if is_missed and at <= soonest:
            return soonest  # the step comes before the task may be asked after again
        step = comb.next(max(at, soonest) - later_s) + later_s
        self._asked += 1
        if self._asked % _CHECK:
            return step
        is_sure = comb.unsure_s <= _SURE * comb.period_s
        earlier = step - (_BEFORE * floor_s if is_sure else min(comb.unsure_s, floor_s) / 2)
        return earlier if earlier >= soonest else step

    def latest(self, at: float) -> float:
        """Return the last step at or before a moment. Asked while believed."""
        assert self._comb is not None, "steps are believed"
        return self._comb.latest(at)

    def _prove(self, comb: _Comb, window: Window) -> None:
        width_s = window[1] - window[0]
        came_true = comb.has(window)
        if came_true and width_s > _NARROW * comb.period_s:
            if width_s < comb.period_s and comb.next(window[0]) > window[1]:
                self._keep(window)  # the step was earlier than it might have been
                self._comb = _nearby(self._windows, comb.period_s) or comb
            return  # a window so wide holds a step, wherever the steps are
        self._keep(window)
        self._came_true.append(came_true)
        if len(self._came_true) >= _FORETOLD and self._share() < _TRUE:
            self._comb = None
            self._came_true.clear()
            self._look_at = self._seen + _ENOUGH
        elif self._seen % _AGAIN == 0:
            self._comb = _nearby(self._windows, comb.period_s) or comb

    def _keep(self, window: Window) -> None:
        self._windows.append(window)
        self._seen += 1

    def _share(self) -> float:
        return sum(self._came_true) / len(self._came_true)


def _found(windows: Sequence[Window], floor_s: float) -> _Comb | None:
    """Return the steps that nearly all windows hold, or None."""
    span_s = max(floor_s, _span_s(windows))
    lowest = max(1 / (_LONGEST * floor_s), _REPEATED / span_s)
    highest = max(1 / (_SHORTEST * floor_s), lowest)
    tries = 1 + min(_TRIES, math.ceil((highest - lowest) * 6 * span_s))
    per_s = [lowest + (highest - lowest) * n / tries for n in range(tries + 1)]
    best = max(per_s, key=lambda frequency: _alignment(windows, frequency))
    if _alignment(windows, best) < _ALIGNED:
        return None
    return _nearby(windows, 1 / best)


def _span_s(windows: Sequence[Window]) -> float:
    return max(b for _, b in windows) - min(a for a, _ in windows)


def _alignment(windows: Sequence[Window], frequency: float) -> float:
    """Return how well the middles of the narrow windows agree in phase."""
    narrow = [w for w in windows if (w[1] - w[0]) * frequency <= _NARROW]
    if len(narrow) < _ENOUGH:
        return 0.0
    total = sum(cmath.exp(1j * math.pi * frequency * (a + b)) for a, b in narrow)
    return abs(total) ** 2 / len(narrow)


def _nearby(windows: Sequence[Window], period_s: float) -> _Comb | None:
    """Return the steps about so often that most windows hold, None where too few do."""
    telling = [w for w in windows if w[1] - w[0] < _TELLING * period_s]
    near = 1 / (6 * max(_span_s(windows), period_s))
    periods = {1 / (1 / period_s + near * n / 4) for n in range(-8, 9)}
    # Timers are set in whole seconds: where that agrees as well, it is what goes on agreeing.
    whole_s = float(round(period_s))
    if min(periods) <= whole_s <= max(periods):
        periods.add(whole_s)
    combs = [_comb(telling, each_s) for each_s in sorted(periods)]
    held, comb = max(combs, key=lambda it: (it[0], it[1].period_s == whole_s, it[1].unsure_s))
    return comb if held >= _SHARE * len(telling) else None


def _comb(windows: Sequence[Window], period_s: float) -> tuple[int, _Comb]:
    """Return how many windows at most can hold a step of this period, and the steps for which they
    do.
    """
    here = windows[-1][1]
    edges: list[tuple[float, int]] = []
    held = 0
    for first, last in windows:
        begin, end = ((at - here) % period_s for at in (first, last))
        edges += [(begin, 1), (end, -1)]
        held += begin > end
    edges.sort()
    best = (held, 0.0, 0.0)
    for (at, change), (until, _) in zip(edges, [*edges[1:], (period_s, 0)], strict=True):
        held += change
        best = max(best, (held, until - at, until))
    return best[0], _Comb(period_s, here + best[2], best[1])
