"""How soon `klingflow --help` answers; importing click alone is the floor under it."""

from __future__ import annotations

from benchmarks.figures import Figure, middle, python, spend

_RUNS = 9


def figures() -> list[Figure]:
    """Return the wall times, measured in turns, so that a busy moment slows both."""
    runs = [
        (spend(python("-m", "klingflow", "--help")), spend(python("-c", "import click")))
        for _ in range(_RUNS)
    ]
    ours, floor = middle(a for a, _ in runs), middle(b for _, b in runs)
    return [
        Figure(
            "klingflow --help",
            "≤ 0.10 s",
            f"{ours.wall_s:.3f} s",
            f"import click: {floor.wall_s:.3f} s",
            f"{ours.wall_s / floor.wall_s:.2f}",
        )
    ]
