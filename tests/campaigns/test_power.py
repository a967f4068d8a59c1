"""Power loss: after every file operation of a run, the ledger is opened on what the disk may hold, and judged by
what had been promised by then. The rules of the disk are in powercut.py.

A promise is that `record` returned, or that a POST went out: from then on the purchase is known with its task id, or
at least in doubt, whatever the disk made of what it had not been told to keep.
"""

from __future__ import annotations

import errno
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from unittest import mock

import pytest

from klingflow.decide.lifecycle import RANK, advance
from klingflow.effects.ledger import Ledger, ledger_paths, open_ledger, read
from klingflow.errors import LedgerBroken, LedgerError
from klingflow.model import Failure, Purchase
from tests.campaigns.figures import Report
from tests.campaigns.ledgers import (
    JOURNAL,
    LOCK,
    MANIFEST,
    a_killed_run,
    all_states,
    buy,
    fold,
    keep,
    now,
    open_twice,
)
from tests.campaigns.powercut import Disk, Tree, crashes, disk_with, tree_at
from tests.campaigns.recorder import Op, Recorder, Trouble
from tests.purchases import LATER, done, intent

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the rules are those of POSIX file systems")

# ---------------------------------------------------------------- what is recorded


@dataclass(frozen=True)
class Tape:
    """A recorded run: what lay there before, the operations, and every purchase that was ever told of."""

    before: Tree
    names: Mapping[str, int]
    ops: Sequence[Op]
    known: Mapping[str, Purchase] = field(default_factory=dict)  # by uid, promised before it began

    @property
    def ends(self) -> dict[str, Purchase]:
        """What became of each purchase in the end, by uid: the truth about its task id."""
        told = [op.mark for op in self.ops if isinstance(op.mark, Purchase)]
        return {**self.known, **{p.uid: p for p in told}}

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

# The mark of a person who deletes the journal: what only it held is held by the process alone, until it records again.
DELETED = "a person deletes the journal"


def recorded(
    root: Path,
    play: Play,
    *,
    before: Callable[[Path], None] | None = None,
    trouble: Trouble = lambda op: None,
) -> Tape:
    """What `play` did in the folder `root`, which `before` prepared."""
    root.mkdir(parents=True)
    (root / MANIFEST).write_text("version: 1\n")
    known: dict[str, Purchase] = {}
    if before:
        before(root)
        known = dict(read(ledger_paths(root / MANIFEST)).purchases)
    recorder = Recorder(root, trouble)
    tree, names = tree_at(recorder.root), dict(recorder.names)
    with mock.patch.object(tempfile, "tempdir", str(root / "tmp")), recorder.recording(), promising(recorder):
        play(root, recorder.mark)
    return Tape(tree, names, recorder.ops, known)


# ---------------------------------------------------------------- what is played


def a_run(root: Path, _: Mark) -> None:
    """Everything that a ledger does in a run: bought, refused, doubted, finished, folded on the way and at the end."""
    with open_ledger(ledger_paths(root / MANIFEST), now) as ledger:
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
    with open_ledger(ledger_paths(root / MANIFEST), now) as ledger:
        keep(ledger, done("p1"))
    shutil.rmtree(root / ".klingflow")


def a_cleared_folder(root: Path, mark: Mark) -> None:
    """`git clean -xfd` during a run."""
    with open_ledger(ledger_paths(root / MANIFEST), now) as ledger:
        buy(ledger, "s1")
        mark(DELETED)
        shutil.rmtree(root / ".klingflow")
        buy(ledger, "s2")


def an_older_lock(root: Path, _: Mark) -> None:
    """`git checkout` during a run: another file takes the lock's place, and nobody syncs it."""
    older = (root / LOCK).read_bytes()
    with open_ledger(ledger_paths(root / MANIFEST), now) as ledger:
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


# ---------------------------------------------------------------- the judge


@dataclass
class Found:
    """What opening the ledger after power losses brought to light."""

    states: int = 0
    opened: int = 0
    lost: list[str] = field(default_factory=list)
    again: list[str] = field(default_factory=list)
    crashed: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> dict[str, int]:
        """For `Report.add`."""
        return {"charged twice": len(self.again), "ids lost": len(self.lost), "crashes": len(self.crashed)}

    def __str__(self) -> str:
        kinds = {"again": self.again, "lost": self.lost, "crashed": self.crashed}
        return "\n".join(f"{kind}: {what}" for kind, some in kinds.items() for what in some[:8])


Told = Mapping[str, Purchase] | str


class Opener:
    """Opens the ledger on trees, each once, and remembers what it told: purchases by uid, or how it crashed.

    `in_git` is the version of the lock that a person brings back from git where klingflow asks for that.
    """

    def __init__(self, folder: Path, in_git: bytes | None = None) -> None:
        self._root = folder / "film"
        self._in_git = in_git
        self._told: dict[bytes, Told] = {}

    def __len__(self) -> int:
        return len(self._told)

    def told(self, tree: Tree) -> Told:
        """What a ledger with these files says."""
        digest = tree.digest
        if digest not in self._told:
            tree.put(self._root)
            try:
                self._told[digest] = self._open()
            finally:
                shutil.rmtree(self._root, ignore_errors=True)
        return self._told[digest]

    def _open(self) -> Told:
        try:
            return open_twice(self._root).purchases
        except LedgerError as error:
            if self._in_git is None or "bring it back from git" not in str(error):
                return str(error)
            (self._root / LOCK).write_bytes(self._in_git)
            return open_twice(self._root).purchases
        except Exception as error:  # whatever it is, it keeps a person from what they paid for
            return f"{type(error).__name__}: {error}"


def judge(found: Found, where: str, told: Told, promised: Mapping[str, Purchase], tape: Tape) -> None:
    """Hold what a ledger told against what was promised."""
    if isinstance(told, str):
        found.crashed.append(f"{where}: {told}")
        return
    ends = tape.ends
    for uid, got in told.items():
        if got.task_id not in (None, ends[uid].task_id):
            found.lost.append(f"{where}: {got.key} has {got.task_id}, not {ends[uid].task_id}")
    # A refusal that was on its way to the disk may have reached it, and then the take is free indeed.
    bought = {(p.shot, p.take) for p in told.values() if p.state != "rejected"}
    for uid, purchase in promised.items():
        maybe, known = told.get(uid), f"{where}: {purchase.key} was {purchase.state}"
        if purchase.state == "rejected" or (maybe and maybe.state == ends[uid].state == "rejected"):
            continue
        if (purchase.shot, purchase.take) not in bought:
            found.again.append(f"{known} and would be bought again")
        elif maybe is None or RANK[maybe.state] < RANK[purchase.state]:
            found.lost.append(f"{known}, is {maybe and maybe.state}")
        elif purchase.task_id and maybe.task_id is None:
            found.lost.append(f"{known}, its id {purchase.task_id} is gone")


def cut(
    tape: Tape, opener: Opener, chance: random.Random, *, thorough: bool, enough: int = 1_000_000
) -> Found:
    """Cut the power after every operation of a tape, in many ways, and judge each; stop where `enough` is wrong."""
    found, disk = Found(), tape.disk()
    promised, recorded = dict(tape.known), dict(tape.known)
    for number, op in enumerate(tape.ops):
        disk.do(op)
        if isinstance(op.mark, Purchase):
            recorded[op.mark.uid] = op.mark
            promised = dict(recorded)
        elif op.mark == DELETED:
            promised = dict(tape.known)
        for tree in crashes(disk, chance, thorough=thorough):
            found.states += 1
            where = f"operation {number} ({op.kind} {op.name})"
            judge(found, where, opener.told(tree), promised, tape)
            if sum(found.wrong.values()) >= enough:
                return found
    found.opened = len(opener)
    return found


@pytest.mark.parametrize("play", PLAYS)
def test_nothing_promised_is_lost_with_the_power(play: str, folder: Path, long: bool, report: Report) -> None:
    tape = PLAYS[play](folder / "tape")
    opener = Opener(folder, in_git=tape.before.files.get(LOCK) if play == "git checkout" else None)
    found = cut(tape, opener, random.Random(play), thorough=long)
    tried = {"operations cut": len(tape.ops), "disks": found.states, "different": found.opened}
    report.add(f"power loss, {play}", tried, wrong=found.wrong, found=found)


DISHONEST: dict[str, Callable[[Op], bool]] = {
    "no sync does anything": lambda op: op.kind in ("sync", "sync_folder"),
    "no file is synced": lambda op: op.kind == "sync",
    "no folder is synced": lambda op: op.kind == "sync_folder",
    "the journal is not synced": lambda op: op.kind == "sync" and op.name == JOURNAL,
    "the journal's folder is not synced": lambda op: op.kind == "sync_folder" and op.name == ".klingflow",
    "the lock is not synced before it is renamed": lambda op: (
        op.kind == "sync" and op.name == ".film.lock.tmp"
    ),
    "the lock's folder is not synced": lambda op: op.kind == "sync_folder" and op.name == ".",
}


@pytest.mark.parametrize("omitted", DISHONEST)
def test_the_campaign_sees_what_is_not_synced(omitted: str, folder: Path) -> None:
    """Each sync of the ledger is needed: where one does nothing, promises are lost, and the campaign says so."""
    tape = PLAYS["the first run of all"](folder / "tape")
    poorer = replace(tape, ops=[op for op in tape.ops if not DISHONEST[omitted](op)])
    assert len(poorer.ops) < len(tape.ops)
    assert any(cut(poorer, Opener(folder), random.Random(1), thorough=False, enough=1).wrong.values())


def test_the_campaign_sees_an_id_that_was_never_written(folder: Path) -> None:
    """A `record` that returns before its line is on the disk."""
    tape = PLAYS["the first run of all"](folder / "tape")
    early = [op for op in tape.ops if isinstance(op.mark, Purchase) and op.mark.state == "submitted"]
    ops = [op for op in tape.ops if op not in early]
    intents_known = next(n for n, op in enumerate(ops) if isinstance(op.mark, Purchase)) + 3
    ops[intents_known:intents_known] = early
    assert cut(replace(tape, ops=ops), Opener(folder), random.Random(1), thorough=False, enough=1).lost
