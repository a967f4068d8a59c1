"""A host and a run of a cluster: what the environment has to name, and what git has to have."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import klingflow
from klingflow.api import cluster_place, clusters, loading, running, site, working
from klingflow.cluster.address import address_in
from klingflow.cluster.ordering import ordered
from klingflow.cluster.status import Status
from klingflow.cluster.store import VIDEOS, FolderStore, told_of
from klingflow.errors import ClusterAway, UsageError
from klingflow.gateway.access import Access
from klingflow.ledger.lifecycle import advance
from klingflow.ledger.lines import journal_line
from klingflow.ledger.uids import uid_of
from klingflow.model import Limits, Purchase
from klingflow.runner.context import Job
from klingflow.terminal import run_commands
from tests.clusters import BATCH, a_store, hand_over
from tests.harness import Pipeline, pipeline_at
from tests.purchases import AT, LATER, ORIGIN, intent
from tests.runs import VIDEO

ADDRESS = {"KLINGFLOW_CLUSTER": "temporal://127.0.0.1:9/team"}


@pytest.fixture
def film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """A film with a ledger, in a work tree where git is there."""
    monkeypatch.setenv("KLINGFLOW_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.delenv("KLINGFLOW_CLAIMS", raising=False)
    film = pipeline_at(tmp_path / "film")
    film.write({"a": {"prompt": "x"}})
    return film


@contextmanager
def opened(film: Pipeline) -> Iterator[Job]:
    """Its ledger, held by a run."""
    with running.open_job(loading.load(film.manifest), site.Wish(), ORIGIN) as job:
        yield job


def begun(film: Pipeline) -> None:
    """Let its ledger have a lineage."""
    with opened(film) as job:
        job.ledger.begin_box()
    assert film.lock.exists()


def git(film: Pipeline, *arguments: str) -> None:
    """Do it in the film's folder, as somebody."""
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    subprocess.run(["git", *who, "-C", str(film.folder), *arguments], check=True)


needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


@needs_git
def test_only_a_committed_lineage_is_handed_over(film: Pipeline) -> None:
    """A lock that lies in the folder, or was only added, is not what a clone gets."""
    begun(film)
    git(film, "init", "-q")
    git(film, "add", "film.lock")
    with opened(film) as job, pytest.raises(UsageError, match="Commit it first"):
        clusters.check_committed(job)
    git(film, "commit", "-qm", "film: begin the ledger")
    with opened(film) as job:
        clusters.check_committed(job)


def test_of_a_new_film_a_person_is_asked_only_to_begin_its_lock(
    film: Pipeline, tmp_path: Path
) -> None:
    """Whoever says yes to a price would look for what it bought. Later the price is asked."""
    place = cluster_place.Place(address_in(ADDRESS), a_store(tmp_path / "store"), "team")

    def asked() -> str:
        with opened(film) as job:
            held = run_commands._Held([job], Access(ORIGIN), ORIGIN, "", place)
            return run_commands._question(held)

    assert asked().startswith("Begin ") and asked().endswith("before it is committed.")
    begun(film)
    assert asked().startswith("Buy 1 for 2.00 CNY")


@needs_git
def test_another_lineage_in_git_is_not_this_one(film: Pipeline) -> None:
    """A fork that was not committed would claim under ids that no clone makes."""
    begun(film)
    git(film, "init", "-q")
    git(film, "add", "film.lock")
    git(film, "commit", "-qm", "film: begin the ledger")
    film.do("lock", "fork", "film.yaml")
    with opened(film) as job, pytest.raises(UsageError, match="lineage is not in git's last"):
        clusters.check_committed(job)


def test_without_git_the_lock_itself_counts(film: Pipeline) -> None:
    """As outside a work tree."""
    begun(film)
    with opened(film) as job:
        clusters.check_committed(job)


@pytest.mark.parametrize(("environ", "said"), [
    ({}, "no cluster: set KLINGFLOW_CLUSTER="),
    (ADDRESS, "no store: set KLINGFLOW_CLAIMS"),
    ({**ADDRESS, "KLINGFLOW_CLAIMS": "ftp://x"}, "no store can be at ftp://x"),
])  # fmt: skip
def test_a_cluster_is_named_by_the_environment(environ: dict[str, str], said: str) -> None:
    """Server and store, each by its own variable."""
    with pytest.raises(UsageError, match=said):
        cluster_place.place_in(environ, None)


def test_a_place_has_server_store_and_account(film: Pipeline, tmp_path: Path) -> None:
    """The store is the one that lies there."""
    store = a_store(tmp_path / "store")
    environ = {**ADDRESS, "KLINGFLOW_CLAIMS": str(store.folder)}
    place = cluster_place.place_in(environ, "team")
    assert (str(place.address), place.account) == ("temporal://127.0.0.1:9/team", "team")
    assert place.store.identity == store.identity


@pytest.mark.parametrize("missing", ["KLINGFLOW_BASE_URL", "KLINGFLOW_API_KEY"])
def test_a_worker_has_address_and_key_from_its_environment(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing else may have the key."""
    for name in ("KLINGFLOW_BASE_URL", "KLINGFLOW_API_KEY"):
        monkeypatch.setenv(name, "https://gateway.example.com")
    monkeypatch.delenv(missing)
    with pytest.raises(UsageError, match=f"no {missing} in the environment"):
        working.work(None, 1, print)


def test_an_account_is_named_after_the_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless it is named."""
    monkeypatch.setenv("KLINGFLOW_BASE_URL", "https://gateway.example.com:8443/v1")
    assert cluster_place.account_here(None) == "gateway.example.com-8443"
    assert cluster_place.account_here("team") == "team"
    monkeypatch.delenv("KLINGFLOW_BASE_URL")
    with pytest.raises(UsageError, match=r"set KLINGFLOW_BASE_URL .* or pass --account NAME"):
        cluster_place.account_here(None)


def run_from_python(film: Pipeline, cluster: klingflow.Cluster, copies: int = 1) -> None:
    """Run it at a cluster, without a key."""
    manifests = [klingflow.load(film.manifest)] * copies
    klingflow.run(manifests, base_url=ORIGIN, key="", cluster=cluster)


def test_from_python_the_environment_names_a_cluster(
    film: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it does not name is an exception that says so."""
    monkeypatch.delenv("KLINGFLOW_CLUSTER", raising=False)
    with pytest.raises(UsageError, match="no cluster"):
        run_from_python(film, klingflow.Cluster())
    with pytest.raises(UsageError, match="no store"):
        run_from_python(film, klingflow.Cluster(ADDRESS["KLINGFLOW_CLUSTER"]))


def test_from_python_a_cluster_takes_one_film(film: Pipeline) -> None:
    """As the command does."""
    with pytest.raises(UsageError, match="one manifest at a time"):
        run_from_python(film, klingflow.Cluster(), copies=2)


def test_from_python_the_given_store_is_taken_in_first(film: Pipeline, tmp_path: Path) -> None:
    """Also where the server is away: what hosts have bought is in the lock, and nothing is handed
    over.
    """
    begun(film)
    store = a_store(tmp_path / "store")
    with opened(film) as job:
        uid = uid_of(job.ledger.book.lineage, "a", 1, 1)
    sold = advance(intent("a", uid=uid), "accepted", LATER, task_id="task_1")
    store.put(f"purchases/{uid}.answer", journal_line(sold))
    nobody = klingflow.Cluster(ADDRESS["KLINGFLOW_CLUSTER"], str(store.folder))
    with pytest.raises(ClusterAway, match="no server answers at"):
        run_from_python(film, nobody)
    assert [p["task_id"] for p in film.purchases()] == ["task_1"]
    assert store.names("orders") == []


class Host:
    """A desk whose only host has bought and brought everything as soon as it is handed over."""

    def __init__(self, job: Job, store: FolderStore, video: Path) -> None:
        self.job, self.store, self.over = job, store, list[str]()
        self.digest = hashlib.sha256(VIDEO).hexdigest()
        video.write_bytes(VIDEO)
        store.keep(f"{VIDEOS}/{self.digest}.mp4", video)

    async def hand_over(self, batch: str, *_: object) -> None:
        """Buy it."""
        facts = {"sha256": self.digest, "size_bytes": len(VIDEO)}
        for order in self.job.ledger.book.purchases.values():
            ready = advance(sold(order), "succeeded", LATER, finished_after_s=(1, 2))
            done = advance(ready, "downloaded", LATER, **facts)
            self.store.put(told_of(order.uid, "done"), journal_line(done))
        self.over.append(batch)

    async def status(self) -> Status:
        """Say that it is through."""
        return Status((), tuple(self.over))

    async def hosts(self) -> list[str]:
        """Name it."""
        return ["north/1"]


def sold(order: Purchase) -> Purchase:
    """An order with its task; as it is where it has one."""
    facts = {"task_id": f"task_{order.shot}", "billed_tier": "t"}
    return order if order.task_id else advance(order, "accepted", AT, **facts)


@pytest.mark.parametrize("was_sold_before", [False, True])
def test_what_hosts_brought_is_done_and_bought_once(
    film: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, was_sold_before: bool
) -> None:
    """As in a run of one process: `done` is what was not here before, `bought` what had no task."""
    begun(film)
    store, limits, told = a_store(tmp_path / "store"), Limits(), list[Any]()
    place = cluster_place.Place(address_in(ADDRESS), store, "team")
    with opened(film) as job:
        host = Host(job, store, tmp_path / "video")

        async def desk_of(*_: object) -> Host:
            return host

        async def begin() -> None:
            terms = {"origin": ORIGIN, "store": store.identity, "batch": BATCH}
            orders = ordered(job.plan, job.ledger.book, **terms, at=AT)
            hand_over(store, orders)
            await job.ledger.record(*map(sold, orders))
            job.plan = job.plan_again()
            await host.hand_over(BATCH)

        monkeypatch.setattr(clusters, "desk_of", desk_of)
        running.allot([job], limits)
        if was_sold_before:
            asyncio.run(begin())
        result = clusters.run(
            job,
            "",
            limits,
            place,
            emit=told.append,
            abort=lambda: None,
            detach=False,
            used=None,
        )
    assert [action.verb for action in result.plans[0].actions] == ["keep"]
    assert result.delivered == {(0, "a")}
    assert [one.key for one in result.bought] == ([] if was_sold_before else ["a"])
    end = {name: told[-1][name] for name in ("event", "exit_code", "bought")}
    assert end == {"event": "end", "exit_code": 0, "bought": int(not was_sold_before)}
