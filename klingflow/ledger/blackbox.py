"""The black box that is written: what this user does at one place, once more, in the user's state
folder.

A lock under version control goes back in time: `git checkout`, `git stash`, `git clean`. Then the
purchases that only it knew would be bought again. So every record of a run is also appended here,
after the user has agreed to the run and before anything else: what only came with a folder leaves
no trace. How a ledger takes its box is for boxholding.py; what lies in one, and what of it counts,
for boxes.py.

It is the second line of defence: where it cannot be written, the run goes on and reports so.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

from klingflow.disk import append, atomic_write, sync, sync_folder, write_all
from klingflow.errors import LedgerError
from klingflow.ledger import boxes, oslock
from klingflow.ledger.boxes import ABOUT, ASKED, BOUGHT, PRUNED, Reading, Spot
from klingflow.ledger.traces import uid_in, uids_in
from klingflow.model import Place, Problem, Purchase
from klingflow.plain_files import open_itself
from klingflow.words import _, cause

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a ledger says when it begins to write its black box.

    `fresh` says that there was no lock, `forking` that the ledger leaves its lineage. `known` are
    the purchases that the ledger had already, `pruned` the ids of those that were pruned from it: a
    move may bring one back. `runner` is the line that says who holds it, and `line` makes a
    purchase's line, without its end.
    """

    lineage: str
    reading: Reading
    fresh: bool
    forking: bool
    known: Mapping[str, Purchase]
    pruned: Set[str]
    runner: bytes
    at: str
    line: Callable[[Purchase], bytes]


class BlackBox:
    """The black box of one ledger, held by this process. `trouble` is why it is no longer
    written.
    """

    def __init__(self, spot: Spot, holders: Mapping[Path, int], begun: Beginning) -> None:
        self.trouble: Problem | None = None
        self._spot = spot
        self._holders = dict(holders)
        self._begun = begun
        # Which purchases each file is about; what the ledger knew already was not bought here.
        self._uids = {name: set[str]() for name in (BOUGHT, ASKED)}
        self._lines = dict.fromkeys(self._uids, 0)
        self._open: dict[str, int] = {}
        self._untidy = False
        for name, uids in self._uids.items():
            data = boxes.read(spot.folder / name)
            uids |= uids_in(data)
            self._lines[name] = data.count(b"\n")
            self._untidy |= not data.endswith(b"\n") and data != b""

    @property
    def descriptors(self) -> list[int]:
        """Every open file of it."""
        return [*self._holders.values(), *self._open.values()]

    @property
    def whole(self) -> bool:
        """True if it still holds everything: nothing failed, and nobody deleted it."""
        files = [(fd, path) for path, fd in self._holders.items()]
        files += [(fd, self._spot.folder / name) for name, fd in self._open.items()]
        try:
            return self.trouble is None and all(oslock.is_at(fd, path) for fd, path in files)
        except OSError:  # its folder is gone, or not ours any more
            return False

    def append(self, purchases: Iterable[Purchase], *, bought: bool = False) -> None:
        """Keep records, durably. A failure is put into `trouble`, never raised.

        With `bought`, a person has said that all of them are this ledger's.
        """
        told: dict[str, list[Purchase]] = {}
        for purchase in purchases:
            told.setdefault(self._file_of(purchase.uid, bought), []).append(purchase)
        for name, some in told.items():
            self._uids[name] |= {p.uid for p in some}
            if self.trouble is None:
                self._append(name, some)

    def _file_of(self, uid: str, bought: bool) -> str:
        if bought or uid in self._uids[BOUGHT]:
            return BOUGHT
        had = uid in self._begun.known or uid in self._begun.pruned
        return ASKED if had or uid in self._uids[ASKED] else BOUGHT

    def _append(self, name: str, purchases: Sequence[Purchase]) -> None:
        try:
            fd = self._open[name] if name in self._open else self._opened(name)
            write_all(fd, b"\n".join([*map(self._begun.line, purchases), b""]))
            sync(fd)
            self._lines[name] += len(purchases)
        except OSError as error:
            self.trouble = unwritable(self._spot.folder, error)

    def _opened(self, name: str) -> int:
        fd = open_itself(self._spot.folder / name, _FLAGS, 0o600)
        self._open[name] = fd
        if self._untidy:
            write_all(fd, b"\n")  # ends what a death left torn
        sync_folder(self._spot.folder)
        return fd

    def claim(self, bought: Set[str]) -> None:
        """Keep what the ledger knew when it began, of these purchases and of those that are in here
        already, as far as it is not in here. A failure is put into `trouble`.
        """
        self._uids[BOUGHT] |= bought & self._begun.known.keys() - self._uids[ASKED]
        known, line = self._begun.known, self._begun.line
        for name, uids in self._uids.items():
            news = {line(known[uid]): known[uid] for uid in sorted(uids & known.keys())}
            for there in BytesIO(boxes.read(self._spot.folder / name)):
                news.pop(there.removesuffix(b"\n"), None)
            if news:
                self._append(name, [*news.values()])

    def became(self, lineage: str) -> None:
        """Remember which lineage the ledger has from now on. A failure is put into `trouble`."""
        if lineage == self._begun.lineage:
            return
        try:
            write_about(replace(self._spot, became=lineage))
        except OSError as error:
            self.trouble = unwritable(self._spot.folder, error)

    def keep_pruned(self, lines: Sequence[bytes]) -> None:
        """Keep what is pruned from the lock. A failure is put into `trouble`."""
        try:
            append(self._spot.folder / PRUNED, lines)
        except OSError as error:
            self.trouble = unwritable(self._spot.folder, error)

    def renew(self, purchases: Mapping[str, Purchase]) -> None:
        """Write everything again, as the ledger's `purchases` are now. A failure is put into
        `trouble`.
        """
        try:
            if not all(oslock.is_at(fd, path) for path, fd in self._holders.items()):
                self._hold_again()
            write_about(self._spot)
            for name in self._uids:
                self._renew_file(name, purchases)
            self._close_files()
        except (OSError, LedgerError) as error:
            self.trouble = unwritable(self._spot.folder, error)
        else:
            self.trouble, self._untidy = None, False

    def _renew_file(self, name: str, purchases: Mapping[str, Purchase]) -> None:
        """Write one file again. Raises OSError, LedgerError."""
        uids, path = self._uids[name], self._spot.folder / name
        lines = self._pruned_of(name, uids - purchases.keys())
        known = sorted(uids & purchases.keys())
        lines += (self._begun.line(purchases[uid]) + b"\n" for uid in known)
        if lines or path.exists():
            atomic_write(path, *lines)
            self._lines[name] = len(lines)

    def _pruned_of(self, name: str, uids: set[str]) -> list[bytes]:
        """Return the last line of each purchase that the ledger does not hold any more, except of
        refused ones: the ledger drops those on purpose, and an intent without its refusal is a
        doubt.
        """
        if not uids:
            return []
        last: dict[str, bytes] = {}
        for raw in boxes.read(self._spot.folder / name).split(b"\n"):
            if (uid := uid_in(raw)) in uids and uid is not None:
                last[uid] = raw
        return [raw + b"\n" for raw in last.values() if b'","state":"rejected",' not in raw]

    def _hold_again(self) -> None:
        for fd in self._holders.values():
            with suppress(OSError):
                oslock.release(fd)
        paths = [*self._holders]
        self._holders = {}
        make_folder(self._spot.folder)
        for path in paths:
            path.parent.mkdir(exist_ok=True)
            if (got := oslock.acquire(path)) is None:
                raise LedgerError(_("another process has it"))
            self._holders[path] = got

    def close(self, purchases: Mapping[str, Purchase] | None = None) -> None:
        """Give it back; write it again first, if most of its lines are of earlier states."""
        kept = sum(map(len, self._uids.values()))
        if purchases is not None and (2 * sum(self._lines.values()) > 3 * kept or not self.whole):
            self.renew(purchases)
        self._close_files()
        for path, fd in self._holders.items():
            with suppress(OSError):
                if purchases is not None and oslock.is_at(fd, path):
                    os.ftruncate(fd, 0)
            with suppress(OSError):
                oslock.release(fd)

    def _close_files(self) -> None:
        for fd in self._open.values():
            with suppress(OSError):
                os.close(fd)
        self._open = {}


def make_folder(folder: Path) -> None:
    """Create a folder of the black box, durably. Other users must not read bodies and task ids."""
    parents = list(folder.parents)[:4]
    for path in reversed([folder, *parents]):
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    # A name is durable only when its folder is, and that of an older file may never have been.
    for named in (folder, *parents):
        with suppress(PermissionError):  # a folder above the state folder may be another's
            sync_folder(named)


def write_about(spot: Spot) -> None:
    """Write what is known of a place, durably. Raises OSError."""
    said = {
        "manifest": spot.manifest,
        "since": spot.since,
        "member": spot.member,
        "before": list(spot.before),
        "became": spot.became,
        **({"profile": spot.profile} if spot.profile else {}),
    }
    atomic_write(spot.folder / ABOUT, json.dumps(said).encode() + b"\n")


def unwritable(folder: Path, error: Exception) -> Problem:
    """Return why a black box is not written, as a problem of its ledger."""
    return Problem("box_unwritable", Place(str(folder)), detail=cause(error))
