"""What a ledger's files say together: one book out of lock, journal, emergency files and black box."""

from __future__ import annotations

import gc
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from klingflow.disk import append, read_log, read_whole
from klingflow.errors import LedgerError
from klingflow.ledger import blackbox, emergency
from klingflow.ledger.book import Book, contradictions, fold, in_order, settled, superseded
from klingflow.ledger.lifecycle import RANK
from klingflow.ledger.lines import (
    Parsed,
    headers_in,
    lock_line,
    parse_journal,
    parse_lines,
    parse_lock,
)
from klingflow.ledger.places import BoxPlace, LedgerPaths
from klingflow.model import Purchase

Signature = tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Stored:
    """One reading of all files. `tidy` says that the lock's text already is what folding would
    write.
    """

    book: Book
    journal: Parsed
    lock: Parsed
    signature: Signature
    contradicting: Sequence[Purchase]
    tidy: bool
    saved: Mapping[Path, Signature]  # the emergency files that were read
    box: blackbox.Reading
    beyond: Parsed  # what only the black box knew, and more
    box_behind: bool


def read(paths: LedgerPaths) -> Book:
    """What the ledger says, for looking at: takes no lock, writes nothing; an intent reads as in
    doubt.

    Raises LedgerError.
    """
    try:
        return load(paths, until=None).book
    except OSError as error:
        raise LedgerError(f"{paths.lock}: the ledger cannot be read: {error}") from error


def load(paths: LedgerPaths, until: str | None) -> Stored:
    """Read the journal first and the lock second: a fold between the two moves lines the same way.

    `until` is the time up to which an intent without an outcome may have gone out. Raises OSError,
    LedgerError.
    """
    with _collecting_later():
        return _load(paths, until)


@contextmanager
def _collecting_later() -> Iterator[None]:
    """A large ledger is half a million objects and no garbage: looking for some took a quarter of
    the time.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _load(paths: LedgerPaths, until: str | None) -> Stored:
    lineages = _lineages(paths)
    box = _box(paths.box, lineages, paths.lock) if paths.box else blackbox.Reading()
    # Who opens it for writing holds it, so that nobody is in the middle of a line.
    journal, saved = _journals(paths, read_whole if until else read_log)
    signature = signature_of(paths.lock)
    text = _bytes(paths.lock)
    lock = _lock_in(text, paths)
    put_away, pruned = _pruned(paths, box)
    beyond = box.beyond(text)
    _leave_pruned(beyond, pruned)
    told = [lock, journal, beyond]
    accounts = [a for one in told for a in one.accounts]
    # An older lock may hold again what was pruned, and know less of it.
    again = {a.uid for a in accounts} & pruned.keys() if pruned else ()
    more = [pruned[uid] for uid in again]
    purchases, contradicting = fold([*accounts, *more], (d for one in told for d in one.doubts))
    contradicting = [
        c for c in contradicting if not any(c is p for p in more)
    ]  # it stands where it stood
    dropped = superseded(purchases)
    kept = settled((p for p in purchases if p.uid not in dropped), until)
    # Of two lineages that were merged, whoever merges them takes the same.
    lineage = min(lineages, default=None) or secrets.token_hex(8)
    book = Book(kept, lineage=lineage, serial=max(newest_serial(lock), newest_serial(beyond)))
    book.remember(pruned.values())
    book.problems += [
        *lock.problems,
        *journal.problems,
        *(
            f"{said.partition(' was set aside')[0]}; git may have it as it was"
            for said in put_away.problems
        ),
        *beyond.problems,
        *_restored(
            paths,
            beyond,
            [*lock.accounts, *journal.accounts],
            (p for p in purchases if p.uid not in dropped),
        ),
        *map(said_of_contradicting, contradicting),
        *contradictions(kept),
    ]
    tidy = not (journal.accounts or journal.damaged or lock.damaged or lock.problems)
    tidy = tidy and len(lock.headers) < 2 and lock.accounts == in_order(kept)
    return Stored(
        book,
        journal,
        lock,
        signature,
        contradicting,
        tidy,
        saved,
        box,
        beyond,
        not box.is_copy_of(text),
    )


def _lineages(paths: LedgerPaths) -> set[str]:
    """Whose black boxes are to be asked: those the lock names, else the one this manifest had last."""
    found = {header["lineage"] for header in headers_in(_bytes(paths.lock))}
    if not found and paths.box and (remembered := blackbox.lineage_of(paths.box)):
        found = {remembered}
    return found


def _box(place: BoxPlace, lineages: set[str], lock: Path) -> blackbox.Reading:
    """The black boxes, also that of the ledger which was here last, if the lock's has purchases of
    it: then somebody merged the two elsewhere, and knew nothing of what had not been committed
    here.
    """
    reading = blackbox.look(place, lineages)
    last = blackbox.lineage_of(place)
    if last and last not in reading.lineages and blackbox.shares(place, last, _bytes(lock)):
        return blackbox.look(place, lineages | {last})
    return reading


def _pruned(paths: LedgerPaths, box: blackbox.Reading) -> tuple[Parsed, dict[str, Purchase]]:
    """What was pruned, by uid, as its file or the black box has it. A damaged line is in doubt: it
    may be all that is known of what was paid, so that its shot is not bought again if it comes
    back.
    """
    parsed = parse_lines(_bytes(paths.pruned), paths.pruned.name)
    told, _ = fold([*parsed.accounts, *box.pruned.accounts], [*parsed.doubts, *box.pruned.doubts])
    return parsed, {p.uid: p for p in told}


def _leave_pruned(box: Parsed, pruned: Mapping[str, Purchase]) -> None:
    """What a person pruned does not come back because a black box, here or on another machine,
    remembers it.
    """
    if pruned:
        box.accounts = [
            a
            for a in box.accounts
            if a.uid not in pruned or RANK[a.state] > RANK[pruned[a.uid].state]
        ]
        box.doubts = [d for d in box.doubts if d.uid not in pruned]


def _restored(
    paths: LedgerPaths, box: Parsed, known: Iterable[Purchase], purchases: Iterable[Purchase]
) -> Iterator[str]:
    """What the black box knows beyond the other files, for people."""
    if not box.accounts:
        return
    told = {(p.uid, p.state) for p in known}
    keys = [p.key for p in purchases if (p.uid, p.state) not in told]
    if keys:
        some = ", ".join(islice(dict.fromkeys(keys), 5)) + (", …" if len(set(keys)) > 5 else "")
        number = "one purchase" if len(keys) == 1 else f"{len(keys)} purchases"
        yield f"{paths.lock.name} has lost track of {number}, which the black box still knows: {some}"


def load_lock(paths: LedgerPaths) -> Parsed:
    """The lock; one that is not there says nothing. Raises OSError, LedgerError."""
    return _lock_in(_bytes(paths.lock), paths)


def _lock_in(data: bytes, paths: LedgerPaths) -> Parsed:
    """Other programs have locks too (`uv.lock`): what shows no trace of ours is never written over."""
    if not data and signature_of(paths.lock) is None:
        return Parsed()
    lock = parse_lock(data, paths.lock.name)
    if data.strip() and not (lock.headers or lock.accounts or lock.doubts) and _OURS not in data:
        raise LedgerError(
            f"{paths.lock} is not klingflow's; rename the manifest (or, if it was, bring it back from git)"
        )
    return lock


_OURS = b'"klingflow_lock"'


def load_saved(
    paths: LedgerPaths, known: Mapping[Path, Signature] | None = None
) -> tuple[Parsed, dict[Path, Signature]]:
    """What the emergency files hold, save those versions that are `known`, and which versions there
    are now.
    """
    parsed, now = Parsed(), {}
    for place in emergency.places(paths.journal):
        now[place] = signature_of(place)
        if now[place] is not None and now[place] != (known or {}).get(place):
            parsed.add(parse_journal(emergency.read(place), place.name))
    return parsed, now


def forget_saved(taken_in: Mapping[Path, Signature]) -> None:
    """Delete the emergency files that were taken in, but none that somebody wrote to since."""
    emergency.clear(
        p for p, then in taken_in.items() if then is not None and signature_of(p) == then
    )


def newest_serial(lock: Parsed) -> int:
    """How often the lock, or any that was merged into it, was folded."""
    return max((header["serial"] for header in lock.headers), default=0)


def said_of_contradicting(purchase: Purchase) -> str:
    """The report of a line that was set aside."""
    return f"{purchase.key}: a line names task {purchase.task_id}, others of the same purchase do not; set aside"


def set_aside(
    paths: LedgerPaths, journal: Parsed, lock: Parsed, contradicting: Iterable[Purchase]
) -> None:
    """Keep, durably, what is about to vanish from the files. Raises OSError."""
    _append(paths.journal_damaged, journal.damaged)
    _append(paths.lock_damaged, [*lock.damaged, *map(lock_line, contradicting)])


def signature_of(path: Path) -> Signature:
    """Which version of a file is there; None if there is none."""
    try:
        return signature(path.stat())
    except FileNotFoundError:
        return None


def signature(stat: os.stat_result) -> Signature:
    """What changes with every version of a file."""
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns


def _journals(
    paths: LedgerPaths, reading: Callable[[Path], bytes]
) -> tuple[Parsed, dict[Path, Signature]]:
    parsed = Parsed()
    if signature_of(paths.folded) != signature_of(paths.lock) and (folded := _bytes(paths.folded)):
        parsed.add(parse_lock(folded, paths.folded.name))
    parsed.add(parse_journal(_bytes(paths.journal, reading), paths.journal.name))
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
