"""What a ledger's files say together: one book out of lock, journal, emergency files and black box.

What gathered.py has read is folded into one purchase per uid, and what is wrong with the files is
reported. store.py writes.
"""

from __future__ import annotations

import gc
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from klingflow.disk import append
from klingflow.errors import LedgerError
from klingflow.ledger import boxes
from klingflow.ledger.book import (
    Book,
    contradicting,
    contradictions,
    fold,
    in_order,
    settled,
    superseded,
)
from klingflow.ledger.gathered import Files, Signature, gather
from klingflow.ledger.lines import Parsed, lock_line
from klingflow.ledger.places import LedgerPaths
from klingflow.model import Json, Place, Problem, Purchase
from klingflow.words import _


@dataclass(frozen=True, slots=True)
class Stored:
    """One reading of all files.

    `contradicting` are the accounts that `book` left out. `tidy` says that the lock's text already
    is what folding would write.
    """

    book: Book
    journal: Parsed
    lock: Parsed
    signature: Signature
    contradicting: Sequence[Purchase]
    tidy: bool
    saved: Mapping[Path, Signature]  # the emergency files that were read
    box: boxes.Reading
    box_damaged: Sequence[bytes]  # lines of this place's own black box
    lineages: frozenset[str]  # that the lock names; none without one
    shared: Path | None = None  # another manifest whose journal is this very file


def read(paths: LedgerPaths) -> Book:
    """Read what the ledger says, without a lock and without writing; an intent reads as in doubt.

    Raises LedgerError.
    """
    try:
        return load(paths, until=None).book
    except OSError as error:
        raise LedgerError(
            _("{lock}: the ledger cannot be read: {error}", lock=paths.lock, error=error)
        ) from error


def load(paths: LedgerPaths, until: str | None) -> Stored:
    """Read the journal first and the lock second: a fold between the two moves lines the same way.

    `until` is the time up to which an intent without an outcome may have gone out. Raises OSError,
    LedgerError.
    """
    with _collecting_later():
        return _load(paths, until)


@contextmanager
def _collecting_later() -> Iterator[None]:
    """Switch the garbage collector off meanwhile, and have it count what was made as old: a large
    ledger is half a million objects without garbage, and searching them took a quarter of the time.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():  # otherwise what somebody else froze would be thawed
            gc.freeze()
            gc.unfreeze()
        if collecting:
            gc.enable()


def _load(paths: LedgerPaths, until: str | None) -> Stored:
    files = gather(paths, until)
    folded = _fold(files, until)
    lock, journal = files.lock, files.journal
    # The smallest, so that every machine that merges the same two lineages takes the same.
    lineage = min(files.lineages, default=None) or secrets.token_hex(8)
    plans = used_plans([*lock.headers, *journal.headers])
    book = Book(folded.kept, lineage=lineage, serial=newest_serial(lock), plans=plans)
    book.remember(files.pruned.values())
    _remember_unrelated(book, files, until)
    book.lost = _lost(files, book)
    book.problems += _report(paths, files, folded)
    untidy = journal.accounts or journal.damaged or lock.damaged or lock.problems
    tidy = not untidy and len(lock.headers) < 2 and lock.accounts == in_order(folded.kept)
    return Stored(
        book=book,
        journal=journal,
        lock=lock,
        signature=files.signature,
        contradicting=folded.contradicting,
        tidy=tidy,
        saved=files.saved,
        box=files.box,
        box_damaged=files.box_damaged,
        lineages=files.lineages,
        shared=files.neighbour.manifest if files.neighbour and files.neighbour.shares else None,
    )


@dataclass(frozen=True, slots=True)
class _Folded:
    """One purchase per uid. `kept` are the `purchases` with a doubt for every intent."""

    purchases: Sequence[Purchase]
    kept: Sequence[Purchase]
    contradicting: Sequence[Purchase]


def _fold(files: Files, until: str | None) -> _Folded:
    """Make one purchase out of all accounts of it, and leave out refusals that were superseded."""
    accounts = [*files.lock.accounts, *files.journal.accounts, *files.beyond.accounts]
    doubts = [*files.lock.doubts, *files.journal.doubts, *files.beyond.doubts]
    accounts += _also_unrelated(files, accounts)
    pruned = _pruned_and_here(files, accounts)
    folded, left_out = fold([*accounts, *pruned], doubts)
    purchases = _without_superseded(folded)
    # A pruned account needs no setting aside: it stays in the pruned file.
    in_its_file = set(map(id, pruned))
    left_out = [account for account in left_out if id(account) not in in_its_file]
    return _Folded(purchases, settled(purchases, until), left_out)


def _without_superseded(purchases: Sequence[Purchase]) -> list[Purchase]:
    dropped = superseded(purchases)
    return [purchase for purchase in purchases if purchase.uid not in dropped]


def _pruned_and_here(files: Files, accounts: Iterable[Purchase]) -> list[Purchase]:
    """Return what was pruned of these accounts' purchases: an older lock may hold it again, and
    know less of it.
    """
    if not files.pruned:
        return []
    again = {account.uid for account in accounts} & files.pruned.keys()
    return [files.pruned[uid] for uid in again]


def _also_unrelated(files: Files, accounts: Sequence[Purchase]) -> list[Purchase]:
    """Return what this place's black box says, under other lineages, of purchases in the ledger or
    pruned.
    """
    unrelated = [*files.unrelated.accounts, *files.former.accounts]
    if not unrelated:
        return []
    known = {account.uid for account in accounts}
    return [account for account in unrelated if account.uid in known]


def _remember_unrelated(book: Book, files: Files, until: str | None) -> None:
    """Let the book know, without entering it, what this place bought under other lineages."""
    for told, is_former in ((files.unrelated, False), (files.former, True)):
        if told.accounts or told.doubts:
            folded, _unused = fold(told.accounts, told.doubts)
            found = _without_superseded(folded)
            book.add_recallable(settled(found, until), former=is_former)


def _report(paths: LedgerPaths, files: Files, folded: _Folded) -> list[Problem]:
    """Return everything that is wrong with the files, and with what they say together."""
    known = [*files.lock.accounts, *files.journal.accounts]
    return [
        *files.lock.problems,
        *files.journal.problems,
        *(replace(problem, kind="damaged_pruned") for problem in files.put_away.problems),
        *files.beyond.problems,
        *_restored(paths, files.beyond, known, folded.purchases),
        *map(contradicting, folded.contradicting),
        *contradictions(folded.kept),
    ]


def _restored(
    paths: LedgerPaths, beyond: Parsed, known: Iterable[Purchase], purchases: Iterable[Purchase]
) -> Iterator[Problem]:
    """Report what the black box knows beyond the other files."""
    if not beyond.accounts:
        return
    told = {(p.uid, p.state) for p in known}
    if keys := tuple(p.key for p in purchases if (p.uid, p.state) not in told):
        yield Problem("lost_by_lock", Place(paths.lock.name), keys, count=len(keys))


def _lost(files: Files, book: Book) -> int:
    """Return how many purchases of the lock no file names any more."""
    in_lock = _named_in(files.lock)
    since = {account.uid for account in files.journal.accounts} - in_lock
    if not files.lock.headers:
        is_empty = any(problem.kind == "empty_lock" for problem in files.lock.problems)
        knows_nothing = not (book.purchases or book.recallable or book.former)
        return int(is_empty and knows_nothing)  # klingflow writes no empty lock
    return lost_in(files.lock, book.purchases.keys() - since, book.pruned.keys())


def lost_in(lock: Parsed, known: Set[str], pruned: Set[str]) -> int:
    """Return how many purchases a lock has lost: its header counts them, and neither a line of it
    nor one of the uids `known` from elsewhere is left of them.

    Of locks that were merged, the least that one of them counted has to be left: what one side has
    `pruned`, the header of the other may count.
    """
    counted: int = min((header["purchases"] for header in lock.headers), default=0)
    found = _named_in(lock) | known
    if len(lock.headers) > 1:
        found |= pruned
    return max(0, counted - len(found))


def _named_in(lock: Parsed) -> set[str]:
    return {purchase.uid for purchase in (*lock.accounts, *lock.doubts)}


def newest_serial(lock: Parsed) -> int:
    """Return how often the lock was folded, or the lock merged into it that was folded most."""
    return max((header["serial"] for header in lock.headers), default=0)


def used_plans(headers: Iterable[Mapping[str, Json]]) -> dict[str, str]:
    """Return the saved plans that headers name as used, with the first time that one says."""
    plans: dict[str, str] = {}
    for header in headers:
        for plan, at in header["plans"].items():
            plans[plan] = min(plans.get(plan, at), at)
    return plans


def set_aside(
    paths: LedgerPaths, journal: Parsed, lock: Parsed, left_out: Iterable[Purchase]
) -> None:
    """Keep, durably, what is about to vanish from the files. Raises OSError."""
    _append(paths.journal_damaged, journal.damaged)
    _append(paths.lock_damaged, [*lock.damaged, *map(lock_line, left_out)])


def _append(path: Path, lines: Sequence[bytes]) -> None:
    if lines:
        append(path, lines)
