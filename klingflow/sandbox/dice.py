"""All of the sandbox's chance: which faults happen, and how long tasks take.

Everything follows from the seed: the same seed and the same order of requests give the same faults.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import NamedTuple, get_args

from klingflow.errors import UsageError
from klingflow.sandbox.faults import CATALOGUE, Fault, Stage
from klingflow.sandbox.options import TaskTime, first_and_share, near, parse_duration
from klingflow.sandbox.tasks import Fate

_AT_ONCE = TaskTime(0.0)
_BY_NAME = {f"{fault.stage}:{fault.name}": fault for fault in CATALOGUE}


class Chance(NamedTuple):
    """A fault and when it happens: with probability `share`, or the `first` times only."""

    fault: Fault
    share: float
    first: int | None
    seconds: float


def parse_fault(text: str) -> Chance:
    """Return the Chance of a text such as `create:cut=0.05` or `create:hang=0.1,30s`.

    Other forms are `query:html502=first:3` and `query:url_none`. Raises UsageError.
    """
    head, _, duration = text.partition(",")
    name, _, when = head.partition("=")
    fault = _BY_NAME.get(name.strip())
    if fault is None:
        hint = near(name, _BY_NAME)
        raise UsageError(f"no fault is called {name.strip()!r}{hint}; --list-faults shows all")
    share, first = first_and_share(when.strip()) if when.strip() else (1.0, None)
    return Chance(fault, share, first, parse_duration(duration) if duration else fault.seconds)


class Dice:
    """Decides which faults happen to which request and task, and how long each task takes."""

    def __init__(self, faults: Iterable[str], seed: int, task_time: TaskTime = _AT_ONCE) -> None:
        """Raises UsageError for a fault that cannot be read."""
        self._seed = seed
        self._task_time = task_time
        self._fates: list[tuple[Fate, Chance]] = []
        self._requests: dict[Stage, list[tuple[Chance, random.Random]]] = {
            stage: [] for stage in get_args(Stage)
        }
        self._seen: dict[Stage, int] = dict.fromkeys(get_args(Stage), 0)
        for chance in map(parse_fault, faults):
            stage, name, fate = chance.fault.stage, chance.fault.name, chance.fault.fate
            if fate is not None:
                self._fates.append((fate, chance))
            else:
                self._requests[stage].append((chance, random.Random(f"{seed}:{stage}:{name}")))

    def of_request(self, stage: Stage) -> list[Chance]:
        """Return the faults of the next request of a stage, in the order they were asked for."""
        self._seen[stage] += 1
        number = self._seen[stage]
        return [chance for chance, rng in self._requests[stage] if _falls(chance, rng, number)]

    def of_task(self, number: int) -> dict[Fate, float]:
        """Return the fates of the task of that number, and the seconds of each."""
        return {
            fate: chance.seconds
            for fate, chance in self._fates
            if _falls(chance, random.Random(f"{self._seed}:{fate}:{number}"), number)
        }

    def takes_s(self, number: int) -> float:
        """Return how long the task of that number takes, in seconds."""
        time = self._task_time
        rng = random.Random(f"{self._seed}:time:{number}")
        return time.median_s * rng.lognormvariate(0.0, time.sigma)


def _falls(chance: Chance, rng: random.Random, number: int) -> bool:
    drawn = rng.random()  # always drawn, so that one fault's limits do not shift its later draws
    return number <= chance.first if chance.first is not None else drawn < chance.share
