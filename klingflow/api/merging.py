"""Several ledgers of one manifest made into one."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from klingflow.api import nearby
from klingflow.api.site import now
from klingflow.disk import append_new
from klingflow.errors import LedgerError, UsageError
from klingflow.ledger import store
from klingflow.ledger.book import Book, paid_twice
from klingflow.ledger.lines import lock_line
from klingflow.ledger.others import Other, tell, tell_box
from klingflow.ledger.places import SANDBOX, Site
from klingflow.ledger.unite import Telling, United, telling_of, unite
from klingflow.model import Problem, Purchase
from klingflow.words import _


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge found. `same` says that the ledger held it all already; `problems` are those of
    the other ledgers, each with the path that names its ledger.
    """

    new: Sequence[Purchase]
    updated: Sequence[Purchase]
    contradicting: Sequence[Purchase]
    paid_twice: Sequence[tuple[Purchase, Purchase]]
    apart: bool  # the ledgers began apart
    same: bool
    problems: Sequence[tuple[Path, Problem]]


def merge(
    site: Site,
    others: Sequence[Path],
    *,
    dry_run: bool,
    wanted: Set[tuple[str, int]] | None = None,
    bodies: Set[str] = frozenset(),
    from_boxes: Sequence[Path] = (),
) -> Merged:
    """Take what the `others` know into the ledger of `site`; `dry_run` only says what that would
    be.

    `wanted` are the takes of the manifest, as far as they are known, `bodies` its fingerprints.
    `from_boxes` are manifests of which the black box knows. Raises UsageError for what is no ledger
    of it, LedgerHeld, LedgerError, LedgerBroken.
    """
    paths = site.paths
    told = [_told(other, site) for other in others]
    told += (tell_box(manifest, site) for manifest in from_boxes)
    for other in told:
        _of_one_kind(other, site)
        _of_drafts_both(other, site)
        if wanted is not None:
            _of_one_manifest(other, store.read(paths), wanted, bodies)
    if dry_run:
        return _merged(store.read(paths), told)[0]
    with store.open_ledger(paths, now) as held:
        held.begin_box()
        found, united = _merged(held.book, told)
        try:
            append_new(paths.lock_damaged, map(lock_line, found.contradicting))
        except OSError as error:
            raise LedgerError(
                _(
                    "{lock_damaged}: cannot be written: {error}",
                    lock_damaged=paths.lock_damaged,
                    error=error,
                )
            ) from error
        if not found.same:
            # One less, because folding counts one up: the largest serial stays, whoever merges.
            lineage = united.lineage or held.book.lineage
            serial, plans = united.serial - 1, held.book.plans
            lost = max(0, held.book.lost - len(found.new))  # what comes back was perhaps lost
            book = Book(united.purchases, lineage=lineage, serial=serial, plans=plans, lost=lost)
            held.replace(book)
        if held.box:  # it is a person who says that all of this is this ledger's
            held.box.append([*found.new, *found.updated], bought=True)
            held.box.became(held.book.lineage)
    return found


def _of_one_kind(other: Other, site: Site) -> None:
    """Refuse to mix what the sandbox sold with what was bought. Raises UsageError."""
    origins = {account.origin for account in other.telling.accounts if account.origin}
    from_sandbox = {origin == SANDBOX for origin in origins}
    if from_sandbox - {site.in_sandbox}:
        here, there = (
            (_("the sandbox's"), _("real")) if site.in_sandbox else (_("real"), _("the sandbox's"))
        )
        raise UsageError(
            _(
                "{path} holds purchases that are {there}; this ledger is {here}",
                path=other.path,
                there=there,
                here=here,
            )
        )


def _of_drafts_both(other: Other, site: Site) -> None:
    """Refuse to let drafts stand for a film's own takes, or these for drafts. Raises UsageError."""
    if any(bool(profile) != bool(site.profile) for profile in other.profiles):
        film, drafts = _("film"), _("drafts")
        there, here = (film, drafts) if site.profile else (drafts, film)
        raise UsageError(
            _(
                "{path} is the ledger of the {there}, and {name} that of the"
                " {here}: a draft never stands for a take of the film; nothing was merged",
                path=other.path,
                there=there,
                name=site.paths.lock.name,
                here=here,
            )
        )


def _of_one_manifest(
    other: Other, ours: Book, wanted: Set[tuple[str, int]], bodies: Set[str]
) -> None:
    """Refuse the ledger of another manifest, whose purchases would never leave this one. Raises
    UsageError.
    """
    telling = other.telling
    takes = {(a.shot, a.take) for a in telling.accounts}
    began_apart = telling.lineages and ours.lineage not in telling.lineages
    is_strange = takes.isdisjoint({*wanted, *ours.takes()})
    is_strange &= bodies.isdisjoint(account.fingerprint for account in telling.accounts)
    if began_apart and takes and is_strange:
        shot, _unused = min(takes)
        raise UsageError(
            _(
                "{path} began apart and knows no shot and no body of this manifest, but {shot}:"
                " is it another manifest's?",
                path=other.path,
                shot=shot,
            )
        )


def _told(other: Path, site: Site) -> Other:
    """Return what `tell` does; for a path to nothing, name the file that was probably meant."""
    try:
        return tell(other, site)
    except UsageError as error:
        if other.exists():
            raise
        raise UsageError(
            _("{other}: {missing}", other=other, missing=nearby.missing(str(other)))
        ) from error


def _merged(book: Book, others: Sequence[Other]) -> tuple[Merged, United]:
    """Return what a merge finds, and the ledger that it makes of all of them."""
    tellings = [_telling_of_ours(book), *(other.telling for other in others)]
    united = unite(tellings)
    lineages = frozenset[str]().union(*(telling.lineages for telling in tellings))
    problems = [(other.path, problem) for other in others for problem in other.problems]
    found = Merged(
        [p for p in united.purchases if p.uid not in book.purchases],
        [p for p in united.purchases if book.purchases.get(p.uid, p) != p],
        united.contradicting,
        paid_twice(united.purchases),
        apart=len(lineages) > 1,
        same=_is_the_same(united, book),
        problems=problems,
    )
    return found, united


def _telling_of_ours(book: Book) -> Telling:
    # Where there was no ledger yet, its lineage was made this moment, and nobody has seen it.
    is_begun = book.purchases or book.serial
    return telling_of(book) if is_begun else Telling([])


def _is_the_same(united: United, book: Book) -> bool:
    """True if the merge changes nothing in the ledger, neither in its header nor in its lines."""
    header_stays = (united.lineage, united.serial) == (book.lineage, book.serial)
    return header_stays and {p.uid: p for p in united.purchases} == book.purchases
