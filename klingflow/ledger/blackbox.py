"""The black box: what a ledger recorded, once more, in the user's state folder.

A lock under version control goes back in time: `git checkout`, `git stash`, `git clean`, a fresh
clone. Then the purchases that only it knew would be bought again. So every record is also appended
here, by the lock's lineage, and what the black box knows beyond the lock counts at the next start.
It is made of the same two files as the ledger: a copy of the lock, and a journal that carries an OS
lock of its own, so that two copies of one ledger are not run at once either. Lineages that were
merged remember each other: all are asked, whichever an older lock names, and the smallest one's is
the one that is held.

It is the second line of defence. Where it cannot be read, nothing is decided without it; where it
cannot be written, the run goes on and reports so.
"""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from klingflow.disk import append, atomic_write, read_log, read_whole, sync, sync_folder, write_all
from klingflow.errors import LedgerError, LedgerHeld, UsageError
from klingflow.ledger import oslock
from klingflow.ledger.holder import Holder, holder
from klingflow.ledger.lines import Parsed, parse_journal, parse_lines, parse_lock
from klingflow.ledger.places import BoxPlace
from klingflow.model import Place, Problem

_UID = re.compile(rb'"uid":"([0-9A-Za-z-]{1,64})"')
WITHOUT = "--no-black-box does without it"


@dataclass(slots=True)
class Reading:
    """What the black boxes of some lineages hold: copies of locks, and what was journalled since.

    `lineages` are also those that were merged with the ones asked for.
    """

    lineages: set[str] = field(default_factory=set)
    copies: dict[Path, bytes] = field(default_factory=dict)
    since: Parsed = field(default_factory=Parsed)
    pruned: Parsed = field(default_factory=Parsed)
    # Size and time of change, when it was read.
    stamps: dict[Path, tuple[int, int]] = field(default_factory=dict)

    def is_copy_of(self, lock: bytes) -> bool:
        """True if nothing is in there except what is in a lock of this text."""
        return not (self.since.accounts or self.since.damaged) and all(
            c == lock for c in self.copies.values()
        )

    def beyond(self, lock: bytes) -> Parsed:
        """Return what is in there, except copies of a lock of this text. Raises LedgerError."""
        parsed = Parsed()
        for path, copy in self.copies.items():
            if copy and copy != lock:
                parsed.add(parse_lock(copy, str(path)))
        parsed.add(self.since)
        return parsed


def lineage_of(place: BoxPlace) -> str | None:
    """Return the lineage that the manifest's ledger last had. Raises LedgerError."""
    data = _bytes(place.remembered)
    try:
        lineage = json.loads(data)["lineage"] if data else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None  # torn: it is written again as soon as there is a lock
    return lineage if isinstance(lineage, str) and lineage else None


def look(place: BoxPlace, lineages: set[str]) -> Reading:
    """Read the black boxes of `lineages`. Raises LedgerError.

    Call it before the ledger's own files are read. They are written first: what they do not hold
    then, they have lost.
    """
    reading = Reading()
    waiting = set(lineages)
    while waiting:
        lineage = min(waiting)
        reading.lineages.add(lineage)
        folder = place.folder(lineage)
        copy, journal = _files(folder)
        reading.stamps |= {path: _stamp(path) for path in (copy, journal, _merged_file(folder))}
        waiting = (waiting | _merged_in(folder)) - reading.lineages
        reading.since.add(parse_journal(_bytes(journal, read_log), str(journal)))
        reading.copies[copy] = _bytes(copy)  # second: renewing moves lines this way
        pruned = place.pruned(lineage)
        reading.pruned.add(parse_lines(_bytes(pruned), str(pruned)))
    return reading


def shares(place: BoxPlace, lineage: str, lock: bytes) -> bool:
    """True if a lock names a purchase that the black box of a lineage has. Raises LedgerError."""
    named = set(_UID.findall(lock))
    return any(
        not named.isdisjoint(_UID.findall(_bytes(file))) for file in _files(place.folder(lineage))
    )


def changed(reading: Reading) -> bool:
    """True if another process has written to the black boxes since. Raises LedgerError."""
    return any(_stamp(path) != then for path, then in reading.stamps.items())


class BlackBox:
    """The black box of one ledger, held by this process. `trouble` is why it is no longer
    written.
    """

    def __init__(self, place: BoxPlace, lineage: str, fd: int) -> None:
        self.trouble: Problem | None = None
        self._place = place
        self._lineage = lineage
        self._folder = place.folder(lineage)
        self._copy, self._journal = _files(self._folder)
        self._fd = fd

    @property
    def whole(self) -> bool:
        """True if it still holds everything: nothing failed, and nobody deleted it."""
        try:
            return self.trouble is None and oslock.is_at(self._fd, self._journal)
        except OSError:  # its folder is gone, or not ours any more
            return False

    def append(self, lines: bytes) -> None:
        """Keep journal lines, durably. A failure is put into `trouble`, never raised."""
        if self.trouble is not None:
            return
        try:
            write_all(self._fd, lines)
            sync(self._fd)
        except OSError as error:
            self.trouble = _unwritable(self._folder, error)

    def keep_pruned(self, lines: Sequence[bytes]) -> None:
        """Keep what is pruned from the lock, before `renew` forgets it. A failure is put into
        `trouble`.
        """
        try:
            append(self._place.pruned(self._lineage), lines)
        except OSError as error:
            self.trouble = _unwritable(self._folder, error)

    def renew(self, *lock: bytes) -> None:
        """Copy the ledger's lock, and begin the journal again. A failure is put into `trouble`."""
        try:
            if not oslock.is_at(self._fd, self._journal):
                self._begin_again()
            atomic_write(self._copy, *lock)
            os.ftruncate(self._fd, 0)
            sync(self._fd)
        except (OSError, LedgerError) as error:
            self.trouble = _unwritable(self._folder, error)
        else:
            self.trouble = None

    def join(self, lineages: set[str]) -> None:
        """Remember that these lineages were merged. A failure is put into `trouble`; raises as
        `hold` does.
        """
        try:
            _join(self._place, self._lineage, lineages)
        except (OSError, LedgerError) as error:
            self.trouble = _unwritable(self._folder, error)

    def _begin_again(self) -> None:
        fd = _acquired(self._place, self._lineage)
        if fd is None:
            raise LedgerError("another process has it")
        oslock.release(self._fd)
        self._fd = fd

    def close(self) -> None:
        """Give it back."""
        with suppress(OSError):
            oslock.release(self._fd)


def hold(place: BoxPlace, lineages: set[str]) -> BlackBox | Problem:
    """Take the black box of all these lineages, creating it where it is missing; or return why it
    cannot be written.

    Raises LedgerHeld where another copy of this ledger is being run, and UsageError where this very
    process runs that copy.
    """
    lineage = min(lineages)
    with ExitStack() as undo:
        try:
            if (fd := _acquired(place, lineage)) is None:
                raise _held(place, lineage)
            undo.callback(oslock.release, fd)
            _join(place, lineage, lineages)
            undo.pop_all()
        except (OSError, LedgerError) as error:
            return _unwritable(place.folder(lineage), error)
    return BlackBox(place, lineage, fd)


def _join(place: BoxPlace, ours: str, lineages: set[str]) -> None:
    """Let each of these black boxes know the others. This process holds `ours`, and no process may
    hold any other.
    """
    for lineage in sorted(lineages) if len(lineages) > 1 else ():
        folder = place.folder(lineage)
        if lineages <= (known := _merged_in(folder) | {lineage}):
            continue
        fd = None
        if lineage != ours:
            folder.mkdir(parents=True, exist_ok=True)
            if (fd := oslock.acquire(_files(folder)[1])) is None:
                raise _held(place, lineage)
        try:
            atomic_write(
                _merged_file(folder), json.dumps(sorted(known | lineages)).encode() + b"\n"
            )
            sync_folder(folder.parent)
        finally:
            if fd is not None:
                oslock.release(fd)


def _held(place: BoxPlace, lineage: str) -> LedgerHeld | UsageError:
    journal = _files(place.folder(lineage))[1]
    try:
        who = holder(journal)
    except OSError:
        who = Holder()
    if (who.pid, who.host) == (os.getpid(), socket.gethostname()):
        return UsageError(
            f"{place.manifest} and {who.manifest} have copies of one ledger; run them apart"
        )
    locked = None if who.pid else str(journal)
    return LedgerHeld(str(place.manifest), who.pid, who.host, copy=who.manifest, locked=locked)


def _acquired(place: BoxPlace, lineage: str) -> int | None:
    """Return the locked journal, in a folder created where it is missing; None where another
    process holds it.
    """
    folder = place.folder(lineage)
    # Other users must not read bodies and task ids.
    for private in (place.state, folder.parent):
        private.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.mkdir(exist_ok=True)
    if (fd := oslock.acquire(_files(folder)[1])) is None:
        return None
    try:
        _remember(place, lineage)
        # A name is durable only when its folder is, and that of an older file may never have been.
        for named in (folder, folder.parent, place.state, place.state.parent):
            sync_folder(named)
    except BaseException:
        oslock.release(fd)
        raise
    return fd


def _remember(place: BoxPlace, lineage: str) -> None:
    if lineage_of(place) != lineage:
        place.remembered.parent.mkdir(exist_ok=True, mode=0o700)
        manifest = os.path.realpath(place.manifest)
        atomic_write(
            place.remembered,
            json.dumps({"lineage": lineage, "manifest": manifest}).encode() + b"\n",
        )


def _files(folder: Path) -> tuple[Path, Path]:
    return folder / "ledger.lock", folder / "ledger.journal"


def _merged_file(folder: Path) -> Path:
    return folder / "merged.json"


def _merged_in(folder: Path) -> set[str]:
    """The lineages that were merged with this one. Raises LedgerError."""
    try:
        lineages = json.loads(_bytes(_merged_file(folder)) or b"[]")
    except (ValueError, RecursionError):
        return set()
    return (
        {one for one in lineages if isinstance(one, str) and one}
        if isinstance(lineages, list)
        else set()
    )


def _unwritable(folder: Path, error: Exception) -> Problem:
    said = error.strerror if isinstance(error, OSError) else None
    return Problem("box_unwritable", Place(str(folder)), detail=said or str(error))


def _bytes(path: Path, reading: Callable[[Path], bytes] = read_whole) -> bytes:
    try:
        return reading(path)
    except (FileNotFoundError, NotADirectoryError):
        return b""
    except OSError as error:
        raise LedgerError(
            f"{path}: the black box cannot be read: {error.strerror or error}; {WITHOUT}"
        ) from error


def _stamp(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return 0, 0
    except OSError as error:
        raise LedgerError(
            f"{path}: the black box cannot be read: {error.strerror or error}; {WITHOUT}"
        ) from error
    return (stat.st_size, stat.st_mtime_ns) if stat.st_size else (0, 0)
