"""A figure beside its target, the table of them, and processes whose CPU and memory are measured.

Peak memory is what Linux counts for a child, and that begins with the parent's own at the fork:
whatever builds something large does so in a child, and this process stays smaller than what it
measures.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parent.parent
_COMPILES_ALWAYS = "PYTHONDONTWRITEBYTECODE"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table; only the name is never empty.

    `ratio` is measured over beside: below 1 is better.
    """

    figure: str
    target: str
    measured: str
    beside: str = ""
    ratio: str = ""


@dataclass(frozen=True, slots=True)
class Spent:
    """What a process used and wrote; `waits` is how often it gave up the CPU to wait."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    out: str
    waits: int


def python(*arguments: str) -> list[str]:
    """Return a command line for this very interpreter."""
    return [sys.executable, *arguments]


def spend(
    command: Sequence[str], *, cwd: Path = ROOT, env: Mapping[str, str] | None = None, code: int = 0
) -> Spent:
    """Run a command to its end and return what it spent. Raises RuntimeError if not `code`.

    Python may keep what it compiles, as an installed package is: a first run compiles what it
    imports.
    """
    env = {name: value for name, value in (env or os.environ).items() if name != _COMPILES_ALWAYS}
    started = time.monotonic()
    with subprocess.Popen(
        command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        out = process.stdout.read().decode()
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != code:
        raise RuntimeError(f"exit {process.returncode}: {' '.join(command)}\n{out}")
    return Spent(
        wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, out, usage.ru_nvcsw
    )


def middle(runs: Iterable[Spent]) -> Spent:
    """Return the medians of several runs."""
    runs = list(runs)
    wall_s, cpu_s, peak_mb = (
        median(column) for column in zip(*(astuple(r)[:3] for r in runs), strict=True)
    )
    return Spent(wall_s, cpu_s, peak_mb, runs[0].out, runs[0].waits)


def table(figures: Sequence[Figure]) -> str:
    """Return the figures as aligned columns."""
    rows = [("figure", "target", "measured", "beside", "ratio"), *(astuple(f) for f in figures)]
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
