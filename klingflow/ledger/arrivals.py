"""What came into a ledger's files while a process held them: a lock that git put there, records
that another runner saved.

When files are read, and when the outcome is written, is for store.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from klingflow.ledger.book import contradicting, fold, superseded
from klingflow.ledger.lines import Parsed
from klingflow.ledger.places import LedgerPaths
from klingflow.ledger.stored import set_aside
from klingflow.model import Problem, Purchase


@dataclass(slots=True)
class Arrivals:
    """What a book does not know yet. `told` are purchases that the files know more of, `dropped`
    the uids of refusals that explain nothing any more.
    """

    told: list[Purchase] = field(default_factory=list)
    dropped: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)


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
