"""A batch's time beside that of an oracle that notices every end at once, on a virtual clock; and
the same of the best that can be known where progress says nothing (at_best.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import mean
from typing import Final

from benchmarks.at_best import AtBest
from benchmarks.figures import Figure
from klingflow.model import Rate
from tests.nights import Night, Played, play

PLACES: Final = (3, 5, 10, 20)
_STEPS_S: Final = 15.0
_NIGHT: Final = Night()
_FAST_POLLS: Final = replace(_NIGHT.limits, poll=Rate(300, 60.0))


@dataclass(frozen=True, slots=True)
class Row:
    """A gateway and what is known of it."""

    figure: str
    night: Night
    target: str


ROWS: Final = (
    *(
        Row(f"{known}, progress {progress}", replace(_NIGHT, learned=tasks, progress=progress), aim)
        for known, tasks, aim in (("learned", 300, "≤ 1.03"), ("cold", 0, ""))
        for progress in ("linear", "zero", "dishonest")
    ),
    Row("learned, progress zero, poll 300/1m", replace(_NIGHT, limits=_FAST_POLLS), "≤ 1.03"),
    *(
        Row(
            f"shown every 15 s, rows {rows}, progress {progress}",
            replace(_NIGHT, shown_every_s=_STEPS_S, rows=rows, progress=progress),
            "≤ 1.08",
        )
        for rows in ("together", "apart")
        for progress in ("linear", "zero")
    ),
    Row(
        "shown every 15 s, rows together, progress zero, steps known before",
        replace(_NIGHT, shown_every_s=_STEPS_S, steps_known=True),
        "≤ 1.08",
    ),
    Row(
        "shown every 15 s and up to 2 s later",
        replace(_NIGHT, shown_every_s=_STEPS_S, late_s=2.0),
        "",
    ),
)


def figures(seeds: int) -> list[Figure]:
    """Return a line for each gateway: ratios and polls a shot for each of PLACES."""
    oracles = {learned: _oracles(learned, seeds) for learned in {row.night.learned for row in ROWS}}
    return [_figure(row, oracles[row.night.learned]) for row in ROWS]


def _oracles(learned: int, seeds: int) -> dict[tuple[int, int], Played]:
    """Return what an oracle comes to that buys in the same order, by places and seed."""
    night = replace(_NIGHT, learned=learned)
    return {
        (places, seed): play(night.at_once(places, seed), all_seen=True)
        for places in PLACES
        for seed in range(1, seeds + 1)
    }


def _figure(row: Row, oracles: dict[tuple[int, int], Played]) -> Figure:
    ratios: list[str] = []
    polls: list[str] = []
    for places in PLACES:
        seeds = [seed for at, seed in oracles if at == places]
        played = {seed: play(row.night.at_once(places, seed)) for seed in seeds}
        ratios.append(f"{_ratio(played, oracles, places):.3f}")
        polls.append(f"{mean(found.polls_per_shot for found in played.values()):.1f}")
    return Figure(
        f"a night at {_listed([str(n) for n in PLACES])} at once: {row.figure}",
        row.target,
        f"{_listed(polls)} polls",
        _beside(row, oracles),
        _listed(ratios),
    )


def _beside(row: Row, oracles: dict[tuple[int, int], Played]) -> str:
    if row.night.progress == "linear":
        return "oracle"
    best: list[str] = []
    for places in PLACES:
        nights = {s: row.night.at_once(places, s) for at, s in oracles if at == places}
        played = {seed: play(night, noticed=AtBest(night)) for seed, night in nights.items()}
        best.append(f"{_ratio(played, oracles, places):.3f}")
    return f"oracle; at best {_listed(best)}"


def _ratio(played: dict[int, Played], oracles: dict[tuple[int, int], Played], places: int) -> float:
    return mean(found.seconds / oracles[places, seed].seconds for seed, found in played.items())


def _listed(texts: Sequence[str]) -> str:
    return " ".join(texts)
