"""`resolve` where hosts may buy the same shots: the store has a person's word before the ledger,
and every copy of the ledger takes it in.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from klingflow.api import loading, planning, resolving, site
from klingflow.cluster import verdicts
from klingflow.cluster.follow import batch_of, hand_over
from klingflow.cluster.ordering import ordered
from klingflow.cluster.orders import Terms, given_up, withdrawn
from klingflow.cluster.store import FolderStore
from klingflow.decide.resolve import Verdict
from klingflow.errors import NothingSelected, UsageError
from klingflow.gateway.outcomes import Running
from klingflow.ledger.book import doubt
from klingflow.ledger.handed_over import claimed
from klingflow.ledger.lifecycle import advance
from klingflow.ledger.lines import journal_line
from klingflow.ledger.places import ledger_paths
from klingflow.ledger.store import open_ledger
from klingflow.model import Event, Purchase
from tests.clusters import QUICK, a_store, states
from tests.harness import Pipeline, pipeline_at
from tests.purchases import AT, LATER, ORIGIN

FOUND: dict[str, Any] = {"task": "task_x", "ask": lambda _: Running(), "force": True}


@dataclass(frozen=True)
class Cluster:
    """A film of which shot `a` is at the cluster, and shot `b` is not."""

    film: Pipeline
    store: FolderStore
    order: Purchase

    def resolve(self, key: str = "a", film: Pipeline | None = None, **how: Any) -> str:
        """What `resolve` says."""
        manifest = loading.load((film or self.film).manifest)
        how = {"task": None, **how}
        said = resolving.resolve(manifest, key, site.Wish(), ORIGIN, waits=QUICK, **how)
        return "\n".join(said)

    def standing(self, film: Pipeline | None = None) -> dict[str, str]:
        """The mark of each shot in the plan, as any copy of the film has it."""
        plan = planning.plan(loading.load((film or self.film).manifest), origin=ORIGIN)
        return {action.key: action.verb for action in plan.actions}

    def put(self, chapter: str, purchase: Purchase) -> None:
        """Make an object of a purchase."""
        assert self.store.put(f"purchases/{purchase.uid}.{chapter}", journal_line(purchase))

    def claim(self, **when: Any) -> Purchase:
        """Let a host claim the order."""
        taken = claimed(replace(self.order, **when), host="host-a", nonce="n")
        self.put("intent", taken)
        return taken

    def copy(self) -> Pipeline:
        """A colleague's clone, as it was when the shot was handed over."""
        other = replace(self.film, folder=self.film.folder.parent / "copy")
        unshared = shutil.ignore_patterns(".klingflow")
        shutil.copytree(self.film.folder, other.folder, ignore=unshared)
        return other


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """Shot `a` handed over at a store that the environment names."""
    film, store = pipeline_at(tmp_path / "film"), a_store(tmp_path / "store")
    monkeypatch.setenv("KLINGFLOW_CLAIMS", str(store.folder))
    monkeypatch.setenv("KLINGFLOW_STATE_DIR", str(tmp_path / "state"))
    film.write({"a": {"prompt": "x"}, "b": {"prompt": "y"}})
    manifest = loading.load(film.manifest)
    here = site.site_for(manifest, site.Wish(), ORIGIN)
    with open_ledger(ledger_paths(film.manifest), lambda: AT) as ledger:
        lineage = ledger.book.lineage
        batch = batch_of(lineage, AT, "ab")
        plan = planning.planned(manifest, ledger.book, here, {"a"})
        (order,) = ordered(
            plan, ledger.book, origin=ORIGIN, store=store.identity, batch=batch, at=AT
        )
        terms = Terms(batch, lineage, "film", ORIGIN, store.identity, 0)
        anyio.run(hand_over, ledger, store, terms, [order])
    return Cluster(film, store, order)


@pytest.mark.parametrize("how", [{"verdict": "resubmit"}, {"verdict": "abandon"}, FOUND])
def test_an_order_is_not_taken_back_without_its_store(
    cluster: Cluster, how: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its hosts would not hear of it; another store's would not, either."""
    monkeypatch.delenv("KLINGFLOW_CLAIMS")
    with pytest.raises(UsageError, match=r"at the cluster: .* Set KLINGFLOW_CLAIMS to their store"):
        cluster.resolve(**how)
    monkeypatch.setenv("KLINGFLOW_CLAIMS", str(a_store(tmp_path / "other").folder))
    with pytest.raises(UsageError, match="at another cluster"):
        cluster.resolve(**how)
    assert (states(cluster.store), cluster.standing()["a"]) == ({}, "held")


@pytest.mark.parametrize(("verdict", "verb", "said"), [
    ("resubmit", "create", "a: not bought; the next run buys it"),
    ("abandon", "failed", "a: abandoned; it is not bought again unless you pass --rerun failed"),
    ("not_charged", "failed", "a: not charged; it is not bought again unless you pass"),
])  # fmt: skip
def test_an_order_that_nobody_claimed_is_taken_back(
    cluster: Cluster, verdict: Verdict, verb: str, said: str
) -> None:
    """Here, and for a colleague whose lock still has the order."""
    other = cluster.copy()
    assert said in cluster.resolve(verdict=verdict)
    assert cluster.standing()["a"] == cluster.standing(other)["a"] == verb
    assert "001.answer" not in states(cluster.store)


def test_what_a_host_has_bought_meanwhile_is_not_given_up(cluster: Cluster) -> None:
    """Its task is known, and comes by itself."""
    taken = cluster.claim()
    cluster.put("answer", advance(taken, "accepted", LATER, task_id="task_1"))
    with pytest.raises(UsageError, match="a is submitted"):
        cluster.resolve(verdict="resubmit")
    assert cluster.standing()["a"] == "resume"


def test_the_answer_of_a_claim_is_waited_for(cluster: Cluster) -> None:
    """None comes: then it is in doubt, which the verdict settles for every copy."""
    other, lines = cluster.copy(), list[str]()
    cluster.claim(times={"intent": site.now(), "updated": site.now()})
    assert "the next run buys it" in cluster.resolve(verdict="resubmit", tell=lines.append)
    assert ["host-a may be buying it now" in line for line in lines] == [True]
    assert states(cluster.store)["001.resolved"] == "abandoned"
    assert cluster.standing()["a"] == cluster.standing(other)["a"] == "create"


@pytest.mark.parametrize("verdict", ["resubmit", "abandon"])
@pytest.mark.parametrize("died_after", ["claim", "doubt", "resolved"])
def test_the_second_resolve_goes_on_where_the_first_died(
    cluster: Cluster, verdict: Verdict, died_after: str
) -> None:
    """After any of its steps; what follows is as if it had not died."""
    made = withdrawn if verdict == "resubmit" else given_up
    person = verdicts.Person(cluster.store, lambda: LATER, QUICK)
    if died_after == "claim":
        word = made(cluster.order, host="laptop", nonce="p", at=LATER)
        cluster.put("intent", word)
    else:
        doubtful = doubt(cluster.claim(), LATER)
        cluster.put("doubt", doubtful)
    if died_after == "resolved":
        event: Event = "resubmitted" if verdict == "resubmit" else "abandoned"
        anyio.run(verdicts.say, person, doubtful, advance(doubtful, event, LATER))
    cluster.resolve(verdict=verdict)
    verb = {"resubmit": "create", "abandon": "failed"}[verdict]
    assert cluster.standing()["a"] == cluster.standing(cluster.copy())["a"] == verb


def test_two_persons_end_in_one_ledger(cluster: Cluster) -> None:
    """Each knows what the other has said before, and may change it; both copies agree at the end,
    whoever looks first.
    """
    cluster.put("doubt", doubt(cluster.claim(), LATER))
    other = cluster.copy()
    cluster.resolve(verdict="abandon")
    cluster.resolve(verdict="resubmit", film=other)
    assert cluster.standing()["a"] == cluster.standing(other)["a"] == "create"
    cluster.resolve(verdict="abandon", film=other)
    assert cluster.standing(other)["a"] == cluster.standing()["a"] == "failed"


@pytest.mark.parametrize("before", ["an order", "a doubt", "a claim without an answer"])
def test_a_task_that_was_found_is_told_to_the_store(cluster: Cluster, before: str) -> None:
    """Nobody buys the shot any more, and every copy asks after that task."""
    other = cluster.copy()
    if before != "an order":
        taken = cluster.claim()
    if before == "a doubt":
        cluster.put("doubt", doubt(taken, LATER))
    assert "a: bought as task_x" in cluster.resolve(**FOUND)
    assert states(cluster.store)["001.answer"] == "submitted"
    assert cluster.standing()["a"] == cluster.standing(other)["a"] == "resume"


def test_a_purchase_made_elsewhere_is_claimed(cluster: Cluster) -> None:
    """A colleague's run would otherwise buy the shot, which no ledger knows yet."""
    other = cluster.copy()
    cluster.resolve("b", **FOUND)
    assert cluster.standing()["b"] == cluster.standing(other)["b"] == "resume"


def test_a_task_is_not_taken_where_a_host_has_another(cluster: Cluster) -> None:
    """The store says which."""
    taken = cluster.claim()
    cluster.put("doubt", doubt(taken, LATER))
    cluster.resolve(film=cluster.copy(), **FOUND)
    with pytest.raises(UsageError, match="a is bought: its task is task_x"):
        cluster.resolve(**{**FOUND, "task": "task_y"})


def test_of_many_what_is_at_the_cluster_is_left_alone(cluster: Cluster) -> None:
    """An order is taken back by its own name only, because that may take minutes."""
    manifest = loading.load(cluster.film.manifest)
    wish = site.Wish(select=("state:in_doubt",))
    with pytest.raises(NothingSelected, match="nothing is in doubt"):
        resolving.resolve_many(manifest, wish, ORIGIN, "abandon", lambda _: True)
    assert states(cluster.store) == {}


def test_many_doubts_are_told_to_the_store(cluster: Cluster) -> None:
    """As one is."""
    cluster.put("doubt", doubt(cluster.claim(), LATER))
    manifest = loading.load(cluster.film.manifest)
    wish = site.Wish(select=("a",))
    resolving.resolve_many(manifest, wish, ORIGIN, "resubmit", lambda _: True)
    assert states(cluster.store)["001.resolved"] == "abandoned"
