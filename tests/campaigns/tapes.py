"""Runs of the ledger as tapes: what lay there, every operation on it, and every promise that was
made on the way.
"""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from unittest import mock

from klingflow.errors import LedgerBroken
from klingflow.ledger.lifecycle import advance
from klingflow.ledger.store import Ledger, open_ledger, read
from klingflow.model import Failure, Purchase
from tests.campaigns.ledgers import (
    JOURNAL,
    LOCK,
    MANIFEST,
    STATE,
    a_killed_run,
    all_states,
    buy,
    fold,
    keep,
    now,
    paths_at,
)
from tests.campaigns.powercut import Disk, Tree, disk_with, tree_at
from tests.campaigns.recorder import Op, Recorder, Trouble
from tests.purchases import LATER, done, intent


@dataclass(frozen=True)
class Tape:
    """A recorded run: what lay there before, the operations, and every purchase that was ever told
    of.
    """

    before: Tree
    names: Mapping[str, int]
    ops: Sequence[Op]
    known: Mapping[str, Purchase] = field(default_factory=dict)  # by uid, promised before it began
    start: int = 0  # the first operation that is of interest

    @property
    def boxed(self) -> bool:
        """Whether there is a black box."""
        return STATE in self.before.folders

    @property
    def ends(self) -> dict[str, Purchase]:
        """What became of each purchase in the end, by uid: the truth about its task id."""
        told = [
            *self.known.values(),
            *(op.mark for op in self.ops if isinstance(op.mark, Purchase)),
        ]
        return {p.uid: p for p in sorted(told, key=lambda p: p.task_id is not None)}

    def disk(self) -> Disk:
        """The disk as it was before."""
        return disk_with(self.before, self.names)


@contextmanager
def promising(recorder: Recorder) -> Iterator[None]:
    """Mark every purchase whose `record` returned, or told that it was saved elsewhere."""
    plain = Ledger.record

    async def record(self: Ledger, purchase: Purchase) -> None:
        try:
            await plain(self, purchase)
        except LedgerBroken as error:
            if purchase.state != "intent" and "could be written nowhere" not in str(error):
                recorder.mark(purchase)
            raise
        recorder.mark(purchase)

    with mock.patch.object(Ledger, "record", record):
        yield


Mark = Callable[[object], None]
Play = Callable[[Path, Mark], None]

# The mark of a person who deletes the journal: what only it held is held by the process alone,
# until it records again.
DELETED = "a person deletes the journal"


def recorded(
    root: Path,
    play: Play,
    *,
    before: Callable[[Path], None] | None = None,
    boxed: bool = False,
    trouble: Trouble = lambda op: None,
) -> Tape:
    """Return what `play` did in the folder `root`, which `before` prepared; then remove `root`."""
    root.mkdir()
    (root / MANIFEST).write_text("version: 1\n")
    if boxed:
        (root / STATE).mkdir()
    if before:
        before(root)
    known = dict(read(paths_at(root)).purchases)
    recorder = Recorder(root, trouble)
    tree, names = tree_at(root), dict(recorder.names)
    with watched(recorder):
        play(root, recorder.mark)
    shutil.rmtree(root)
    return Tape(tree, names, recorder.ops, known)


@contextmanager
def watched(recorder: Recorder) -> Iterator[None]:
    """Everything recorded, and every promise marked."""
    elsewhere = mock.patch.object(tempfile, "tempdir", str(recorder.root / "tmp"))
    with elsewhere, recorder.recording(), promising(recorder):
        yield


def went_on(tape: Tape, number: int, root: Path, tree: Tree | None = None) -> Tape:
    """A tape that goes on with a new start of klingflow after operation `number`.

    On `tree`, if the power failed and left that; else the process alone was killed, and what it
    wrote is there and as durable as it was. All that the new start tells is promised from then on.
    """
    disk = tape.disk()
    before = tape.ops[: number + 1]
    for op in before:
        disk.do(op)
    known = {
        p.uid: p
        for p in (*tape.known.values(), *(o.mark for o in before))
        if isinstance(p, Purchase)
    }
    lived = tree or disk.after(disk.pending)
    lived.put(root)
    recorder = Recorder(root) if tree else Recorder(root, names=disk.after_names(disk.pending))
    names = dict(recorder.names)
    with watched(recorder), open_ledger(paths_at(root), now) as ledger:
        for purchase in ledger.book.purchases.values():
            recorder.mark(purchase)
    shutil.rmtree(root)
    if tree:
        return Tape(tree, names, recorder.ops, known)
    return Tape(tape.before, tape.names, [*before, *recorder.ops], tape.known, start=number + 1)


def a_run(root: Path, _: Mark) -> None:
    """Everything that a ledger does in a run: bought, refused, doubted, finished, folded on the way
    and at the end.
    """
    with open_ledger(paths_at(root), now) as ledger:
        first, second, _third = buy(ledger, "s1", "s2", "s3")
        refused, doubted = intent("s4"), intent("s5")
        keep(ledger, refused, doubted)
        failure = Failure("limited", "429", "too many")
        keep(ledger, advance(refused, "refused", LATER, error=failure))
        keep(ledger, advance(doubted, "doubted", LATER, evidence={"received": "502"}))
        finished = advance(first, "succeeded", LATER, video_url="https://cdn.example.com/s1.mp4")
        keep(ledger, finished, advance(second, "failed", LATER, error=failure))
        fold(ledger)
        keep(ledger, advance(finished, "downloaded", LATER, sha256="ab", size_bytes=10))
        buy(ledger, "s4", "s6")
        keep(ledger, intent("s7"))


def a_clone(root: Path) -> None:
    """A fresh clone: a lock, and no folder of ours beside it."""
    all_states(root)
    shutil.rmtree(root / ".klingflow")


def a_tidy_clone(root: Path) -> None:
    """A fresh clone whose lock needs no folding."""
    with open_ledger(paths_at(root), now) as ledger:
        keep(ledger, done("p1"))
    shutil.rmtree(root / ".klingflow")


def a_cleared_folder(root: Path, mark: Mark) -> None:
    """`git clean -xfd` during a run."""
    with open_ledger(paths_at(root), now) as ledger:
        buy(ledger, "s1")
        mark(DELETED)
        shutil.rmtree(root / ".klingflow")
        buy(ledger, "s2")


def an_older_lock(root: Path, _: Mark) -> None:
    """`git checkout` during a run: another file takes the lock's place, and nobody syncs it."""
    older = (root / LOCK).read_bytes()
    with open_ledger(paths_at(root), now) as ledger:
        buy(ledger, "s1")
        fold(ledger)
        (root / LOCK).unlink()
        (root / LOCK).write_bytes(older)
        buy(ledger, "s2")


def failing(kind: str, name: str, nth: int, error: int) -> Trouble:
    """The disk refuses the `nth` such operation, once."""
    left = iter(range(1, 1000))
    return lambda op: error if op.kind == kind and op.name == name and next(left) == nth else None


def troubled(kind: str, name: str, nth: int, error: int) -> Callable[[Path], Tape]:
    """A run on a disk that refuses the `nth` such operation."""

    def record(root: Path) -> Tape:
        return recorded(root, a_run, before=all_states, trouble=failing(kind, name, nth, error))

    return record


PLAYS: dict[str, Callable[[Path], Tape]] = {
    "the first run of all": partial(recorded, play=a_run),
    "a run in a fresh clone": partial(recorded, play=a_run, before=a_clone),
    "a run in a tidy clone": partial(recorded, play=a_run, before=a_tidy_clone),
    "a run after a killed one": partial(recorded, play=a_run, before=a_killed_run),
    "git clean": partial(recorded, play=a_cleared_folder, before=all_states),
    "git checkout": partial(recorded, play=an_older_lock, before=all_states),
    "a sync of intents fails": troubled("sync", JOURNAL, 2, errno.EIO),
    "a sync of ids fails": troubled("sync", JOURNAL, 3, errno.EIO),
    "a full disk at intents": troubled("write", JOURNAL, 2, errno.ENOSPC),
    "a full disk at ids": troubled("write", JOURNAL, 3, errno.ENOSPC),
    "the lock cannot be replaced": troubled("rename", ".film.lock.tmp", 2, errno.EIO),
}
BOXED: dict[str, Callable[[Path], Tape]] = {
    "the first run of all": partial(recorded, play=a_run, boxed=True),
    "a run after a killed one": partial(recorded, play=a_run, before=a_killed_run, boxed=True),
    "git clean": partial(recorded, play=a_cleared_folder, before=all_states, boxed=True),
    "git checkout": partial(recorded, play=an_older_lock, before=all_states, boxed=True),
}
