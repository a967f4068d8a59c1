"""How a ledger takes its black box: who holds it, and since when a place is in it.

Two copies of one ledger are not run at once: the box of a lineage carries an OS lock. What is then
written is for blackbox.py.
"""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from klingflow.disk import temporary, write_all
from klingflow.errors import LedgerError, LedgerHeld, UsageError
from klingflow.ledger import boxes, oslock
from klingflow.ledger.blackbox import Beginning, BlackBox, make_folder, unwritable, write_about
from klingflow.ledger.boxes import ABOUT, ASKED, BOUGHT, Reading, Spot
from klingflow.ledger.boxplaces import BoxPlace
from klingflow.ledger.holder import Holder, locked
from klingflow.ledger.traces import uids_in
from klingflow.model import Problem
from klingflow.words import _


def begin(place: BoxPlace, begun: Beginning) -> BlackBox | Problem:
    """Take the black box of a ledger, creating it where it is missing; or return why it cannot be
    written.

    The first place of a lineage is a member of it, and one whose user said `--same-film`. Raises
    LedgerHeld where another copy of this ledger is being run or was run since the `reading`, and
    UsageError where this very process runs that copy.
    """
    with ExitStack() as undo:
        try:
            held = _hold(place, begun, undo)
            _check_unchanged(place, begun.reading)
            make_folder(place.folder(begun.lineage))
            tidy(place)
            spot = _joined(place, begun)
            for fd in held.values():
                os.ftruncate(fd, 0)
                write_all(fd, begun.runner)
            box_ = BlackBox(spot, held, begun)
            _claim(box_, begun)
            undo.pop_all()
        except (OSError, LedgerError) as error:
            if isinstance(error, (LedgerHeld, UsageError)):
                raise
            return unwritable(place.folder(begun.lineage), error)
    return box_


def _hold(place: BoxPlace, begun: Beginning, undo: ExitStack) -> dict[Path, int]:
    """Take the locks of the boxes of all lineages that the ledger has, and return them by their
    files; `undo` releases them. Raises LedgerHeld, UsageError, LedgerError, OSError.
    """
    own = place.box(begun.lineage)
    make_folder(own)
    others = [place.box(lineage) for lineage in begun.reading.lineages - {begun.lineage}]
    held: dict[Path, int] = {}
    for box in sorted({own, *(box for box in others if box.is_dir())}):
        path = holder_file(box)
        fd = locked(path, partial(oslock.hold, path))
        if isinstance(fd, Holder):
            raise _held(place, path, fd)
        undo.callback(oslock.release, fd)
        held[path] = fd
    return held


def _check_unchanged(place: BoxPlace, reading: Reading) -> None:
    """Refuse to go on with a plan that did not know what another copy has bought since."""
    if boxes.stamps(place, reading.lineages) != reading.stamps:
        raise UsageError(
            _(
                "{manifest}: another copy of this ledger was run in the meantime; run again",
                manifest=place.manifest,
            )
        )


def _joined(place: BoxPlace, begun: Beginning) -> Spot:
    """Write that this place is in the box, and since when."""
    spots = boxes.spots_in(place.box(begun.lineage))
    folder = place.folder(begun.lineage)
    begun_there = [spot for spot in spots if spot.since]
    known = next((spot for spot in begun_there if spot.folder == folder), None)
    spot = known or _newly_in(place, begun, is_first=not begun_there)
    if place.same_film:
        spot = replace(spot, member=True, before=())
    if spot != known:
        write_about(spot)
    if not begun.forking:
        _write_became(place, begun)
    return spot


def _newly_in(place: BoxPlace, begun: Beginning, *, is_first: bool) -> Spot:
    """Return this place as it comes into the box; the first place of a lineage is a member."""
    folder = place.folder(begun.lineage)
    earlier = {f.parent.parent.name for f in boxes.folders_of(place) if f != folder}
    return Spot(
        folder,
        manifest=os.path.realpath(place.manifest),
        since=begun.at,
        member=is_first,
        before=tuple(sorted(earlier)) if begun.fresh else (),
        profile=place.profile,
    )


def _write_became(place: BoxPlace, begun: Beginning) -> None:
    """Write, under the other lineages of the ledger, which one it has from now on."""
    for lineage in begun.reading.lineages - {begun.lineage}:
        older = boxes.spot_at(place.folder(lineage))
        if older and older.became != begun.lineage:
            write_about(replace(older, became=begun.lineage))


def _claim(box: BlackBox, begun: Beginning) -> None:
    """Take what this place did under other lineages and the ledger now holds into this box."""
    reading = begun.reading
    ours = [*reading.own.items(), *reading.unrelated.items(), *reading.former.items()]
    bought = set[str]().union(*(uids_in(data) for path, data in ours if path.name == BOUGHT))
    if len(reading.lineages) > 1:
        bought = bought.union(*map(uids_in, reading.others.values()))
    box.claim(bought)


def tidy(place: BoxPlace) -> None:
    """Remove what a death in the middle of a write left in this place's folders, under every
    lineage: a ledger that died before it had a lock begins another. Only the holder of the place's
    ledger may call it. Raises LedgerError, OSError.
    """
    for folder in boxes.folders_of(place):
        for name in (BOUGHT, ASKED, ABOUT):
            temporary(folder / name).unlink(missing_ok=True)


def holder_file(box: Path) -> Path:
    """Return the file whose OS lock keeps a second copy of a ledger out; it says who holds it."""
    return box / "holder"


def _held(place: BoxPlace, path: Path, who: Holder) -> LedgerHeld | UsageError:
    if (who.pid, who.host) == (os.getpid(), socket.gethostname()):
        return UsageError(
            _(
                "{manifest} and {who_manifest} have copies of one ledger; run them apart",
                manifest=place.manifest,
                who_manifest=who.manifest,
            )
        )
    unnamed = None if who.pid else str(path)
    return LedgerHeld(str(place.manifest), who.pid, who.host, copy=who.manifest, locked=unnamed)
