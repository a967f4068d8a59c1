"""What a ledger's files say together: one book out of lock, journal, emergency files and black box.

The files are gathered in an order that misses nothing, folded into one purchase per uid, and what
is wrong with them is reported. How each file is read is for lines.py, boxes.py and emergency.py;
store.py writes.
"""

from __future__ import annotations

import gc
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from klingflow.disk import append, read_log, read_whole
from klingflow.errors import LedgerError
from klingflow.ledger import boxes, emergency, neighbours
from klingflow.ledger.book import (
    Book,
    contradicting,
    contradictions,
    fold,
    in_order,
    settled,
    superseded,
)
from klingflow.ledger.lifecycle import RANK
from klingflow.ledger.lines import (
    Parsed,
    headers_in,
    lock_line,
    parse_journal,
    parse_lines,
    parse_lock,
)
from klingflow.ledger.neighbours import Neighbour
from klingflow.ledger.places import LedgerPaths
from klingflow.model import Json, Place, Problem, Purchase
from klingflow.words import _

Signature = tuple[int, ...] | None


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
    files = _gather(paths, until)
    folded = _fold(files, until)
    lock, journal = files.lock, files.journal
    # The smallest, so that every machine that merges the same two lineages takes the same.
    lineage = min(files.lineages, default=None) or secrets.token_hex(8)
    plans = used_plans([*lock.headers, *journal.headers])
    book = Book(folded.kept, lineage=lineage, serial=newest_serial(lock), plans=plans)
    book.remember(files.pruned.values())
    _remember_unrelated(book, files, until)
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
class _Files:
    """What each file said. `pruned` is by uid, as its file (`put_away`) or the black box has it.
    `beyond` is what counts of the black box, `unrelated` what this place did under other lineages,
    and `former` what it did under those that were here when this ledger began.
    """

    lineages: frozenset[str]
    box: boxes.Reading
    box_damaged: Sequence[bytes]
    journal: Parsed
    saved: Mapping[Path, Signature]
    signature: Signature
    lock: Parsed
    put_away: Parsed
    pruned: Mapping[str, Purchase]
    beyond: Parsed
    neighbour: Neighbour | None
    unrelated: Parsed
    former: Parsed


def _gather(paths: LedgerPaths, until: str | None) -> _Files:
    """Read every file once, in the order in which records move from one to the next."""
    lineages = lineages_of(paths)
    box = boxes.look(paths.box, lineages) if paths.box else boxes.Reading()
    # A process that opens the ledger for writing holds it, so no other is writing a line.
    journal, saved = _journals(paths, read_whole if until else read_log)
    neighbour = neighbours.of_journal(paths, journal.runner)
    signature = signature_of(paths.lock)
    lock = _lock_beside(journal, neighbour, paths)
    put_away, pruned = _pruned(paths, box)
    own, others, unrelated, former = _boxed(box, lock)
    beyond = Parsed()
    beyond.add(own)
    beyond.add(others)
    _leave_pruned(beyond, pruned)
    return _Files(
        lineages=lineages,
        box=box,
        box_damaged=own.damaged,
        journal=journal,
        saved=saved,
        signature=signature,
        lock=lock,
        put_away=put_away,
        pruned=pruned,
        beyond=beyond,
        neighbour=neighbour,
        unrelated=unrelated,
        former=former,
    )


def _lock_beside(journal: Parsed, neighbour: Neighbour | None, paths: LedgerPaths) -> Parsed:
    """Read the lock, and take out of the journal what is a neighbour's. Raises as `load_lock`."""
    text = _bytes(paths.lock)
    if neighbour:
        neighbours.leave(journal, neighbour, text)
    return _lock_in(text, paths)


def lineages_of(paths: LedgerPaths) -> frozenset[str]:
    """Return the lineages that the lock names; several after a merge by git. Raises OSError."""
    return frozenset(header["lineage"] for header in headers_in(_bytes(paths.lock)))


def _boxed(box: boxes.Reading, lock: Parsed) -> tuple[Parsed, Parsed, Parsed, Parsed]:
    """Return what the black box has beyond a lock: of this place, of other members of the lineage,
    of this place under other lineages, and of lineages that were here before this ledger.
    """
    files = (box.own, box.others, box.unrelated, box.former)
    if not any(data for some in files for data in some.values()):
        return Parsed(), Parsed(), Parsed(), Parsed()
    known = {raw for _, raw in lock.lines.values()}.union(lock.damaged)
    own, others, unrelated, former = (boxes.parsed(some, known) for some in files)
    return own, others, unrelated, former


@dataclass(frozen=True, slots=True)
class _Folded:
    """One purchase per uid. `kept` are the `purchases` with a doubt for every intent."""

    purchases: Sequence[Purchase]
    kept: Sequence[Purchase]
    contradicting: Sequence[Purchase]


def _fold(files: _Files, until: str | None) -> _Folded:
    """Make one purchase out of all accounts of it, and leave out refusals that were superseded."""
    told = (files.lock, files.journal, files.beyond)
    accounts = [account for one in told for account in one.accounts]
    doubts = [doubt for one in told for doubt in one.doubts]
    accounts += _also_unrelated(files, accounts)
    # An older lock may hold again what was pruned, and know less of it.
    again = {account.uid for account in accounts} & files.pruned.keys() if files.pruned else ()
    pruned = [files.pruned[uid] for uid in again]
    folded, left_out = fold([*accounts, *pruned], doubts)
    dropped = superseded(folded)
    purchases = [p for p in folded if p.uid not in dropped]
    # One that was pruned needs no setting aside: it stays in the pruned file.
    in_its_file = {id(purchase) for purchase in pruned}
    left_out = [account for account in left_out if id(account) not in in_its_file]
    return _Folded(purchases, settled(purchases, until), left_out)


def _also_unrelated(files: _Files, accounts: Sequence[Purchase]) -> list[Purchase]:
    """Return what this place's black box says, under other lineages, of purchases in the ledger or
    pruned.
    """
    unrelated = [*files.unrelated.accounts, *files.former.accounts]
    if not unrelated:
        return []
    known = {account.uid for account in accounts}
    return [account for account in unrelated if account.uid in known]


def _remember_unrelated(book: Book, files: _Files, until: str | None) -> None:
    """Let the book know, without entering it, what this place bought under other lineages."""
    for told, is_former in ((files.unrelated, False), (files.former, True)):
        if told.accounts or told.doubts:
            folded, _unused = fold(told.accounts, told.doubts)
            dropped = superseded(folded)
            found = [purchase for purchase in folded if purchase.uid not in dropped]
            book.add_recallable(settled(found, until), former=is_former)


def _report(paths: LedgerPaths, files: _Files, folded: _Folded) -> list[Problem]:
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


def _pruned(paths: LedgerPaths, box: boxes.Reading) -> tuple[Parsed, dict[str, Purchase]]:
    """Return what was pruned, by uid, as its file or the black box has it.

    A damaged line is in doubt. It may be all that is known of a payment, and its shot must not be
    bought again when it comes back.
    """
    parsed = parse_lines(_bytes(paths.pruned), paths.pruned.name)
    remembered = boxes.parsed(box.pruned)
    accounts = [*parsed.accounts, *remembered.accounts]
    told, _unused = fold(accounts, [*parsed.doubts, *remembered.doubts])
    return parsed, {p.uid: p for p in told}


def _leave_pruned(box: Parsed, pruned: Mapping[str, Purchase]) -> None:
    """Leave out what a person pruned, although a black box, here or on another machine, remembers
    it.
    """
    if pruned:
        box.accounts = [
            a
            for a in box.accounts
            if a.uid not in pruned or RANK[a.state] > RANK[pruned[a.uid].state]
        ]
        box.doubts = [d for d in box.doubts if d.uid not in pruned]


def _restored(
    paths: LedgerPaths, beyond: Parsed, known: Iterable[Purchase], purchases: Iterable[Purchase]
) -> Iterator[Problem]:
    """Report what the black box knows beyond the other files."""
    if not beyond.accounts:
        return
    told = {(p.uid, p.state) for p in known}
    if keys := tuple(p.key for p in purchases if (p.uid, p.state) not in told):
        yield Problem("lost_by_lock", Place(paths.lock.name), keys, count=len(keys))


def load_lock(paths: LedgerPaths) -> Parsed:
    """Return what the lock says; nothing if there is none. Raises OSError, LedgerError."""
    return _lock_in(_bytes(paths.lock), paths)


def _lock_in(data: bytes, paths: LedgerPaths) -> Parsed:
    """Parse the lock. Other programs have locks too (`uv.lock`): one without a trace of klingflow
    is never written over.
    """
    if not data and signature_of(paths.lock) is None:
        return Parsed()
    lock = parse_lock(data, paths.lock.name)
    is_ours = lock.headers or lock.accounts or lock.doubts or _OURS in data
    if data and not data.isspace() and not is_ours:
        raise LedgerError(
            _(
                "{lock} is not klingflow's; rename the manifest (or, if it was, bring it back"
                " from git)",
                lock=paths.lock,
            )
        )
    return lock


_OURS = b'"klingflow_lock"'


def load_saved(
    paths: LedgerPaths, known: Mapping[Path, Signature] | None = None
) -> tuple[Parsed, dict[Path, Signature]]:
    """Return what the emergency files hold, except the versions that are `known`, and which
    versions there are now.
    """
    parsed, now = Parsed(), {}
    for place in emergency.places(paths.journal):
        now[place] = signature_of(place)
        if now[place] is not None and now[place] != (known or {}).get(place):
            parsed.add(parse_journal(emergency.read(place), place.name))
    return parsed, now


def forget_saved(taken_in: Mapping[Path, Signature]) -> None:
    """Delete the emergency files that were taken in, except those that were written to since."""
    emergency.clear(
        p for p, then in taken_in.items() if then is not None and signature_of(p) == then
    )


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


def signature_of(path: Path) -> Signature:
    """Return the version of a file; None if there is no file."""
    try:
        return signature(path.stat())
    except FileNotFoundError:
        return None


def signature(stat: os.stat_result) -> Signature:
    """Return what changes with every version of a file."""
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns


def _journals(
    paths: LedgerPaths, reading: Callable[[Path], bytes]
) -> tuple[Parsed, dict[Path, Signature]]:
    parsed = Parsed()
    if signature_of(paths.folded) != signature_of(paths.lock) and (folded := _bytes(paths.folded)):
        parsed.add(parse_lock(folded, paths.folded.name))
    journal = parse_journal(_bytes(paths.journal, reading), paths.journal.name)
    parsed.add(journal)
    parsed.file, parsed.runner = journal.file, journal.runner
    saved, signatures = load_saved(paths)
    parsed.add(saved)
    return parsed, signatures


def _bytes(path: Path, reading: Callable[[Path], bytes] = read_whole) -> bytes:
    try:
        return reading(path)
    except FileNotFoundError:
        return b""


def _append(path: Path, lines: Sequence[bytes]) -> None:
    if lines:
        append(path, lines)
