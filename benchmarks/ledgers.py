"""Opening a large ledger: a lock that the project's own writer wrote, alone, with a black box that
holds the same, with a journal left by a crash, and a ledger whose lines are all in the journal.

Beside it stands json.loads of every line, which checks no seal and knows nothing of purchases. The
ratio is that of two processes one after the other, and the median of several such pairs.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, TypeVar

from benchmarks.figures import Figure, Spent, python, spend

if TYPE_CHECKING:  # the package is imported by the children only
    from klingflow.ledger.places import LedgerPaths
    from klingflow.ledger.store import Ledger
    from klingflow.model import Purchase, State

T = TypeVar("T")
_LEFT = 1000  # records in the journal of the crash
_TARGET = "≤ 1.3 × json.loads, ≤ 350 MB"
_FINISHED = ("sha256", "size_bytes")
_ASKED = (*_FINISHED, "finished_after_s", "video_url")
# What is not known yet in each state.
_LIFE: dict[State, tuple[str, ...]] = {
    "intent": (*_ASKED, "task_id", "billed_tier"),
    "submitted": _ASKED,
    "succeeded": _FINISHED,
    "done": (),
}
_NAMES = {
    "open": ("opened", _TARGET),
    "boxed": ("opened, a black box that holds all of them", ""),
    "fold": (f"opened, {_LEFT:,} records folded in", ""),
    "replay": ("of journal opened and folded", ""),
}


def figures(lines: int, folder: Path, *, runs: int) -> list[Figure]:
    """Return the CPU of the opening alone, without Python's start, and the whole process's peak."""
    spend(python("-m", "benchmarks.ledgers", "write", str(folder), str(lines)))
    return [_figure(lines, verb, folder, runs) for verb in _NAMES]


def _figure(lines: int, verb: str, folder: Path, runs: int) -> Figure:
    pairs = [(_spent(verb, folder), _spent("naive", folder)) for _ in range(runs)]
    ours, naive = ([pair[side] for pair in pairs] for side in (0, 1))
    name, target = _NAMES[verb]
    ratio = median(_cpu_s(a) / _cpu_s(b) for a, b in pairs)
    beside = f"json.loads: {_said(naive)}"
    return Figure(f"{lines:,} lines of ledger {name}", target, _said(ours), beside, f"{ratio:.2f}")


def _spent(verb: str, folder: Path) -> Spent:
    return spend(python("-m", "benchmarks.ledgers", verb, str(folder)))


def _cpu_s(spent: Spent) -> float:
    return float(spent.out)


def _said(runs: list[Spent]) -> str:
    return f"{median(map(_cpu_s, runs)):.2f} s, {median(run.peak_mb for run in runs):.0f} MB"


# What follows runs in children.


def _write(folder: str, lines: str) -> None:
    """Write the ledger as a lock, and once more as a journal and as a black box."""
    from klingflow.api.site import now
    from klingflow.ledger.boxes import BOUGHT
    from klingflow.ledger.store import open_ledger

    paths, boxed = _paths(folder), _paths(folder, boxed=True)
    with open_ledger(paths, now) as held:
        held.fold_now({p.uid: p for p in _purchases(int(lines))})
        lineage = held.book.lineage
    with _journal_of(folder).open("wb") as journal:
        for purchase in _purchases(int(lines) // len(_LIFE)):
            journal.writelines(_life(purchase))
    assert boxed.box
    boxed.box.folder(lineage).mkdir(parents=True)
    whole = paths.lock.read_bytes().partition(b"\n")[2]
    (boxed.box.folder(lineage) / BOUGHT).write_bytes(whole)


def _purchases(lines: int) -> Iterator[Purchase]:
    """Yield purchases that are done, with texts as long as those of a run."""
    from tests.purchases import done

    for number in range(lines):
        digest = hashlib.sha256(str(number).encode()).hexdigest()
        yield replace(
            done(f"shot{number:06}", fingerprint=f"sha256:{digest}"),
            sha256=digest,
            size_bytes=8_000_000 + number,
            finished_after_s=(61.5 + number % 90, 75.25 + number % 90),
        )


def _life(purchase: Purchase) -> Iterator[bytes]:
    """Yield the journal's lines of a purchase: the first has its body."""
    from klingflow.ledger.lines import as_journal_line, lock_line

    for state, unknown in _LIFE.items():
        nothing: dict[str, Any] = dict.fromkeys(unknown)
        then = replace(purchase, state=state, **nothing)
        yield as_journal_line(lock_line(then)[:-1], body=state == "intent")


def _paths(folder: str, *, boxed: bool = False) -> LedgerPaths:
    from klingflow.ledger.boxplaces import BoxPlace
    from klingflow.ledger.places import ledger_paths

    manifest = Path(folder) / "big.yaml"
    paths = ledger_paths(manifest)
    return replace(paths, box=BoxPlace(Path(folder) / "state", manifest)) if boxed else paths


def _journal_of(folder: str) -> Path:
    """All lines as a journal; a run's own is emptied when it is opened."""
    return Path(folder) / "whole.journal"


def _open(folder: str, *, boxed: bool = False) -> None:
    from klingflow.api.site import now
    from klingflow.ledger.store import open_ledger

    paths = _paths(folder, boxed=boxed)

    def act() -> Ledger:
        ledger = open_ledger(paths, now)
        ledger.begin_box()
        return ledger

    held = _timed(act)
    assert len(held.book.purchases) > _LEFT
    held.close()


def _boxed(folder: str) -> None:
    _open(folder, boxed=True)


def _fold(folder: str) -> None:
    from klingflow.ledger.lines import journal_line
    from tests.purchases import submitted

    left = (submitted(f"late{n:06}", task_id=f"task_{time.time_ns()}") for n in range(_LEFT))
    with _lock_as_it_was(folder), _paths(folder).journal.open("ab") as journal:
        journal.writelines(map(journal_line, left))
        journal.flush()
        _open(folder)


def _replay(folder: str) -> None:
    paths = _paths(folder)
    with _lock_as_it_was(folder):
        paths.lock.unlink()
        shutil.copyfile(_journal_of(folder), paths.journal)
        _open(folder)


@contextmanager
def _lock_as_it_was(folder: str) -> Iterator[None]:
    lock = _paths(folder).lock
    before = shutil.copyfile(lock, lock.with_suffix(".before"))
    yield
    before.replace(lock)


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
        "boxed": _boxed,
        "fold": _fold,
        "replay": _replay,
        "naive": _naive,
    }
    VERBS[sys.argv[1]](*sys.argv[2:])
