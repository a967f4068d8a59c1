"""A computer's clock that jumps, by an hour or by decades, forwards and back, during runs and
between them.

The monotonic clock never jumps; nor does the gateway's. What is written down is of the clock that
does.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from klingflow.api import loading, planning, site
from klingflow.decide.resolve import adopt, resubmit
from klingflow.gateway.http import Timeouts
from klingflow.ledger import store
from klingflow.model import Manifest
from klingflow.runner.context import Job
from klingflow.sandbox.child import Sandbox
from tests.campaigns.figures import Report
from tests.campaigns.judge import judge
from tests.campaigns.steps import Rig
from tests.harness import Pipeline, charges, pipeline_at, sandboxed

SHOTS = 8
RUNS = 12
FAULTS = ("create:drop_after=0.12", "create:html502_before=0.08", "create:err400_flat=0.1",
          "create:slow=0.2,40ms", "query:html502=0.2", "query:not_found_first=0.1,50ms",
          "content:drop=0.1")  # fmt: skip
JUMPS = [
    timedelta(hours=1),
    timedelta(days=1),
    timedelta(days=400),
    timedelta(milliseconds=3),
    timedelta(seconds=90),
]
FIXED = [
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(2100, 2, 28, tzinfo=UTC),
    datetime(2026, 10, 25, 0, 59, 59, tzinfo=UTC),
]
TIMEOUTS = Timeouts(create_read_s=30.0, query_total_s=30.0, download_read_s=30.0)


class Jumping:
    """A wall clock: before one reading in six it jumps, and between two it may stand still."""

    def __init__(self, chance: random.Random) -> None:
        self._chance, self._at = chance, datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC)
        self.jumps = 0

    def __call__(self) -> str:
        if self._chance.random() < 1 / 6:
            self.jumps += 1
            there = [self._at + self._chance.choice([1, -1]) * jump for jump in JUMPS]
            self._at = self._chance.choice([*there, *FIXED])
            self._at = min(max(self._at, FIXED[0]), FIXED[1])
        else:
            self._at += timedelta(milliseconds=self._chance.choice([0, 1, 20]))
        return self._at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@contextmanager
def opened(manifest: Manifest, origin: str, now: Jumping) -> Iterator[Job]:
    """As `batch.open_job`, by this clock."""
    here = site.site_of(manifest.path, site.Wish(), origin)
    with store.open_ledger(here.paths, now) as held:
        made = planning.planned(manifest, held.book, here)
        yield Job(made, held, here, lambda: None,
                  lambda: planning.planned(manifest, held.book, here))  # fmt: skip


def one_seed(folder: Path, sandbox: Sandbox, seed: int, counts: Counter[str]) -> list[str]:
    """Runs that are left early, doubts settled by what the gateway says; at the end every shot is
    charged once.
    """
    chance, film = random.Random(seed), pipeline_at(folder)
    film.write({f"s{n}": {"prompt": f"seed {seed} street {n}"} for n in range(SHOTS)})
    manifest, now = loading.load(film.manifest), Jumping(chance)
    wrong: list[str] = []
    uids: list[str] = []
    for number in range(RUNS):
        left = chance.randint(3, 40) if number < RUNS // 2 else 10_000
        told: list[dict[str, Any]] = []
        rig = Rig(
            sandbox.base_url,
            TIMEOUTS,
            now=now,
            chance=chance,
            told=told,
            leave=partial(enough, told, left),
        )
        with opened(manifest, sandbox.base_url, now) as job:
            if all(action.verb == "keep" for action in job.plan.actions):
                break
            outcome = anyio.run(in_time, rig, job)
            if outcome.crash or outcome.broken:
                wrong.append(f"seed {seed}: crashes: {outcome.crash!r} {outcome.broken!r}")
            uids += [event["uid"] for event in told if event["event"] == "intent"]
            anyio.run(settle, job, sandbox, seed, now)
    else:
        wrong.append(f"seed {seed}: hangs: {Counter(a.verb for a in job.plan.actions)}")
    counts.update({"runs": number, "jumps": now.jumps, "purchases": len(uids), "seeds": 1})
    return wrong + list(judged(film, sandbox, seed, uids))


def enough(told: list[dict[str, Any]], left: int, event: dict[str, Any]) -> bool:
    """Whether a run has gone on for so many events."""
    return len(told) > left


async def in_time(rig: Rig, job: Job) -> Any:
    with anyio.fail_after(120):
        return await rig.run([job])


async def settle(job: Job, sandbox: Sandbox, seed: int, now: Jumping) -> None:
    """What a person does with a doubt who can see what the gateway has charged."""
    charged = {c["client_request_id"].partition("/")[0]: c["task_id"] for c in charges(sandbox)}
    for purchase in [p for p in job.ledger.book.purchases.values() if p.state == "in_doubt"]:
        book, task_id = job.ledger.book, charged.get(purchase.uid)
        if task_id is not None:
            records = adopt(
                book,
                purchase.key,
                task_id,
                wanted=None,
                origin=job.site.origin,
                new_uid=str,
                at=now(),
            )
        else:
            records = resubmit(book, purchase.key, origin=job.site.origin, at=now(), held=False)
        for record in records:
            await job.ledger.record(record)


def judged(film: Pipeline, sandbox: Sandbox, seed: int, uids: list[str]) -> Iterator[str]:
    purchases = film.purchases()
    by_id = {p["task_id"]: p for p in purchases if p.get("task_id")}
    mine = [c for c in charges(sandbox) if c["prompt"].startswith(f"seed {seed} ")]
    for prompt, n in Counter(c["prompt"] for c in mine).items():
        if n > 1:
            yield f"charged twice: {prompt}"
    for charge in mine:
        bought = by_id.get(charge["task_id"])
        if bought is None or f"{bought['uid']}/{bought['shot']}" != charge["client_request_id"]:
            yield f"ids lost: {charge} is {bought}"
        elif bought["state"] != "done":
            yield f"ids lost: {bought['shot']} is {bought['state']}"
    if len(mine) != SHOTS:
        yield f"hangs: seed {seed} bought {len(mine)} of {SHOTS}"
    if len(set(uids)) < len(uids):
        yield f"ids lost: seed {seed} used a uid twice"
    for shot in {p["shot"] for p in purchases}:
        attempts = [
            (p["attempt"], p["state"])
            for p in purchases
            if p["shot"] == shot and p["state"] != "rejected"
        ]
        if [n for n, _ in attempts] != [*range(1, len(attempts) + 1)] or attempts[-1][1] != "done":
            yield f"ids lost: seed {seed}: attempts of {shot} out of order: {attempts}"


def test_a_clock_that_jumps_during_and_between_runs(
    tmp_path: Path, long: bool, report: Report
) -> None:
    """Nothing twice, no id lost, no uid used twice, attempts in order; every shot comes home."""
    counts: Counter[str] = Counter()
    found: list[str] = []
    with sandboxed(tmp_path / "sandbox", *FAULTS, task_time="30ms", seed=3) as (_, sandbox):
        for seed in range(150 if long else 8):
            found += one_seed(tmp_path / str(seed), sandbox, seed, counts)
    kinds = ("charged twice", "ids lost", "crashes", "hangs")
    wrong = {kind: sum(f"{kind}: " in what for what in found) for kind in kinds}
    report.add("clock: jumps", counts, wrong=wrong, found="\n".join(found[:10]))


# With Debian's faketime: the program as it is, under a clock that is not ours

OFFSETS = ("+0", "-40y", "+1d", "+70y", "-1h", "-3d", "+1h")


def faked() -> dict[str, str]:
    """The environment that fakes the time, its monotonic clock left alone."""
    if not (program := shutil.which("faketime")):
        pytest.skip("faketime is not installed (apt-get install faketime)")
    said = subprocess.run(
        [program, "-f", "+0", "env"], capture_output=True, text=True, check=True
    ).stdout
    preload = next(
        line.partition("=")[2] for line in said.splitlines() if line.startswith("LD_PRELOAD=")
    )
    return {"LD_PRELOAD": preload, "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_NO_CACHE": "1"}


def buying(film: Pipeline, process: subprocess.Popen[str]) -> None:
    """Wait until it buys, or has ended."""
    log = film.folder / "run.jsonl"
    while process.poll() is None and not (
        log.exists() and '"intent"' in log.read_text(encoding="utf-8")
    ):
        time.sleep(0.05)
    log.unlink(missing_ok=True)


def test_the_program_under_faketime(tmp_path: Path, long: bool, report: Report) -> None:
    """Kills under clocks decades apart, the clock also jumping while a run goes on: one charge a
    shot.
    """
    environ, chance, kills = faked(), random.Random(5), 20 if long else 4
    at = tmp_path / "faketime"
    environ["FAKETIME_TIMESTAMP_FILE"] = str(at)
    with sandboxed(tmp_path / "film", "create:slow=0.3,150ms", task_time="200ms") as (
        film,
        sandbox,
    ):
        film.write(100 if long else 24, run={"submit": "4/1s", "max_running": 10})
        for _ in range(kills):
            at.write_text(chance.choice(OFFSETS), encoding="utf-8")
            process = film.start("run", "film.yaml", "-y", "--log", "run.jsonl", **environ)
            buying(film, process)
            for _ in range(3):
                time.sleep(
                    chance.uniform(0.1, 0.3)
                )  # the moments of the jumps, and of the kill, are chance
                (after := tmp_path / "next").write_text(chance.choice(OFFSETS), encoding="utf-8")
                after.replace(at)
            process.kill()
            process.communicate()
        said = film.start("run", "film.yaml", "-y", **environ)
        out, err = said.communicate(timeout=240)
        verdict = judge(film, sandbox)
        years = {written[:4] for p in film.purchases() for written in p["times"].values()}
        tried = {
            "kills": kills,
            "charges": verdict.charged,
            "in doubt": verdict.in_doubt,
            "years": len(years),
        }
        crashed = int(said.returncode not in (0, 4))
        report.add(
            "clock: faketime",
            tried,
            wrong={**verdict.wrong, "crashes": crashed},
            found=f"{verdict}{out}{err}",
        )
        assert len(film.videos()) + verdict.in_doubt == len({p["shot"] for p in film.purchases()})
        assert len(years) > 1
