"""PURE. How long tasks took that a ledger remembers, and how long others are expected to take.

When to ask after a task goes by the finer account of polling.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from heapq import nlargest
from operator import itemgetter
from statistics import fmean, median
from typing import Final

from klingflow.ledger.moments import moment
from klingflow.model import History, Purchase

# Tasks kept of each tier: the gateway's speed changes over days, and so should the memory of it.
KEPT: Final = 1000
# So many tasks of a tier have to be known before anything is expected of it.
ENOUGH: Final = 5
# A file that came later than this was not brought by the run that bought it.
_LONGEST_DOWNLOAD_S: Final = 600.0


def kept_in(purchases: Iterable[Purchase]) -> History:
    """Return what purchases say of the latest tasks of each tier."""
    found = latest(purchases)
    held_s = {tier: tuple(sorted(map(_held_s, some))) for tier, some in found.items()}
    brought = [s for some in found.values() for s in _brought_s(some)]
    return History(held_s, median(brought) if brought else 0.0)


def latest(purchases: Iterable[Purchase]) -> dict[str, list[Purchase]]:
    """Return the latest purchases of each tier whose duration is known, the last one first."""
    found: defaultdict[str, list[tuple[str, Purchase]]] = defaultdict(list)
    for purchase in purchases:
        if purchase.finished_after_s is not None:
            tier = purchase.tier
            found[tier].append((purchase.times.get("finished", ""), purchase))
    return {
        tier: [purchase for _, purchase in nlargest(KEPT, dated, key=itemgetter(0))]
        for tier, dated in found.items()
    }


def together(histories: Iterable[History]) -> History:
    """Return what the ledgers of one run remember."""
    several = list(histories)
    if len(several) == 1:
        return several[0]
    held_s: defaultdict[str, list[float]] = defaultdict(list)
    for history in several:
        for tier, known in history.held_s.items():
            held_s[tier] += known
    bring_s = max((history.bring_s for history in several), default=0.0)
    return History({tier: tuple(sorted(known)) for tier, known in held_s.items()}, bring_s)


def expectation(history: History) -> Callable[[str], float]:
    """Return what says how long a task of a tier is expected to hold its place.

    That is the mean of those remembered. For a tier of which too few are, it is the mean of the
    tiers known; for all of them 1 where none is known, so that chains are compared by their counts.
    """
    means = {tier: fmean(known) for tier, known in history.held_s.items() if len(known) >= ENOUGH}
    unknown = fmean(means.values()) if means else 1.0
    return lambda tier: means.get(tier, unknown)


def _held_s(purchase: Purchase) -> float:
    assert purchase.finished_after_s is not None, "only what finished is remembered"
    return purchase.finished_after_s[1] + (_between_s(purchase, "intent", "submitted") or 0.0)


def _brought_s(purchases: Iterable[Purchase]) -> Iterator[float]:
    for purchase in purchases:
        seconds = _between_s(purchase, "finished", "done")
        if seconds is not None and seconds <= _LONGEST_DOWNLOAD_S:
            yield seconds


def _between_s(purchase: Purchase, first: str, last: str) -> float | None:
    """Return the seconds between two of its times; None where one is missing or they are turned
    round.
    """
    since, until = moment(purchase.times.get(first)), moment(purchase.times.get(last))
    if since is None or until is None or until < since:
        return None
    return (until - since).total_seconds()
