"""PURE. How much time a run has left: the plan's forecast, made again as tasks end.

Times are monotonic seconds, handed in, and so is chance: always the same, because another would
make the figure jump.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from klingflow.decide.forecast import Task, forecast, tasks_of
from klingflow.decide.history import together
from klingflow.model import History, Limits, Plan
from klingflow.runner.events import Event
from klingflow.terminal.tally import Key, Tally

# A new forecast is made so often, and later where a run is large: it looks at every shot.
_EVERY_S: Final = 5.0
_TASKS_A_SECOND: Final = 500
# Of a new forecast so much goes into what is shown, so that the figure does not jump.
_WEIGHT: Final = 0.4


class Remaining:
    """The time that a run of `plans` has left. `fresh_chance` returns chance from its beginning."""

    def __init__(
        self, plans: Sequence[Plan], limits: Limits, fresh_chance: Callable[[], Callable[[], float]]
    ) -> None:
        self._paths = [plan.manifest.path for plan in plans]
        self._tasks = tasks_of(plans)
        past = together(plan.history for plan in plans)
        self._held_s = {tier: [*known] for tier, known in past.held_s.items()}
        self._bring_s = past.bring_s
        self._limits = limits
        self._fresh_chance = fresh_chance
        self._next_at = float("-inf")
        self._end_at: float | None = None

    def note(self, event: Event) -> None:
        """Learn how long a task took."""
        if "after_s" not in event or event["path"] not in self._paths:
            return
        task = self._tasks.get((self._paths.index(event["path"]), event["shot"]))
        if task is not None:
            insort(self._held_s.setdefault(task.tier, []), event["after_s"])

    def left_s(self, tally: Tally, now: float) -> float | None:
        """Return the seconds until all is done; None while nobody knows, and once no task is left.

        The last task ends between two forecasts, and earlier than the last one said.
        """
        if next(self._open(tally, now), None) is None:
            self._end_at = None
            return None
        if now >= self._next_at:
            self._next_at = now + max(_EVERY_S, len(self._tasks) / _TASKS_A_SECOND)
            self._look(tally, now)
        return None if self._end_at is None else max(0.0, self._end_at - now)

    def _look(self, tally: Tally, now: float) -> None:
        history = History(
            {tier: tuple(known) for tier, known in self._held_s.items()}, self._bring_s
        )
        places = tally.places or self._limits.max_running
        limits = replace(self._limits, max_running=min(places, self._limits.max_running))
        found = forecast(dict(self._open(tally, now)), history, limits, self._fresh_chance())
        if found is None:
            self._end_at = None
            return
        end_at = now + found.middle_s
        if self._end_at is not None:
            end_at = self._end_at + _WEIGHT * (end_at - self._end_at)
        self._end_at = end_at

    def _open(self, tally: Tally, now: float) -> Iterator[tuple[tuple[int, str], Task]]:
        """Yield the tasks that are waited for, as they stand."""
        for number_and_key, planned in self._tasks.items():
            task = self._now(planned, self._key(number_and_key), tally, now)
            if task is not None:
                yield number_and_key, task

    def _key(self, number_and_key: tuple[int, str]) -> Key:
        number, key = number_and_key
        return self._paths[number], key

    def _now(self, planned: Task, key: Key, tally: Tally, now: float) -> Task | None:
        """Return the task as it stands; None for one that is over, or will not be bought."""
        match tally.states.get(key):
            case "buying":
                return replace(planned, age_s=0.0)
            case "running":
                if (begun := tally.running_since.get(key)) is not None:
                    return replace(planned, age_s=now - begun)
                return replace(planned, age_s=(planned.age_s or 0.0) + now - tally.started)
            case "to buy" | "waiting" if tally.buying and self._limits.max_tasks != 0:
                return planned
        return None
