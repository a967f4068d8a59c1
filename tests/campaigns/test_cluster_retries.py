"""Tasks fail for want of capacity, and a plain run with claims and hosts of a cluster buy the same
takes again at once, each of them killed at a random moment: together they buy no more than
`run.retries` allows.
"""

from __future__ import annotations

import random
import shutil
import time
from collections import Counter, defaultdict
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.campaigns import siege
from tests.campaigns.cluster import HOSTS, Cluster, clustered
from tests.campaigns.figures import Report
from tests.campaigns.test_cluster_outcomes import has_charged, until
from tests.harness import Pipeline, charges

pytestmark = pytest.mark.usefixtures("temporal_server")

SHOTS, RETRIES, PATIENCE_S = 12, 2, 600.0
RUN = {**siege.LIMITS, "retries": RETRIES}
# So slow that most of the film is handed over while the plain run buys it.
SLOWLY = {**RUN, "submit": "10/1m"}
PLAIN = ("run", "film.yaml", "-y", "-q")
OPTIONS: dict[str, Any] = {"faults": ("query:fail_capacity=0.5",), "task_time": "2s"}


@pytest.mark.parametrize("first", ["the plain run dies", "hosts die"])
def test_together_they_buy_again_as_often_as_one(
    tmp_path: Path, first: str, long: bool, report: Report
) -> None:
    """Whoever buys the first attempts: each id is charged once and known afterwards, and a take
    that was ordered is bought until it comes, or `retries` are used up.
    """
    tried: Counter[str] = Counter()
    wrong = {"charged twice": 0, "ids lost": 0, "rules broken": 0}
    found = list[str]()
    for seed in range(8 if long else 1):
        chance = random.Random(seed)
        with clustered(tmp_path / str(seed), seed=seed, **OPTIONS) as cluster:
            one, two = cluster.person("one"), cluster.person("two")
            one.write(SHOTS, run=RUN)
            siege.commit(one)
            shutil.copytree(one.folder, two.folder, dirs_exist_ok=True)
            two.write(SHOTS, run=SLOWLY)
            _night(cluster, one, two, chance, hosts_die=first == "hosts die")
            for kind, said in _judged(cluster, one, two, tried):
                wrong[kind] += 1
                found.append(f"seed {seed}: {said}")
    assert tried["ordered"], "nothing was handed over while the plain run bought"
    report.add(f"cluster: bought again, {first}", tried, wrong=wrong, found="\n".join(found))


def _night(
    cluster: Cluster, one: Pipeline, two: Pipeline, chance: random.Random, *, hosts_die: bool
) -> None:
    """A plain run buys in `two` while `one` hands over what is left; somebody dies; both end."""
    if hosts_die:
        cluster.work(*HOSTS)
    siege.settle(one, *siege.DESK)
    plain = two.start(*PLAIN)
    until(partial(has_charged, cluster, 1))
    siege.hand_over(one, "-q")
    time.sleep(chance.uniform(0.0, 8.0))  # the moment of the death is the campaign's chance
    if hosts_die:
        for host in HOSTS:
            cluster.kill(host)
    else:
        plain.kill()
    plain.communicate(timeout=PATIENCE_S)
    cluster.work(*HOSTS)
    one.start(*siege.FOLLOW).communicate(timeout=PATIENCE_S)
    two.start(*PLAIN).communicate(timeout=PATIENCE_S)
    one.start(*siege.FOLLOW).communicate(timeout=PATIENCE_S)


def _judged(
    cluster: Cluster, one: Pipeline, two: Pipeline, tried: Counter[str]
) -> list[tuple[str, str]]:
    """Return what is wrong, each by its kind. A take that only the plain run knew, and whose task
    failed right before its death, waits for a person.
    """
    bought, wrong = defaultdict[str, list[str]](list), list[tuple[str, str]]()
    for charge in charges(cluster.sandbox):
        bought[charge["prompt"]].append(charge["client_request_id"].partition("/")[0])
    known = {p["uid"]: p for film in (one, two) for p in film.purchases()}
    of: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for purchase in known.values():
        of[purchase["body"]["prompt"]].append(purchase)
    for prompt, uids in bought.items():
        states = {purchase["state"] for purchase in of[prompt]}
        is_ordered = any("cluster" in (p.get("evidence") or {}) for p in of[prompt])
        tried.update(charges=len(uids), ordered=is_ordered, doubts="in_doubt" in states)
        wrong += [("charged twice", f"{prompt}: {uids}")] * (len({*uids}) < len(uids))
        wrong += [("ids lost", f"{prompt}: {uids}")] * (not known.keys() >= {*uids})
        is_through = "done" in states or "in_doubt" in states or len(uids) == 1 + RETRIES
        if len(uids) > 1 + RETRIES or not (is_through or not is_ordered):
            wrong.append(("rules broken", f"{prompt}: {len(uids)} charges, {sorted(states)}"))
    tried.update(nights=1, shots=len(bought))
    return wrong
