"""The files of a ledger as they were read: lock, journal, emergency files, black box.

Each file is read once, in the order in which records move from one to the next, so that nothing is
missed. How one file is parsed is for lines.py, boxes.py and emergency.py; what all of them say
together is for stored.py.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from klingflow.errors import LedgerError
from klingflow.ledger import boxes, emergency, neighbours
from klingflow.ledger.book import fold
from klingflow.ledger.lifecycle import RANK
from klingflow.ledger.lines import Parsed, headers_in, parse_journal, parse_lines, parse_lock
from klingflow.ledger.neighbours import Neighbour
from klingflow.ledger.places import LedgerPaths
from klingflow.model import Purchase
from klingflow.plain_files import read_whole
from klingflow.words import _

Signature = tuple[int, ...] | None

_OURS = b'"klingflow_lock"'
# Writing a line takes far less than this, unless the system gives the writer no turn.
_LOOKS, _PAUSE_S = 100, 0.01


@dataclass(frozen=True, slots=True)
class Files:
    """What each file said. `pruned` is by uid, as its file (`put_away`) or the black box has it.
    `beyond` is what counts of the black box, `unrelated` what this place did under other lineages,
    and `former` what it did under those that were here when this ledger began.
    """

    lineages: frozenset[str]
    box: boxes.Reading
    box_damaged: Sequence[bytes]
    journal: Parsed
    saved: Mapping[Path, Signature]
    signature: Signature
    lock: Parsed
    put_away: Parsed
    pruned: Mapping[str, Purchase]
    beyond: Parsed
    neighbour: Neighbour | None
    unrelated: Parsed
    former: Parsed


def gather(paths: LedgerPaths, until: str | None) -> Files:
    """Read every file once, in the order in which records move from one to the next."""
    lineages = lineages_of(paths)
    box = boxes.look(paths.box, lineages) if paths.box else boxes.Reading()
    # A process that opens the ledger for writing holds it, so no other is writing a line.
    journal, saved = _journals(paths, read_whole if until else read_log)
    neighbour = neighbours.of_journal(paths, journal.runner)
    signature = signature_of(paths.lock)
    lock = _lock_beside(journal, neighbour, paths)
    put_away, pruned = _pruned(paths, box)
    own, others, unrelated, former = _boxed(box, lock)
    beyond = Parsed()
    beyond.add(own)
    beyond.add(others)
    _leave_pruned(beyond, pruned)
    return Files(
        lineages=lineages,
        box=box,
        box_damaged=own.damaged,
        journal=journal,
        saved=saved,
        signature=signature,
        lock=lock,
        put_away=put_away,
        pruned=pruned,
        beyond=beyond,
        neighbour=neighbour,
        unrelated=unrelated,
        former=former,
    )


def lineages_of(paths: LedgerPaths) -> frozenset[str]:
    """Return the lineages that the lock names; several after a merge by git. Raises OSError."""
    return frozenset(header["lineage"] for header in headers_in(_bytes(paths.lock)))


def _lock_beside(journal: Parsed, neighbour: Neighbour | None, paths: LedgerPaths) -> Parsed:
    """Read the lock, and take out of the journal what is a neighbour's. Raises as `load_lock`."""
    text = _bytes(paths.lock)
    if neighbour:
        neighbours.leave(journal, neighbour, text)
    return _lock_in(text, paths)


def load_lock(paths: LedgerPaths) -> Parsed:
    """Return what the lock says; nothing if there is none. Raises OSError, LedgerError."""
    return _lock_in(_bytes(paths.lock), paths)


def _lock_in(data: bytes, paths: LedgerPaths) -> Parsed:
    """Parse the lock. Other programs have locks too (`uv.lock`): one without a trace of klingflow
    is never written over.
    """
    if not data and signature_of(paths.lock) is None:
        return Parsed()
    lock = parse_lock(data, paths.lock.name)
    is_ours = lock.headers or lock.accounts or lock.doubts or _OURS in data
    if data and not data.isspace() and not is_ours:
        raise LedgerError(
            _(
                "{lock} is not klingflow's; rename the manifest (or, if it was, bring it back"
                " from git)",
                lock=paths.lock,
            )
        )
    return lock


def _journals(
    paths: LedgerPaths, reading: Callable[[Path], bytes]
) -> tuple[Parsed, dict[Path, Signature]]:
    parsed = Parsed()
    if signature_of(paths.folded) != signature_of(paths.lock) and (folded := _bytes(paths.folded)):
        parsed.add(parse_lock(folded, paths.folded.name))
    journal = parse_journal(_bytes(paths.journal, reading), paths.journal.name)
    parsed.add(journal)
    parsed.file, parsed.runner = journal.file, journal.runner
    saved, signatures = load_saved(paths)
    parsed.add(saved)
    return parsed, signatures


def load_saved(
    paths: LedgerPaths, known: Mapping[Path, Signature] | None = None
) -> tuple[Parsed, dict[Path, Signature]]:
    """Return what the emergency files hold, except the versions that are `known`, and which
    versions there are now.
    """
    parsed, now = Parsed(), {}
    for place in emergency.places(paths.journal):
        now[place] = signature_of(place)
        if now[place] is not None and now[place] != (known or {}).get(place):
            parsed.add(parse_journal(emergency.read(place), place.name))
    return parsed, now


def forget_saved(taken_in: Mapping[Path, Signature]) -> None:
    """Delete the emergency files that were taken in, except those that were written to since."""
    emergency.clear(
        p for p, then in taken_in.items() if then is not None and signature_of(p) == then
    )


def _boxed(box: boxes.Reading, lock: Parsed) -> tuple[Parsed, Parsed, Parsed, Parsed]:
    """Return what the black box has beyond a lock: of this place, of other members of the lineage,
    of this place under other lineages, and of lineages that were here before this ledger.
    """
    files = (box.own, box.others, box.unrelated, box.former)
    if not any(data for some in files for data in some.values()):
        return Parsed(), Parsed(), Parsed(), Parsed()
    known = {raw for _, raw in lock.lines.values()}.union(lock.damaged)
    own, others, unrelated, former = (boxes.parsed(some, known) for some in files)
    return own, others, unrelated, former


def _pruned(paths: LedgerPaths, box: boxes.Reading) -> tuple[Parsed, dict[str, Purchase]]:
    """Return what was pruned, by uid, as its file or the black box has it.

    A damaged line is in doubt. It may be all that is known of a payment, and its shot must not be
    bought again when it comes back.
    """
    parsed = parse_lines(_bytes(paths.pruned), paths.pruned.name)
    remembered = boxes.parsed(box.pruned)
    accounts = [*parsed.accounts, *remembered.accounts]
    told, _unused = fold(accounts, [*parsed.doubts, *remembered.doubts])
    return parsed, {p.uid: p for p in told}


def _leave_pruned(box: Parsed, pruned: Mapping[str, Purchase]) -> None:
    """Leave out what a person pruned, although a black box, here or on another machine, remembers
    it.
    """
    if pruned:
        box.accounts = [
            a
            for a in box.accounts
            if a.uid not in pruned or RANK[a.state] > RANK[pruned[a.uid].state]
        ]
        box.doubts = [d for d in box.doubts if d.uid not in pruned]


def signature_of(path: Path) -> Signature:
    """Return the version of a file; None if there is no file."""
    try:
        return signature(path.stat())
    except FileNotFoundError:
        return None


def signature(stat: os.stat_result) -> Signature:
    """Return what changes with every version of a file."""
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns


def _bytes(path: Path, reading: Callable[[Path], bytes] = read_whole) -> bytes:
    try:
        return reading(path)
    except FileNotFoundError:
        return b""


def read_log(path: Path) -> bytes:
    """Return what a file of lines holds, after waiting for a line that another process is writing.

    A last line that is never finished is returned as it is. Raises OSError as `read_whole`.
    """
    data = read_whole(path)
    for _unused in range(_LOOKS):
        if not data or data.endswith(b"\n"):
            break
        time.sleep(_PAUSE_S)
        before, data = data, read_whole(path)
        if data == before:
            break
    return data
