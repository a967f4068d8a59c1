"""What a person says of a purchase that hosts know: the store has it first, everybody folds it, and
two persons who say different things hear of each other.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from klingflow.cluster import hands
from klingflow.cluster.exclusive import answered
from klingflow.cluster.follow import folded
from klingflow.cluster.orders import given_up, withdrawn
from klingflow.cluster.reading import told_by
from klingflow.cluster.store import Chapter, FolderStore, told_of
from klingflow.cluster.verdicts import Person, answer, say, take_back
from klingflow.errors import UsageError
from klingflow.ledger.book import Book, doubt, fold
from klingflow.ledger.handed_over import claimed, handed_over
from klingflow.ledger.lifecycle import advance
from klingflow.ledger.lines import journal_line
from klingflow.model import Purchase
from tests import clusters
from tests.clusters import LINEAGE, QUICK, a_hand, asked, hand_over, states
from tests.purchases import LATER

pytestmark = pytest.mark.anyio

LATEST = "2026-06-08T06:55:00.000Z"
LONG_AFTER = "2026-06-08T09:00:00.000Z"


def person(store: FolderStore, at: str = LATER) -> Person:
    """Somebody who waits a moment only."""
    return Person(store, lambda: at, QUICK)


def order(store: FolderStore) -> Purchase:
    """What is handed over at the store."""
    return handed_over(clusters.order("alley"), store=store.identity, batch="b")


def claim(store: FolderStore, host: str = "host-a") -> Purchase:
    """The order as a host claims it, which is in the store."""
    taken = claimed(order(store), host=host, nonce="n")
    put(store, "intent", taken)
    return taken


def put(store: FolderStore, chapter: Chapter, purchase: Purchase) -> None:
    """Make an object of a purchase."""
    assert store.put(told_of(purchase.uid, chapter), journal_line(purchase))


def word(store: FolderStore, made: Callable[..., Purchase] = withdrawn) -> Purchase:
    """What a person at another machine says of the order."""
    return made(order(store), host="laptop", nonce="p", at=LATER)


def quiet(line: str) -> None:
    """Nobody listens."""


@pytest.mark.parametrize(("made", "state"), [(withdrawn, "rejected"), (given_up, "abandoned")])
async def test_no_host_buys_what_was_taken_back(
    made: Callable[..., Purchase], state: str, store: FolderStore, tmp_path: Path
) -> None:
    """The word is the claim: one object, after which no host sends anything."""
    (ref,) = hand_over(store, [order(store)])
    assert await take_back(person(store), order(store), word(store, made), quiet)
    assert states(store) == {"001.intent": state}
    with a_hand(store, tmp_path / "host") as hand:
        assert (await hands.buy(hand, ref)).outcome == "withdrawn"
        assert asked(hand) == []


@pytest.mark.parametrize(("at", "told"), [(LATER, 1), (LONG_AFTER, 0)])
async def test_what_a_host_has_claimed_is_waited_for(
    at: str, told: int, store: FolderStore
) -> None:
    """Its answer may be on its way; after the longest create it is in doubt. A claim of yesterday
    is not waited for.
    """
    claim(store)
    lines: list[str] = []
    assert not await take_back(person(store, at), order(store), word(store), lines.append)
    assert states(store) == {"001.intent": "intent", "001.doubt": "in_doubt"}
    assert ["host-a may be buying it now" in line for line in lines] == [True] * told


async def test_a_claim_that_nobody_can_read_is_in_doubt(store: FolderStore) -> None:
    """Somebody may have sent a create by it."""
    store.put(told_of(order(store).uid, "intent"), b"no claim\n")
    assert not await take_back(person(store), order(store), word(store), quiet)
    assert "001.doubt" in {name.rpartition("-")[2] for name in store.names("purchases")}


async def test_a_claim_that_nobody_can_read_may_be_young(store: FolderStore) -> None:
    """However old the order is: it is waited for."""
    store.put(told_of(order(store).uid, "intent"), b"no claim\n")
    lines: list[str] = []
    assert not await take_back(person(store, LONG_AFTER), order(store), word(store), lines.append)
    assert len(lines) == 1


async def test_who_takes_back_second_hears_of_the_first(store: FolderStore) -> None:
    """Nothing is changed by the second word."""
    put(store, "intent", given_up(order(store), host="other", nonce="q", at=LATER))
    with pytest.raises(UsageError, match=r"another word on it, of .*: given up"):
        await take_back(person(store), order(store), word(store), quiet)
    assert states(store) == {"001.intent": "abandoned"}


def in_doubt(store: FolderStore) -> Purchase:
    """The order as a doubt that every copy of the ledger knows."""
    doubtful = doubt(claim(store), LATER)
    put(store, "doubt", doubtful)
    return doubtful


async def test_a_word_about_a_doubt_reaches_every_copy(store: FolderStore) -> None:
    """As `.resolved`, whose place is not the answer's."""
    known = in_doubt(store)
    said = advance(known, "resubmitted", LATEST)
    await say(person(store), known, said)
    assert states(store)["001.resolved"] == "abandoned"
    copies = [Book(lineage=LINEAGE), Book([known], lineage=LINEAGE), Book([said], lineage=LINEAGE)]
    for book in copies:
        for purchase in folded(book, told_by(store, book), LATEST):
            book.put(purchase)
    assert [[*book.purchases.values()] for book in copies] == [[said]] * 3


async def test_two_persons_who_differ_hear_of_each_other(store: FolderStore) -> None:
    """Whoever comes second and does not know the first word changes nothing; once it is known, a
    mind may be changed, as often as one likes. In whatever order the words are read, one ledger
    comes of them.
    """
    known = in_doubt(store)
    first = advance(known, "abandoned", LATER)
    await say(person(store), known, first)
    with pytest.raises(UsageError, match="given up"):
        await say(person(store), known, advance(known, "resubmitted", LATEST))
    second = advance(first, "resubmitted", LATEST)
    await say(person(store), first, second)
    third = advance(second, "not_charged", LONG_AFTER)
    await say(person(store), second, third)
    names = [told_of(known.uid, "resolved") + end for end in ("", "-2", "-3")]
    assert [name for name in store.names("purchases") if ".resolved" in name] == names
    for words in itertools.permutations([known, first, second, third]):
        assert fold(words) == ([third], [])


async def test_a_word_that_nobody_can_read_keeps_nobody_from_speaking(store: FolderStore) -> None:
    """The next one has a place of its own."""
    known = in_doubt(store)
    store.put(told_of(known.uid, "resolved"), b"no word\n")
    await say(person(store), known, advance(known, "abandoned", LATER))
    names = store.names("purchases")
    assert told_of(known.uid, "resolved") + "-2" in names


async def test_a_task_that_was_found_is_the_answer(store: FolderStore, tmp_path: Path) -> None:
    """Hosts that wait for the answer of the claim take it; another task is a dispute."""
    known = in_doubt(store)
    found = advance(known, "found", LATEST, task_id="task_1")
    for _ in range(2):
        await answer(person(store), found)
    with pytest.raises(UsageError, match="bought as task_1"):
        await answer(person(store), replace(found, task_id="task_2"))
    with a_hand(store, tmp_path / "host") as hand:
        assert await answered(hand, claim_of(store)) == found


def claim_of(store: FolderStore) -> Purchase:
    """The claim that is in the store."""
    return clusters.lines(store)["001.intent"]
