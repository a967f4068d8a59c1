"""How soon `klingflow --help` answers, beside Python that does nothing, and Python that imports
what a run cannot do without.
"""

from __future__ import annotations

from typing import Final

from benchmarks.figures import Figure, Spent, middle, python, spend

_RUNS: Final = 20
_FLOORS: Final = ("pass", "import click", "import click, httpx")


def figures() -> list[Figure]:
    """Return the times, measured in turns, so that a busy moment slows all of them."""
    commands = [python("-m", "klingflow", "--help"), *(python("-c", code) for code in _FLOORS)]
    for command in commands:
        spend(command)  # compiles what it imports, as an installer does
    turns = [[spend(command) for command in commands] for _ in range(_RUNS)]
    ours, *floors = (middle(column) for column in zip(*turns, strict=True))
    return [
        Figure(
            "klingflow --help",
            "≤ 0.10 s",
            _said(ours),
            f"python -c '{code}': {_said(floor)}",
            f"{ours.wall_s / floor.wall_s:.2f}",
        )
        for code, floor in zip(_FLOORS, floors, strict=True)
    ]


def _said(spent: Spent) -> str:
    return f"{spent.wall_s:.3f} s, {spent.cpu_s:.3f} of CPU"
