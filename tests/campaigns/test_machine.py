"""Ledger operations in any order, beside a model that is a plain dictionary: records, folds,
deaths, disks that refuse, locks that git puts there, damage, a colleague's copy, and what a person
settles. What a ledger was told it knows for ever: no id changes or vanishes, no state goes back,
and a ledger that is opened again says what the model says.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import anyio
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from klingflow.decide.resolve import abandon, adopt, resubmit
from klingflow.errors import LedgerBroken
from klingflow.ledger import arrivals, emergency, gathered, journal, stored
from klingflow.ledger.book import Book, fold
from klingflow.ledger.lifecycle import IN_DOUBT, RANK, TRANSITIONS, advance
from klingflow.ledger.lines import Parsed
from klingflow.ledger.places import LedgerPaths, ledger_paths
from klingflow.ledger.store import Ledger, open_ledger, read
from klingflow.model import Purchase
from tests.campaigns.figures import Report
from tests.campaigns.ledgers import MANIFEST, take_in, whole
from tests.purchases import ORIGIN, intent

SHOTS = st.sampled_from(["a", "b", "c"])
CHOICE = st.integers(0, 1000)

_tried: Counter[str] = Counter()


def is_open(machine: Machine) -> bool:
    return machine.ledger is not None


def is_closed(machine: Machine) -> bool:
    return machine.ledger is None


def has_lock(machine: Machine) -> bool:
    return machine.paths.lock.exists()


def goes_back(machine: Machine) -> bool:
    """Whether anything but the lock may be asked for what an older one does not know."""
    return bool(machine.locks) and (kept_twice(machine) or machine.ledger is not None)


def kept_twice(machine: Machine) -> bool:
    """Whether the black box knows all that the lock does: what came by git is git's to remember."""
    return machine.boxed and not machine.came_by_git


class Machine(RuleBasedStateMachine):
    """A ledger with a black box: whatever becomes of its own files, nothing is forgotten."""

    boxed = True
    alone = True  # no colleague

    def __init__(self) -> None:
        super().__init__()
        memory = Path("/dev/shm")
        self.root = Path(tempfile.mkdtemp(dir=memory if os.access(memory, os.W_OK) else None))
        self._elsewhere = mock.patch.object(tempfile, "tempdir", str(self.root / "tmp"))
        self._elsewhere.start()
        self.ledger: Ledger | None = None
        self.model: dict[str, Purchase] = {}
        self.accounts: list[Purchase] = []  # everything that was ever recorded
        self.ids: dict[str, str] = {}  # uid → its task id, once it has one
        self.ranks: dict[str, int] = {}
        self.locks: list[bytes] = []  # as they were at some time
        self.came_by_git = False
        self.damaged = False
        self._seconds = 0
        self._numbers = 0
        folder = self.root / "film"
        folder.mkdir()
        (folder / MANIFEST).write_text("version: 1\n")
        self.paths = self._paths(folder, "state")

    def teardown(self) -> None:
        if self.ledger is not None:
            self.ledger.close()
        self._elsewhere.stop()
        shutil.rmtree(self.root)
        _tried["histories"] += 1

    # -------- means

    def _paths(self, folder: Path, state: str) -> LedgerPaths:
        return ledger_paths(folder / MANIFEST, state=self.root / state if self.boxed else None)

    def _now(self) -> str:
        self._seconds += 1
        at = datetime(2026, 6, 8, 7, tzinfo=UTC) + timedelta(seconds=self._seconds)
        return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _begun(self, shot: str, book: Book) -> Purchase:
        self._numbers += 1
        return intent(shot, 1, book.next_attempt(shot, 1), uid=f"20260608-{self._numbers:06d}")

    def _next(self, purchase: Purchase, which: int) -> Purchase | None:
        """`purchase` after one of the events that it may meet."""
        events = [event for state, event in TRANSITIONS if state == purchase.state]
        if not events:
            return None
        event = events[which % len(events)]
        changes = {"task_id": f"task_{purchase.uid}"} if event in ("accepted", "found") else {}
        return advance(purchase, event, self._now(), **changes)

    def _recorded(self, *purchases: Purchase) -> None:
        """Record together what the ledger takes in, and let the model know."""
        assert self.ledger
        record_all(self.ledger, purchases)
        self._know(*purchases)

    def _know(self, *purchases: Purchase) -> None:
        _tried["records"] += len(purchases)
        for purchase in purchases:
            self.model[purchase.uid] = purchase
            self.accounts.append(purchase)

    def _chosen(self, which: int, of: Callable[[Purchase], bool]) -> Purchase | None:
        found = [p for p in self.model.values() if of(p)]
        return found[which % len(found)] if found else None

    def _died(self) -> None:
        """The process is gone: its locks are free, and nothing was folded."""
        assert self.ledger
        for fd in (self.ledger.journal._fd, self.ledger.journal._anchor):
            if fd is not None:
                os.close(fd)
        for fd in self.ledger.box.descriptors if self.ledger.box else ():
            os.close(fd)
        self.ledger = None

    # -------- a run

    @precondition(is_closed)
    @rule()
    def opens(self) -> None:
        """What was an intent is in doubt; the rest is as it was."""
        _tried["openings"] += 1
        self.ledger = open_ledger(self.paths, self._now)
        take_in(self.ledger)
        for uid, purchase in self.model.items():
            if purchase.state == "intent":
                got = self.ledger.book.purchases[uid]
                assert (got.state, got.task_id, got.key) == ("in_doubt", None, purchase.key)
                self._know(got)

    @precondition(is_open)
    @rule(shot=SHOTS)
    def begins(self, shot: str) -> None:
        assert self.ledger
        self._recorded(self._begun(shot, self.ledger.book))

    @precondition(is_open)
    @rule(shot=SHOTS, which=CHOICE)
    def buys(self, shot: str, which: int) -> None:
        """An intent, and its outcome together with another purchase's."""
        assert self.ledger
        other = self._chosen(which, lambda p: p.state != "rejected")
        begun = self._begun(shot, self.ledger.book)
        self._recorded(begun)
        accepted = advance(begun, "accepted", self._now(), task_id=f"task_{begun.uid}")
        after = self._next(other, which) if other else None
        self._recorded(accepted, *([after] if after else []))

    @precondition(is_open)
    @rule(which=CHOICE, event=CHOICE)
    def goes_on(self, which: int, event: int) -> None:
        before = self._chosen(which, lambda p: p.state != "rejected")
        if before and (after := self._next(before, event)):
            self._recorded(after)

    @precondition(is_open)
    @rule()
    def folds(self) -> None:
        assert self.ledger
        anyio.run(self.ledger.fold)

    @precondition(is_open)
    @rule()
    def closes(self) -> None:
        assert self.ledger
        self.ledger.close()
        self.ledger = None
        self._keep_lock()

    @precondition(is_open)
    @rule(torn=st.integers(0, 60))
    def dies(self, torn: int) -> None:
        """Perhaps while a line was being written, of which nobody has been told."""
        _tried["deaths"] += 1
        self._died()
        if torn:
            with self.paths.journal.open("ab") as file:
                file.write(b'0123abcd {"shot":"nobody","take":1,"attempt":1,"uid":"x'[:torn])
        self._keep_lock()

    def _keep_lock(self) -> None:
        if self.paths.lock.exists():
            self.locks.append(self.paths.lock.read_bytes())

    # -------- what a person settles

    @precondition(is_open)
    @rule(which=CHOICE, way=st.sampled_from(["adopt", "abandon", "resubmit"]))
    def is_settled(self, which: int, way: str) -> None:
        assert self.ledger
        doubtful = self._chosen(which, lambda p: p.state == "in_doubt")
        if doubtful is None:
            return
        book, at = self.ledger.book, self._now()
        if any(p.state == "intent" for p in book.of(doubtful.shot, 1)):
            return  # on its way in this very run, which a person waits for
        if way == "adopt":
            last = [p for p in book.of(doubtful.shot, 1) if p.state in IN_DOUBT][-1]
            task_id = f"task_{last.uid}"
            records = adopt(
                book, last.key, task_id, wanted=None, origin=ORIGIN, new_uid=self._now, at=at
            )
        elif way == "abandon":
            records = abandon(book, doubtful.key, origin=ORIGIN, at=at)
        else:
            records = resubmit(book, doubtful.key, origin=ORIGIN, at=at, held=False)
        _tried["settled"] += 1
        self._recorded(*records)

    # -------- what befalls the files

    @precondition(is_open)
    @rule(which=CHOICE, event=CHOICE, fails=st.sampled_from(["sync", "write_all"]))
    def disk_refuses(self, which: int, event: int, fails: str) -> None:
        """What followed is in the emergency file; the run ends, and the next one knows it."""
        assert self.ledger
        before = self._chosen(which, lambda p: p.state != "rejected")
        after = self._next(before, event) if before else None
        if after is None:
            return
        _tried["refusals"] += 1
        refusal = OSError(errno.EIO, "refused")
        with mock.patch.object(journal, fails, side_effect=refusal), suppress(LedgerBroken):
            record_all(self.ledger, [after])
            raise AssertionError("a refusal went unnoticed")
        self._know(after)
        self.ledger.close()
        self.ledger = None

    @precondition(is_open)
    @rule(shot=SHOTS)
    def disk_refuses_an_intent(self, shot: str) -> None:
        """It is not sent, and leaves no doubt."""
        assert self.ledger
        refusal = OSError(errno.ENOSPC, "refused")
        with mock.patch.object(journal, "write_all", side_effect=refusal), suppress(LedgerBroken):
            record_all(self.ledger, [self._begun(shot, self.ledger.book)])
            raise AssertionError("a refusal went unnoticed")
        self.ledger.close()
        self.ledger = None

    @precondition(goes_back)
    @rule(which=CHOICE)
    def lock_goes_back(self, which: int) -> None:
        """`git checkout`: another file, from an earlier time."""
        _tried["older locks"] += 1
        self._put_lock(self.locks[which % len(self.locks)])

    @precondition(lambda self: goes_back(self) and has_lock(self))
    @rule(which=CHOICE, begins=st.booleans())
    def lock_is_merged(self, which: int, begins: bool) -> None:
        """git's union of this lock and an earlier one, or both between conflict markers."""
        _tried["merges"] += 1
        ours, theirs = self.paths.lock.read_bytes(), self.locks[which % len(self.locks)]
        if begins:
            self._put_lock(b"<<<<<<< HEAD\n%b=======\n%b>>>>>>> theirs\n" % (ours, theirs))
        else:
            self._put_lock(
                b"".join(dict.fromkeys([*ours.splitlines(True), *theirs.splitlines(True)]))
            )

    @precondition(
        lambda self: (
            not self.alone
            and has_lock(self)
            and not any(p.state == "intent" for p in self.model.values())
        )
    )
    @rule(which=CHOICE, event=CHOICE)
    def colleague_buys_too(self, which: int, event: int) -> None:
        """A clone has purchases of its own and news of ours; its lock comes back by git's union."""
        _tried["merges"] += 1
        folder = self.root / "clone"
        folder.mkdir()
        shutil.copy(self.paths.lock, folder / "film.lock")
        (folder / MANIFEST).write_text("version: 1\n")
        paths = self._paths(folder, "their state")
        news: list[Purchase] = []
        with open_ledger(paths, self._now) as theirs:
            known = [p for p in theirs.book.purchases.values() if p == self.model.get(p.uid)]
            after = self._next(known[which % len(known)], event) if known else None
            begun = self._begun("theirs", theirs.book)
            bought = advance(begun, "accepted", self._now(), task_id=f"task_{begun.uid}")
            for purchase in (begun, bought, *([after] if after else [])):
                record_all(theirs, [purchase])
                news.append(purchase)
        ours, merged = self.paths.lock.read_bytes(), paths.lock.read_bytes()
        self._put_lock(b"".join(dict.fromkeys([*ours.splitlines(True), *merged.splitlines(True)])))
        shutil.rmtree(folder)
        self.came_by_git = True
        self._know(*news)
        if self.ledger:
            anyio.run(self.ledger.fold)

    @precondition(lambda self: kept_twice(self) and is_closed(self) and self.paths.journal.exists())
    @rule(lines=st.integers(0, 5))
    def journal_is_cut(self, lines: int) -> None:
        """At a line's end, as if the rest had never been written: the black box knows it."""
        _tried["damages"] += 1
        kept = self.paths.journal.read_bytes().splitlines(True)
        self.paths.journal.write_bytes(b"".join(kept[: max(0, len(kept) - lines)]))

    @precondition(lambda self: kept_twice(self) and is_closed(self))
    @rule(which=CHOICE, journal=st.booleans())
    def line_is_damaged(self, which: int, journal: bool) -> None:
        path = self.paths.journal if journal else self.paths.lock
        if not path.exists() or not (data := bytearray(path.read_bytes())):
            return
        # A lock without its header is told by its purchases alone.
        begins = 0 if journal else data.find(b"\n") + 1
        if begins == len(data):
            return
        _tried["damages"] += 1
        data[begins + which * 7919 % (len(data) - begins)] ^= 1 << which % 8
        path.write_bytes(data)
        self.damaged = True

    def _put_lock(self, text: bytes) -> None:
        self.paths.lock.unlink(missing_ok=True)
        self.paths.lock.write_bytes(text)

    # -------- what holds

    def _ghosts(self, book: Book) -> set[str]:
        """Doubts of which only a damaged line tells, or an older lock: of a uid that was hit, or of
        a refusal that was forgotten, since another attempt followed it.
        """
        doubts = {u for u, p in book.purchases.items() if p.state in IN_DOUBT}
        hit = doubts - self.model.keys() if self.damaged else set()
        last = {p.key: p.uid for p in sorted(self.model.values(), key=lambda p: p.attempt)}
        refused = {u for u, p in self.model.items() if p.state == "rejected" and last[p.key] != u}
        return hit | (doubts & refused)

    @invariant()
    def the_book_is_the_model(self) -> None:
        """Refusals aside, of which the next attempt may take the place."""
        book = self.ledger.book if self.ledger else whole(read(self.paths))
        ghosts = self._ghosts(book)
        told = {
            uid: p
            for uid, p in book.purchases.items()
            if p.state != "rejected" and uid not in ghosts
        }
        got = {uid: _told(p) for uid, p in told.items()}
        settled = self.model.values() if self.ledger else map(_as_found, self.model.values())
        meant = {p.uid: _told(p) for p in settled if p.state != "rejected"}
        differing = [
            (got.get(u), meant.get(u))
            for u in got.keys() | meant.keys()
            if got.get(u) != meant.get(u)
        ]
        assert not differing, differing

    @invariant()
    def nothing_known_is_unlearned(self) -> None:
        book = self.ledger.book if self.ledger else whole(read(self.paths))
        ghosts = self._ghosts(book)
        for uid, purchase in book.purchases.items():
            if uid in ghosts:
                continue
            assert self.ids.setdefault(uid, purchase.task_id or "") in ("", purchase.task_id)
            if purchase.task_id:
                self.ids[uid] = purchase.task_id
            assert RANK[purchase.state] >= self.ranks.get(uid, 0)
            self.ranks[uid] = RANK[purchase.state]
        assert {uid for uid, task_id in self.ids.items() if task_id} <= book.purchases.keys()

    @rule(data=st.data())
    def accounts_fold_in_any_order(self, data: st.DataObject) -> None:
        """Folding is idempotent, commutative and associative."""
        _tried["foldings"] += 1
        pool = (
            st.lists(st.sampled_from(self.accounts), max_size=8) if self.accounts else st.just([])
        )
        a, b, c = (data.draw(pool) for _ in range(3))
        whole = _folded(a + b + c)
        assert _folded(whole) == whole
        assert _folded(_folded(a) + _folded(a)) == _folded(a)
        assert _folded(_folded(b) + _folded(a)) == _folded(_folded(a) + _folded(b))
        assert _folded(_folded(_folded(a) + _folded(b)) + c) == whole
        assert _folded(a + _folded(_folded(b) + _folded(c))) == whole


class WithColleague(Machine):
    """What came by git is git's to remember: no black box keeps it."""

    alone = False


class WithoutBox(WithColleague):
    """Without a black box, what a run holds open is still safe from git, and what died from its
    death.
    """

    boxed = False


def record_all(ledger: Ledger, purchases: tuple[Purchase, ...] | list[Purchase]) -> None:
    """Record together. Raises LedgerBroken."""
    failed: list[LedgerBroken] = []

    async def one(purchase: Purchase) -> None:
        try:
            await ledger.record(purchase)
        except LedgerBroken as error:
            failed.append(error)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for purchase in purchases:
                group.start_soon(one, purchase)

    anyio.run(main)
    if failed:
        raise failed[0]


def _as_found(purchase: Purchase) -> Purchase:
    """What a reader takes it for when nobody runs: an intent is a doubt."""
    return advance(purchase, "doubted", "") if purchase.state == "intent" else purchase


def _told(purchase: Purchase) -> tuple[object, ...]:
    """What must be the same wherever it is read; whether and when a doubt arose is the reader's: a
    colleague's may be of an intent that was on its way here.
    """
    p = purchase
    times = (
        {name: at for name, at in p.times.items() if name != "in_doubt"}
        if p.state != "in_doubt"
        else {}
    )
    return (
        p.key,
        p.attempt,
        p.state,
        p.task_id,
        times,
        dict(p.body),
        p.price,
        p.fingerprint,
        p.origin,
    )


def _folded(accounts: list[Purchase]) -> list[Purchase]:
    told, contradicting = fold(accounts)
    assert not contradicting
    return sorted(told, key=lambda p: p.uid)


def play(machine: type[Machine], histories: int, *phases: Phase) -> None:
    """Operations at random, the same each time. Raises what the first wrong history raised."""
    _tried.clear()
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=histories,
            stateful_step_count=40,
            derandomize=True,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=phases,
        ),
    )


@pytest.mark.parametrize("machine", [Machine, WithColleague, WithoutBox])
def test_a_ledger_never_unlearns(machine: type[Machine], long: bool, report: Report) -> None:
    """Of what goes wrong, Hypothesis tells a history, in the long form the shortest."""
    named = {Machine: "", WithColleague: ", with a colleague", WithoutBox: ", no black box"}
    name = f"ledger machine{named[machine]}"
    try:
        play(machine, *((600, *Phase) if long else (20, Phase.generate)))
    except Exception as error:
        report.add(name, dict(_tried), wrong={"ids lost": 1, "crashes": 0}, found=error)
    report.add(name, dict(_tried), wrong={"ids lost": 0, "crashes": 0})


SOWN = {
    "the journal is not read": (gathered, "parse_journal", lambda data, name: Parsed()),
    "emergency files are not read": (emergency, "read", lambda place: b""),
    "a fold drops what failed": (
        arrivals,
        "superseded",
        lambda some: {p.uid for p in some if p.state == "failed"},
    ),
    "an intent is no doubt": (stored, "settled", lambda some, until: some),
}


@pytest.mark.parametrize("bug", SOWN)
def test_the_machine_sees_what_is_unlearned(bug: str) -> None:
    room, name, wrong = SOWN[bug]
    with mock.patch.object(room, name, wrong), pytest.raises((AssertionError, KeyError)):
        play(WithoutBox, 100, Phase.generate)
