"""The lock of a ledger as this process wrote it last: its lines, and if it is still the one at its
place.

When it is written is for store.py, what a line says for lines.py.
"""

from __future__ import annotations

from collections.abc import Mapping

from klingflow.disk import atomic_write
from klingflow.ledger.book import Book, in_order
from klingflow.ledger.gathered import signature, signature_of
from klingflow.ledger.headers import lock_header
from klingflow.ledger.lines import lock_line
from klingflow.ledger.places import LedgerPaths
from klingflow.ledger.stored import Stored
from klingflow.model import Purchase


class Lock:
    """The lock file of a ledger that this process holds; at first as it was read."""

    def __init__(self, paths: LedgerPaths, stored: Stored) -> None:
        self._paths = paths
        # As they stand in the lock, so that only what changed is made again.
        self._lines = stored.lock.lines
        self._signature = stored.signature

    @property
    def is_ours(self) -> bool:
        """True if nobody, such as git, has put another file in its place. Raises OSError."""
        return signature_of(self._paths.lock) == self._signature

    def line(self, purchase: Purchase) -> bytes:
        """Return the line of a purchase, without its end."""
        kept, line = self._lines.get(purchase.uid, (None, b""))
        if kept is not purchase:
            line = lock_line(purchase).removesuffix(b"\n")
            self._lines[purchase.uid] = (purchase, line)
        return line

    def write(self, purchases: Mapping[str, Purchase], book: Book) -> None:
        """Replace the lock, durably, by one of these purchases and what else `book` knows, whose
        serial counts one up. Raises OSError.
        """
        lines = [self.line(p) for p in in_order(purchases.values())]
        serial = book.serial + 1
        counted = len(lines) + book.lost  # what was lost stays lost until somebody brings it back
        header = lock_header(book.lineage, serial, counted, book.plans, self._paths.profile)
        stat = atomic_write(self._paths.lock, header, b"\n".join([*lines, b""]))
        self._signature = signature(stat)
        book.serial = serial
