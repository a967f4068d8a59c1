"""Records that share one fsync: what is handed in while a write is on its way waits for it, and all
of that goes into the next write together.

What a write is, and what follows when it fails, is store.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import anyio
import anyio.to_thread

from klingflow.errors import LedgerBroken
from klingflow.model import Purchase


@dataclass(slots=True)
class Batch:
    """Records that share one fsync. `failed` says why they are not in the journal, where
    `purchases` then are as they were saved elsewhere.
    """

    purchases: list[Purchase] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    done: anyio.Event = field(default_factory=anyio.Event)
    settled: bool = False
    failed: LedgerBroken | None = None


class Sharing:
    """The writes of a ledger, one at a time, each by whoever `turn` is held by.

    `commit` settles a batch, in a worker thread, and does nothing for one that is settled. `heed`
    is told then in the event loop, before those who wait.
    """

    def __init__(self, commit: Callable[[Batch], None], heed: Callable[[Batch], None]) -> None:
        self.turn = anyio.Lock()
        self._commit = commit
        self._heed = heed
        self._open: Batch | None = None  # takes in more records

    async def write(self, purchases: Iterable[Purchase], lines: Iterable[bytes]) -> Batch:
        """Return the batch that these records were settled with. Cancellation waits for that."""
        batch = self._open
        leads = batch is None
        if batch is None:
            batch = self._open = Batch()
        batch.purchases += purchases
        batch.lines += lines
        with anyio.CancelScope(shield=True):
            if leads:
                await self._lead(batch)
            else:
                await batch.done.wait()
        return batch

    async def _lead(self, batch: Batch) -> None:
        try:
            async with self.turn:
                self._open = None
                await anyio.to_thread.run_sync(self._commit, batch)
        finally:
            # A cancellation that ignores the shield has ended the task, and others wait for this.
            if not batch.settled:
                if self._open is batch:
                    self._open = None
                self._commit(batch)
            self._heed(batch)
            batch.done.set()
