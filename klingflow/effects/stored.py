"""Where a ledger's files lie, and what they say together: one book out of lock, journal and emergency files."""

from __future__ import annotations

import gc
import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from klingflow.decide.book import Book, contradictions, fold, in_order, settled, superseded
from klingflow.effects import emergency
from klingflow.effects.files import sync, sync_folder
from klingflow.effects.journal import Parsed, lock_line, parse_journal, parse_lock
from klingflow.errors import LedgerError
from klingflow.model import Purchase

Signature = tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class LedgerPaths:
    """Where a manifest's ledger lies. `hidden` is the `.klingflow` folder beside it, which git ignores."""

    lock: Path
    journal: Path
    hidden: Path

    @property
    def lock_damaged(self) -> Path:
        """Lock lines that were set aside."""
        return self.lock.with_name(self.lock.name + ".damaged")

    @property
    def journal_damaged(self) -> Path:
        """Journal lines that were set aside."""
        return self.journal.with_name(self.journal.name + ".damaged")


def ledger_paths(manifest_path: str | os.PathLike[str], *, sandbox: bool = False) -> LedgerPaths:
    """The ledger beside a manifest; the sandbox's is hidden, so that it never counts as bought."""
    manifest = Path(manifest_path)
    hidden = manifest.parent / ".klingflow"
    folder = hidden / "sandbox" if sandbox else hidden
    lock_folder = folder if sandbox else manifest.parent
    return LedgerPaths(lock_folder / f"{manifest.stem}.lock", folder / f"{manifest.stem}.journal", hidden)


@dataclass(frozen=True, slots=True)
class Stored:
    """One reading of all files. `tidy` says that the lock's text already is what folding would write."""

    book: Book
    journal: Parsed
    lock: Parsed
    signature: Signature
    contradicting: Sequence[Purchase]
    tidy: bool


def read(paths: LedgerPaths) -> Book:
    """What the ledger says, for looking at: takes no lock, writes nothing; an intent reads as in doubt.

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
    """A large ledger is half a million objects and no garbage: looking for some took a quarter of the time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _load(paths: LedgerPaths, until: str | None) -> Stored:
    journal = _journals(paths)
    signature = signature_of(paths.lock)
    lock = load_lock(paths)
    purchases, contradicting = fold([*lock.accounts, *journal.accounts], [*lock.doubts, *journal.doubts])
    dropped = superseded(purchases)
    kept = settled((p for p in purchases if p.uid not in dropped), until)
    lineage = lock.headers[0]["lineage"] if lock.headers else secrets.token_hex(8)
    book = Book(kept, lineage=lineage, serial=newest_serial(lock))
    book.problems += [
        *lock.problems,
        *journal.problems,
        *map(said_of_contradicting, contradicting),
        *contradictions(kept),
    ]
    tidy = not (journal.accounts or journal.damaged or lock.damaged or lock.problems)
    tidy = tidy and len(lock.headers) < 2 and lock.accounts == in_order(kept)
    return Stored(book, journal, lock, signature, contradicting, tidy)


def load_lock(paths: LedgerPaths) -> Parsed:
    """The lock; one that is not there says nothing. Raises OSError, LedgerError."""
    try:
        data = paths.lock.read_bytes()
    except FileNotFoundError:
        return Parsed()
    return parse_lock(data, paths.lock.name)


def holder(paths: LedgerPaths) -> tuple[int | None, str | None]:
    """The process and the host that last wrote the journal."""
    runner = parse_journal(_bytes(paths.journal), paths.journal.name).runner or {}
    return runner.get("pid"), runner.get("host")


def newest_serial(lock: Parsed) -> int:
    """How often the lock, or any that was merged into it, was folded."""
    return max((header["serial"] for header in lock.headers), default=0)


def said_of_contradicting(purchase: Purchase) -> str:
    """The report of a line that was set aside."""
    return (
        f"{purchase.key}: a line names task {purchase.task_id}, others of the same purchase do not; set aside"
    )


def set_aside(paths: LedgerPaths, journal: Parsed, lock: Parsed, contradicting: Iterable[Purchase]) -> None:
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


def _journals(paths: LedgerPaths) -> Parsed:
    parsed = parse_journal(_bytes(paths.journal), paths.journal.name)
    for place in emergency.places(paths.journal):
        saved = parse_journal(emergency.read(place), place.name)
        parsed.accounts += saved.accounts
        parsed.doubts += saved.doubts
        parsed.damaged += saved.damaged
        parsed.problems += saved.problems
    return parsed


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _append(path: Path, lines: Sequence[bytes]) -> None:
    if lines:
        with path.open("ab") as file:
            file.writelines(line.rstrip(b"\n") + b"\n" for line in lines)
            file.flush()
            sync(file.fileno())
        sync_folder(path.parent)
