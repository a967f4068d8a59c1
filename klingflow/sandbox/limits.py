"""PURE. The sandbox's limits on creates: a rate in a sliding window, and a number of running tasks.

The time and the number of running tasks are handed in.
"""

from __future__ import annotations

from collections import deque

from klingflow.sandbox.options import Rate

WHEN_FULL_S = 1.0  # to wait for a place: nobody knows when a task will end


class Limits:
    """What a create may not exceed. None lifts a limit."""

    def __init__(self) -> None:
        self.rate: Rate | None = None
        self.most_running: int | None = None
        self._recent: deque[float] = deque()

    def is_full(self, running: int) -> bool:
        """True if no further task may run beside `running` others."""
        return self.most_running is not None and running >= self.most_running

    def wait_s(self, now: float) -> float | None:
        """Return the seconds until a create fits the rate, or None if it fits; then it counts."""
        if self.rate is None:
            return None
        while self._recent and self._recent[0] <= now - self.rate.period_s:
            self._recent.popleft()
        if len(self._recent) >= self.rate.count:
            return self._recent[0] + self.rate.period_s - now
        self._recent.append(now)
        return None
