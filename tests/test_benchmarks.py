"""The benchmarks that cost no time: simulations, whose figures are the same on every machine."""

from __future__ import annotations

from typing import Any

from benchmarks import batch, killing, loopback
from benchmarks.figures import Figure, table
from benchmarks.simulated import simulate
from tests.campaigns.figures import Figures
from tests.campaigns.figures import table as campaign_table


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


def test_the_campaigns_verdicts_are_read_from_their_table() -> None:
    """A line for each campaign: what was wrong, all together, and what was tried."""
    rows = [
        Figures("kills", {"kills": 1200}, {"charged twice": 0, "ids lost": 2, "crashes": 1}),
        Figures("a flipped bit, lock", {"variants": 700}, {"ids lost": 0}),
    ]
    found = killing.verdicts("\n".join([".....", *campaign_table(rows), "2 passed in 1.00s"]))
    assert [(f.figure, f.measured, f.beside) for f in found] == [
        ("wrong in kills", "3", "1,200 kills"),
        ("wrong in a flipped bit, lock", "0", "700 variants"),
        ("wrong in all", "3", "2 campaigns"),
    ]


def test_a_chain_costs_a_batch_little_and_its_length_is_foretold() -> None:
    """Design 8: at most 1.05 of the best order; a forecast at most 10 % off, in the middle."""
    known, hindsight = batch.chained(5, seeds=6)
    assert known <= 1.05
    assert hindsight <= 1.1
    assert batch.foretold(5, seeds=12).error <= 0.1


def test_the_order_of_a_batch_is_read_from_its_log() -> None:
    """Shots out of order, creates that went before a released one, and how close polls were."""

    def at(second: float, event: str, number: int) -> dict[str, Any]:
        moment = f"2026-06-08T07:00:{second:06.3f}+00:00"
        return {"at": moment, "event": event, "shot": f"shot{number:03}", "uid": str(number)}

    bought = [at(number, "intent", shot) for number, shot in enumerate((2, 1, 0))]
    chain = [
        event
        for number in range(2, 7)
        for event in (at(number, "intent", number), at(number + 0.5, "succeeded", number))
    ]
    late = [at(6.9, "poll", 6), at(7.5, "intent", 7)]
    events = [*bought[1:], *chain, at(6.7, "intent", 8), *late]
    found = loopback.order_of(events, 0, 7)
    assert (found.misplaced, found.overtaken, found.busiest) == (2, 0, 6)
    assert round(found.closest_s, 3) == 0.4
