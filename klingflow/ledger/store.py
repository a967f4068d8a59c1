"""The ledger that is written: every record durable before it is announced.

A record is in the journal, fsynced, before `record` returns; all that wait share one fsync. Folding
replaces the lock atomically and empties the journal, in this order, so that a reader who takes the
journal first and the lock second misses nothing. When a write or an fsync fails, buying stops, and
what must still be kept goes to an emergency file.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType

import anyio

from klingflow.disk import second_name
from klingflow.errors import KlingflowError, LedgerBroken, LedgerError, UsageError
from klingflow.ledger import boxholding, emergency
from klingflow.ledger.arrivals import Arrivals, heed_headers, take_in
from klingflow.ledger.blackbox import Beginning, BlackBox
from klingflow.ledger.book import Book, fold
from klingflow.ledger.gathered import (
    forget_saved,
    load_lock,
    load_saved,
)
from klingflow.ledger.journal import Journal, Now, hold
from klingflow.ledger.lifecycle import advance
from klingflow.ledger.lines import (
    Parsed,
    as_journal_line,
    journal_line,
    parse_journal,
)
from klingflow.ledger.lockfile import Lock
from klingflow.ledger.places import LedgerPaths
from klingflow.ledger.sharing import Batch, Sharing
from klingflow.ledger.stored import (
    Stored,
    load,
    read,
    set_aside,
)
from klingflow.model import Problem, Purchase
from klingflow.words import _

__all__ = ["Ledger", "open_ledger", "read"]


def open_ledger(paths: LedgerPaths, now: Now) -> Ledger:
    """Open the ledger for writing: ours alone until it is closed, folded, and with a doubt for
    every stale intent.

    Raises LedgerHeld, and LedgerError when it cannot be read or written.
    """
    with ExitStack() as undo:
        try:
            journal = hold(paths, now)
            undo.callback(journal.release)
            ledger = _opened(paths, journal, now)
        except (OSError, LedgerBroken) as error:
            raise LedgerError(
                _("{lock}: the ledger cannot be opened: {error}", lock=paths.lock, error=error)
            ) from error
        undo.pop_all()
    return ledger


def _opened(paths: LedgerPaths, journal: Journal, now: Now) -> Ledger:
    stored = load(paths, until=now())
    if stored.shared:
        raise UsageError(
            _(
                "{journal} is also the journal of {shared}, by a link;"
                " remove the link and run again",
                journal=paths.journal,
                shared=stored.shared,
            )
        )
    set_aside(paths, stored.journal, stored.lock, stored.contradicting)
    emergency.reserve(paths.journal)
    ledger = Ledger(paths, journal, stored, now)
    if stored.tidy:
        second_name(paths.lock, paths.folded)
        ledger.empty_journal()
    else:
        ledger.fold_now(dict(stored.book.purchases))
    return ledger


class Ledger:
    """The ledger of one manifest, held by this process. Made by `open_ledger`; use it as a context
    manager.

    `book` always holds what was handed to `record`, also while it is still being written.
    `unwritten` are the purchases that never reached the journal: their ids must be shown to the
    user.
    """

    def __init__(self, paths: LedgerPaths, journal: Journal, stored: Stored, now: Now) -> None:
        self.paths = paths
        self.journal = journal
        self.box: BlackBox | None = None  # until `begin_box`
        self._box_trouble: Problem | None = None
        self.book: Book = stored.book
        self.unwritten: list[Purchase] = []
        self._now = now
        self._io = threading.Lock()  # one writer at a time, even if an awaiting task was torn away
        self._writes = Sharing(self._commit, self._heed)
        self._with_body = {p.uid for p in stored.lock.accounts if p.body}  # on disk already
        self._lock = Lock(paths, stored)
        self._saved = stored.saved  # the emergency files that the book has taken in
        self._lineages = stored.lineages
        self._stored: Stored | None = stored if paths.box else None  # until `begin_box`
        self._broken: LedgerBroken | None = None
        self._closed = False
        self.entered = False  # True if `enter` took in what the lock lacks

    @property
    def box_trouble(self) -> Problem | None:
        """The problem because of which the black box is not written, if there is one."""
        return self.box.trouble if self.box else self._box_trouble

    @property
    def is_new(self) -> bool:
        """True if there was no lock with a lineage when the ledger was opened."""
        return not self._lineages

    @property
    def pending(self) -> int:
        """The number of records in the journal, that is, since the last fold."""
        return len(self.journal.lines)

    async def record(self, *purchases: Purchase) -> None:
        """Make purchases, or what became of them, durable: they are on disk when this returns.

        Raises LedgerBroken when they are not, and at every later call. Cancellation waits until the
        outcome is known.
        """
        if self._broken and any(purchase.state == "intent" for purchase in purchases):
            raise self._broken
        self.begin_box()
        lines = []
        for purchase in purchases:
            is_new = purchase.uid not in self._with_body
            lines.append(as_journal_line(self._lock.line(purchase), body=is_new))
            self._with_body.add(purchase.uid)
            self.book.put(purchase)
        batch = await self._writes.write(purchases, lines)
        if batch.failed:
            raise batch.failed

    def _heed(self, batch: Batch) -> None:
        """Let the book have records that could not be written as they were saved elsewhere."""
        if batch.failed:
            for purchase in batch.purchases:
                self.book.put(purchase)

    async def fold(self) -> None:
        """Bring the lock up to date and empty the journal; cheap when there is nothing to do.

        Raises LedgerBroken; what is in the journal is safe even then.
        """
        if self._broken:
            raise self._broken
        if not self.journal.lines and self._lock.is_ours:
            return
        with anyio.CancelScope(shield=True):
            async with self._writes.turn:
                snapshot = dict(self.book.purchases)
                arrivals = await anyio.to_thread.run_sync(self.fold_now, snapshot)
                arrivals.enter_into(self.book)

    def replace(self, book: Book) -> None:
        """Make `book`, as a person's command changed it, the ledger's content; the lock holds it
        when this returns.

        Folding counts its serial one up. Raises LedgerBroken.
        """
        self.book = book
        self._fold_all()

    def close(self) -> None:
        """Fold once more and give the ledger back. A broken one is left for the next start to
        read.
        """
        if self._closed:
            return
        self._closed = True
        try:
            if not self._broken and (self.journal.lines or not self._lock.is_ours):
                self._fold_all()
            if not self._broken:
                with suppress(OSError):
                    self.paths.folded.unlink(missing_ok=True)
        finally:
            with self._io:
                if self.box:
                    self.box.close(None if self._broken else self.book.purchases)
                elif self.paths.box:  # a run that only looked still clears up after a killed one
                    with suppress(LedgerError, OSError):
                        boxholding.tidy(self.paths.box)
                self.journal.release()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # -------- in a worker thread, or before and after the event loop

    def _commit(self, batch: Batch) -> None:
        with self._io:
            if batch.settled:
                return
            if not self.journal.dead:
                try:
                    self._append(batch)
                except (OSError, KlingflowError) as error:
                    self.journal.dead = True
                    self._break(self.paths.journal, error)
            if self.journal.dead:
                batch.purchases = self._as_told(batch.purchases)
                batch.failed = self._save_elsewhere(batch.purchases)
            batch.settled = True

    def _append(self, batch: Batch) -> None:
        self._keep_hold()
        self.journal.append(batch.lines)
        if self.box:
            self.box.append(batch.purchases)

    def _break(self, path: Path, error: Exception) -> LedgerBroken:
        self._broken = self._broken or LedgerBroken(
            _("{path}: cannot be written: {error}", path=path, error=error)
        )
        return self._broken

    def _keep_hold(self) -> None:
        """Keep the journal, or save what it held elsewhere. Raises OSError, KlingflowError."""
        try:
            self.journal.keep_hold()
        except (OSError, KlingflowError) as error:
            held, _unused = fold(parse_journal(b"".join(self.journal.lines), "").accounts)
            if held and self.journal.dead:
                self._break(self.paths.journal, error)
                raise self._save_elsewhere(held) from error
            raise

    def _as_told(self, purchases: Iterable[Purchase]) -> list[Purchase]:
        """Return an intent that could not be written as unsent, because its sender is told so."""
        return [advance(p, "unsent", self._now()) if p.state == "intent" else p for p in purchases]

    def _save_elsewhere(self, purchases: Sequence[Purchase]) -> LedgerBroken:
        saved = {p.uid for p in purchases}
        self.unwritten = [p for p in self.unwritten if p.uid not in saved]
        self.unwritten += (p for p in purchases if p.task_id)
        lines = b"".join(map(journal_line, purchases))
        if self.box:
            self.box.append(purchases)
        where = emergency.save(self.paths.journal, lines, self._saved)
        what = (
            _("what followed is in {where}", where=where)
            if where
            else _("what followed could be written nowhere")
        )
        return LedgerBroken(
            _("{broken}; {what}; nothing more is bought", broken=self._broken, what=what)
        )

    def fold_now(self, snapshot: dict[str, Purchase]) -> Arrivals:
        """Write `snapshot` and what else the files hold by now, then empty the journal."""
        with self._io:
            try:
                self._keep_hold()
                arrivals = self._taken_in(snapshot)
                self._lock.write(snapshot, self.book)
                second_name(self.paths.lock, self.paths.folded)
                self.empty_journal()
            except LedgerBroken as error:  # it says where the records are
                self._break(self.paths.lock, error)
                raise
            except (OSError, KlingflowError) as error:
                raise self._break(self.paths.lock, error) from error
            if self.box and not self.box.whole:
                self.box.renew(self.book.purchases)
            return arrivals

    def _fold_all(self) -> None:
        self.fold_now(dict(self.book.purchases)).enter_into(self.book)

    def begin_box(self) -> None:
        """Hold the black box, and keep from now on in it what is recorded. Call it once the user
        has agreed: nothing is written there before. Every `record` calls it, too.

        Where the box cannot be written, why is among the book's problems. Raises LedgerHeld and
        UsageError as `boxholding.begin`, LedgerError, LedgerBroken.
        """
        self._begin_box(forking=False)

    def _begin_box(self, *, forking: bool) -> None:
        stored, place = self._stored, self.paths.box
        if stored is None or place is None:
            return
        begun = Beginning(
            self.book.lineage,
            stored.box,
            fresh=not stored.lineages and not forking,
            forking=forking,
            known=dict(self.book.purchases),
            pruned=frozenset(self.book.pruned),
            runner=self.journal.runner(),
            at=self._now(),
            line=self._lock.line,
        )
        box = boxholding.begin(place, begun)
        self._stored = None
        if isinstance(box, Problem):
            self.book.problems.append(box)
            self._box_trouble = box
            return
        self.box = box
        if not stored.lineages or self.entered:  # so that the box's lineage is that of a lock
            self._fold_all()
        if stored.box_damaged:
            set_aside(self.paths, Parsed(damaged=list(stored.box_damaged)), Parsed(), ())
            box.renew(self.book.purchases)

    def fork(self, lineage: str) -> frozenset[str]:
        """Give this ledger another lineage, in the lock and in the black box, before anything is
        recorded. Returns those that it had. Raises as `begin_box`, and LedgerBroken.
        """
        self.book.lineage = lineage
        self.book.lost = 0  # of the other film
        self._begin_box(forking=True)
        self._fold_all()
        return self._lineages

    def use_plan(self, plan: str) -> None:
        """Write down, durably, that a saved plan is used: the next run refuses it. Call it before
        anything is bought. Raises LedgerBroken.
        """
        self.book.use_plan(plan, self._now())
        self._fold_all()

    def enter(self, purchases: Iterable[Purchase]) -> None:
        """Take in what this place bought under another lineage. It comes into the lock once the
        black box is held.
        """
        for purchase in purchases:
            self.book.put(purchase)
            self.entered = True

    def _taken_in(self, snapshot: dict[str, Purchase]) -> Arrivals:
        """Complete `snapshot` by what came meanwhile: a lock that git put there, what another
        runner saved.
        """
        lock = Parsed() if self._lock.is_ours else load_lock(self.paths)
        saved, self._saved = load_saved(self.paths, self._saved)
        arrivals = take_in(self.paths, snapshot, lock, saved)
        heed_headers(lock, self.book)
        return arrivals

    def empty_journal(self) -> None:
        """Begin the journal again, with nothing but who holds it. The lock must be durable."""
        self.journal.empty()
        forget_saved(self._saved)
