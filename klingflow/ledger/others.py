"""What other ledgers of a manifest say: a lock or what is left of one, or all the files of a ledger
together.

How each is read is for lines.py and stored.py, how they become one is for unite.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from klingflow.errors import LedgerError, UsageError
from klingflow.ledger import boxes, stored
from klingflow.ledger.lines import Parsed, parse_journal, parse_lines, parse_lock
from klingflow.ledger.places import SUFFIXES, Site, manifest_called, site_at
from klingflow.ledger.unite import Telling
from klingflow.model import Problem
from klingflow.plain_files import read_whole
from klingflow.words import _, cause


@dataclass(frozen=True, slots=True)
class Other:
    """One other ledger. `problems` are what its reader had to set aside. `profiles` are those that
    it says it is of, "" for a film itself; none where it does not say.
    """

    path: Path
    telling: Telling
    problems: tuple[Problem, ...]
    profiles: frozenset[str] = frozenset()


def tell(path: Path, ours: Site) -> Other:
    """Return what the ledger at `path` says: a lock, a journal, an emergency file or a .damaged
    one; or a manifest, or a folder that holds one called like ours, whose files all count.

    Raises UsageError for what is no ledger of klingflow, LedgerError for what cannot be read.
    """
    parsed = _all_of(path, ours)
    telling = Telling(
        parsed.accounts,
        parsed.doubts,
        frozenset(header["lineage"] for header in parsed.headers),
        max((header["serial"] for header in parsed.headers), default=0),
    )
    if not (parsed.headers or parsed.accounts or parsed.doubts):
        raise UsageError(
            _(
                "{path}: there is no ledger of klingflow; name a .lock file, or a manifest"
                " beside one",
                path=path,
            )
        )
    profiles = frozenset(header["profile"] for header in parsed.headers)
    return Other(path, telling, tuple(parsed.problems), profiles)


def tell_box(manifest: Path, ours: Site) -> Other:
    """Return what the black box knows of the place of a manifest, which may be gone.

    Raises UsageError where it knows nothing, or there is none; LedgerError for what cannot be read.
    """
    place = ours.paths.box
    if place is None:
        raise UsageError(
            _("{manifest}: there is no black box here to take anything from", manifest=manifest)
        )
    told, profiles = Parsed(), set[str]()
    for folder in boxes.folders_of(replace(place, manifest=manifest)):
        if spot := boxes.spot_at(folder):
            told.add(boxes.parsed(boxes.files_in(spot)))
            profiles.add(spot.profile)
    if not (told.accounts or told.doubts):
        raise UsageError(
            _("{manifest}: the black box knows of nothing that was bought there", manifest=manifest)
        )
    # No lineage: what was bought there becomes this ledger's, and that ledger stays its own.
    telling = Telling(told.accounts, told.doubts)
    return Other(manifest, telling, tuple(told.problems), frozenset(profiles))


def _all_of(path: Path, ours: Site) -> Parsed:
    manifest = _manifest_at(path, ours)
    try:
        return _files_of(manifest, ours) if manifest else _file(path)
    except FileNotFoundError as error:
        raise UsageError(_("{path}: there is no such file", path=path)) from error
    except OSError as error:
        raise LedgerError(
            _("{path}: cannot be read: {error}", path=path, error=cause(error))
        ) from error


def _manifest_at(path: Path, ours: Site) -> Path | None:
    if path.is_dir():
        return manifest_called(path, ours.manifest.stem)
    return path if path.suffix in SUFFIXES else None


def _files_of(manifest: Path, ours: Site) -> Parsed:
    """Return all files of a ledger, which is the sandbox's if ours is."""
    there = site_at(manifest, origin=ours.origin, profile=ours.profile)
    found = stored.load(there.paths, until=None)
    together = Parsed()
    together.add(found.journal)
    together.add(found.lock)
    return together


def _file(path: Path) -> Parsed:
    """Whichever reader understands most of it; a lock's header makes it one."""
    data = read_whole(path)
    readers: Iterable[Callable[[bytes, str], Parsed]] = (parse_lines, parse_journal)
    best = max((read(data, path.name) for read in readers), key=lambda one: len(one.accounts))
    return parse_lock(data, path.name) if best.headers else best
