"""What a run would do now."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import replace
from typing import TYPE_CHECKING

from klingflow.api import apart, links
from klingflow.api.claiming import fold_first
from klingflow.api.films import spent_beside
from klingflow.api.loading import without_collector
from klingflow.api.site import Wish, now, site_for
from klingflow.decide import forecast, history
from klingflow.decide.allotment import allotted
from klingflow.decide.approved import approved_in
from klingflow.decide.contents import contents
from klingflow.decide.elsewhere import recalled
from klingflow.decide.file_names import is_name_of_ours
from klingflow.decide.filing import fact_of, sparing
from klingflow.decide.further import with_further
from klingflow.decide.plan import make_plan, moved, terms_of
from klingflow.decide.select import select as select_keys
from klingflow.decide.spending import added, spending
from klingflow.decide.take import saying
from klingflow.decide.verbs import VERBS
from klingflow.errors import NothingSelected, UsageError
from klingflow.ledger import files, pickfile, searching, store
from klingflow.ledger.beside import of_others
from klingflow.ledger.book import Book, content
from klingflow.ledger.places import Site
from klingflow.ledger.problems import worded
from klingflow.manifest.local_files import remembered
from klingflow.manifest.profiles import why_unknown
from klingflow.model import (
    NOWHERE_ELSE,
    Elsewheres,
    FileFact,
    Filing,
    Forecast,
    Limits,
    Manifest,
    PickLine,
    Place,
    Plan,
    Problem,
    Purchase,
    Terms,
    composed,
)
from klingflow.words import _

if TYPE_CHECKING:
    from klingflow.cluster.store import PutOnce


def plan(
    manifest: Manifest, wish: Wish = Wish(), *, origin: str = "", limits: Limits | None = None
) -> Plan:
    """Return what a run would do now. Reads the ledger and the outputs; changes nothing, needs no
    network.

    `origin` is the address of the run's gateway, "" while it is unknown; `limits` are the run's, by
    default the manifest's. Raises NothingSelected, LedgerError, UsageError.
    """
    limits = manifest.limits if limits is None else limits
    return with_forecast(plans_of_run([manifest], wish, limits, origin=origin), limits)[0]


def plans_of_run(
    manifests: Sequence[Manifest],
    wish: Wish,
    limits: Limits,
    *,
    origin: str = "",
    zero_is_unknown: bool = False,
) -> list[Plan]:
    """Return as `plan` what one run of several manifests would do, which share its caps; without a
    forecast.

    `zero_is_unknown`: under `max_spend`, a price of 0 is an unknown one.
    """
    whole = [_whole(manifest, wish, origin) for manifest in manifests]
    return allotted(whole, limits, zero_is_unknown=zero_is_unknown)


def with_forecast(plans: Sequence[Plan], limits: Limits) -> list[Plan]:
    """Return the plans of a run with how long it takes."""
    takes = foretold(plans, limits)
    return [replace(plan, forecast=takes) for plan in plans]


def _whole(manifest: Manifest, wish: Wish, origin: str) -> Plan:
    """Return the plan of one manifest, as if there were no caps."""
    site = site_for(manifest, wish, origin)
    book = book_of(manifest, site, wish)
    keys = selected_keys(manifest, book, wish, site)
    again = again_of(manifest, book, wish, site)
    return planned(manifest, book, site, keys, wish.rerun, again)


def foretold(plans: Sequence[Plan], limits: Limits) -> Forecast | None:
    """Return how long the run of these plans takes; None where too little is known."""
    if not any(plan.history.held_s for plan in plans):
        return None
    # Always the same chance: two looks at one ledger say the same.
    chance = random.Random(1).random
    past = history.together(plan.history for plan in plans)
    return forecast.forecast(forecast.tasks_of(plans), past, limits, chance)


def selected(manifest: Manifest, wish: Wish) -> set[str] | None:
    """Return the keys of the shots that are meant, None for all. Reads the ledger only if there is
    a selection.
    """
    if not (wish.select or wish.exclude or wish.approved):
        return None
    site = site_for(manifest, wish)
    return selected_keys(manifest, book_of(manifest, site), wish, site)


def selected_keys(manifest: Manifest, book: Book, wish: Wish, site: Site) -> set[str] | None:
    """Return what `selected` does, by a book that is read already. Raises NothingSelected."""
    if not (wish.select or wish.exclude or wish.approved):
        return None
    manifest = as_known(manifest, book)
    ids = _approved(manifest, book, wish) if wish.approved else None
    stands, terms = standing_with_picks(manifest, book, site)
    said = saying(manifest, stands, terms)
    keys = select_keys(manifest.shots, stands, wish.select, wish.exclude, said)
    if ids is not None:
        keys &= {shot.key for shot in manifest.shots if shot.id in ids}
    if not keys:
        raise NothingSelected(_("{path}: no shot matches the selection", path=manifest.path))
    return keys


def _approved(manifest: Manifest, book: Book, wish: Wish) -> Set[str]:
    """Return the ids of the shots of which a draft is picked; `book` then says which picks do not
    count. Raises NothingSelected where there are none, and as `loading.load` for the drafts.
    """
    if composed(wish.approved) == manifest.profile:
        raise UsageError(
            _(
                "--approved {approved} names the very drafts that --profile names",
                approved=wish.approved,
            )
        )
    if composed(wish.approved) not in manifest.profiles:
        why = why_unknown(wish.approved, manifest.profiles)
        raise UsageError(_("--approved: {why} ({path})", why=why, path=manifest.path))
    assert manifest.under is not None, "a manifest that was loaded"
    drafts = manifest.under(wish.approved)
    looking = replace(wish, select=(), exclude=(), same_film=False, approved="")
    site = site_for(drafts, looking)
    found = approved_in(planned(drafts, book_of(drafts, site), site))
    if found.left:
        place = Place(site.paths.lock.name)
        problem = Problem("draft_not_kept", place, found.left, detail=site.named)
        book.problems += [problem] if problem not in book.problems else []
    if not found.shots:
        left = _("; {problem}", problem=worded(problem)) if found.left else ""
        raise NothingSelected(
            _(
                "{path}: no draft of the profile '{approved}' is picked:"
                " klingflow pick {named} SHOT#TAKE{left}",
                path=manifest.path,
                approved=wish.approved,
                named=site.named,
                left=left,
            )
        )
    return found.shots


def again_of(manifest: Manifest, book: Book, wish: Wish, site: Site) -> frozenset[str]:
    """Return the keys of the takes that are to be bought in spite of moves and elsewheres. Raises
    UsageError where none are named, NothingSelected.
    """
    if not wish.buy_again:
        return frozenset()
    if not wish.select:
        raise UsageError(_("--buy-again needs -s: name what is to be bought again"))
    return frozenset(selected_keys(manifest, book, wish, site) or ())


def book_of(manifest: Manifest, site: Site, wish: Wish = Wish()) -> Book:
    """Return what the ledger says, for looking at. Raises LedgerError, and as `again_of`."""
    book = store.read(site.paths)
    book.problems += links.problems(site, manifest)
    book.problems += apart.problems(site, site.placed(manifest))
    again = again_of(manifest, book, wish, site)
    take_in(manifest, book, site, again, needs_store=False)
    return book


def take_in(
    manifest: Manifest,
    book: Book,
    site: Site,
    again: frozenset[str] = frozenset(),
    enter: Callable[[Iterable[Purchase]], None] | None = None,
    *,
    needs_store: bool = True,
    at: PutOnce | None = None,
) -> None:
    """Enter what the store of claims knows, if there is one, and what the black box knows that this
    place bought of today's bodies.

    `enter` is for a ledger that is written. Raises as `fold_first`, whose `needed` is
    `needs_store` and whose `store` is `at`.
    """
    fold_first(book, site, enter, needed=needs_store, store=at)
    manifest = as_known(manifest, book)
    entered: list[Purchase] = []
    while book.recallable:
        made = make_plan(manifest, book, {}, origin=site.origin, at=now(), again=again)
        found = recalled(made, book)
        if not found:
            break
        for purchase in found:
            del book.recallable[purchase.uid]
            book.put(purchase)
        if enter is not None:
            enter(found)
        entered += found
    lock = Place(site.paths.lock.name)
    if entered:
        keys = tuple(p.key for p in entered)
        book.problems.append(Problem("lost_by_lock", lock, keys, count=len(keys)))
    left = sum((p.shot, p.take) in book.former for p in book.recallable.values())
    if entered and left:
        book.problems.append(Problem("left_in_box", lock, count=left))


def as_known(manifest: Manifest, book: Book) -> Manifest:
    """Return the manifest with what its ledger knows: the further takes of its shots, and what is
    in local files that are not on this disk, because a colleague's clone may have no stills.
    """
    known = with_further(manifest, book)
    return remembered(known, lambda: contents([*book.everything(), *book.recallable.values()]))


def standing(manifest: Manifest, book: Book, site: Site) -> Book:
    """Return the book with every purchase at the take that it goes over to with the next run.
    Raises as `pickfile.lines_of`.
    """
    return standing_with_picks(manifest, book, site)[0]


def standing_with_picks(manifest: Manifest, book: Book, site: Site) -> tuple[Book, Terms]:
    """Return what `standing` does, and the terms that say what was picked."""
    manifest = as_known(manifest, book)
    lines = pickfile.lines_of(site.paths)
    with without_collector():
        placed = site.placed(manifest)
        terms = terms_of(placed, book, lines, origin=site.origin, at=now())
        stands, _unused = moved(placed, book, terms)
    return stands, terms


def ahead(book: Book, plan: Plan) -> Book:
    """Return the book as it stands once a plan's moves are written."""
    again = book.copy()
    for move in plan.moves:
        again.put(move.purchase)
    return again


def planned(
    manifest: Manifest,
    book: Book,
    site: Site,
    keys: set[str] | None = None,
    rerun: frozenset[str] = frozenset(),
    again: frozenset[str] = frozenset(),
    lines: Sequence[PickLine] | None = None,
    further: Iterable[tuple[str, int]] = (),
) -> Plan:
    """Return the plan by a book that is read already; `keys` None means every shot.

    `again` are the keys of takes that are to be bought in spite of moves and elsewheres. `lines`
    are those of the picks file, which is read where they are None; then this raises ManifestError
    and UsageError as `pickfile.lines_of`. `further` are takes beyond those of the manifest that are
    to be bought.
    """
    placed = site.placed(as_known(manifest, book))
    picks = pickfile.lines_of(site.paths) if lines is None else lines
    facts = files_of(placed, book, site)

    def made(elsewhere: Elsewheres) -> Plan:
        return make_plan(
            placed,
            book,
            facts,
            rerun=rerun,
            origin=site.origin,
            at=now(),
            again=again,
            elsewhere=elsewhere,
            selected=keys,
            picks=picks,
            further=further,
        )

    with without_collector():
        first = made(NOWHERE_ELSE)
        elsewhere = _elsewhere(first, book, site)
        last = first if elsewhere == NOWHERE_ELSE else made(elsewhere)
        beside = spent_beside(manifest, site)
        spent = added([spending([book.everything()], manifest.prices), beside])
        filing = _sparing(last.filing, site)
        return replace(
            last,
            spending=spent,
            beside=beside,
            filing=filing,
            ledger=content(book),
            history=history.kept_in(book.purchases.values()),
        )


def _sparing(filing: Filing, site: Site) -> Filing:
    """Return the filing of a plan, which takes no file away from another manifest of the folder."""
    if not filing.steps:
        return filing
    return sparing(filing, of_others(site, {step.source for step in filing.steps}))


def _elsewhere(plan: Plan, book: Book, site: Site) -> Elsewheres:
    """Return where else was paid for what a plan would buy. What the sandbox sells costs nothing,
    and is not looked for.
    """
    if site.in_sandbox:
        return NOWHERE_ELSE
    bodies: set[str] = set()
    keys: set[str] = set()
    for action in plan.actions:
        request = action.request
        if action.shot is None or request is None or not VERBS[action.verb].may_buy:
            continue
        keys.add(action.key)
        if request.fingerprint:
            bodies.add(request.fingerprint)
    if not keys:
        return NOWHERE_ELSE
    wanted = searching.Wanted(
        bodies=bodies,
        keys=keys,
        standing=set(book.takes()).intersection((s.id, s.take) for s in plan.manifest.shots),
        book=book,
        profiles=frozenset(plan.manifest.profiles),
    )
    return searching.search(site, wanted)


def files_of(manifest: Manifest, book: Book, site: Site) -> dict[str, FileFact]:
    """Return the videos on disk, by path relative to the manifest's folder: at the outputs that the
    ledger knows, or under another name of ours. `manifest` has its outputs where they go.
    """
    known = [*book.purchases.values(), *book.pruned.values()]
    delivered = [(p.output, fact) for p in known if (fact := fact_of(p))]
    outputs = {output for output, _ in delivered if output}
    facts = files.facts(site.folder, outputs, site.facts)
    lost = {fact for _, fact in delivered}.difference(facts.values())
    outputs.update(shot.output for shot in manifest.shots)
    return facts | files.search(site, lost, outputs, is_name_of_ours)
