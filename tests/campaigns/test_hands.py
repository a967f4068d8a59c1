"""Three hosts buy the same orders at once, and are killed -9 at random moments, with no engine that
remembers anything: what keeps each shot from being bought twice is the store alone.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from klingflow.cluster.hand import line_in
from klingflow.cluster.orders import Terms, as_bytes, page_name, pages
from klingflow.cluster.store import FolderStore
from klingflow.errors import Mark
from klingflow.ledger.lifecycle import begin
from klingflow.ledger.uids import uid_of
from klingflow.model import Node, Purchase, Request, Shot
from klingflow.sandbox.child import Sandbox
from klingflow.sandbox.options import Options
from tests import forked
from tests.campaigns.buyers import AT_ONCE
from tests.campaigns.figures import Report
from tests.harness import charges
from tests.purchases import AT

HOSTS = 3
BATCH, LINEAGE = "b1", "0123456789abcdef"
# Every create takes its time: a kill falls between a charge and its reply.
SLOW = ("create:slow=0.9,700ms", "create:err429_plain=0.1")
PATIENCE_S = 120.0


@dataclass
class Wrongs:
    """What went wrong, by its kind, and an example of each."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def blame(self, kind: str, what: str) -> None:
        self.counts[kind] += 1
        self.examples.append(f"{kind}: {what}")


@pytest.mark.parametrize("seed", [1])
def test_no_death_of_a_host_buys_a_shot_twice(
    tmp_path: Path, seed: int, long: bool, report: Report
) -> None:
    """Each charge is of another shot; its task id is in the store, or its shot in doubt there."""
    rounds, shots, kills = (20, 120, 25) if long else (1, 60, 6)
    wrongs, tried = Wrongs(), Counter[str]()
    for number in range(rounds):
        folder = tmp_path / str(number)
        tried.update(_round(folder, shots, kills, seed * 1000 + number, wrongs))
    found = {"charged twice": 0, "ids lost": 0} | wrongs.counts
    report.add("claims without an engine", tried, wrong=found, found=wrongs.examples)


def test_without_claims_shots_are_bought_twice(tmp_path: Path) -> None:
    """The campaign sees what it is for: the same deaths over a store that grants every claim."""
    wrongs = Wrongs()
    _round(tmp_path, 20, 2, 7, wrongs, "--no-claims")
    assert wrongs.counts["charged twice"] > 0


def _round(
    folder: Path, shots: int, kills: int, seed: int, wrongs: Wrongs, *more: str
) -> Counter[str]:
    """Hand over `shots`, kill so many hosts at random moments, let the others end, and judge."""
    chance = random.Random(seed)
    store = _store(folder)
    options = Options(faults=SLOW, seed=seed, task_time="0s", plain_clips=True)
    with forked.sandbox_with(options) as sandbox:
        _hand_over(store, shots, sandbox.base_url)
        command = [str(store.folder), sandbox.base_url, *more]
        hosts = [_host(folder, n, command, chance) for n in range(HOSTS)]
        landed = 0
        for _ in range(kills):
            n = chance.randrange(HOSTS)
            _working(folder / f"host{n}", hosts[n])
            time.sleep(chance.uniform(0.0, 0.7))  # the moment of the kill is the campaign's chance
            landed += hosts[n].poll() is None
            hosts[n].kill()
            hosts[n].wait()
            hosts[n] = _host(folder, n, command, chance)
        for host in hosts:
            assert host.wait(PATIENCE_S) == 0
        again = _host(folder, 0, command, chance)  # from scratch, when all is over
        assert again.wait(PATIENCE_S) == 0
        return _judge(store, sandbox, shots, landed, wrongs)


def _store(folder: Path) -> FolderStore:
    store = folder / "store"
    store.mkdir(parents=True)
    return FolderStore(store)


def _hand_over(store: FolderStore, shots: int, origin: str) -> None:
    terms = Terms(BATCH, LINEAGE, "film", origin, store.identity, 0)
    for page in pages(terms, [_order(f"shot{n:03}", origin) for n in range(shots)]):
        assert store.put(page_name(BATCH, page.number), as_bytes(page))


def _order(shot: str, origin: str) -> Purchase:
    body = {"model": "kling-2.5", "prompt": shot, "seconds": "5", "size": "1280x720"}
    wanted = Shot(
        shot, 1, "text", {}, f"outputs/film/{shot}.mp4", Node({}, Mark("film.yaml", 1, 1))
    )
    request = Request(body, f"sha256:{shot}", "kling-2.5-720p", 5, None)
    uid = uid_of(LINEAGE, shot, 1, 1)
    return begin(wanted, request, uid=uid, attempt=1, origin=origin, at=AT)


def _host(
    folder: Path, number: int, command: list[str], chance: random.Random
) -> subprocess.Popen[bytes]:
    """A host with a state folder of its own, that begins from nothing."""
    where, base, *more = command
    state = folder / f"host{number}"
    seed = str(chance.randrange(10**6))
    given = [where, str(state), base, BATCH, seed, *more]
    return subprocess.Popen([sys.executable, "-m", "tests.campaigns.buyers", *given])


def _working(state: Path, host: subprocess.Popen[bytes]) -> None:
    """Wait until a host has claimed something, or has ended."""
    until = time.monotonic() + PATIENCE_S
    while host.poll() is None:
        if any(path.stat().st_size for path in state.glob(f"hands/*/{host.pid}-*.jsonl")):
            return
        assert time.monotonic() < until, "it hangs"
        time.sleep(0.01)


def _judge(
    store: FolderStore, sandbox: Sandbox, shots: int, kills: int, wrongs: Wrongs
) -> Counter[str]:
    paid = charges(sandbox)
    bought = Counter(str(charge["prompt"]) for charge in paid)
    lines = [_line(store, name) for name in store.names("purchases")]
    ids = {p.task_id for p in lines if p.task_id}
    answered = {p.uid for p in lines if p.state in ("submitted", "rejected")}
    doubtful = {p.shot for p in lines if p.state == "in_doubt" and p.uid not in answered}
    for prompt, times in bought.items():
        if times > 1:
            wrongs.blame("charged twice", f"{prompt} {times} times")
    for charge in paid:
        if charge["task_id"] not in ids and charge["prompt"] not in doubtful:
            wrongs.blame("ids lost", json.dumps(charge))
    for shot in {f"shot{n:03}" for n in range(shots)} - {p.shot for p in lines}:
        wrongs.blame("rules broken", f"{shot} was not tried")
    if len(doubtful) > kills * AT_ONCE:
        wrongs.blame("rules broken", f"{len(doubtful)} in doubt after {kills} kills")
    counts = {"kills": kills, "shots": shots, "charges": len(paid), "in doubt": len(doubtful)}
    return Counter(counts)


def _line(store: FolderStore, name: str) -> Purchase:
    data = store.get(name)
    assert data is not None
    return line_in(data, name)
