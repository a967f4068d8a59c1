"""CPU per shot, from create to file, beside a script on the official SDK. The look at each video,
which the script does not take, is counted apart.

Both buy from one sandbox, in turns, with equal delay: in the mean their videos are here equally
soon after the tasks have ended. To that end the script's interval is set by the round before; the
first round only sets it. Of several rounds the middle counts, because a machine that does something
else besides makes both dearer. A run of one shot measures the start of a process, which is
subtracted. Tasks and both intervals are thirty times shorter than real ones.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import fmean, median
from typing import Any, NamedTuple

from benchmarks.figures import ROOT, Figure, Spent, python, spend
from benchmarks.own_cpu import own_use
from klingflow.sandbox.child import Sandbox
from tests.harness import Pipeline, pipeline_at, sandboxed
from tests.simulations import fixed_polls

_FASTER = 30
_AT_ONCE = 20
_LEAST_S = 0.01
_LIMITS = {"max_running": _AT_ONCE, "poll_floor": f"{5000 // _FASTER}ms"}


class _Run(NamedTuple):
    """CPU of the buyer alone and of all its processes, in seconds; peak memory; how often the buyer
    alone waited; the videos, in the order of their prompts.
    """

    own_s: float
    whole_s: float
    peak_mb: float
    waits: int
    videos: Sequence[Path]


@dataclass(frozen=True, slots=True)
class _Bought:
    """CPU of all processes, and a shot's: of the buyer alone, and with the look at its video. In
    seconds; peak memory; polls per shot; how often the buyer waited for each shot; the seconds from
    the end of a task to its video.
    """

    whole_s: float
    shot_s: float
    looked_s: float
    peak_mb: float
    polls: float
    waits: float
    delay_s: float


def figures(shots: int, folder: Path, rounds: int) -> list[Figure]:
    """Return a line of CPU per shot, and one of the whole processes."""
    ours: list[_Bought] = []
    theirs: list[_Bought] = []
    every_s = 0.0
    with sandboxed(folder, task_time="lognormal:3s,8s", seed=3) as (film, sandbox):
        for number in range(rounds + 1):
            place = pipeline_at(film.folder / str(number), sandbox.base_url)
            ours.append(_measured(sandbox, shots, partial(_klingflow, place)))
            every_s = every_s or interval_s(ours[0].polls) / _FASTER
            theirs.append(_measured(sandbox, shots, partial(_script, place, every_s)))
            # Who asks at a fixed interval notices an end half of it late, in the mean.
            later_s = ours[-1].delay_s - theirs[-1].delay_s
            every_s = max(every_s + 2 * later_s, _LEAST_S)
    return _table(shots, ours[1:], theirs[1:])


def _table(shots: int, ours: Sequence[_Bought], theirs: Sequence[_Bought]) -> list[Figure]:
    """Put the middle of each measure beside the other's; a ratio is the middle one of the rounds'
    own.
    """
    a, b = _middle(ours), _middle(theirs)
    pairs = list(zip(ours, theirs, strict=True))
    return [
        Figure(
            f"CPU per shot of {shots:,}, start taken off",
            "≤ 0.6 of the script's",
            f"{1000 * a.shot_s:.1f} ms, {_delay(a)}",
            f"SDK script ({version('openai')}): {1000 * b.shot_s:.1f} ms, {_delay(b)}",
            f"{median(one.shot_s / other.shot_s for one, other in pairs):.2f}",
        ),
        Figure(
            "waits per shot: for a reply, a timer, a thread",
            "",
            f"{a.waits:.0f}",
            f"SDK script: {b.waits:.0f}",
        ),
        Figure(
            "the same CPU, with a look at each video",
            "",
            f"{1000 * a.looked_s:.1f} ms",
            "the script looks at none",
            f"{median(one.looked_s / other.looked_s for one, other in pairs):.2f}",
        ),
        Figure(
            f"the whole run of {shots:,}",
            "",
            f"{a.whole_s:.2f} s, {a.peak_mb:.0f} MB",
            f"SDK script: {b.whole_s:.2f} s, {b.peak_mb:.0f} MB",
            f"{median(one.whole_s / other.whole_s for one, other in pairs):.2f}",
        ),
    ]


def _delay(bought: _Bought) -> str:
    return f"{bought.polls:.1f} polls, {1000 * bought.delay_s:.0f} ms late"


def _middle(rounds: Sequence[_Bought]) -> _Bought:
    return _Bought(*map(median, zip(*map(astuple, rounds), strict=True)))


def _measured(sandbox: Sandbox, shots: int, buy: Callable[[int], _Run]) -> _Bought:
    one = buy(1)
    before = sandbox.ledger()
    all_ = buy(shots)
    after = sandbox.ledger()
    polls = after["requests"]["query"] - before["requests"]["query"]
    delay_s = _delay_s(after["charges"][len(before["charges"]) :], all_.videos)
    own_s, whole_s = ((b - a) / (shots - 1) for a, b in zip(one[:2], all_[:2], strict=True))
    waits = (all_.waits - one.waits) / (shots - 1)
    return _Bought(all_.whole_s, own_s, whole_s, all_.peak_mb, polls / shots, waits, delay_s)


def _delay_s(charges: Sequence[Mapping[str, Any]], videos: Sequence[Path]) -> float:
    """Return the mean time from the end of a task to its video."""
    by_shot = sorted(charges, key=lambda charge: int(charge["prompt"].rpartition(" ")[2]))
    pairs = zip(by_shot, videos, strict=True)
    return fmean(video.stat().st_mtime - charge["ends"] for charge, video in pairs)


def _klingflow(place: Pipeline, shots: int) -> _Run:
    gateway = place.environ["KLINGFLOW_BASE_URL"]
    film = pipeline_at(place.folder / f"klingflow{shots}", gateway)
    film.write(shots, run=_LIMITS)
    spent = spend(
        python("-m", "benchmarks.own_cpu", "run", "film.yaml", "-y"),
        cwd=film.folder,
        env={**film.environ, "PYTHONPATH": str(ROOT)},
    )
    videos = film.videos()
    _check(len(videos), shots, spent.out)
    own_s, waits = own_use(spent.out)
    return _Run(own_s, spent.cpu_s, spent.peak_mb, waits, videos)


def _script(place: Pipeline, every_s: float, shots: int) -> _Run:
    folder = place.folder / f"script{shots}"
    spent = buy_by_script(place, folder, shots, _AT_ONCE, every_s)
    videos = sorted(folder.glob("*.mp4"))
    return _Run(spent.cpu_s, spent.cpu_s, spent.peak_mb, spent.waits, videos)


def buy_by_script(place: Pipeline, folder: Path, shots: int, at_once: int, every_s: float) -> Spent:
    """Buy so many shots into a new folder with the SDK's script. Raises RuntimeError if a video is
    missing afterwards.
    """
    folder.mkdir()
    prompts = [f"a quiet street, number {n}" for n in range(1, shots + 1)]
    (folder / "prompts.json").write_text(json.dumps(prompts))
    given = (place.environ["KLINGFLOW_BASE_URL"], "prompts.json", ".", str(at_once), str(every_s))
    script = str(ROOT / "benchmarks" / "sdk_script.py")
    spent = spend(
        python("-W", "ignore::DeprecationWarning", script, *given), cwd=folder, env=place.environ
    )
    _check(len(list(folder.glob("*.mp4"))), shots, spent.out)
    return spent


def _check(videos: int, shots: int, out: str) -> None:
    if videos != shots:
        raise RuntimeError(f"{videos} videos of {shots}\n{out}")


def interval_s(polls: float) -> float:
    """Return the fixed interval that takes so many polls of a task at the gateway's pace."""
    few, many = 60.0, 3.0
    for _ in range(12):
        middle_s = (few + many) / 2
        few, many = (
            (few, middle_s)
            if fixed_polls(middle_s, tasks=1000).per_task > polls
            else (middle_s, many)
        )
    return (few + many) / 2
