"""CPU per shot, from create to file, beside a script on the official SDK.

Both buy from one sandbox, in one run, and poll equally often. A run of one shot measures the start
of a process, which is subtracted. Tasks and both intervals are sixty times shorter than real ones.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import ROOT, Figure, python, spend
from klingflow.sandbox.child import Sandbox
from tests.harness import Pipeline, pipeline_at, sandboxed
from tests.simulations import fixed_polls

_FASTER = 60
_AT_ONCE = 20
_LIMITS = {"max_running": _AT_ONCE, "poll_floor": f"{5000 // _FASTER}ms"}


@dataclass(frozen=True, slots=True)
class _Bought:
    """CPU of the process and of a shot, in seconds; peak memory; polls per shot."""

    whole_s: float
    shot_s: float
    peak_mb: float
    polls: float


def figures(shots: int, folder: Path) -> list[Figure]:
    """Return a line of CPU per shot, and one of the whole processes."""
    with sandboxed(folder, task_time="lognormal:1.5s,4s", seed=3) as (film, sandbox):
        ours = _measured(sandbox, shots, lambda n: _klingflow(film, sandbox, n))
        every_s = _interval_s(ours.polls) / _FASTER
        theirs = _measured(sandbox, shots, lambda n: _script(film, sandbox, n, every_s))
    return [
        Figure(
            f"CPU per shot of {shots:,}, start taken off",
            "below the script's",
            f"{1000 * ours.shot_s:.1f} ms, {ours.polls:.1f} polls",
            f"SDK script: {1000 * theirs.shot_s:.1f} ms, {theirs.polls:.1f} polls",
            f"{ours.shot_s / theirs.shot_s:.2f}",
        ),
        Figure(
            f"the whole run of {shots:,}",
            "",
            f"{ours.whole_s:.2f} s, {ours.peak_mb:.0f} MB",
            f"SDK script: {theirs.whole_s:.2f} s, {theirs.peak_mb:.0f} MB",
            f"{ours.whole_s / theirs.whole_s:.2f}",
        ),
    ]


def _measured(sandbox: Sandbox, shots: int, buy: Callable[[int], tuple[float, float]]) -> _Bought:
    one_s, _ = buy(1)
    before = sandbox.ledger()["requests"]["query"]
    whole_s, peak_mb = buy(shots)
    polls = sandbox.ledger()["requests"]["query"] - before
    return _Bought(whole_s, (whole_s - one_s) / (shots - 1), peak_mb, polls / shots)


def _klingflow(film: Pipeline, sandbox: Sandbox, shots: int) -> tuple[float, float]:
    film = pipeline_at(film.folder / f"klingflow{shots}", sandbox.base_url)
    film.write(shots, run=_LIMITS)
    spent = spend(
        python("-m", "klingflow", "run", "film.yaml", "-y"), cwd=film.folder, env=film.environ
    )
    _check(len(film.videos()), shots, spent.out)
    return spent.cpu_s, spent.peak_mb


def _script(film: Pipeline, sandbox: Sandbox, shots: int, every_s: float) -> tuple[float, float]:
    folder = film.folder / f"script{shots}"
    folder.mkdir()
    prompts = [f"a quiet street, number {n}" for n in range(1, shots + 1)]
    (folder / "prompts.json").write_text(json.dumps(prompts))
    given = (sandbox.base_url, "prompts.json", ".", str(_AT_ONCE), str(every_s))
    script = str(ROOT / "benchmarks" / "sdk_script.py")
    spent = spend(
        python("-W", "ignore::DeprecationWarning", script, *given), cwd=folder, env=film.environ
    )
    _check(len(list(folder.glob("*.mp4"))), shots, spent.out)
    return spent.cpu_s, spent.peak_mb


def _check(videos: int, shots: int, out: str) -> None:
    if videos != shots:
        raise RuntimeError(f"{videos} videos of {shots}\n{out}")


def _interval_s(polls: float) -> float:
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
