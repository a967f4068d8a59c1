"""kill -9 at random moments of batches that begin again and again."""

from __future__ import annotations

import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.campaigns.aftermath import Found, account, begun, ends, examine
from tests.campaigns.figures import Report
from tests.harness import charges, sandboxed


@dataclass(frozen=True)
class Batch:
    """So many kills of one batch, with a share of the creates' replies coming late: a kill may fall
    between a charge and its reply.
    """

    kills: int
    late: float
    seed: int


SHORT = [Batch(6, 0.5, seed=9), Batch(6, 0.0, seed=10)]
LONG = [Batch(100, late, seed) for seed, late in enumerate((0.0, 0.5, 0.9, 0.5, 0.0) * 2)]
# At this pace, and with so many shots, a batch outlasts its kills, of which each comes within a
# second of work, and on a busy machine within three.
PACE = "4/1s"
SHOTS_PER_KILL = 12
# Some kills come before any work, while the process starts.
EARLY = 0.1


def test_kill_9_at_random_moments(tmp_path: Path, long: bool, report: Report) -> None:
    """Nothing is charged twice, and every task id is in the ledger or its shot in doubt, after each
    kill.
    """
    found = Found()
    batches = LONG if long else SHORT
    with ThreadPoolExecutor(2) as pool:
        landed = sum(
            pool.map(lambda batch: _kill(batch, tmp_path / str(batch.seed), found), batches)
        )
    kills, shots = sum(b.kills for b in batches), sum(b.kills * SHOTS_PER_KILL for b in batches)
    tried = {"kills": landed, "batches": len(batches), "shots": shots, "in doubt": found.doubts}
    report.add("kill at random", tried, wrong=found.counts(), found=found.complaints)
    assert landed == kills


# Further takes: so many shots, each with one rejected take.
REJECTED = 12


def test_kill_9_while_further_takes_are_bought(tmp_path: Path, long: bool, report: Report) -> None:
    """However often `--rerun rejected` is killed: one further take of each shot, never two."""
    found, kills = Found(), 60 if long else 6
    chance = random.Random(11)
    with sandboxed(tmp_path / "film", task_time="0s") as (film, sandbox):
        film.write(REJECTED)
        film.do("run", "film.yaml", "-y", "-q")
        film.do("reject", "film.yaml", *(f"shot{n:03}" for n in range(1, REJECTED + 1)), "-q")
        sandbox.set(faults=["create:slow=0.7,250ms"])
        film.write(REJECTED, run={"submit": PACE, "max_running": 10})
        for number in range(kills):
            log = film.folder / f"{number}.jsonl"
            again = ("run", "film.yaml", "-y", "-q", "--rerun", "rejected", "--log", log.name)
            process = film.begin(*again)
            begun(process, log)
            time.sleep(chance.uniform(0.0, 0.8))
            process.kill()
            process.communicate()
            account(film, sandbox, "", f"further takes, kill {number}", found)
        film.write(REJECTED)
        code, said = ends(film, "run", "film.yaml", "-y", "-q", "--rerun", "rejected")
        bought = Counter(charge["prompt"] for charge in charges(sandbox))
        doubts = sum(purchase["state"] == "in_doubt" for purchase in film.purchases())
    for prompt, times in bought.items():
        if times > 2:
            found.blame("charged twice", prompt, f"charged {times} times, with one further take")
    tried = {"kills": kills, "shots": REJECTED, "in doubt": doubts}
    report.add("kill among further takes", tried, wrong=found.counts(), found=found.complaints)
    assert code == (4 if doubts else 0), said
    assert len(film.purchases()) == 2 * REJECTED


# Chains of three shots: the second begins with the last frame of the first, the third with a frame
# of the second. A kill comes right after such an event: before the frame is taken, before it is
# stored, before the shot is bought, or after.
CHAINS = 3
STAGES = ("done", "uploading", "uploaded", "intent", "submitted")


def test_kill_9_while_shots_are_made_from_others(
    tmp_path: Path, long: bool, report: Report
) -> None:
    """Wherever a chain is cut: no shot is charged twice, no frame taken or stored twice."""
    found, kills, chance = Found(), 0, random.Random(12)
    store = tmp_path / "film" / "store"
    with sandboxed(tmp_path / "film", task_time="300ms", refs=str(store)) as (film, sandbox):
        assets = {"store": store.as_uri(), "public_url": f"{sandbox.base_url}/refs"}
        film.write(_chains(), assets=assets)
        before: dict[Path, tuple[int, int]] = {}
        for number, stage in enumerate(STAGES * (10 if long else 2)):
            log = film.folder / f"{number}.jsonl"
            process = film.begin("run", "film.yaml", "-y", "-q", "--log", log.name)
            begun(process, log, stage)
            time.sleep(chance.uniform(0.0, 0.2))
            kills += process.poll() is None
            process.kill()
            process.communicate()
            account(film, sandbox, "", f"chains, {stage}, kill {number}", found)
            now = _marks(store, film.folder / ".klingflow" / "frames")
            again = [path.name for path, mark in before.items() if now.get(path) != mark]
            assert again == [], f"taken or stored again after {stage}"
            before = now
        code, said = ends(film, "run", "film.yaml", "-y", "-q")
        bought = Counter(charge["prompt"] for charge in charges(sandbox))
        doubts = sum(purchase["state"] == "in_doubt" for purchase in film.purchases())
        taken = len(_marks(film.folder / ".klingflow" / "frames"))
    for prompt, times in bought.items():
        if times > 1:
            found.blame("charged twice", prompt, f"charged {times} times")
    tried = {"kills": kills, "shots": 3 * CHAINS, "in doubt": doubts}
    report.add("kill among chains", tried, wrong=found.counts(), found=found.complaints)
    assert code == (4 if doubts else 0), said
    assert doubts or (len(bought), taken) == (3 * CHAINS, 2 * CHAINS)


def _chains() -> dict[str, Any]:
    shots: dict[str, Any] = {}
    allow = ["image-size"]  # the sandbox's plain clip is small
    for n in range(CHAINS):
        last, middle = {"from": f"a{n}", "frame": "last"}, {"from": f"b{n}", "frame": "50%"}
        shots[f"a{n}"] = {"prompt": f"chain {n}, first"}
        shots[f"b{n}"] = {"prompt": f"chain {n}, second", "image": last, "allow": allow}
        shots[f"c{n}"] = {"prompt": f"chain {n}, third", "image": middle, "allow": allow}
    return shots


def _marks(*folders: Path) -> dict[Path, tuple[int, int]]:
    """What of each frame would be another if it were written again."""
    files = [path for folder in folders for path in folder.rglob("*.png") if path.name[0] != "."]
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}


def _kill(batch: Batch, folder: Path, found: Found) -> int:
    """How many of the kills met a process that was still running."""
    chance = random.Random(batch.seed)
    with sandboxed(folder, f"create:slow={batch.late},250ms", task_time="300ms") as (film, sandbox):
        film.write(batch.kills * SHOTS_PER_KILL, run={"submit": PACE, "max_running": 10})
        landed = 0
        for number in range(batch.kills):
            log = film.folder / f"{number}.jsonl"
            is_early = chance.random() <= EARLY
            begin = film.start if is_early else film.begin
            process = begin("run", "film.yaml", "-y", "-q", "--log", log.name)
            if not is_early:
                begun(process, log)
            time.sleep(chance.uniform(0.0, 0.8))  # the moment of the kill is the campaign's chance
            landed += process.poll() is None
            process.kill()
            process.communicate()
            log.unlink(missing_ok=True)
            account(film, sandbox, "", f"{batch}, kill {number}", found)
        film.write(batch.kills * SHOTS_PER_KILL)
        examine(film, sandbox, "", batch, found)
    return landed
