"""Any host may die: hosts, the server and its memory, networks and stores, at random moments of
films that persons follow.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.buckets import serving
from tests.campaigns import siege
from tests.campaigns.aftermath import Found
from tests.campaigns.cluster import HOSTS, clustered
from tests.campaigns.figures import Report
from tests.campaigns.judge import judge
from tests.campaigns.siege import (
    CUTS,
    DEATHS,
    DESK,
    FOLLOW,
    LIMITS,
    MEMORY,
    MOST,
    PATIENCE_S,
    RATE,
    Night,
    begun,
    commit,
    play,
    settle,
)
from tests.harness import Pipeline, Process, charges, sandboxed

SLOW_CREATES = ("create:slow=1.0,1s",)
# A host that takes every claim for free, as it would be without claims.
NO_CLAIMS = """from klingflow.cluster import handbox, hands, ticks
async def granted(hand, intent, leave):
    await hand.put(f"purchases/{intent.uid}.intent", hands.journal_line(intent))
hands._claim = granted
handbox.HandBox.has_sent = lambda box, uid: False
ticks.Ticks.claimed = lambda ticks, name, data: None
"""

pytestmark = pytest.mark.usefixtures("temporal_server")

# A host that comes too late for most of what it is granted.
LATE = (
    "import random; from klingflow.cluster import hands; buy = hands.buy;"
    "hands.buy = lambda *a, too_late=False, **k:"
    " buy(*a, too_late=too_late or random.random() < 0.6, **k);"
)


# What a night's blows last, longer than a host may be silent before another goes on.
_BLOW_S = 11.0
# The next create after a host's death, or after the server's return.
_NEXT_CREATE_S = 15
NIGHTS = {
    "hosts and server die": [Night((*DEATHS, siege.kill_follower), 24, 4.0, in_turn=True)],
    "the server's memory is lost": [Night(MEMORY, 24, 4.0, in_turn=True)],
    "hosts are cut off": [
        Night((siege.split, siege.take_store_away, siege.stop_a), 30, 1.0, _BLOW_S, in_turn=True)
    ],
}
# In one night of three the run that follows dies, too.
LONG_NIGHTS = {
    "hosts and server die": [
        Night((*DEATHS, *[siege.kill_follower][: seed % 3 == 0]), 300, 20.0, most=12, seed=seed)
        for seed in range(100)
    ],
    "the server's memory is lost": [
        Night((*MEMORY, siege.kill_a), 300, 20.0, most=12, seed=seed) for seed in range(50)
    ],
    "hosts are cut off": [Night(CUTS, 300, 10.0, 30.0, in_turn=True, seed=0)],
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each night is a test of its own, so that one can be played again: `--long -k seed07`."""
    if "night" not in metafunc.fixturenames:
        return
    kinds = LONG_NIGHTS if metafunc.config.getoption("--long") else NIGHTS
    nights = [(name, night) for name, nights in kinds.items() for night in nights]
    names = [f"{name}, seed{night.seed:02}" for name, night in nights]
    metafunc.parametrize(("name", "night"), nights, ids=names)


def test_nothing_is_charged_twice_and_no_id_is_lost(
    tmp_path: Path, long: bool, report: Report, name: str, night: Night
) -> None:
    """Whatever happens: each shot is charged once, and its task id is in the lock, or it is in
    doubt because its host died with it.
    """
    tried: Counter[str] = Counter()
    found = Found()
    with clustered(
        tmp_path,
        task_time="lognormal:3s,6s",
        faults=SLOW_CREATES,
        rate=RATE,
        max_running=MOST,
    ) as cluster:
        play(cluster, night, tried, found)
    if long:  # figures of a machine that has nothing else to do
        _judge_pace(name, tried, found)
    wrong = found.counts() | {"rules broken": found.wrong["rules broken"]}
    campaign = f"cluster: {name}, seed {night.seed}" if long else f"cluster: {name}"
    report.add(campaign, tried, wrong=wrong, found="\n".join(found.complaints))


def _judge_pace(name: str, tried: Counter[str], found: Found) -> None:
    if tried["answered 429"] * 100 > tried["creates"]:
        found.blame("rules broken", name, "more than 1 % of the creates were answered with 429")
    if tried["s to the next create"] > _NEXT_CREATE_S:
        found.blame("rules broken", name, "the next create came too late after a death")


def test_copies_of_a_film_buy_it_once(tmp_path: Path, report: Report) -> None:
    """Two people follow one film, and a third runs it without the cluster, all at once: each shot
    is charged once, and both who follow end in the same purchase lines. Nobody waits for what the
    third bought before it was handed over: who fetches that, asks the gateway at a time of its own.
    """
    shots = 16
    with clustered(tmp_path, task_time="3s", rate=RATE, max_running=MOST) as cluster:
        one, two, plain = (cluster.person(name) for name in ("one", "two", "plain"))
        one.write(shots, run=LIMITS)
        commit(one)
        for copy in (two, plain):
            shutil.copytree(one.folder, copy.folder, dirs_exist_ok=True)
        cluster.work(*HOSTS)
        settle(one, *DESK)
        runs = [one.start(*FOLLOW), two.start(*FOLLOW), plain.start("run", "film.yaml", "-y", "-q")]
        said = ["".join(run.communicate(timeout=PATIENCE_S)) for run in runs]
        codes = [run.returncode for run in runs]
        assert {*codes[:2]} <= {0, 4} and codes[2] in (0, 4, 11), said
        for code, text in zip(codes[:2], said[:2], strict=True):
            lines = text.splitlines() if code else []
            assert all(re.search(r": to resume: \w+ is not finished", line) for line in lines), text
        for film in (one, two):  # one may have ended before the other had handed all over
            film.do("fetch", "film.yaml")
        assert _told_by_hosts(one) == _told_by_hosts(two)
        assert _bought(one) == _bought(two)
        wrong = judge(one, cluster.sandbox).wrong
        report.add("cluster: copies of a film", {"shots": shots, "copies": 3}, wrong=wrong)


def _told_by_hosts(film: Pipeline) -> dict[str, dict[str, Any]]:
    """The purchase lines of what hosts have claimed, by shot."""
    lines = {str(line["shot"]): line for line in film.purchases()}
    claims = {shot: line.get("evidence", {}).get("claim", {}) for shot, line in lines.items()}
    return {shot: line for shot, line in lines.items() if claims[shot].get("host") in HOSTS}


def _bought(film: Pipeline) -> list[tuple[str, ...]]:
    """What was bought, and not when it was noticed, in the order of the ledger."""
    facts = ("shot", "uid", "task_id", "fingerprint")
    return [tuple(line[fact] for fact in facts) for line in film.purchases()]


def test_a_plain_run_beside_the_cluster_holds_what_is_there(tmp_path: Path) -> None:
    """By the lock alone, with claims or without; and in the folder of one who follows, the ledger
    is held. No host has bought anything yet.
    """
    with clustered(tmp_path, task_time="3s") as cluster:
        film = cluster.person("person")
        film.write(2, run=LIMITS)
        commit(film)
        siege.hand_over(film)
        assert "at the cluster" in film.do("run", "film.yaml", "-y", code=4)
        other = cluster.person("other")
        shutil.copytree(film.folder, other.folder, dirs_exist_ok=True)
        said = other.do("run", "film.yaml", "-y", code=4, KLINGFLOW_CLAIMS="")
        assert "at the cluster" in said and not cluster.charged()
        follower = film.begin(*FOLLOW, "--log", "run.log")
        _until((film.folder / "run.log").exists, follower)
        film.do("run", "film.yaml", "-y", code=11)
        follower.kill()
        follower.communicate()
        assert not cluster.charged()


def test_a_klingflow_older_than_clusters_holds_what_is_there(tmp_path: Path) -> None:
    """In the copy of a colleague. It knows of no cluster: an order is an intent without an outcome,
    so it holds the shot in doubt and buys nothing.
    """
    old = _before_clusters(tmp_path / "old")
    with clustered(tmp_path / "cluster", task_time="1s") as cluster:
        film, other = cluster.person("person"), cluster.person("other")
        film.write(2, run=LIMITS)
        commit(film)
        siege.hand_over(film)
        shutil.copytree(film.folder, other.folder, dirs_exist_ok=True)
        other.do("run", "film.yaml", "-y", code=4, PYTHONPATH=str(old))
        assert not cluster.charged()
        cluster.work(*HOSTS)
        film.do(*FOLLOW)
        assert cluster.charged().total() == 2


def _before_clusters(folder: Path) -> Path:
    """The last klingflow before clusters were known, out of the history; skipped where a checkout
    does not have that.
    """
    folder.mkdir()
    added = ("log", "--diff-filter=A", "--format=%H", "--", "klingflow/ledger/handed_over.py")
    try:
        first = _git(*added).decode().split()[-1]
        tar = _git("archive", f"{first}^", "klingflow")
    except (OSError, IndexError, subprocess.CalledProcessError):
        pytest.skip("this checkout's history does not go back to before clusters")
    subprocess.run(["tar", "x"], cwd=folder, input=tar, check=True)
    return folder


def _git(*arguments: str) -> bytes:
    """What git says of this checkout."""
    here = Path(__file__).parent.parent.parent
    return subprocess.run(["git", *arguments], cwd=here, capture_output=True, check=True).stdout


def test_films_share_limits_and_a_budget(tmp_path: Path, report: Report) -> None:
    """Two people, two films, one account: it buys what its budget allows for both, and each of
    them is told of their own film alone.
    """
    with clustered(tmp_path, task_time="3s", rate=RATE, max_running=MOST) as cluster:
        films = {name: cluster.person(name) for name in ("alley", "harbour")}
        for name, film in films.items():
            shots = {f"{name}{n}": {"prompt": f"a quiet street, {name} {n}"} for n in range(10)}
            film.write(shots, run=LIMITS)
            commit(film)
        cluster.work(*HOSTS)
        settle(films["alley"], *DESK, "--max-spend", "24")
        follow = [word for word in FOLLOW if word != "-q"]
        runs = {name: film.begin(*follow) for name, film in films.items()}
        said = {name: "".join(run.communicate(timeout=PATIENCE_S)) for name, run in runs.items()}
        verdicts = {name: judge(film, cluster.sandbox, f"a quiet street, {name}")
                    for name, film in films.items()}  # fmt: skip
        assert sum(verdict.charged for verdict in verdicts.values()) == 12, said
        assert all(verdict.charged for verdict in verdicts.values()), said
        assert "harbour" not in said["alley"] and "alley" not in said["harbour"]
        wrong = sum((Counter(verdict.wrong) for verdict in verdicts.values()), Counter[str]())
        report.add("cluster: films of one account", {"films": 2, "shots": 20}, wrong=wrong)


def test_without_claims_a_lost_memory_buys_twice(tmp_path: Path) -> None:
    """The claim is what keeps the promise, so these campaigns can see it broken. No task ends
    before the server is back, so every shot is handed over again.
    """
    with clustered(tmp_path, task_time="1h", rate=RATE, max_running=MOST) as cluster:
        cluster.before_main = NO_CLAIMS
        night = begun(cluster, cluster.person("person"), 12)
        _until(lambda: len(cluster.charged()) > 3, night.run)
        siege.forget(night)
        _until(lambda: max(cluster.charged().values()) > 1, night.run)
        night.run.kill()
        night.run.communicate()


def test_grants_that_come_late_are_granted_again(tmp_path: Path) -> None:
    """On hosts that are too slow most grants have missed their turn: each order is granted until
    one is used, and the film comes to its end.
    """
    with clustered(tmp_path, task_time="1s") as cluster:
        cluster.before_main = LATE
        film = cluster.person("person")
        film.write(12, run=LIMITS)
        commit(film)
        cluster.work(*HOSTS)
        settle(film, "--submit", "600/1m", "-j", "30")
        film.do(*FOLLOW)
        assert cluster.charged() == Counter({p["body"]["prompt"]: 1 for p in film.purchases()})


def test_a_bucket_that_forgets_who_was_first_is_refused(tmp_path: Path) -> None:
    """By name, by a host and by a run, before anything is bought."""
    with serving(conditional=False) as service, sandboxed(tmp_path / "film") as (film, sandbox):
        film.write(2)
        environ = {
            **service.environ,
            "KLINGFLOW_CLAIMS": "s3://films/store",
            "KLINGFLOW_CLUSTER": "temporal://127.0.0.1:9/default",
        }
        for command in (["worker"], ["run", "film.yaml", "-y"]):
            said = film.do(*command, code=2, **environ)
            assert "s3://films/store" in said and "lets an object be made twice" in said
        assert charges(sandbox) == []


def _until(is_so: Callable[[], bool], run: Process) -> None:
    """Wait for something that happens while a run follows."""
    until = time.monotonic() + PATIENCE_S
    while not is_so():
        assert run.poll() is None and time.monotonic() < until
        time.sleep(0.2)  # a moment of the night
