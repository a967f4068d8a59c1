"""What becomes of orders at a cluster whose hosts and server die: the same as in one process."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.campaigns import siege
from tests.campaigns.aftermath import ends
from tests.campaigns.cluster import HOSTS, Cluster, clustered
from tests.campaigns.figures import Report
from tests.campaigns.siege import DESK, FOLLOW, LIMITS, Siege
from tests.harness import Pipeline, charges, sandboxed

pytestmark = pytest.mark.usefixtures("temporal_server")

# Which tasks fail and which never end follows from their numbers alone.
FATES = ("query:stuck=0.2", "query:fail_moderation=0.2", "query:fail_capacity=0.1")
DEADLINE_S = 12
PATIENCE_S = 600.0


def until(is_so: Callable[[], bool]) -> None:
    """Wait for what hosts do."""
    end = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.2)  # a moment of the night


def test_tasks_end_as_in_one_process(tmp_path: Path, long: bool, report: Report) -> None:
    """Done, failed and parked at the deadline, whatever dies while hosts look after the tasks: the
    same number of each, and the same exit code.
    """
    shots = 60 if long else 10
    film: dict[str, Any] = {"run": {**LIMITS, "max_running": shots, "deadline": f"{DEADLINE_S}s"}}
    with sandboxed(tmp_path / "alone", *FATES, task_time="5s") as (alone, _):
        alone.write(shots, run={**film["run"], "submit": "600/1m"})
        code, said = ends(alone, "run", "film.yaml", "-y", "-q")
        wanted = Counter(p["state"] for p in alone.purchases())
    with clustered(tmp_path / "cluster", faults=FATES, task_time="5s") as cluster:
        person = cluster.person("person")
        person.write(shots, **film)
        night = handed_over(cluster, person, "--submit", "600/1m", "-j", str(shots))
        until(partial(has_answers, cluster, shots))
        blows = [siege.kill_a, siege.kill_b, siege.kill_server] * (3 if long else 1)
        for blow in blows:
            blow(night)
        out, err = night.run.communicate(timeout=PATIENCE_S)
        found = Counter(p["state"] for p in person.purchases())
        twice = cluster.charged().total() - shots
    assert len(wanted) == 3, said
    assert (night.run.returncode, found) == (code, wanted), out + err
    tried = {"shots": shots, "blows": len(blows), **found}
    report.add("cluster: ends of tasks", tried, wrong={"charged twice": twice})


def has_answers(cluster: Cluster, number: int) -> bool:
    """True if the store knows so many answers of the gateway."""
    names = cluster.store.names("purchases")
    return sum(name.endswith(".answer") for name in names) >= number


def has_charged(cluster: Cluster, number: int) -> bool:
    """True if the gateway has charged so many."""
    return len(cluster.charged()) >= number


def handed_over(cluster: Cluster, film: Pipeline, *limits: str) -> Siege:
    """A film that is followed, at a cluster with these limits."""
    siege.commit(film)
    cluster.work(*HOSTS)
    siege.settle(film, *limits)
    return Siege(cluster, film, 0.0, film.begin(*FOLLOW))


def test_a_cap_of_the_account_holds_over_deaths(tmp_path: Path, long: bool, report: Report) -> None:
    """What is charged, and what a dead host may have bought, is never more than the cap; and all
    of the cap is used.
    """
    shots, cap = (120, 80) if long else (12, 8)
    options: dict[str, Any] = {"faults": ("create:slow=1.0,1s",), "task_time": "2s"}
    with clustered(tmp_path, **options) as cluster:
        film = cluster.person("person")
        film.write(shots, run=LIMITS)
        night = handed_over(cluster, film, *DESK, "--max-spend", str(2 * cap))
        blows = [siege.kill_a, siege.kill_server, siege.kill_b] * (3 if long else 1)
        for number, blow in enumerate(blows):
            until(partial(has_charged, cluster, 1 + number * cap // len(blows)))
            blow(night)
        out, err = night.run.communicate(timeout=PATIENCE_S)
        charged = cluster.charged()
        doubts = [p for p in film.purchases() if p["state"] == "in_doubt"]
    unknown = {p["body"]["prompt"] for p in doubts} - charged.keys()
    assert len(charged) + len(unknown) == cap, out + err
    tried = {"shots": shots, "blows": len(blows), "in doubt": len(doubts), "cap": cap}
    wrong = {"charged twice": charged.total() - len(charged)}
    report.add("cluster: a cap of the account", tried, wrong=wrong)


# How a person settles a doubt: the words, the state that follows, and how often it is charged.
WAYS: dict[str, tuple[tuple[str, ...], str, int]] = {
    "again": (("--resubmit",), "done", 2),
    "found": (("--task",), "done", 1),
    "gone": (("--abandon",), "abandoned", 1),
}


def test_a_person_settles_doubts(tmp_path: Path, long: bool) -> None:
    """Hosts die with their creates on their way. What was not bought is bought, what is found at
    the gateway comes home, and what is let go of stays so.
    """
    ways = WAYS if long else {"again": WAYS["again"]}
    slow = f"create:slow=first:{len(ways)},140s"
    with clustered(tmp_path, faults=(slow,), task_time="1s") as cluster:
        film = cluster.person("person")
        film.write({name: {"prompt": f"a street, {name}"} for name in ways}, run=LIMITS)
        night = handed_over(cluster, film, *DESK)
        until(partial(has_charged, cluster, len(ways)))
        for host in HOSTS:
            cluster.kill(host)
        cluster.work(*HOSTS)
        night.run.communicate(timeout=PATIENCE_S)
        assert night.run.returncode == 4
        tasks = {c["prompt"].rpartition(" ")[2]: c["task_id"] for c in charges(cluster.sandbox)}
        for name, (words, _, _) in ways.items():
            named = [tasks[name]] if words == ("--task",) else []
            film.do("resolve", "film.yaml", name, *words, *named)
        film.do(*FOLLOW, code=3 if "gone" in ways else 0)
        ends(film, "fetch", "film.yaml")
        last = {p["shot"]: p["state"] for p in film.purchases()}
        charged = {prompt.rpartition(" ")[2]: n for prompt, n in cluster.charged().items()}
    assert last == {name: state for name, (_, state, _) in ways.items()}
    assert charged == {name: times for name, (_, _, times) in ways.items()}
