"""Another manifest whose journal came into this folder: `.klingflow` was copied, or is a link.

A journal names the manifest that its last runner ran. If this is another manifest, still there,
with the same purchases and a lock of another lineage, then the purchases are that manifest's: this
ledger must not count them. A folder that was moved, or comes from another machine, names a manifest
that is not there; a folder that was copied whole has a lock of the same lineage, or none yet. Then
the journal is our own: its lines may be all that keeps a shot from being bought twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from klingflow.ledger.lines import Parsed, headers_in, journal_line
from klingflow.ledger.places import LedgerPaths
from klingflow.ledger.traces import uids_in
from klingflow.model import Json, Place, Problem
from klingflow.plain_files import read_whole


@dataclass(frozen=True, slots=True)
class Neighbour:
    """The manifest that a journal names instead of ours, and the uids and lineages of its ledger.
    `shares` is True where its journal is the very file that is ours.
    """

    manifest: Path
    uids: frozenset[str]
    lineages: frozenset[str]
    shares: bool


def of_journal(paths: LedgerPaths, runner: Mapping[str, Json] | None) -> Neighbour | None:
    """Return the other manifest that a journal's runner line names, None where there is none."""
    named = (runner or {}).get("manifest")
    own = (paths.anchor or paths.lock).absolute()
    if not isinstance(named, str) or Path(named) == own:
        return None
    other = Path(named)
    with suppress(OSError, ValueError):
        is_there = other.is_absolute() and other.is_file()
        if is_there and not _are_one(other, own):
            return _read(other, paths)
    return None


def _are_one(other: Path, own: Path) -> bool:
    return own.exists() and own.samefile(other)


def _read(manifest: Path, paths: LedgerPaths) -> Neighbour:
    """A runner of the sandbox, or of drafts, names the lock; the sandbox's has its journal beside
    it.
    """
    lock, hidden = manifest.with_suffix(".lock"), manifest.parent
    if manifest.suffix != ".lock" or not (hidden / f"{manifest.stem}.journal").exists():
        hidden = hidden / ".klingflow"
    journal = hidden / f"{manifest.stem}.journal"
    text = _bytes(lock)
    uids = frozenset(uids_in(text) | uids_in(_bytes(journal)))
    shares = journal.exists() and journal.samefile(paths.journal)
    return Neighbour(manifest, uids, _lineages(text), shares=shares)


def _lineages(lock: bytes) -> frozenset[str]:
    return frozenset(header["lineage"] for header in headers_in(lock))


def _bytes(path: Path) -> bytes:
    with suppress(OSError):
        return read_whole(path)
    return b""


def _may_be_one_film(lineages: Set[str], others: Set[str]) -> bool:
    """True if two locks may be copies of one: a lock without a lineage may be a copy of any."""
    return not lineages or not others or not lineages.isdisjoint(others)


def leave(journal: Parsed, neighbour: Neighbour, lock: bytes) -> None:
    """Take out of a journal what is in the neighbour's ledger and not in our `lock`, whose bytes
    these are: the lines are set aside, and reported. Nothing is taken out where the two ledgers
    may be one film's.
    """
    if _may_be_one_film(_lineages(lock), neighbour.lineages):
        return
    theirs = neighbour.uids - uids_in(lock)
    if theirs.isdisjoint(account.uid for account in journal.accounts):
        return
    foreign = journal.take_out(theirs)
    journal.damaged += (journal_line(account).rstrip(b"\n") for account in foreign)
    keys = tuple(dict.fromkeys(account.key for account in foreign))
    count, place = len({account.uid for account in foreign}), Place(journal.file)
    manifest = str(neighbour.manifest)
    journal.problems.append(Problem("foreign_journal", place, keys, count=count, detail=manifest))
