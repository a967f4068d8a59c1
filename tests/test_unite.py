"""Several ledgers as one: the same, whatever their order and however they are grouped."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st

from klingflow.ledger.book import Book
from klingflow.ledger.lifecycle import advance
from klingflow.ledger.unite import Telling, United, telling_of, unite
from klingflow.model import Purchase
from tests.ledgers import as_bytes, as_telling, ids, ledgers
from tests.purchases import AT, LATER, done, intent, submitted


def told(*accounts: Purchase, lineage: str = "", serial: int = 0) -> Telling:
    return Telling(accounts, (), frozenset({lineage} - {""}), serial)


def test_no_ledger_is_an_empty_one() -> None:
    assert unite([]) == United([], [], "", 0)
    assert unite([told()]) == United([], [], "", 0)


def test_one_ledger_stays_as_it_is() -> None:
    """In the lock's order."""
    a, b = submitted("a"), done("b")
    assert unite([told(b, a, lineage="x", serial=3)]) == United([a, b], [], "x", 3)


def test_the_smaller_lineage_and_the_larger_serial_stay() -> None:
    """So that nothing depends on who merges whom."""
    several = [told(lineage="b", serial=1), told(lineage="a", serial=2), told(serial=9)]
    for order in permutations(several):
        assert unite(order) == United([], [], "a", 9)


def test_what_one_ledger_knows_less_far_is_known_from_the_other() -> None:
    begun = intent("a")
    bought = advance(begun, "accepted", LATER, task_id="t")
    assert unite([told(begun), told(bought)]) == unite([told(bought), told(begun)])
    assert unite([told(begun), told(bought)]).purchases == [bought]


def test_another_task_of_one_purchase_is_handed_back() -> None:
    """No task id is lost; those handed back are in the lock's order, too."""
    ours, theirs = submitted("a", uid="u", task_id="1"), submitted("a", uid="u", task_id="2")
    theirs = replace(theirs, times={**theirs.times, "submitted": LATER})
    b = submitted("b", uid="v", task_id="3")
    b2 = replace(b, task_id="4", times={**b.times, "submitted": LATER})
    united = unite([told(b2, theirs), told(b, ours)])
    assert (united.purchases, united.contradicting) == ([ours, b], [theirs, b2])


def test_a_refusal_that_the_other_ledger_bought_after_is_dropped() -> None:
    refused = advance(intent("a"), "refused", AT)
    bought = submitted("a")
    assert unite([told(refused), told(bought)]).purchases == [bought]
    assert unite([told(refused)]).purchases == [refused]


def test_a_damaged_line_is_a_doubt_where_no_ledger_tells() -> None:
    """Of two that may have been about one purchase it is settled which, by what they say."""
    witness = replace(intent("a", uid="u"), state="in_doubt", evidence={"damaged": "x"})
    other = replace(witness, evidence={"damaged": "y"})
    for doubts in permutations([witness, other]):
        assert unite([Telling([], doubts)]).purchases == [other]
    known = replace(witness, state="submitted", task_id="t", evidence=None)
    assert unite([Telling([], [witness]), told(known)]).purchases == [known]
    silent = replace(witness, evidence=None)
    assert unite([Telling([], [silent])]).purchases == [silent]
    odd = replace(witness, evidence={"b": object(), "a": 1})
    assert unite([Telling([], [odd])]).purchases == [odd]


def test_what_a_book_says_is_a_ledger() -> None:
    a = submitted("a")
    assert telling_of(Book([a], lineage="x", serial=3)) == Telling([a], (), frozenset({"x"}), 3)
    assert telling_of(Book()) == Telling([], (), frozenset(), 0)


@settings(max_examples=40, deadline=None)
@given(ledgers(), st.data())
def test_the_order_and_the_number_of_ledgers_do_not_matter(
    several: list[Telling], data: st.DataObject
) -> None:
    """Byte for byte, and no task id is lost."""
    united = unite(several)
    again = unite(data.draw(st.permutations([*several, data.draw(st.sampled_from(several))])))
    assert as_bytes(united) == as_bytes(again)
    assert as_bytes(unite([as_telling(united)])) == as_bytes(united)
    assert ids([*united.purchases, *united.contradicting]) == ids(
        [account for telling in several for account in telling.accounts]
    )
