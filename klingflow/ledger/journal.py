"""The journal of a ledger, held by this process: its lock, its lines, and who may not write.

Holding it is holding the ledger; the manifest is locked beside it. What a line says is for
lines.py, and what to do when the journal cannot be written is for store.py.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

from klingflow.disk import sync, sync_folder, write_all, write_new
from klingflow.errors import KlingflowError, LedgerHeld
from klingflow.ledger import oslock
from klingflow.ledger.holder import Holder, locked
from klingflow.ledger.lines import runner_line
from klingflow.ledger.places import LedgerPaths

Now = Callable[[], str]


class Journal:
    """A journal that nobody else writes until it is released. Made by `hold`.

    `lines` are those since the last fold. A journal is `dead` once a write or an fsync has failed:
    what the kernel then holds cannot be known, so its descriptor is never used again.
    """

    def __init__(self, paths: LedgerPaths, fd: int, anchor: int | None, now: Now) -> None:
        self.lines: list[bytes] = []
        self.dead: bool = False
        self._paths = paths
        self._fd = fd
        self._anchor = anchor
        self._now = now

    def runner(self) -> bytes:
        """Return the line that says who holds it."""
        manifest = self._paths.anchor or self._paths.lock
        host, path = socket.gethostname(), str(manifest.absolute())
        return runner_line(os.getpid(), host, self._now(), path)

    def keep_hold(self) -> None:
        """Make sure that it is still the file at its place, with all that it held.

        Somebody may delete the journal (`git clean`): then another is begun. Raises OSError or
        KlingflowError where that fails, above all because another runner has begun one.
        """
        self._keep_anchor()
        if oslock.is_at(self._fd, self._paths.journal):
            return
        try:
            self._begin_again()
        except (OSError, KlingflowError):
            self.dead = True
            raise

    def _keep_anchor(self) -> None:
        """Lock the manifest again where an editor has put another file in its place. Where that
        fails, the journal alone decides.
        """
        path = self._paths.anchor
        if path is None or (self._anchor is not None and oslock.is_at(self._anchor, path)):
            return
        with suppress(BlockingIOError):
            if (fd := oslock.anchor(path)) is not None:
                if self._anchor is not None:
                    oslock.release(self._anchor)
                self._anchor = fd

    def _begin_again(self) -> None:
        _prepare(self._paths)
        fd = _acquire(self._paths)
        oslock.release(self._fd)
        self._fd = fd
        write_all(fd, b"".join([self.runner(), *self.lines]))
        sync(fd)

    def append(self, lines: Sequence[bytes]) -> None:
        """Add whole lines, durably. Raises OSError; the caller then declares it dead."""
        write_all(self._fd, b"\n".join([*lines, b""]))
        sync(self._fd)
        self.lines += lines

    def empty(self) -> None:
        """Begin it again, with nothing except who holds it. The lock must be durable. Raises
        OSError, and is dead then.
        """
        try:
            os.ftruncate(self._fd, 0)
            write_all(self._fd, self.runner())
            sync(self._fd)
        except OSError:
            self.dead = True
            raise
        self.lines = []

    def release(self) -> None:
        """Give it back."""
        for fd in (self._fd, self._anchor):
            if fd is not None:
                with suppress(OSError):
                    oslock.release(fd)


def hold(paths: LedgerPaths, now: Now) -> Journal:
    """Return the journal, made if need be, ours alone until it is released. Raises LedgerHeld,
    OSError, and LedgerError where there are no locks.
    """
    with ExitStack() as undo:
        _prepare(paths)
        anchor = _acquire_anchor(paths)
        if anchor is not None:
            undo.callback(oslock.release, anchor)
        fd = _acquire(paths)
        undo.pop_all()
    return Journal(paths, fd, anchor, now)


def _prepare(paths: LedgerPaths) -> None:
    paths.journal.parent.mkdir(parents=True, exist_ok=True)
    ignore = paths.hidden / ".gitignore"
    write_new(ignore, b"*\n")


def _acquire(paths: LedgerPaths) -> int:
    fd = locked(paths.journal, partial(oslock.hold, paths.journal))
    if isinstance(fd, Holder):
        raise _held(paths, paths.journal, fd)
    try:
        # A name is durable only when its folder is, and that of an older file may never have been.
        for folder in {paths.hidden.parent, paths.hidden, paths.journal.parent}:
            sync_folder(folder)
    except OSError:
        oslock.release(fd)
        raise
    return fd


def _acquire_anchor(paths: LedgerPaths) -> int | None:
    """Lock the manifest where that is possible, so that no second runner starts after somebody has
    deleted `.klingflow`.
    """
    if paths.anchor is None:
        return None
    fd = locked(paths.journal, partial(oslock.anchor, paths.anchor))
    if isinstance(fd, Holder):
        raise _held(paths, paths.anchor, fd)
    return fd


def _held(paths: LedgerPaths, path: Path, who: Holder) -> LedgerHeld:
    return LedgerHeld(str(paths.lock), who.pid, who.host, locked=None if who.pid else str(path))
