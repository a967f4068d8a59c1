"""A ledger as a whole, in a person's hands: several made one, and what is no longer wanted put away."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from klingflow.api import SANDBOX, Wish, now, paths_of, takes_of
from klingflow.decide.select import select
from klingflow.disk import append, read_whole
from klingflow.errors import LedgerError, Mark, NothingSelected, UsageError
from klingflow.ledger import store
from klingflow.ledger.book import Book, in_order, paid_twice
from klingflow.ledger.lifecycle import IN_DOUBT, UNFINISHED
from klingflow.ledger.lines import lock_line
from klingflow.ledger.others import Other, tell
from klingflow.ledger.places import LedgerPaths
from klingflow.ledger.unite import Telling, United, telling_of, unite
from klingflow.model import Manifest, Node, Purchase, Shot


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge found. `same` says that the ledger held it all already."""

    new: Sequence[Purchase]
    updated: Sequence[Purchase]
    contradicting: Sequence[Purchase]
    paid_twice: Sequence[tuple[Purchase, Purchase]]
    apart: bool  # the ledgers began apart
    same: bool
    problems: Sequence[str]


def merge(
    paths: LedgerPaths,
    others: Sequence[Path],
    *,
    sandbox: bool,
    dry_run: bool,
    wanted: Set[tuple[str, int]] | None = None,
) -> Merged:
    """Take what the `others` know into the ledger at `paths`; `dry_run` only says what that would be.

    `wanted` are the takes of the manifest, as far as they are known. Raises UsageError for what is no ledger of it,
    LedgerHeld, LedgerError, LedgerBroken.
    """
    told = [tell(other, paths, sandbox=sandbox) for other in others]
    for other in told:
        _of_one_kind(other, sandbox)
        if wanted is not None:
            _of_one_manifest(other, store.read(paths), wanted)
    if dry_run:
        return _merged(store.read(paths), told)[0]
    with store.open_ledger(paths, now) as held:
        found, united = _merged(held.book, told)
        try:
            _keep_once(paths.lock_damaged, map(lock_line, found.contradicting))
        except OSError as error:
            raise LedgerError(f"{paths.lock_damaged}: cannot be written: {error}") from error
        if held.box:
            held.box.join(set(held.lineages).union({held.book.lineage}, *(t.telling.lineages for t in told)))
        if not found.same:
            # One less, for folding counts one up: whoever merges whom, the largest serial stays.
            held.replace(Book(united.purchases, lineage=united.lineage, serial=united.serial - 1))
    return found


def _of_one_kind(other: Other, sandbox: bool) -> None:
    """What the sandbox sold was not bought anywhere else, and the other way round. Raises UsageError."""
    if any(a.origin and (a.origin == SANDBOX) is not sandbox for a in other.telling.accounts):
        here, there = ("the sandbox's", "real") if sandbox else ("real", "the sandbox's")
        raise UsageError(f"{other.path} holds purchases that are {there}; this ledger is {here}")


def _of_one_manifest(other: Other, ours: Book, wanted: Set[tuple[str, int]]) -> None:
    """Two manifests with one ledger would remember each other's purchases for ever. Raises UsageError."""
    telling = other.telling
    takes = {(a.shot, a.take) for a in telling.accounts}
    apart = telling.lineages and ours.lineage not in telling.lineages
    if apart and takes and takes.isdisjoint(wanted) and takes.isdisjoint(ours.takes()):
        shot, _ = min(takes)
        raise UsageError(
            f"{other.path} began apart and knows no shot of this manifest, but {shot}: is it another manifest's?"
        )


def _merged(book: Book, others: Sequence[Other]) -> tuple[Merged, United]:
    # Where there was no ledger yet, its lineage was made this moment, and nobody has seen it.
    begun = book.purchases or book.serial
    ours = telling_of(book) if begun else Telling([])
    tellings = [other.telling for other in others]
    united = unite([ours, *tellings])
    new = [p for p in united.purchases if p.uid not in book.purchases]
    updated = [p for p in united.purchases if p.uid in book.purchases and p != book.purchases[p.uid]]
    lineages = ours.lineages.union(*(telling.lineages for telling in tellings))
    header = (united.lineage, united.serial) == (book.lineage, book.serial)
    problems = [f"{other.path}: {problem}" for other in others for problem in other.problems]
    same = header and not new and not updated and len(united.purchases) == len(book.purchases)
    found = Merged(
        new, updated, united.contradicting, paid_twice(united.purchases), len(lineages) > 1, same, problems
    )
    return found, united


def _keep_once(path: Path, lines: Iterable[bytes]) -> None:
    """Add those lines that the file does not hold yet, durably. Raises OSError."""
    try:
        known = set(read_whole(path).split(b"\n"))
    except FileNotFoundError:
        known = set()
    fresh = [line for line in dict.fromkeys(lines) if line.rstrip(b"\n") not in known]
    if fresh:
        append(path, fresh)


# ---------------------------------------------------------------- prune


@dataclass(frozen=True, slots=True)
class Prunable:
    """Orphans: takes that are in the ledger and not in the manifest. `kept` are those that are not settled."""

    pruned: Sequence[Purchase]
    kept: Sequence[Purchase]


def prune(manifest: Manifest, wish: Wish, agreed: Callable[[Prunable], bool]) -> tuple[Prunable, bool]:
    """Put the orphans away, if `agreed` says so: into the pruned file, durably, and then out of the lock.

    A take with a purchase in doubt or unfinished stays, with all its purchases. Returns what was found and whether
    it was done. Raises NothingSelected, LedgerHeld, LedgerError, LedgerBroken.
    """
    paths = paths_of(manifest, wish)
    found = _prunable(manifest, store.read(paths), wish)
    if not found.pruned or not agreed(found):
        return found, False
    meant = {p.uid for p in found.pruned}
    with store.open_ledger(paths, now) as held:
        found = _prunable(manifest, held.book, wish)
        found = Prunable([p for p in found.pruned if p.uid in meant], found.kept)
        try:
            _keep_once(paths.pruned, map(lock_line, found.pruned))
        except OSError as error:
            raise LedgerError(f"{paths.pruned}: cannot be written, so nothing was pruned: {error}") from error
        if held.box and found.pruned:
            held.box.keep_pruned([lock_line(p) for p in found.pruned])
        gone = {p.uid for p in found.pruned}
        left = [p for p in held.book.purchases.values() if p.uid not in gone]
        held.replace(Book(left, lineage=held.book.lineage, serial=held.book.serial))
    return found, True


def _prunable(manifest: Manifest, book: Book, wish: Wish) -> Prunable:
    wanted = takes_of(manifest)
    orphans = [_as_shot(*take) for take in sorted(set(book.takes()) - wanted)]
    keys = select(orphans, book, wish.select, wish.exclude) if orphans else set()
    if not orphans and wish.select:
        raise NothingSelected(
            f"{manifest.path}: everything in the ledger is in the manifest; nothing to prune"
        )
    pruned: list[Purchase] = []
    kept: list[Purchase] = []
    for shot in orphans:
        if shot.key in keys:
            purchases = book.of(shot.id, shot.take)
            open_ones = [p for p in purchases if p.state in IN_DOUBT | UNFINISHED]
            kept += open_ones
            pruned += purchases if not open_ones else ()
    return Prunable(in_order(pruned), in_order(kept))


def _as_shot(shot: str, take: int) -> Shot:
    """An orphan as something to select."""
    return Shot(shot, take, "", {}, "", Node({}, Mark("", 1, 1)))
