"""Opening a large ledger: a lock that the project's own writer wrote, alone and with a journal left
by a crash.

Beside it stands json.loads of every line, which checks no seal and knows nothing of purchases.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import TypeVar

from benchmarks.figures import Figure, python, spend

T = TypeVar("T")
_LEFT = 1000  # records in the journal of the crash


def figures(lines: int, folder: Path, *, runs: int) -> list[Figure]:
    """Return the CPU of the opening alone, without Python's start, and the whole process's peak."""
    spend(python("-m", "benchmarks.ledgers", "write", str(folder), str(lines)))
    naive_s, naive_mb = _median(runs, "naive", folder)
    found = []
    for verb, name in (("open", "opened"), ("fold", f"opened, {_LEFT:,} records folded in")):
        cpu_s, peak_mb = _median(runs, verb, folder)
        target = f"≤ {lines / 50_000:g} s"
        beside = f"json.loads: {naive_s:.2f} s, {naive_mb:.0f} MB"
        measured = f"{cpu_s:.2f} s, {peak_mb:.0f} MB"
        found.append(
            Figure(
                f"{lines:,} lines of ledger {name}",
                target,
                measured,
                beside,
                f"{cpu_s / naive_s:.2f}",
            )
        )
    return found


def _median(runs: int, verb: str, folder: Path) -> tuple[float, float]:
    found = [spend(python("-m", "benchmarks.ledgers", verb, str(folder))) for _ in range(runs)]
    return median(float(each.out) for each in found), median(each.peak_mb for each in found)


# What follows runs in children.


def _write(folder: str, lines: str) -> None:
    from klingflow.api.site import now
    from klingflow.ledger.places import ledger_paths
    from klingflow.ledger.store import open_ledger
    from tests.purchases import done

    purchases = (done(f"shot{n:06}") for n in range(int(lines)))
    with open_ledger(ledger_paths(Path(folder) / "big.yaml"), now) as held:
        held.fold_now({p.uid: p for p in purchases})


def _open(folder: str) -> None:
    from klingflow.api.site import now
    from klingflow.ledger.places import ledger_paths
    from klingflow.ledger.store import open_ledger

    paths = ledger_paths(Path(folder) / "big.yaml")
    held = _timed(lambda: open_ledger(paths, now))
    held.close()


def _fold(folder: str) -> None:
    from klingflow.ledger.lines import journal_line
    from klingflow.ledger.places import ledger_paths
    from tests.purchases import submitted

    left = (submitted(f"late{n:06}", task_id=f"task_{time.time_ns()}") for n in range(_LEFT))
    paths = ledger_paths(Path(folder) / "big.yaml")
    before = shutil.copyfile(paths.lock, paths.lock.with_suffix(".before"))
    with paths.journal.open("ab") as journal:
        journal.writelines(map(journal_line, left))
    _open(folder)
    before.replace(paths.lock)


def _naive(folder: str) -> None:
    lock = Path(folder) / "big.lock"
    with lock.open("rb") as lines:
        _timed(lambda: [json.loads(line) for line in lines])


def _timed(act: Callable[[], T]) -> T:
    started = time.process_time()
    result = act()
    print(time.process_time() - started)
    return result


if __name__ == "__main__":
    VERBS: dict[str, Callable[..., None]] = {
        "write": _write,
        "open": _open,
        "fold": _fold,
        "naive": _naive,
    }
    VERBS[sys.argv[1]](*sys.argv[2:])
