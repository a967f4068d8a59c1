"""Every fault of the catalogue at once, the unsafe ones included, until nothing is left to buy."""

from __future__ import annotations

import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from klingflow.errors import ExitCode
from klingflow.ledger.lifecycle import PAID
from klingflow.sandbox.child import Sandbox
from klingflow.sandbox.dice import Chance, Dice
from klingflow.sandbox.faults import CATALOGUE, Fault
from tests.campaigns.figures import Report
from tests.harness import Pipeline, sandboxed

# What a create's fault comes to, where it is not the id: a doubt, a refusal of the shot, or of us.
REFUSES_US = frozenset({"err401", "err403_quota", "err429_endless", "err429_pack", "err400_pack"})
REFUSES_THE_SHOT = frozenset(
    {"err400_flat", "err400_nested", "err400_upstream", "err413", "err503_model_not_found"}
)
# For ever in one run: a file that never comes is tried for a minute.
LASTING = frozenset({"dead502", "gone"})
SHORTENED = frozenset(
    {"slow", "hang", "stall", "err429", "not_found_first", "not_found_404", "not_ready"}
)
ROUNDS = 60


def leaves_a_doubt(fault: Fault) -> bool:
    """True if a create that meets the fault is in doubt, charged or not."""
    refuses = fault.safe_to_retry or fault.name in REFUSES_US | REFUSES_THE_SHOT
    return fault.stage == "create" and fault.name != "limit_as_failure" and not refuses


DOUBTFUL = frozenset(fault.name for fault in CATALOGUE if leaves_a_doubt(fault))


def comes_to_doubt(chances: Iterable[Chance]) -> bool:
    """True if a create that met these faults, in the catalogue's order, is in doubt."""
    fell = [chance.fault for chance in chances]
    first = {
        moment: next((f for f in fell if f.moment == moment), None)
        for moment in ("before", "after")
    }
    if first["before"]:
        return first["before"].name in DOUBTFUL
    if first["after"] and first["after"].name != "slow":
        return True
    last_edit = next((f.name for f in reversed(fell) if f.moment == "edit"), "")
    return last_edit in ("no_id", "same_id")


@dataclass
class Found:
    """What one seed came to; `wrong` names what must not be, by what it counts as."""

    seed: int
    counts: Counter[str] = field(default_factory=Counter)
    wrong: dict[str, list[str]] = field(default_factory=dict)
    fell: set[str] = field(default_factory=set)  # the faults that were played

    def complain(self, kind: str, what: str) -> None:
        self.wrong.setdefault(kind, []).append(f"seed {self.seed}: {what}")


def faults_of(*, long: bool) -> Iterator[str]:
    """All of the catalogue. What refuses us ends a run, so that it is rare; what hangs does so
    briefly.
    """
    if long:  # as a hanging server does: the client gives up first, after two minutes
        yield "create:hang=0.0002,300s"
        yield "query:hang=0.0005,300s"
        yield "content:hang=0.0005,300s"
        yield "content:stall=0.0005,300s"
    for fault in CATALOGUE:
        if long or fault.name not in LASTING:
            share = 0.003 if long else 0.01
            if fault.name in REFUSES_US:
                share /= 12
            lasts = "150ms" if fault.name in SHORTENED else "1s"
            yield f"{fault.stage}:{fault.name}={share},{lasts}"


def film_of(shots: int) -> dict[str, Any]:
    """Shots of four tiers' worth, each with a prompt of its own."""
    kinds: list[Mapping[str, Any]] = [
        {},
        {"seconds": 10},
        {"model": "kling-3.0", "resolution": "1080P", "audio": True},
        {"model": "kling-3.0-omni", "seconds": 7},
    ]
    return {f"shot{n:05}": {"prompt": f"street {n:05}", **kinds[n % 4]} for n in range(shots)}


def run_once(film: Pipeline) -> int:
    """One run. When the gateway refuses us, Ctrl-C once, as somebody who looks on would."""
    log = film.folder / f"run{time.time():.1f}.jsonl"
    process = film.begin("run", "film.yaml", "-y", "-q", "--log", log.name)
    interrupted = (
        False  # a second Ctrl-C would leave at once, and creates that are on their way in doubt
    )
    while True:
        try:
            process.communicate(timeout=0.5)
        except subprocess.TimeoutExpired:
            if not interrupted and "the gateway refuses us" in tail(log):
                process.send_signal(signal.SIGINT)
                interrupted = True
        else:
            return process.returncode


def tail(log: Path) -> str:
    return log.read_text(encoding="utf-8")[-20_000:] if log.exists() else ""


def bought_out(film: Pipeline, found: Found) -> None:
    """Run until a run has nothing more to buy."""
    codes = {
        ExitCode.OK,
        ExitCode.FAILED,
        ExitCode.UNSETTLED,
        ExitCode.REFUSED,
        ExitCode.INTERRUPTED,
    }
    for _ in range(ROUNDS):
        code = run_once(film)
        found.counts["runs"] += 1
        if code not in codes:
            found.complain("crashes", f"exit {code}")
        if code in (ExitCode.REFUSED, ExitCode.INTERRUPTED):
            continue
        if film.done("plan", "film.yaml", "--check").returncode == 0:
            return
    found.complain("hangs", "there is always something left to buy")


def judged(film: Pipeline, sandbox: Sandbox, faults: Iterable[str], found: Found) -> None:
    """Hold the sandbox's charges against the ledger, one by one."""
    ledger, purchases = sandbox.ledger(), film.purchases()
    by_uid = {p["uid"]: p for p in purchases}
    holder = {p["task_id"]: p["uid"] for p in purchases if p.get("task_id")}
    per_shot = Counter(c["prompt"] for c in ledger["charges"])
    for prompt in (prompt for prompt, n in per_shot.items() if n > 1):
        found.complain("charged twice", prompt)
    charged_ids = {c["task_id"] for c in ledger["charges"]}
    for charge in ledger["charges"]:
        uid, _, shot = charge["client_request_id"].partition("/")
        bought = by_uid.get(uid)
        told = DOUBTFUL.isdisjoint(charge["faults"])
        if bought is None or bought["state"] == "rejected":
            found.complain("ids lost", f"{shot} was charged and is settled as not bought: {charge}")
        elif bought["state"] == "in_doubt":
            found.counts["charged and in doubt"] += 1
            if told and charge["task_id"] not in holder:
                found.complain(
                    "ids lost", f"{shot}: its id was told, and yet it is in doubt: {charge}"
                )
        elif bought["task_id"] == charge["task_id"]:
            found.counts["charged and known"] += 1
        elif "same_id" in charge["faults"] and bought["task_id"] in charged_ids:
            # Another task's id that nobody had been told yet: it cannot be known for a lie.
            found.counts["mistold"] += 1
        else:
            found.complain("ids lost", f"{shot}: {charge} but {bought}")
    found.complain("ids lost", "an id of nobody's") if holder.keys() - charged_ids else None
    agreed(film, ledger, faults, found)


def agreed(film: Pipeline, ledger: Any, faults: Iterable[str], found: Found) -> None:
    """There are as many doubts as faults cause; the record has the gateway's tiers and totals."""
    purchases = film.purchases()
    doubts = sum(p["state"] == "in_doubt" for p in purchases)
    dice = Dice(faults, found.seed)
    expected = sum(
        comes_to_doubt(dice.of_request("create")) for _ in range(ledger["requests"]["create"])
    )
    if abs(doubts - expected) > ledger["faults"].get("create:same_id", 0):
        found.complain("ids lost", f"{doubts} doubts where the dice meant {expected}")
    paid = {p["task_id"] for p in purchases if p["state"] in PAID}
    known = {p["task_id"] for p in purchases if p.get("task_id")}
    # A create that did not say its tier, of a task that no query has told of yet.
    unheard = {
        p["task_id"]
        for p in purchases
        if not p.get("billed_tier") and p["state"] in ("submitted", "parked")
    }
    gateways: dict[str, list[int]] = {}
    for charge in ledger["charges"]:
        if charge["task_id"] in known:
            tier = "unknown" if charge["task_id"] in unheard else charge["tier"]
            row = gateways.setdefault(tier, [0, 0, 0])
            billed = charge["task_id"] in paid
            row[0] += billed
            row[1] += charge["seconds"] * billed
            row[2] += not billed
    totals = film.record()["totals"]["by_tier"]
    recorded = {
        tier: [row["tasks"], row["seconds"], row.get("failed", 0)] for tier, row in totals.items()
    }
    if found.counts["mistold"]:  # with another task's id a shot keeps its own seconds
        for row in (*recorded.values(), *gateways.values()):
            del row[1]
    if recorded != gateways:
        found.complain("ids lost", f"the record says {recorded}, the gateway {gateways}")
    states = Counter(p["state"] for p in purchases)
    found.counts.update({
        "charges": len(ledger["charges"]),
        "in doubt": doubts,
        "doubts by the dice": expected,
        "faults played": sum(ledger["faults"].values()),
        **{name: states[name] for name in ("done", "failed", "parked")},
    })  # fmt: skip


def one_seed(folder: Path, seed: int, shots: int, *, long: bool) -> Found:
    found = Found(seed)
    faults = tuple(faults_of(long=long))
    with sandboxed(folder / str(seed), *faults, task_time="500ms", seed=seed) as (film, sandbox):
        run = {
            "max_running": 200,
            "connections": 48,
            "poll_floor": "300ms",
            "deadline": "20s" if long else "1500ms",
            "submit": "6000/1s",
        }
        film.write(film_of(shots), run=run)
        began = time.monotonic()
        bought_out(film, found)
        found.counts["seconds"] = round(time.monotonic() - began)
        judged(film, sandbox, faults, found)
        before = len(sandbox.ledger()["charges"])
        run_once(film)
        if len(sandbox.ledger()["charges"]) != before:
            found.complain("charged twice", "the last run bought something")
        found.fell = set(sandbox.ledger()["faults"])
    return found


def test_every_fault_at_once(tmp_path: Path, long: bool, report: Report) -> None:
    """One charge a shot at most; each charged id is in the ledger, or its shot in doubt; sums are
    the gateway's.
    """
    seeds, shots = ((11, 12, 13), 10_000) if long else ((11, 12), 100)
    with ThreadPoolExecutor(len(seeds)) as pool:
        found = list(pool.map(lambda seed: one_seed(tmp_path, seed, shots, long=long), seeds))
    counts: Counter[str] = sum((f.counts for f in found), Counter())
    wrongs = {kind: [what for f in found for what in f.wrong.get(kind, [])] for kind in
              ("charged twice", "ids lost", "crashes", "hangs")}  # fmt: skip
    every = {f"{f.stage}:{f.name}" for f in CATALOGUE if f.moment not in ("task", "manner")}
    never = every.difference(*(f.fell for f in found))
    tried = {
        "shots": shots * len(seeds),
        "seeds": len(seeds),
        **counts,
        "kinds of fault": len(every - never),
    }
    report.add(
        "server: every fault",
        tried,
        wrong={kind: len(what) for kind, what in wrongs.items()},
        found="\n".join(what for kind in wrongs.values() for what in kind[:5]),
    )
    if long:
        assert not never


def test_the_judge_sees_a_shot_that_is_charged_twice(tmp_path: Path) -> None:
    """A user who takes JSON errors with 5xx for refusals, at a gateway that charges for them, buys
    again.
    """
    found, faults = Found(seed=1), ("create:err500_charged=first:3",)
    with sandboxed(tmp_path, *faults, seed=1) as (film, sandbox):
        film.write(film_of(6), gateway={"refund_5xx": True})
        bought_out(film, found)
        judged(film, sandbox, faults, found)
    assert len(found.wrong["charged twice"]) == 3
