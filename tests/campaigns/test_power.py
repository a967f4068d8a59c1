"""Power loss: after every file operation of a run, the ledger is opened on what the disk may hold,
and judged by what had been promised by then. The rules of the disk are in powercut.py.

A promise is that `record` returned, or that a POST went out: from then on the purchase is known
with its task id, or at least in doubt, whatever the disk made of what it had not been told to keep.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from unittest import mock

import pytest

import klingflow
from klingflow.errors import LedgerError
from klingflow.ledger.lifecycle import RANK
from klingflow.model import Purchase
from tests.campaigns.figures import Report
from tests.campaigns.ledgers import JOURNAL, LOCK, STATE, open_twice
from tests.campaigns.powercut import Tree, crashes, tree_at
from tests.campaigns.recorder import Op, Recorder
from tests.campaigns.tapes import BOXED, DELETED, PLAYS, Tape, watched, went_on
from tests.harness import sandboxed

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the recorder knows how Linux syncs, and POSIX's rules"
)

OUTPUTS = "outputs"


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
        return {
            "charged twice": len(self.again),
            "ids lost": len(self.lost),
            "crashes": len(self.crashed),
        }

    def __str__(self) -> str:
        kinds = {"again": self.again, "lost": self.lost, "crashed": self.crashed}
        return "\n".join(f"{kind}: {what}" for kind, some in kinds.items() for what in some[:8])


Told = Mapping[str, Purchase] | str


class Opener:
    """Opens the ledger on trees, each once, and remembers what it told: purchases by uid, or how it
    crashed.

    `in_git` is the version of the lock that a person brings back from git where klingflow asks for
    that.
    """

    def __init__(self, folder: Path, in_git: bytes | None = None) -> None:
        self._root = folder / "film"
        self._in_git = in_git
        self._told: dict[bytes, Told] = {}

    def __len__(self) -> int:
        return len(self._told)

    def told(self, tree: Tree) -> Told:
        """What a ledger with these files says, whatever videos lie beside it."""
        tree = tree.without(OUTPUTS)
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


def judge(
    found: Found,
    where: str,
    told: Told,
    promised: Mapping[str, Purchase],
    ends: Mapping[str, Purchase],
) -> None:
    """Hold what a ledger told against what was promised, and against the truth, which are the
    purchases' ends.
    """
    if isinstance(told, str):
        found.crashed.append(f"{where}: {told}")
        return
    for uid, got in told.items():
        true = ends.get(uid)
        if got.task_id is not None and (true is None or got.task_id != true.task_id):
            found.lost.append(f"{where}: {got.key} has {got.task_id}, not {true and true.task_id}")
    # A refusal that was on its way to the disk may have reached it, and then the take is free
    # indeed.
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


def judge_videos(
    found: Found, where: str, tree: Tree, promised: Mapping[str, Purchase], hashes: set[str]
) -> None:
    """A video under its final name is whole, and there as soon as the ledger says so."""
    videos = {
        name: hashlib.sha256(data).hexdigest()
        for name, data in tree.files.items()
        if name.endswith(".mp4")
    }
    found.lost += [
        f"{where}: {name} is not whole" for name, sha256 in videos.items() if sha256 not in hashes
    ]
    for purchase in promised.values():
        if purchase.state == "done" and videos.get(purchase.output or "") != purchase.sha256:
            found.lost.append(f"{where}: the video of {purchase.key} is not there")


def judge_request(
    found: Found, where: str, request: bytes, promised: Mapping[str, Purchase], posts: int
) -> None:
    """What goes out: as many creates as intents are durable, and polls of durable ids only."""
    if posts > len(promised):
        found.again.append(
            f"{where}: POST number {posts}, and {len(promised)} purchases are durable"
        )
    ids = {p.task_id for p in promised.values()}
    if request.startswith(b"GET /v1/videos/"):
        asked = request.split()[1].decode().split("/")[3]
        if asked not in ids:
            found.lost.append(f"{where}: {asked} is polled, and not durable")


def cut(
    tape: Tape,
    opener: Opener,
    chance: random.Random,
    *,
    thorough: bool = False,
    each_byte: bool = False,
    enough: int = 1_000_000,
) -> Found:
    """Cut the power after every operation of a tape, in many ways, and judge each; stop where
    `enough` is wrong.
    """
    found, disk, ends = Found(), tape.disk(), tape.ends
    hashes = {p.sha256 for p in ends.values() if p.sha256}
    filmed = any(op.to.endswith(".mp4") for op in tape.ops)
    promised, recorded = dict(tape.known), dict(tape.known)
    posts = 0
    for number, op in enumerate(tape.ops):
        where = f"operation {number} ({op.kind} {op.name})"
        disk.do(op)
        if isinstance(op.mark, Purchase):
            recorded[op.mark.uid] = op.mark
            promised = dict(recorded)
        elif isinstance(op.mark, bytes):
            posts += op.mark.startswith(b"POST ")
            judge_request(found, where, op.mark, promised, posts)
        elif op.mark == DELETED and not tape.boxed:
            promised = dict(tape.known)
        if number < tape.start:
            continue
        for tree in crashes(disk, chance, thorough=thorough, each_byte=each_byte):
            found.states += 1
            judge(found, where, opener.told(tree), promised, ends)
            if tape.boxed:  # which knows it all alone
                bare = opener.told(tree.without(LOCK, ".klingflow"))
                judge(found, f"{where}, lock and journal gone", bare, promised, ends)
            if filmed:
                judge_videos(found, where, tree, promised, hashes)
            if sum(found.wrong.values()) >= enough:
                return found
    found.opened = len(opener)
    return found


SHORT = ("the first run of all", "a run after a killed one", "git checkout", "a sync of ids fails")


@pytest.mark.parametrize("play", PLAYS)
def test_nothing_promised_is_lost_with_the_power(
    play: str, folder: Path, long: bool, report: Report
) -> None:
    if not long and play not in SHORT:
        pytest.skip("in the long form only")
    tape = PLAYS[play](folder / "film")
    opener = Opener(folder, in_git=tape.before.files.get(LOCK) if play == "git checkout" else None)
    found = cut(tape, opener, random.Random(play), thorough=long, each_byte=long and play in SHORT)
    tried = {"operations cut": len(tape.ops), "disks": found.states, "different": found.opened}
    report.add(f"power loss, {play}", tried, wrong=found.wrong, found=found)


@pytest.mark.parametrize("play", BOXED)
def test_the_black_box_alone_keeps_every_promise(
    play: str, folder: Path, long: bool, report: Report
) -> None:
    """Power lost, and then lock and journal too: as after `git clean -xfd` or in a fresh clone."""
    if not long and play != "git clean":
        pytest.skip("in the long form only")
    tape = BOXED[play](folder / "film")
    in_git = tape.before.files.get(LOCK) if play == "git checkout" else None
    found = cut(tape, opener := Opener(folder, in_git), random.Random(play), thorough=long)
    tried = {"operations cut": len(tape.ops), "disks": found.states, "different": len(opener)}
    report.add(f"power loss, {play}, boxed", tried, wrong=found.wrong, found=found)


@pytest.mark.parametrize("fault", ["killed", "powerless"])
def test_the_power_fails_again_at_the_next_start(
    fault: str, folder: Path, long: bool, report: Report
) -> None:
    """After a kill, whose writes are there and not durable, and after a power loss. What was told
    then is kept too.
    """
    tape, chance = PLAYS["a run after a killed one"](folder / "film"), random.Random(fault)
    changing = [
        n for n, op in enumerate(tape.ops) if op.kind not in ("mark", "sync", "sync_folder")
    ]
    starts = changing * (3 if fault == "powerless" else 1) if long else chance.sample(changing, 4)
    found, opener = Found(), Opener(folder)
    for number in starts:
        tree = (
            chance.choice([*_trees_after(tape, number, chance)]) if fault == "powerless" else None
        )
        again = went_on(tape, number, folder / "film", tree)
        more = cut(again, opener, chance)
        found.states += more.states
        for mine, new in (
            (found.lost, more.lost),
            (found.again, more.again),
            (found.crashed, more.crashed),
        ):
            mine += [f"after {number}: {what}" for what in new]
    tried = {"starts cut": len(starts), "disks": found.states, "different": len(opener)}
    report.add(f"power loss at a start after being {fault}", tried, wrong=found.wrong, found=found)


def _trees_after(tape: Tape, number: int, chance: random.Random) -> list[Tree]:
    disk = tape.disk()
    for op in tape.ops[: number + 1]:
        disk.do(op)
    return [*crashes(disk, chance, thorough=False)]


def test_a_whole_run_with_its_videos(folder: Path, long: bool, report: Report) -> None:
    """The program as it is, over HTTP: nothing goes out before what it needs is durable, and videos
    are whole.
    """
    with sandboxed(folder / "film", "create:html504=0.2", task_time="0s", seed=4) as (
        film,
        sandbox,
    ):
        film.write(8 if long else 2)
        state = film.folder / STATE
        state.mkdir()
        recorder = Recorder(film.folder)
        tree, names = tree_at(film.folder), dict(recorder.names)
        with mock.patch.dict(os.environ, {"KLINGFLOW_STATE_DIR": str(state)}), watched(recorder):
            klingflow.run(klingflow.load(film.manifest), base_url=sandbox.base_url, key="any")
        shutil.rmtree(film.folder)
    tape = Tape(tree, names, recorder.ops)
    found = cut(tape, opener := Opener(folder), random.Random(7), thorough=long)
    requests = sum(isinstance(op.mark, bytes) for op in tape.ops)
    assert requests and any(op.kind == "link" and op.name.endswith(".mp4") for op in tape.ops)
    tried = {
        "operations cut": len(tape.ops),
        "disks": found.states,
        "different": len(opener),
        "requests": requests,
    }
    report.add("power loss, a whole run", tried, wrong=found.wrong, found=found)


DISHONEST: dict[str, Callable[[Op], bool]] = {
    "no sync does anything": lambda op: op.kind in ("sync", "sync_folder"),
    "no file is synced": lambda op: op.kind == "sync",
    "no folder is synced": lambda op: op.kind == "sync_folder",
    "the journal is not synced": lambda op: op.kind == "sync" and op.name == JOURNAL,
    "the journal's folder is not synced": lambda op: (
        op.kind == "sync_folder" and op.name == ".klingflow"
    ),
    "the lock is not synced before it is renamed": lambda op: (
        op.kind == "sync" and op.name == ".film.lock.tmp"
    ),
    "the lock's folder is not synced": lambda op: op.kind == "sync_folder" and op.name == ".",
}


@pytest.mark.parametrize("omitted", DISHONEST)
def test_the_campaign_sees_what_is_not_synced(omitted: str, folder: Path) -> None:
    """Each sync of the ledger is needed: where one does nothing, promises are lost, and the
    campaign says so.
    """
    tape = PLAYS["the first run of all"](folder / "film")
    poorer = replace(tape, ops=[op for op in tape.ops if not DISHONEST[omitted](op)])
    assert len(poorer.ops) < len(tape.ops)
    assert any(cut(poorer, Opener(folder), random.Random(1), enough=1).wrong.values())


def test_the_campaign_sees_an_id_that_was_never_written(folder: Path) -> None:
    """A `record` that returns before its line is on the disk."""
    tape = PLAYS["the first run of all"](folder / "film")
    early = [
        op for op in tape.ops if isinstance(op.mark, Purchase) and op.mark.state == "submitted"
    ]
    ops = [op for op in tape.ops if op not in early]
    intents_known = next(n for n, op in enumerate(ops) if isinstance(op.mark, Purchase)) + 3
    ops[intents_known:intents_known] = early
    assert cut(replace(tape, ops=ops), Opener(folder), random.Random(1), enough=1).lost
