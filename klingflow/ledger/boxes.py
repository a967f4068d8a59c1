"""What the black boxes hold, and what of it counts for one place: nothing is written here.

A black box is of one lineage and lies in the user's state folder. In it each *place*, that is a
manifest by its path, has a folder with what this user did there: `bought.jsonl` (what klingflow
bought there, or a person merged), `asked.jsonl` (what it asked the gateway about purchases that
came with a lock), `pruned.jsonl` and `place.json`. Members of a lineage share what they know; any
other place has its own knowledge only. Where a box cannot be read, nothing is decided without it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TypeVar

from klingflow.errors import LedgerError
from klingflow.ledger.boxplaces import PLACES, BoxPlace, boxes_in
from klingflow.ledger.lines import Parsed, parse_lines
from klingflow.ledger.places import film_of
from klingflow.plain_files import read_whole
from klingflow.words import _, cause

WITHOUT = _("--no-black-box does without it")
BOUGHT, ASKED, PRUNED, ABOUT = "bought.jsonl", "asked.jsonl", "pruned.jsonl", "place.json"
Stamps = tuple[tuple[str, int, int], ...]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Spot:
    """One place in one black box.

    `manifest` is its path, "" where that is unknown. A `member` shares what it knows with the other
    members. `before` are the lineages that were there when this ledger began without a lock, and
    `became` is the lineage that the ledger took later, by a merge. `profile` is that of drafts.
    """

    folder: Path
    manifest: str = ""
    since: str = ""
    member: bool = False
    before: tuple[str, ...] = ()
    became: str | None = None
    profile: str = ""

    @property
    def lineage(self) -> str:
        """The name of the black box's folder, which is the lineage unless that is odd."""
        return self.folder.parent.parent.name


def spot_at(folder: Path) -> Spot | None:
    """Return the place whose folder that is; None where there is none. Raises LedgerError."""
    if not _tried(folder, folder.is_dir):
        return None
    try:
        said = json.loads(read(folder / ABOUT) or b"{}")
    except (ValueError, RecursionError):
        said = {}
    if not isinstance(said, dict):
        said = {}
    return Spot(
        folder,
        manifest=_text(said.get("manifest")),
        since=_text(said.get("since")),
        member=said.get("member") is True,
        before=_texts(said.get("before")),
        became=_text(said.get("became")) or None,
        profile=_text(said.get("profile")),
    )


def spots_in(box: Path) -> list[Spot]:
    """Return every place of one black box. Raises LedgerError."""
    return [spot for folder in _in(box / PLACES) if (spot := spot_at(folder))]


def is_begun(place: BoxPlace, lineage: str) -> bool:
    """True if something was done in this place before, for a ledger of this lineage. Raises
    LedgerError.
    """
    spot = spot_at(place.folder(lineage))
    return spot is not None and bool(spot.since)


def all_boxes(state: Path) -> list[Path]:
    """Return every black box. Raises LedgerError."""
    return _in(boxes_in(state))


def _in(folder: Path) -> list[Path]:
    with suppress(FileNotFoundError):
        return _tried(folder, lambda: sorted(folder.iterdir()))
    return []


@dataclass(slots=True)
class Reading:
    """What the black boxes hold for one place, as it lay there: files by their paths.

    `own` is what this place did under the lineages of its ledger, `others` what other members did,
    `unrelated` what this place did under other lineages, and `former` what it did under those that
    were there when this ledger began.
    """

    lineages: frozenset[str] = frozenset()
    own: dict[Path, bytes] = field(default_factory=dict)
    others: dict[Path, bytes] = field(default_factory=dict)
    unrelated: dict[Path, bytes] = field(default_factory=dict)
    former: dict[Path, bytes] = field(default_factory=dict)
    pruned: dict[Path, bytes] = field(default_factory=dict)
    stamps: Stamps = ()


def look(place: BoxPlace, lineages: frozenset[str]) -> Reading:
    """Read what the black boxes of `lineages`, those of the lock, hold for a place. Raises
    LedgerError.

    Call it before the ledger's own files are read. They are written first: what they do not hold
    then, they have lost.
    """
    reading = Reading(lineages, stamps=stamps(place, lineages))
    counted: set[Path] = set()
    before: set[str] = set()
    for lineage in sorted(lineages):
        here, spots = _of_lineage(place, lineage)
        before |= here
        for spot in spots:
            counted.add(spot.folder)
            files = reading.own if spot.folder.name == place.name else reading.others
            files |= files_in(spot)
            reading.pruned[spot.folder / PRUNED] = read(spot.folder / PRUNED)
    for folder in folders_of(place):
        there = None if folder in counted else spot_at(folder)
        if there is None:
            continue
        if place.same_film:
            files = reading.own
        elif not lineages or there.lineage in before:
            files = reading.former
        else:
            files = reading.unrelated
        files |= files_in(there)
    return reading


def _of_lineage(place: BoxPlace, lineage: str) -> tuple[set[str], list[Spot]]:
    """Return the lineages that were at this place before this one began, and the spots that count
    for the place: its own, and for a member those of all members.
    """
    spots = spots_in(place.box(lineage))
    here = next((s for s in spots if s.folder == place.folder(lineage)), None)
    shares = place.same_film or (here is not None and here.member)
    counting: list[Spot] = []
    for spot in spots:
        if spot is here or (shares and spot.member):
            counting += _chain(place.state, spot)
    return set(here.before if here else ()), counting


def relatives(place: BoxPlace, lineage: str) -> list[Spot]:
    """Return the other places of a lineage, also under lineages that they took later. Raises
    LedgerError.
    """
    spots = [spot for spot in spots_in(place.box(lineage)) if spot.folder.name != place.name]
    return [later for spot in spots for later in _chain(place.state, spot)]


def _chain(state: Path, spot: Spot) -> Iterator[Spot]:
    """Yield a place, and the same place under each lineage that its ledger took later."""
    seen: set[Path] = set()
    now: Spot | None = spot
    while now is not None and now.folder not in seen:
        seen.add(now.folder)
        yield now
        later = BoxPlace(state, Path(now.manifest)).box(now.became) if now.became else None
        now = spot_at(later / PLACES / now.folder.name) if later else None


def files_in(spot: Spot) -> dict[Path, bytes]:
    """Return what a place did, by file. Raises LedgerError."""
    return {spot.folder / name: read(spot.folder / name) for name in (BOUGHT, ASKED)}


def folders_of(place: BoxPlace) -> list[Path]:
    """Return the folder of this place in every black box that has one. Raises LedgerError."""
    every = [box / PLACES / place.name for box in all_boxes(place.state)]
    return [folder for folder in every if _tried(folder, folder.is_dir)]


def stamps(place: BoxPlace, lineages: Iterable[str]) -> Stamps:
    """Return size and time of change of all that `look` depends on. Raises LedgerError."""
    folders = {s.folder for lineage in lineages for s in spots_in(place.box(lineage))}
    found = []
    for folder in sorted(folders | {*folders_of(place)}):
        for path in (folder / name for name in (BOUGHT, ASKED, PRUNED, ABOUT)):
            with suppress(FileNotFoundError):
                stat = _tried(path, path.stat)
                found.append((str(path), stat.st_size, stat.st_mtime_ns))
    return tuple(found)


def parsed(files: Mapping[Path, bytes], known: Set[bytes] = frozenset()) -> Parsed:
    """Parse lines of black boxes, except those that are `known`, byte for byte.

    A last line without its end was never announced, so it is no doubt where it is torn.
    """
    together = Parsed()
    for path, data in files.items():
        end = data.rfind(b"\n") + 1
        news = (line for line in BytesIO(data[:end]) if line[:-1] not in known)
        together.add(parse_lines(b"".join(news), str(path)))
        torn = data[end:]
        last = parse_lines(torn, str(path))
        last.doubts.clear()
        if torn and not last.accounts:
            last.damaged.clear()
            last.problems.clear()
        together.add(last)
    return together


def read(path: Path) -> bytes:
    """Return what a file of a black box holds, nothing where it is not there. Raises
    LedgerError.
    """
    try:
        return _tried(path, lambda: read_whole(path))
    except FileNotFoundError:
        return b""


def _tried(path: Path, look: Callable[[], T]) -> T:
    try:
        return look()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(str(path)) from error
    except OSError as error:
        said = cause(error)
        raise LedgerError(
            _(
                "{path}: the black box cannot be read: {said}; {without}",
                path=path,
                said=said,
                without=WITHOUT,
            )
        ) from error


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(text for text in value if isinstance(text, str))


def exists(spot: Spot) -> bool:
    """True if the manifest of a place is still there, or nobody can tell."""
    if not spot.manifest or os.path.lexists(spot.manifest):
        return True
    film = film_of(Path(spot.manifest), spot.profile)
    return film is not None and os.path.lexists(film)
