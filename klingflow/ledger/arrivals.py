"""What came into a ledger's files while a process held them: a lock that git put there, records
that another runner saved.

When files are read, and when the outcome is written, is for store.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from klingflow.ledger.accounts import merge
from klingflow.ledger.book import Book, contradicting, fold, superseded
from klingflow.ledger.lines import Parsed
from klingflow.ledger.places import LedgerPaths
from klingflow.ledger.stored import lost_in, newest_serial, set_aside, used_plans
from klingflow.model import Problem, Purchase


@dataclass(slots=True)
class Arrivals:
    """What a book does not know yet. `told` are purchases that the files know more of, `dropped`
    the uids of refusals that explain nothing any more.
    """

    told: list[Purchase] = field(default_factory=list)
    dropped: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)

    def enter_into(self, book: Book) -> None:
        """Tell a book, which may know newer things of the same purchases by now."""
        for told in self.told:
            current = book.purchases.get(told.uid)
            book.put(merge([current, told])[0] if current else told)
        for uid in self.dropped & book.purchases.keys():
            book.drop(uid)
        book.problems += self.problems


def take_in(
    paths: LedgerPaths, snapshot: dict[str, Purchase], lock: Parsed, saved: Parsed
) -> Arrivals:
    """Complete `snapshot`, which is changed, by a `lock` and by `saved` records. What they
    contradict is kept in files of its own, durably. Raises OSError.
    """
    arrivals = Arrivals()
    if lock != Parsed() or saved != Parsed():
        accounts = [*snapshot.values(), *lock.accounts, *saved.accounts]
        told, left_out = fold(accounts, [*lock.doubts, *saved.doubts])
        set_aside(paths, saved, lock, left_out)
        arrivals.told = [p for p in told if snapshot.get(p.uid) != p]
        arrivals.problems = [*lock.problems, *saved.problems, *map(contradicting, left_out)]
        snapshot.update((p.uid, p) for p in arrivals.told)
    arrivals.dropped = superseded(list(snapshot.values()))
    for uid in arrivals.dropped:
        del snapshot[uid]
    return arrivals


def heed_headers(lock: Parsed, book: Book) -> None:
    """Tell a book what the headers of a lock say that somebody put there: its serial, the saved
    plans that were used, and how many purchases are still lost.
    """
    book.serial = max(book.serial, newest_serial(lock))
    book.plans |= used_plans(lock.headers)
    if lock.headers:
        book.lost = min(book.lost, lost_in(lock, set(), book.pruned.keys()))
