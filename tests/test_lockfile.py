"""A lock says what a book knows, and is ours until somebody puts another file in its place."""

from __future__ import annotations

from klingflow.ledger.book import Book
from klingflow.ledger.lines import lock_line, parse_lock
from klingflow.ledger.lockfile import Lock
from klingflow.ledger.places import LedgerPaths
from klingflow.ledger.stored import load
from tests.keeping import now
from tests.purchases import done, submitted

A, B = done("a"), submitted("b")


def test_a_lock_holds_its_purchases_and_counts_its_serial_up(paths: LedgerPaths) -> None:
    """Sorted, and with those in its count that no file names any more."""
    book = Book([B, A], lineage="aaaa", serial=3, lost=2)
    Lock(paths, load(paths, until=now())).write(book.purchases, book)
    lock = parse_lock(paths.lock.read_bytes(), paths.lock.name)
    assert lock.accounts == [A, B] and book.serial == 4
    [header] = lock.headers
    assert (header["lineage"], header["serial"], header["purchases"]) == ("aaaa", 4, 4)


def test_another_file_in_its_place_is_not_ours(paths: LedgerPaths) -> None:
    """As git puts there, although it may hold the same."""
    lock = Lock(paths, load(paths, until=now()))
    assert lock.is_ours  # there is none
    book = Book([A], lineage="aaaa")
    lock.write(book.purchases, book)
    assert lock.is_ours
    data = paths.lock.read_bytes()
    paths.lock.unlink()
    assert not lock.is_ours
    paths.lock.write_bytes(data + b"\n")
    assert not lock.is_ours
    lock.write(book.purchases, book)
    assert lock.is_ours


def test_a_line_is_made_again_only_where_its_purchase_is_another(paths: LedgerPaths) -> None:
    """A fold of thousands writes what stands in the lock already, byte for byte."""
    book = Book([A], lineage="aaaa")
    first = Lock(paths, load(paths, until=now()))
    first.write(book.purchases, book)
    stored = load(paths, until=now())
    lock = Lock(paths, stored)
    known = stored.book.purchases[A.uid]
    assert lock.line(known) is lock.line(known)
    assert lock.line(B) == lock_line(B).removesuffix(b"\n")
    assert lock.line(A) == lock_line(A).removesuffix(b"\n")
