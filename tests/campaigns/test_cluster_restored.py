"""The store, the server's database and the person's folder all come from one backup, while hosts
live that have bought since.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.campaigns import siege
from tests.campaigns.cluster import HOSTS, Cluster, clustered
from tests.campaigns.figures import Report
from tests.campaigns.judge import judge
from tests.campaigns.siege import MOST, PATIENCE_S, RATE, Siege
from tests.harness import Process

# Hosts that neither notice that a store has lost something, nor know what they have sent.
NO_GUARD = (
    "from klingflow.cluster.ticks import Ticks;"
    "leave = Ticks.leave; Ticks.leave = lambda ticks: leave(ticks) or True;"
    "Ticks.look = lambda ticks: True;"
    "from klingflow.cluster.handbox import HandBox;"
    "HandBox.has_sent = lambda box, uid: False;"
)
# Ticks so close that a film is bought for longer than two of them, however busy the machine is.
QUICK_TICKS = "from klingflow.cluster import ticks; ticks.EVERY_S = 2.0;"
SHOTS = 50
# So few that the desk is the same run as in the backup: hosts know more of it than the server does.
BOUGHT = 12
NOTICED = "put back from a backup"

pytestmark = pytest.mark.usefixtures("temporal_server")


@pytest.mark.parametrize("restarted", [(), ("a",), HOSTS])
def test_what_living_hosts_know_is_not_bought_again(
    tmp_path: Path, report: Report, restarted: tuple[str, ...]
) -> None:
    """They notice it, whether they went on or were started again, and give back what they have
    sent; nothing is bought until a person says so. Then each shot is bought once, except that a
    host which is killed may leave one in doubt.
    """
    with _cluster(tmp_path) as cluster:
        night = _bought_since(cluster, restarted)
        _until(lambda: all(NOTICED in cluster.words(host) for host in HOSTS))
        _until(lambda: _is_halted(siege.asked(night.film, "desk")))
        charged = cluster.charged()
        siege.settle(night.film, "--resume")
        night.follow()
        said = night.run.communicate(timeout=PATIENCE_S)
        verdict = judge(night.film, cluster.sandbox)
        assert night.run.returncode == (4 if verdict.in_doubt else 0), said
        assert restarted or not verdict.in_doubt
        assert charged.total() < cluster.charged().total() <= SHOTS
        assert verdict.charged + verdict.in_doubt >= SHOTS
        tried = Counter(shots=SHOTS, restored=1, restarted=len(restarted))
        report.add("cluster: store and database of a backup", tried, wrong=verdict.wrong)


def test_hosts_that_do_not_notice_buy_twice(tmp_path: Path) -> None:
    """So this campaign can see the promise broken."""
    with _cluster(tmp_path) as cluster:
        cluster.before_main = NO_GUARD
        _bought_since(cluster, ())
        _until(lambda: max(cluster.charged().values()) > 1)


def _cluster(folder: Path) -> AbstractContextManager[Cluster]:
    return clustered(folder, task_time="3s", rate=RATE, max_running=MOST)


def _bought_since(cluster: Cluster, restarted: tuple[str, ...]) -> Siege:
    """Make a backup, buy for longer than a tick lasts, and put the backup back; the run that
    follows is dead by then. Hosts that are `restarted` were down meanwhile.
    """
    cluster.before_main += QUICK_TICKS
    night = siege.begun(cluster, cluster.person("person"), SHOTS)
    _until(lambda: len(cluster.charged()) > 4, night.run)
    copy, ticks = cluster.saved_whole(), len(_ticks(cluster))
    _until(lambda: len(_ticks(cluster)) > ticks + 1 and len(cluster.charged()) > BOUGHT, night.run)
    night.run.kill()
    night.run.communicate()
    for host in restarted:
        cluster.kill(host)
    cluster.restore_whole(copy)
    cluster.work(*restarted)
    return night


def _is_halted(told: str) -> bool:
    """True once the desk has heard of it; hosts tell several things at a time."""
    return NOTICED in told and "klingflow desk --resume" in told


def _ticks(cluster: Cluster) -> list[str]:
    return cluster.store.names("probes/ticks")


def _until(is_so: Callable[[], bool], run: Process | None = None) -> None:
    """Wait for something that happens at the cluster."""
    until = time.monotonic() + PATIENCE_S
    while not is_so():
        assert run is None or run.poll() is None
        assert time.monotonic() < until
        time.sleep(0.2)  # a moment of the night
