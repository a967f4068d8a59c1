"""A night on real loopback, ten times faster than life: processes, sockets, files and fsyncs, where
`night` and `batch` have a virtual clock.

A batch is bought cold, the next one by what the first has taught, and one by the script on the
official SDK, polled as often. Each stands beside an oracle of its own tasks, which notices every
end at once and needs no time for anything else. The sandbox refuses what exceeds the limits that
klingflow was given, and the last five shots of a batch are a chain.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from benchmarks.buying import buy_by_script, interval_s
from benchmarks.figures import Figure, Spent, python, spend
from klingflow.model import Limits, Rate
from klingflow.sandbox.child import Sandbox
from tests.harness import Pipeline, pipeline_at, sandboxed
from tests.nights import Night, play

_FASTER: Final = 10
_TASK_TIME: Final = "lognormal:9s,24s"
_LIMITS: Final = Limits(
    submit=Rate(30 * _FASTER, 60.0), poll=Rate(120 * _FASTER, 60.0), poll_floor_s=5.0 / _FASTER
)
_FLOOR_MS: Final = int(1000 * _LIMITS.poll_floor_s)
_CHAIN: Final = 5
_LOG: Final = "log.jsonl"

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Batch:
    """What a batch came to.

    `ratio`: its time over the oracle's. `polls`: a shot. `cpu_s`: a shot, without the start of a
    process. `limited`: creates that were answered with 429.
    """

    ratio: float
    polls: float
    cpu_s: float
    peak_mb: float
    limited: int


@dataclass(frozen=True, slots=True)
class Order:
    """What the log of a batch tells of its order.

    `misplaced`: shots without a chain that were bought before one that stands above them.
    `overtaken`: the most creates between the end that released a shot and the create of that shot.
    `closest_s`: the shortest time between two replies to polls of one task.
    `busiest`: the most polls in any six seconds.
    """

    misplaced: int
    overtaken: int
    closest_s: float
    busiest: int


@dataclass(frozen=True, slots=True)
class _Tasks:
    """What a sandbox counted until a moment."""

    charges: Sequence[Mapping[str, Any]]
    queries: int
    limited: int


@dataclass(frozen=True)
class _Lived(Night):
    """A night of tasks that were: the seconds of each, in the manifest's order."""

    seconds: tuple[float, ...] = ()

    def takes_s(self, number: int) -> float:
        """Return how long the task of a shot took."""
        return self.seconds[number]


def figures(shots: int, folder: Path, places: Sequence[int]) -> list[Figure]:
    """Return the lines for each number of places."""
    found: list[Figure] = []
    for at_once in places:
        limits = {"rate": f"{_LIMITS.submit.count}/1m", "max_running": at_once}
        where = folder / str(at_once)
        with sandboxed(where, task_time=_TASK_TIME, seed=at_once, **limits) as (film, sandbox):
            found += _figures(film, sandbox, shots, at_once)
    return found


def _figures(film: Pipeline, sandbox: Sandbox, shots: int, at_once: int) -> list[Figure]:
    start_s, script_start_s = _starts(film, sandbox)
    cold, _ = _ours(film, sandbox, shots, at_once, start_s, first=0)
    learned, order = _ours(film, sandbox, shots, at_once, start_s, first=shots)
    every_s = interval_s(learned.polls) / _FASTER
    script = _theirs(film, sandbox, shots, at_once, script_start_s, every_s)
    named = f"loopback, {shots} shots, {at_once} at once"
    return [
        _length(f"{named}: cold", "", cold, script),
        _length(f"{named}: learned", "≤ 1.05", learned, script),
        Figure(
            f"{named}: CPU per shot, start taken off",
            "≤ 0.6 of the script's",
            f"{1000 * learned.cpu_s:.1f} ms, {learned.peak_mb:.0f} MB",
            f"SDK script: {1000 * script.cpu_s:.1f} ms, {script.peak_mb:.0f} MB",
            f"{learned.cpu_s / script.cpu_s:.2f}",
        ),
        Figure(
            f"{named}: order and polls",
            f"0, ≤ 1, ≥ {_LIMITS.poll_floor_s} s, ≤ {_LIMITS.poll.count // 10}",
            f"{order.misplaced} out of order, {order.overtaken} before a released one, "
            f"polls ≥ {order.closest_s:.2f} s apart, ≤ {order.busiest} in 6 s",
        ),
    ]


def _length(named: str, target: str, ours: Batch, script: Batch) -> Figure:
    measured, beside = _said(ours), f"SDK script: {_said(script)}, ratio {script.ratio:.3f}"
    return Figure(named, target, measured, beside, f"{ours.ratio:.3f}")


def _said(batch: Batch) -> str:
    return f"{batch.polls:.1f} polls, {batch.limited} 429s"


def _starts(film: Pipeline, sandbox: Sandbox) -> tuple[float, float]:
    """Return what a run of one shot takes of the CPU: klingflow's, and the script's."""
    sandbox.set(task_time="0s")
    one = pipeline_at(film.folder / "one", sandbox.base_url)
    one.write(1, run={"poll_floor": f"{_FLOOR_MS}ms"})
    ours = _run(one)
    theirs = buy_by_script(film, film.folder / "script1", 1, 1, _LIMITS.poll_floor_s)
    sandbox.set(task_time=_TASK_TIME)
    return ours.cpu_s, theirs.cpu_s


def _ours(
    film: Pipeline, sandbox: Sandbox, shots: int, at_once: int, start_s: float, *, first: int
) -> tuple[Batch, Order]:
    """Buy the shots from number `first` on, whose last ones are a chain."""
    film.write(
        {_name(n): _shot(n, shots) for n in range(first + shots)},
        run={
            "max_running": at_once,
            "submit": f"{_LIMITS.submit.count}/1m",
            "poll": f"{_LIMITS.poll.count}/1m",
            "poll_floor": f"{_FLOOR_MS}ms",
        },
    )
    (film.folder / _LOG).unlink(missing_ok=True)
    before = _counted(sandbox)
    spent = _run(film)
    tasks = _since(before, _counted(sandbox))
    events = [json.loads(line) for line in (film.folder / _LOG).read_text().splitlines()]
    if (done := sum(event["event"] == "done" for event in events)) != shots:
        raise RuntimeError(f"{done} videos of {shots}\n{spent.out}")
    took_s = _at(events, "done")[-1] - _at(events, "intent")[0]
    needs = {n: (n - 1,) for n in range(shots - _CHAIN + 1, shots)}
    oracle_s = _oracle_s(tasks, shots, at_once, needs)
    return _batch(tasks, spent, shots, start_s, took_s / oracle_s), order_of(events, first, shots)


def _theirs(
    film: Pipeline, sandbox: Sandbox, shots: int, at_once: int, start_s: float, every_s: float
) -> Batch:
    before = _counted(sandbox)
    folder = film.folder / f"script{shots}"
    spent = buy_by_script(film, folder, shots, at_once, every_s)
    tasks = _since(before, _counted(sandbox))
    ended = max(video.stat().st_mtime for video in folder.glob("*.mp4"))
    took_s = ended - min(charge["at"] for charge in tasks.charges)
    return _batch(tasks, spent, shots, start_s, took_s / _oracle_s(tasks, shots, at_once, {}))


def _batch(tasks: _Tasks, spent: Spent, shots: int, start_s: float, ratio: float) -> Batch:
    cpu_s = (spent.cpu_s - start_s) / (shots - 1)
    return Batch(ratio, tasks.queries / shots, cpu_s, spent.peak_mb, tasks.limited)


def _run(film: Pipeline) -> Spent:
    command = python("-m", "klingflow", "run", "film.yaml", "-y", "--log", _LOG)
    return spend(command, cwd=film.folder, env=film.environ)


def _name(number: int) -> str:
    return f"shot{number:03}"


def _shot(number: int, shots: int) -> dict[str, Any]:
    shot: dict[str, Any] = {"prompt": f"a quiet street, number {number}"}
    if number % shots > shots - _CHAIN:
        shot["after"] = [_name(number - 1)]
    return shot


def _counted(sandbox: Sandbox) -> _Tasks:
    ledger = sandbox.ledger()
    return _Tasks(ledger["charges"], ledger["requests"]["query"], ledger["requests"]["limited"])


def _since(before: _Tasks, now: _Tasks) -> _Tasks:
    return _Tasks(
        now.charges[len(before.charges) :],
        now.queries - before.queries,
        now.limited - before.limited,
    )


def _oracle_s(
    tasks: _Tasks, shots: int, at_once: int, needs: Mapping[int, tuple[int, ...]]
) -> float:
    """Return how long the same tasks take where every end is noticed at once, and creates and
    downloads take no time.
    """
    by_shot = sorted(tasks.charges, key=lambda charge: int(charge["prompt"].rpartition(" ")[2]))
    seconds = tuple(charge["ends"] - charge["at"] for charge in by_shot)
    limits = replace(_LIMITS, max_running=at_once)
    night = _Lived(
        shots, limits, (1.0,), needs=needs, learned=0, create_s=0.0, download_s=0.0, seconds=seconds
    )
    return play(night, all_seen=True).seconds


def order_of(events: Sequence[Event], first: int, shots: int) -> Order:
    """Return what the events of a batch tell, whose shots are numbered from `first` on."""
    bought = [event["shot"] for event in events if event["event"] == "intent"]
    alone = [shot for shot in bought if int(shot[4:]) < first + shots - _CHAIN]
    misplaced = sum(shot != due for shot, due in zip(alone, sorted(alone), strict=True))
    chained = [_name(first + n) for n in range(shots - _CHAIN, shots)]
    overtaken = max(_between(events, need, shot) for need, shot in pairwise(chained))
    asked = [event for event in events if event["event"] in ("poll", "succeeded")]
    return Order(misplaced, overtaken, _closest_s(asked), _busiest([_moment(e) for e in asked]))


def _between(events: Sequence[Event], need: str, shot: str) -> int:
    """Return how many others were bought after `need` had ended and before `shot` was bought."""
    happened = [(event["event"], event.get("shot")) for event in events]
    span = happened[happened.index(("succeeded", need)) : happened.index(("intent", shot))]
    return sum(event == "intent" for event, _ in span)


def _closest_s(asked: Sequence[Event]) -> float:
    last: dict[str, float] = {}
    gaps = []
    for event in asked:
        now = _moment(event)
        if event["uid"] in last:
            gaps.append(now - last[event["uid"]])
        last[event["uid"]] = now
    return min(gaps)


def _busiest(moments: Sequence[float], span_s: float = 6.0) -> int:
    most = begin = 0
    for end, moment in enumerate(moments):
        while moments[begin] <= moment - span_s:
            begin += 1
        most = max(most, end - begin + 1)
    return most


def _at(events: Sequence[Event], name: str) -> list[float]:
    return [_moment(event) for event in events if event["event"] == name]


def _moment(event: Event) -> float:
    return datetime.fromisoformat(event["at"]).timestamp()
