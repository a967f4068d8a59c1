"""Ledgers as the campaigns make them, and how they are opened once something has happened to their
files.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import anyio

from klingflow.errors import LedgerBroken
from klingflow.ledger.book import Book
from klingflow.ledger.lifecycle import advance
from klingflow.ledger.places import LedgerPaths, ledger_paths
from klingflow.ledger.problems import worded
from klingflow.ledger.store import Ledger, open_ledger, read
from klingflow.model import Failure, Purchase
from tests.purchases import AT, LATER, done, intent, submitted, succeeded

MANIFEST = "film.yaml"
LOCK, JOURNAL = "film.lock", ".klingflow/film.journal"
STATE = "state"  # the folder of the black boxes; where it is not there, there are none


def now() -> str:
    """The time of every opening."""
    return LATER


def paths_at(root: Path) -> LedgerPaths:
    """The ledger in `root`."""
    state = root / STATE
    return ledger_paths(root / MANIFEST, state=state if state.is_dir() else None)


def keep(ledger: Ledger, *purchases: Purchase) -> None:
    """Record several at once, as a run does; a ledger that breaks is a part of some plays."""

    async def one(purchase: Purchase) -> None:
        try:
            await ledger.record(purchase)
        except LedgerBroken:
            return

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for purchase in purchases:
                group.start_soon(one, purchase)

    anyio.run(main)


def fold(ledger: Ledger) -> None:
    """Fold, if it still can."""
    with suppress(LedgerBroken):
        anyio.run(ledger.fold)


def accepted(purchase: Purchase) -> Purchase:
    """The gateway's answer to an intent."""
    return advance(
        purchase, "accepted", LATER, task_id=f"task_{purchase.key}", billed_tier="kling-3.0-720p"
    )


def buy(ledger: Ledger, *shots: str) -> list[Purchase]:
    """Intents together, outcomes together."""
    intents = [intent(shot, prompt=f"雨夜里的 {shot}") for shot in shots]
    keep(ledger, *intents)
    bought = [accepted(i) for i in intents]
    keep(ledger, *bought)
    return bought


def all_states(root: Path) -> None:
    """A ledger that was closed in good order, its purchases in every state."""
    doubted = advance(intent("p2"), "doubted", AT, evidence={"received": "nothing"})
    refused = advance(intent("p3"), "refused", AT, error=Failure("parameters", "400", "不行"))
    failed = advance(submitted("p4"), "failed", AT, error=Failure("moderation", "x", "no"))
    with open_ledger(paths_at(root), now) as ledger:
        keep(ledger, done("p1"), doubted, refused, failed, submitted("p5"), succeeded("p6"))
        keep(ledger, advance(doubted, "abandoned", AT), intent("p7"))


def a_killed_run(root: Path) -> None:
    """A lock, and the journal of a run that was killed."""
    all_states(root)
    paths = paths_at(root)
    ledger = open_ledger(paths, now)
    buy(ledger, "k1", "k2")
    keep(ledger, intent("k3"))
    os.close(ledger.journal._fd)  # as death does it
    assert ledger.journal._anchor is not None
    os.close(ledger.journal._anchor)
    if ledger.box is not None:
        for fd in ledger.box.descriptors:
            os.close(fd)


def whole(book: Book) -> Book:
    """The book as a plan takes it whose manifest has every body that the black box knows."""
    for purchase in book.recallable.values():
        book.put(purchase)
    book.recallable = {}
    return book


def take_in(ledger: Ledger) -> None:
    """The same for a ledger that is written, as a run does it."""
    ledger.enter(ledger.book.recallable.values())
    ledger.book.recallable = {}
    ledger.begin_box()


@dataclass(frozen=True)
class Opened:
    """What a ledger said when it was opened: purchases by uid, and what it reported."""

    purchases: Mapping[str, Purchase]
    problems: Sequence[str]


class Inconsistent(Exception):
    """Looking, opening and opening again do not say the same."""


def open_twice(root: Path) -> Opened:
    """Look at the ledger in `root`, open it, and open it again. Raises Inconsistent, and whatever
    opening raises.
    """
    paths = paths_at(root)
    with mock.patch.object(tempfile, "tempdir", str(root / "tmp")):
        seen = whole(read(paths)).purchases.values()
        with open_ledger(paths, now) as ledger:
            take_in(ledger)
            first, problems = dict(ledger.book.purchases), [*map(worded, ledger.book.problems)]
        with open_ledger(paths, now) as ledger:
            take_in(ledger)
            second = dict(ledger.book.purchases)
    if [(p.uid, p.state, p.task_id) for p in seen] != [
        (p.uid, p.state, p.task_id) for p in first.values()
    ]:
        raise Inconsistent("looking and opening differ")
    if first != second:
        raise Inconsistent(
            f"the second opening differs: {first.keys() ^ second.keys() or 'in content'}"
        )
    return Opened(first, problems)


@contextmanager
def quick_folder() -> Iterator[Path]:
    """A folder in memory where there is such a place: what is opened thousands of times needs no
    real disk.
    """
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)
