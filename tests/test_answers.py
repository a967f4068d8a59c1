"""What the gateway said last stays with the purchase."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest

from klingflow.ledger.accounts import merge
from klingflow.ledger.answers import LastAnswer, last_answer, with_last
from klingflow.ledger.lifecycle import advance
from klingflow.model import Json
from tests.purchases import submitted

FIRST = LastAnswer("2026-01-01T08:00:00.000Z", "processing, 99 %")
LAST = LastAnswer("2026-01-01T09:00:00.000Z", "in_progress")


def test_the_last_answer_takes_the_place_of_an_earlier_one() -> None:
    """Whatever else is known of the purchase stays."""
    purchase = replace(submitted("a"), evidence={"status": 200})
    for answer in (FIRST, LAST):
        purchase = replace(purchase, evidence=with_last(purchase, answer))
    assert last_answer(purchase) == LAST
    assert purchase.evidence is not None and purchase.evidence["status"] == 200


def test_of_several_accounts_the_later_answer_counts() -> None:
    """In any order of them."""
    once = advance(submitted("a"), "parked", FIRST.at, evidence=with_last(submitted("a"), FIRST))
    twice = advance(once, "parked", LAST.at, evidence=with_last(once, LAST))
    for accounts in permutations([submitted("a"), once, twice]):
        merged, contradicting = merge(accounts)
        assert (last_answer(merged), contradicting) == (LAST, [])


@pytest.mark.parametrize(
    "evidence",
    [None, {}, {"last_answer": 5}, {"last_answer": {"at": "x"}}, {"last_answer": {"said": "x"}},
     {"last_answer": {"at": 1, "said": "x"}}, {"last_answer": {"at": "x", "said": "\x1b[2J"}}],
)  # fmt: skip
def test_what_is_no_answer_is_none(evidence: dict[str, Json] | None) -> None:
    """A ledger from elsewhere may hold anything."""
    assert last_answer(replace(submitted("a"), evidence=evidence)) is None
