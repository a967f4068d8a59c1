"""What a store tells of one film: its orders, and what became of them.

An object never changes, so a reader reads each once, and none of a purchase whose end the ledger
knows. How that becomes the ledger's is follow.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from klingflow.cluster.orders import Page, Terms, following, from_bytes, page_name, unreadable
from klingflow.cluster.store import ORDERS, PURCHASES, PutOnce, is_name, uid_of_object
from klingflow.ledger.book import Book
from klingflow.ledger.handed_over import CLUSTER
from klingflow.ledger.lines import Parsed, parse_journal
from klingflow.ledger.uids import attempt_of, film_of
from klingflow.model import Json, Place, Problem, Purchase, State

# Objects read at once: from a bucket each takes a round trip.
_AT_ONCE: Final = 16
# What the store says last of a purchase, by the state of which nothing can follow there.
_ENDS: Final[dict[State, frozenset[str]]] = {
    "done": frozenset({"answer", "done"}),
    "failed": frozenset({"done"}),
}


@dataclass(slots=True)
class Told:
    """What a store says of one film beyond what a ledger knows. `ordered` are the attempts that
    hosts have orders for, by what their uids have in common.
    """

    accounts: list[Purchase] = field(default_factory=list)
    doubts: list[Purchase] = field(default_factory=list)  # what damaged objects may have been about
    ordered: dict[str, Purchase] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


class Reader:
    """Reads the film of one lineage in a store, again and again. `names` are the objects of its
    purchases that the store had when it was read last.
    """

    def __init__(self, store: PutOnce, lineage: str) -> None:
        self.store = store
        self.names: list[str] = []
        self._film = film_of(lineage)
        self._pages: dict[str, Page | Parsed] = {}
        self._objects: dict[str, Parsed] = {}  # of purchases that have not ended
        self._ordered: dict[str, Purchase] = {}

    def told(self, book: Book) -> Told:
        """Return what the store tells beyond what the book knows. Blocks; raises StoreAway."""
        told = Told(ordered=self._ordered)
        self._read_pages()
        for page in self._pages.values():
            if isinstance(page, Parsed):
                _take_in(told, page)
            else:
                told.accounts += (o for o in page.orders if _is_news(o, book))
        damaged = set()
        for name, parsed in self._read_objects(book).items():
            _take_in(told, parsed)
            if parsed.damaged or not parsed.accounts:
                damaged.add(uid_of_object(name))
        told.accounts += [*_doubted(told, damaged, book)]
        told.accounts += [*_following(told, book)]
        return told

    def _read_pages(self) -> None:
        """Read the pages that came; one that cannot be believed is read as lines."""
        for name, data in self._read(ORDERS, self._pages):
            try:
                page = from_bytes(data, *_numbered(name))
                self._ordered |= {attempt_of(o.uid) or o.uid: o for o in page.orders}
                self._pages[name] = page
            except ValueError:
                self._pages[name] = _parsed(data, name)

    def _read_objects(self, book: Book) -> dict[str, Parsed]:
        """Return the objects of purchases that have not ended, each read once."""
        self.names = self._names(PURCHASES)
        wanted = set(_open(self.names, book))
        self._objects = {name: kept for name, kept in self._objects.items() if name in wanted}
        for name, data in _got(self.store, sorted(wanted - self._objects.keys())):
            self._objects[name] = _about(uid_of_object(name), _parsed(data, name))
        return self._objects

    def _read(self, folder: str, known: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        known = set(known)
        return _got(self.store, [name for name in self._names(folder) if name not in known])

    def _names(self, folder: str) -> list[str]:
        return self.store.names(folder, f"{self._film}-")


def _is_news(order: Purchase, book: Book) -> bool:
    """True if the book has another account of an order, or none: another copy of the ledger may
    have handed it over as well.
    """
    known = book.purchases.get(order.uid)
    return known is None or _handed_over(known) != _handed_over(order)


def _handed_over(order: Purchase) -> tuple[str | None, Json]:
    return order.times.get("intent"), (order.evidence or {}).get(CLUSTER)


def _open(names: Iterable[str], book: Book) -> Iterator[str]:
    """The objects of purchases whose end the book does not know."""
    chapters: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        chapters[uid_of_object(name)].append(name.partition(".")[2])
    for uid, there in chapters.items():
        if uid not in book.pruned and not _has_ended(book.purchases.get(uid), there):
            yield from (f"{PURCHASES}/{uid}.{chapter}" for chapter in there)


def _has_ended(known: Purchase | None, chapters: Iterable[str]) -> bool:
    """True if the ledger knows how a purchase ended, and so does the store. A person's word may
    come later.
    """
    ends = _ENDS.get(known.state) if known else None
    if ends is None or ends.isdisjoint(chapters):
        return False
    return not any(chapter.startswith("resolved") for chapter in chapters)


def _got(store: PutOnce, names: list[str]) -> Iterator[tuple[str, bytes]]:
    """Read objects, several at once. Raises StoreAway."""
    if not names:
        return
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for name, data in zip(names, pool.map(store.get, names), strict=True):
            yield name, data or b""


def told_by(store: PutOnce, book: Book) -> Told:
    """Read what a store tells of a book's film beyond what the book knows. Blocks; raises
    StoreAway.
    """
    return Reader(store, book.lineage).told(book)


def terms_in(store: PutOnce, batch: str) -> Terms | None:
    """Return the terms of a batch, which each of its pages has; None where no page can be believed.
    Blocks; raises StoreAway.
    """
    if not is_name(page_name(batch, 0)):  # anybody may have written the lock that names it
        return None
    for name in (n for n in store.names(ORDERS, batch) if n.startswith(f"{ORDERS}/{batch}/")):
        with suppress(ValueError):
            return from_bytes(store.get(name) or b"", *_numbered(name)).terms
    return None


def _numbered(name: str) -> tuple[str, int]:
    """Return batch and number of a page. Raises ValueError."""
    batch, _, file = name.removeprefix(f"{ORDERS}/").partition("/")
    return batch, int(file.partition(".")[0])


def _parsed(data: bytes, name: str) -> Parsed:
    return parse_journal(data.rstrip(b"\n") + b"\n", name)


def _about(uid: str, parsed: Parsed) -> Parsed:
    """Return what an object says of the purchase that its name is of. One that speaks of another is
    damaged: it was put in the wrong place, and says nothing of either.
    """
    parsed.doubts = [doubt for doubt in parsed.doubts if doubt.uid == uid]
    if all(account.uid == uid for account in parsed.accounts):
        return parsed
    strange = Problem("damaged_line", Place(parsed.file, 1))
    return Parsed(parsed.file, damaged=parsed.damaged or [b""], problems=[strange])


def _doubted(told: Told, damaged: Collection[str], book: Book) -> Iterator[Purchase]:
    """Yield the doubts about claims of which an object cannot be read: it may have named a task.
    What the store says otherwise of one outranks its doubt.
    """
    claims = {a.uid: a for a in told.accounts if a.uid in damaged and a.state == "intent"}
    for uid in sorted(damaged):
        order = told.ordered.get(attempt_of(uid) or "")
        known = claims.get(uid) or (replace(order, uid=uid) if order else book.purchases.get(uid))
        if known is not None and known.state == "intent":
            yield unreadable(known, None)


def _take_in(told: Told, parsed: Parsed) -> None:
    """Believe an object's lines; a damaged one may have been about a purchase, which is in doubt
    then.
    """
    told.accounts += parsed.accounts
    told.doubts += parsed.doubts
    told.problems += parsed.problems


def _following(told: Told, book: Book) -> Iterator[Purchase]:
    """The intents of tries that hosts go on with after an answer: after none to a claim that a
    person has settled.
    """
    settled = {a.uid for a in (*told.accounts, *book.purchases.values()) if a.state == "abandoned"}
    for account in told.accounts:
        if account.uid in settled:
            continue
        order = told.ordered.get(attempt_of(account.uid) or "")
        if (after := following(account, order)) is not None:
            yield after
