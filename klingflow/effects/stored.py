"""Where a ledger's files lie, and what they say together: one book out of lock, journal and emergency files."""

from __future__ import annotations

import gc
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from klingflow.decide.book import Book, contradictions, fold, in_order, settled, superseded
from klingflow.effects import emergency
from klingflow.effects.files import append, read_whole
from klingflow.effects.journal import Parsed, lock_line, parse_journal, parse_lock
from klingflow.errors import LedgerError, UsageError
from klingflow.model import Purchase

Signature = tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class LedgerPaths:
    """Where a manifest's ledger lies. `hidden` is the `.klingflow` folder beside it, which git ignores.

    `anchor` is the manifest, which is locked too: it stays where `hidden` is cleared away. The sandbox's ledger
    has none, for it may be used beside the real one.
    """

    lock: Path
    journal: Path
    hidden: Path
    anchor: Path | None = None

    @property
    def lock_damaged(self) -> Path:
        """Lock lines that were set aside."""
        return self.lock.with_name(self.lock.name + ".damaged")

    @property
    def journal_damaged(self) -> Path:
        """Journal lines that were set aside."""
        return self.journal.with_name(self.journal.name + ".damaged")

    @property
    def folded(self) -> Path:
        """While a run lasts, a second name of the lock it folded last: git may put an older one in its place."""
        return self.journal.with_suffix(".folded")


def ledger_paths(manifest_path: str | os.PathLike[str], *, sandbox: bool = False) -> LedgerPaths:
    """The ledger beside a manifest; the sandbox's is hidden, so that it never counts as bought.

    Raises UsageError for two manifests that would share it.
    """
    manifest = manifest_file(manifest_path)
    _refuse_twin(manifest)
    hidden = manifest.parent / ".klingflow"
    folder = hidden / "sandbox" if sandbox else hidden
    lock_folder = folder if sandbox else manifest.parent
    lock, journal = lock_folder / f"{manifest.stem}.lock", folder / f"{manifest.stem}.journal"
    return LedgerPaths(lock, journal, hidden, None if sandbox else manifest)


def manifest_file(path: str | os.PathLike[str]) -> Path:
    """The manifest itself where `path` is a link to it: one manifest has one ledger, whatever it is called."""
    manifest = Path(path)
    return Path(os.path.realpath(manifest)) if manifest.is_symlink() else manifest


_TWINS = {".yaml": ".yml", ".yml": ".yaml"}


def _refuse_twin(manifest: Path) -> None:
    if manifest.suffix not in _TWINS:
        return
    twin = manifest.with_suffix(_TWINS[manifest.suffix])
    if manifest.exists() and twin.exists() and not twin.samefile(manifest):
        raise UsageError(
            f"{manifest} and {twin.name} share the ledger {manifest.stem}.lock; rename one of them"
        )


@dataclass(frozen=True, slots=True)
class Stored:
    """One reading of all files. `tidy` says that the lock's text already is what folding would write."""

    book: Book
    journal: Parsed
    lock: Parsed
    signature: Signature
    contradicting: Sequence[Purchase]
    tidy: bool
    saved: Mapping[Path, Signature]  # the emergency files that were read


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
    journal, saved = _journals(paths)
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
    return Stored(book, journal, lock, signature, contradicting, tidy, saved)


def load_lock(paths: LedgerPaths) -> Parsed:
    """The lock; one that is not there says nothing. Raises OSError, LedgerError.

    Other programs have locks too (`uv.lock`): what shows no trace of ours is never written over.
    """
    try:
        data = read_whole(paths.lock)
    except FileNotFoundError:
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
    """What the emergency files hold, save those versions that are `known`, and which versions there are now."""
    parsed, now = Parsed(), {}
    for place in emergency.places(paths.journal):
        now[place] = signature_of(place)
        if now[place] is not None and now[place] != (known or {}).get(place):
            _add(parsed, parse_journal(emergency.read(place), place.name))
    return parsed, now


def forget_saved(taken_in: Mapping[Path, Signature]) -> None:
    """Delete the emergency files that were taken in, but none that somebody wrote to since."""
    emergency.clear(p for p, then in taken_in.items() if then is not None and signature_of(p) == then)


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


def _journals(paths: LedgerPaths) -> tuple[Parsed, dict[Path, Signature]]:
    parsed = Parsed()
    if signature_of(paths.folded) != signature_of(paths.lock) and (folded := _bytes(paths.folded)):
        _add(parsed, parse_lock(folded, paths.folded.name))
    _add(parsed, parse_journal(_bytes(paths.journal), paths.journal.name))
    saved, signatures = load_saved(paths)
    _add(parsed, saved)
    return parsed, signatures


def _add(parsed: Parsed, more: Parsed) -> None:
    parsed.accounts += more.accounts
    parsed.doubts += more.doubts
    parsed.damaged += more.damaged
    parsed.problems += more.problems


def _bytes(path: Path) -> bytes:
    try:
        return read_whole(path)
    except FileNotFoundError:
        return b""


def _append(path: Path, lines: Sequence[bytes]) -> None:
    if lines:
        append(path, lines)
