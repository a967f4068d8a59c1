"""The black box of a host's hands: that a claim is about to be made, that its POST is about to be
sent, and the answer, each durable on this disk before it happens, or before anything else happens
with it. What the store could not take before a process died is handed in from here.

One file a process, `hands/<store>/<name>.jsonl` in the user's state folder, with lines of a journal
and a lock that dies with the process. What was sent stays when the process ends, as `<name>.sent`:
a store may come back from a backup without it.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

import anyio.to_thread

from klingflow import disk, plain_files
from klingflow.errors import LedgerBroken, LedgerError, UsageError
from klingflow.ledger import oslock
from klingflow.ledger.book import fold
from klingflow.ledger.handed_over import claimant
from klingflow.ledger.lines import journal_line, parse_journal
from klingflow.ledger.traces import uids_in
from klingflow.model import Purchase
from klingflow.words import _

# In the evidence of a line: its claim is about to be made, and its POST is not. Its value is which
# file that was written to.
_CLAIMING: Final = "claiming"
_SENT: Final = ".sent"


class Left(NamedTuple):
    """What an ended process left: its file, the purchases as they were known last, the claims that
    it may have made, and whether every line of the file could be read. Then none of these claims
    was used, unless the file is a copy: the process whose file was copied may still live.
    """

    path: Path
    purchases: list[Purchase]
    claiming: list[Purchase]
    is_whole: bool
    is_copy: bool = False


class HandBox:
    """The file of this process. Made by `opened`."""

    def __init__(self, path: Path, fd: int) -> None:
        self._path, self._fd = path, fd
        self._itself = _file_of(os.fstat(fd))
        self._io = threading.Lock()
        self._broken: OSError | None = None
        self._open: set[tuple[str, object]] = set()  # of which the store does not know the end
        self._sent = uids_in(b"".join(map(plain_files.read_ours, _sent_files(path.parent))))

    @property
    def path(self) -> Path:
        """Its file."""
        return self._path

    async def claiming(self, intent: Purchase) -> None:
        """Make durable that a claim is about to be made. Raises LedgerBroken as `keep`."""
        marked = {**(intent.evidence or {}), _CLAIMING: self._itself}
        await self.keep(replace(intent, evidence=marked))

    async def keep(self, purchase: Purchase) -> None:
        """Make a line durable. Raises LedgerBroken, and again at every later call: what the kernel
        holds of a file that could not be synced is not known.
        """
        await anyio.to_thread.run_sync(self._keep, purchase)

    def _keep(self, purchase: Purchase) -> None:
        with self._io:
            if self._broken is None:
                try:
                    disk.write_all(self._fd, journal_line(purchase))
                    disk.sync(self._fd)
                    self._open.add(_execution(purchase))
                    if _CLAIMING not in (purchase.evidence or {}):
                        self._sent.add(purchase.uid)
                    return
                except OSError as error:
                    self._broken = error
        raise LedgerBroken(
            _("{path}: cannot be written: {broken}", path=self._path, broken=self._broken)
        )

    def is_in_store(self, purchase: Purchase) -> None:
        """Note that the store knows what became of a claim: its answer, or that it is another's."""
        self._open.discard(_execution(purchase))

    def has_sent(self, uid: str) -> bool:
        """True if a POST of this uid was sent from here, by this process or by one that ended."""
        return uid in self._sent

    def sent(self) -> list[Purchase]:
        """Return what was sent from here, each as it was known last. Blocks; raises OSError."""
        files = [*_sent_files(self._path.parent), self._path]
        return [purchase for path in files for purchase in _left(path).purchases]

    def retire(self, left: Left) -> None:
        """Keep of what an ended process left only what was sent: the store has all of it. Raises
        OSError.
        """
        self._sent |= {purchase.uid for purchase in left.purchases}
        _retire(left)

    def close(self) -> None:
        """Give the file back; keep only what was sent where the store has every answer."""
        with self._io:
            if not self._open and self._broken is None:
                with suppress(OSError):  # then the next process hands it in again
                    _retire(_left(self._path))
            oslock.release(self._fd)


def _execution(purchase: Purchase) -> tuple[str, object]:
    """Return which execution's purchase it is: several of one process may try to claim one uid."""
    return purchase.uid, claimant(purchase)


def _sent_files(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*{_SENT}"))


def _retire(left: Left) -> None:
    if left.purchases:
        disk.atomic_write(left.path.with_suffix(_SENT), *map(journal_line, left.purchases))
    left.path.unlink(missing_ok=True)


def _left(path: Path) -> Left:
    """Read what is in a file."""
    parsed = parse_journal(plain_files.read_ours(path), path.name)
    marked = [a for a in parsed.accounts if _CLAIMING in (a.evidence or {})]
    plain = [a for a in parsed.accounts if _CLAIMING not in (a.evidence or {})]
    known = {_execution(account) for account in plain}
    alone = [account for account in marked if _execution(account) not in known]
    return Left(
        path,
        fold(plain)[0],
        [*map(_unmarked, alone)],
        is_whole=not parsed.damaged,
        is_copy=not _is_itself(path, alone),
    )


def _file_of(stat: os.stat_result) -> str:
    """Return which file this is, whatever its name; a copy of it is another."""
    return str(stat.st_ino)


def _is_itself(path: Path, marked: list[Purchase]) -> bool:
    """True if these lines were written to this very file."""
    itself = _file_of(path.stat())
    return all((account.evidence or {})[_CLAIMING] == itself for account in marked)


def _unmarked(account: Purchase) -> Purchase:
    evidence = {name: said for name, said in (account.evidence or {}).items() if name != _CLAIMING}
    return replace(account, evidence=evidence)


def folder_of(state: Path, store: str) -> Path:
    """Return where the black boxes of all processes lie that work for a store of this identity."""
    return state / "hands" / store


@contextmanager
def opened(state: Path, store: str) -> Iterator[HandBox]:
    """Begin a black box. Raises UsageError where the state folder cannot be written."""
    path = folder_of(state, store) / f"{os.getpid()}-{secrets.token_hex(4)}.jsonl"
    try:
        disk.make_folder(path.parent)
        path.parent.chmod(0o700)  # bodies and task ids are not for other users
        fd = oslock.acquire(path)
        disk.sync_folder(path.parent)
    except (OSError, LedgerError) as error:
        raise UsageError(
            _("{parent}: the black box cannot be written: {error}", parent=path.parent, error=error)
        ) from error
    if fd is None:
        raise UsageError(_("{path}: another process has it", path=path))
    box = HandBox(path, fd)
    try:
        yield box
    finally:
        box.close()


@contextmanager
def left_behind(state: Path, store: str) -> Iterator[list[Left]]:
    """Give what processes of this host left that ended. The files are held meanwhile, and those
    that are deleted stay so. Raises OSError.
    """
    held: list[int] = []
    found = []
    folder = folder_of(state, store)
    try:
        for path in sorted(folder.glob("*.jsonl")) if folder.is_dir() else ():
            fd = _taken(path)
            if fd is not None:
                held.append(fd)
                found.append(_left(path))
        yield found
    finally:
        for fd in held:
            oslock.release(fd)


def _taken(path: Path) -> int | None:
    """Hold a file; None where its process lives. Raises OSError."""
    try:
        return oslock.acquire(path)
    except LedgerError as error:
        raise OSError(str(error)) from error
