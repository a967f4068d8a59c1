"""The benchmarks that cost no time: simulations, whose figures are the same on every machine."""

from __future__ import annotations

from benchmarks.figures import Figure, table
from benchmarks.simulated import simulate


def test_the_simulated_figures_reach_their_targets() -> None:
    """Design 8: at most 7 polls a task with 7 s of delay once learned; few refusals where a limit
    halves.
    """
    found = simulate()
    assert found.learned.per_task <= 7
    assert found.learned.delay_s <= 7
    assert found.progress.per_task < found.learned.per_task
    assert found.refused <= 25 < found.refused_static


def test_the_table_has_a_line_of_each_figure() -> None:
    """Columns begin under their heads."""
    lines = table(
        [Figure("polls", "≤ 7", "6.9", "11", "0.6"), Figure("a long name", "", "1")]
    ).splitlines()
    assert lines == [
        "figure       target  measured  beside  ratio",
        "polls        ≤ 7     6.9       11      0.6",
        "a long name          1",
    ]
