"""Which film a ledger is of: a copy made a film of its own, and a lineage forgotten."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from klingflow.api.site import now
from klingflow.disk import sync_folder
from klingflow.errors import LedgerError, UsageError
from klingflow.ledger import boxes, gathered, oslock, store
from klingflow.ledger.boxholding import holder_file
from klingflow.ledger.boxplaces import BoxPlace
from klingflow.ledger.places import Site
from klingflow.words import _, cause


@dataclass(frozen=True, slots=True)
class Forked:
    """A ledger with a lineage of its own: how many purchases it holds, and which other places of
    its former lineage there are on this machine.
    """

    lineage: str
    purchases: int
    others: Sequence[str]


def fork(site: Site) -> Forked:
    """Give the ledger of a site a lineage of its own. Raises LedgerHeld, LedgerError,
    LedgerBroken, UsageError.
    """
    lineage = secrets.token_hex(8)
    place = site.paths.box
    with store.open_ledger(site.paths, now) as held:
        former = held.fork(lineage)
        count = len(held.book.purchases)
        others: list[str] = []
        for name in sorted(former) if place else ():
            assert place is not None
            spots = boxes.spots_in(place.box(name))
            others += (s.manifest for s in spots if s.folder.name != place.name)
            _remove(place.folder(name))
    return Forked(lineage, count, [other for other in others if other])


@dataclass(frozen=True, slots=True)
class Remembered:
    """What the black box holds of a lineage: how many purchases of each place, and how many of all
    that the lock does not hold.
    """

    lineages: Sequence[str]
    places: Sequence[tuple[str, int]]
    lost: int


def forget(site: Site, agreed: Callable[[Remembered], bool]) -> tuple[Remembered, bool]:
    """Drop what the black box holds of the ledger's lineage, if `agreed` says so; without a lock,
    of every lineage that this place had. The lock stays as it is.

    Returns what was found, and whether it was dropped. Raises UsageError without a black box or
    where a run holds it, LedgerError.
    """
    place = site.paths.box
    if place is None:
        raise UsageError(_("{file}: there is no black box here to forget anything", file=site.file))
    found = _remembered(site, place)
    if not found.places or not agreed(found):
        return found, False
    for lineage in found.lineages:
        _drop(place.box(lineage), site)
    return found, True


def _remembered(site: Site, place: BoxPlace) -> Remembered:
    book = store.read(site.paths)
    lineages = gathered.lineages_of(site.paths) or frozenset(
        folder.parent.parent.name for folder in boxes.folders_of(place)
    )
    places: list[tuple[str, int]] = []
    uids: set[str] = set()
    for lineage in sorted(lineages):
        for spot in boxes.spots_in(place.box(lineage)):
            told = boxes.parsed(boxes.files_in(spot)).accounts
            uids |= {account.uid for account in told}
            places.append((spot.manifest, len({account.uid for account in told})))
    in_lock = {p.uid for p in gathered.load_lock(site.paths).accounts} | book.pruned.keys()
    return Remembered(sorted(lineages), places, len(uids - in_lock))


def _drop(box: Path, site: Site) -> None:
    if not box.is_dir():
        return
    try:
        if (fd := oslock.acquire(holder_file(box))) is None:
            raise UsageError(
                _("{file}: a run of this film is going on; forget it afterwards", file=site.file)
            )
        try:
            _remove(box)
        finally:
            oslock.release(fd)
    except OSError as error:
        raise LedgerError(
            _("{box}: cannot be deleted: {error}", box=box, error=cause(error))
        ) from error


def _remove(folder: Path) -> None:
    if folder.is_dir():
        shutil.rmtree(folder)
        sync_folder(folder.parent)
