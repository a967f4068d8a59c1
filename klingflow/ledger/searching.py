"""Where else the bodies that a plan would buy were paid for: other ledgers in this folder, and the
black boxes of other places.

Only what this user's klingflow bought at a place counts of a black box, and of another place only
its path is told. Files are searched for fingerprints before any line is parsed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from klingflow.ledger import boxes
from klingflow.ledger.beside import Owner, other_locks, other_pruned, owner_of
from klingflow.ledger.book import Book, fold
from klingflow.ledger.boxes import BOUGHT, Spot
from klingflow.ledger.boxplaces import BoxPlace
from klingflow.ledger.lifecycle import IN_DOUBT, PAID
from klingflow.ledger.lines import parse_lines
from klingflow.ledger.places import PRUNED, Site, film_of
from klingflow.ledger.traces import fingerprints_in
from klingflow.model import Elsewhere, ElsewhereKind, Elsewheres, Purchase, key_of
from klingflow.plain_files import is_link, read_whole
from klingflow.words import _

Take = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for: the fingerprints and the keys of the takes that a plan would buy, and the
    book that has no such purchase. `standing` are the takes of the manifest of which the book has
    purchases, `profiles` the names of the manifest's profiles.
    """

    bodies: Set[str]
    keys: Set[str]
    standing: Set[Take]
    book: Book
    profiles: Set[str] = frozenset()

    def lacks(self, purchase: Purchase) -> bool:
        """True if the purchase was paid for, or perhaps, and the ledger does not know so. A ledger
        that knows what became of it since, such as that a person has settled it, knows more.
        """
        known = self.book.purchases.get(purchase.uid)
        if known is None:
            return _is_paid(purchase)
        (both,), _contradicting = fold([known, purchase])
        return _is_paid(both) and not _is_paid(known)


def _is_paid(purchase: Purchase) -> bool:
    return purchase.state in PAID | IN_DOUBT


def search(site: Site, wanted: Wanted) -> Elsewheres:
    """Return what was paid for elsewhere of what is wanted. Raises LedgerError for a black box that
    cannot be read.
    """
    bodies: defaultdict[str, list[Elsewhere]] = defaultdict(list)
    takes: dict[Take, Elsewhere] = {}
    for purchase, one in _beside(site, wanted):
        bodies[purchase.fingerprint].append(one)
    for purchase, one in _boxed(site, wanted):
        if purchase.fingerprint in wanted.bodies:
            bodies[purchase.fingerprint].append(one)
        if one.kind == "place":
            takes.setdefault((purchase.shot, purchase.take), one)
    for take in wanted.book.former:
        if key_of(*take) in wanted.keys:
            takes[take] = Elsewhere("former", site.file, command=site.lock_command("fork"))
    for purchase in _at_another_gateway(site, wanted):
        one = Elsewhere("gateway", purchase.origin, purchase.origin)
        bodies[purchase.fingerprint].append(one)
    return Elsewheres({body: tuple(some) for body, some in bodies.items()}, takes)


def _at_another_gateway(site: Site, wanted: Wanted) -> Iterator[Purchase]:
    """Yield what this very ledger bought of it from another gateway, for no take of today."""
    if not site.origin:
        return
    for purchase in wanted.book.purchases.values():
        is_wanted = purchase.fingerprint in wanted.bodies and purchase.state in PAID
        is_free = (purchase.shot, purchase.take) not in wanted.standing
        if is_wanted and is_free and purchase.origin not in ("", site.origin):
            yield purchase


# ---------------------------------------------------------------- locks in this folder


def _beside(site: Site, wanted: Wanted) -> Iterator[tuple[Purchase, Elsewhere]]:
    """Yield what the other locks of the folder have, and what was pruned from them. A file that is
    a link is another folder's.
    """
    for path in (*other_locks(site), *other_pruned(site)):
        try:
            found = [] if is_link(path) else _with_bodies(read_whole(path), wanted)
        except OSError:
            continue
        stem = path.name.removesuffix(".lock").removesuffix(PRUNED)
        owner = owner_of(path.with_name(f"{stem}.lock"), path.parent)
        kind: ElsewhereKind = "lost" if _is_lost(owner, site, wanted) else "beside"
        command = site.lock_command("merge", str(_beside_named(site, path)))
        for purchase in found:
            yield purchase, Elsewhere(kind, path.name, purchase.origin, command)


def _is_lost(owner: Owner, site: Site, wanted: Wanted) -> bool:
    """True if nobody looks after a ledger any more that this one may take over: its manifest is
    gone, or the profile of its drafts. A film takes over no drafts.
    """
    is_gone = not owner.manifest.exists() or _is_dropped(owner, site, wanted)
    return is_gone and not _is_draft_for_film(owner.profile, site)


def _is_dropped(owner: Owner, site: Site, wanted: Wanted) -> bool:
    """True for drafts, seen from other drafts of the film, if the film has no such profile any
    more.
    """
    are_drafts = bool(site.profile and owner.profile)
    is_unknown = are_drafts and owner.profile not in wanted.profiles
    return is_unknown and owner.manifest.exists() and owner.manifest.samefile(site.manifest)


def _is_draft_for_film(profile: str, site: Site) -> bool:
    return bool(profile) and not site.profile


def _beside_named(site: Site, lock: Path) -> Path:
    """Return the other lock as a person names it who named the manifest so."""
    return Path(site.file).parent / lock.name


def _with_bodies(data: bytes, wanted: Wanted) -> list[Purchase]:
    """Return the purchases with a body that is wanted and that the ledger lacks."""
    if not fingerprints_in(data) & wanted.bodies:
        return []
    lines = [raw for raw in data.split(b"\n") if fingerprints_in(raw) & wanted.bodies]
    told, _unused = fold(parse_lines(b"\n".join(lines), "").accounts)
    return [p for p in told if p.fingerprint in wanted.bodies and wanted.lacks(p)]


# ---------------------------------------------------------------- black boxes


def _boxed(site: Site, wanted: Wanted) -> Iterator[tuple[Purchase, Elsewhere]]:
    """Yield what other places bought: of this lineage all that is wanted, of others the bodies if
    their manifest is gone, or the profile of their drafts.
    """
    place = site.paths.box
    if place is None:
        return
    relatives = boxes.relatives(place, wanted.book.lineage)
    yield from _of_relatives(site, place, relatives, wanted)
    known = {spot.folder for spot in relatives}
    for box in boxes.all_boxes(place.state):
        for spot in boxes.spots_in(box):
            is_ours = spot.folder in known or spot.folder.name == place.name
            if not is_ours and _is_gone(spot, site, wanted):
                data = boxes.read(spot.folder / BOUGHT)
                yield from _named(site, spot, _with_bodies(data, wanted), "box")


def _is_gone(spot: Spot, site: Site, wanted: Wanted) -> bool:
    """Decide as `_is_lost`, for a place in a black box."""
    film = film_of(Path(spot.manifest), spot.profile)
    is_dropped = film is not None and _is_dropped(Owner(film, spot.profile), site, wanted)
    is_gone = is_dropped or not boxes.exists(spot)
    return is_gone and not _is_draft_for_film(spot.profile, site)


def _of_relatives(
    site: Site, place: BoxPlace, relatives: Iterable[Spot], wanted: Wanted
) -> Iterator[tuple[Purchase, Elsewhere]]:
    """Yield what other places of the lineage bought. For a member only bodies are told, because it
    reads what other members did as its own.
    """
    own = boxes.spot_at(place.folder(wanted.book.lineage))
    is_member = place.same_film or (own is not None and own.member)
    kind: ElsewhereKind = "copy" if is_member else "place"
    for spot in relatives:
        same: list[Purchase] = []
        others: list[Purchase] = []
        for purchase in filter(wanted.lacks, _all_in(spot)):
            if purchase.fingerprint in wanted.bodies:
                same.append(purchase)
            elif purchase.key in wanted.keys and not is_member:
                others.append(purchase)
        yield from _named(site, spot, [*same, *others], kind)


def _all_in(spot: Spot) -> Sequence[Purchase]:
    path = spot.folder / BOUGHT
    told, _unused = fold(boxes.parsed({path: boxes.read(path)}).accounts)
    return told


def _named(
    site: Site, spot: Spot, purchases: Iterable[Purchase], kind: ElsewhereKind
) -> Iterator[tuple[Purchase, Elsewhere]]:
    is_place = kind == "place"
    from_box = ("--from-box", spot.manifest)
    command = site.lock_command("fork") if is_place else site.lock_command("merge", *from_box)
    for purchase in purchases:
        yield (
            purchase,
            Elsewhere(kind, spot.manifest or _("another place"), purchase.origin, command),
        )
