"""What a purchase says of a cluster."""

from __future__ import annotations

from dataclasses import replace

import pytest

from klingflow.ledger.handed_over import (
    claimant,
    claimed,
    handed_over,
    is_at_cluster,
    store_of,
)
from klingflow.ledger.lifecycle import advance
from klingflow.model import Json
from tests.purchases import LATER, intent

HANDED = handed_over(intent("alley"), store="s", batch="b")


def test_an_intent_that_is_handed_over_says_where() -> None:
    """It stays there until it has an outcome."""
    assert HANDED.evidence == {"cluster": {"batch": "b", "store": "s"}}
    assert (store_of(HANDED), is_at_cluster(HANDED)) == ("s", True)
    assert not is_at_cluster(intent("alley"))
    refused = advance(HANDED, "refused", LATER)
    assert (store_of(refused), is_at_cluster(refused)) == ("s", False)


def test_a_claim_adds_whose_it_is() -> None:
    """It takes nothing away."""
    claim = claimed(HANDED, host="h", nonce="n")
    assert (claimant(claim), store_of(claim), claimant(HANDED)) == (("h", "n"), "s", None)


@pytest.mark.parametrize("said", [None, {}, {"cluster": 1, "claim": []}, {
    "cluster": {"store": 1}, "claim": {"host": "h"},
}])  # fmt: skip
def test_a_lock_may_say_anything(said: Json) -> None:
    """What is no text names no store and no host."""
    odd = replace(intent("alley"), evidence=said)
    assert (store_of(odd), claimant(odd), is_at_cluster(odd)) == (None, None, False)
