"""Records as an engine is told them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from klingflow.cluster.orders import Ask, Ref
from klingflow.cluster.queued import Order
from klingflow.cluster.reports import Bought
from klingflow.ledger.uids import uid_of

UID = uid_of("0123456789abcdef", "alley", 1, 1)
ASK = Ask(Ref("b1", 0, 3), UID, "alley", "std", 5, ("2", "CNY"))
ORDER = Order(ASK, UID)


@pytest.mark.parametrize(
    "record",
    [
        ASK,
        replace(ASK, price=None, needs=(UID, "x-y-1")),
        ORDER,
        replace(ORDER, uid="x-y-2", try_=2, retry=1, reserved=True, claimed=True, counted=True),
        replace(ORDER, ask=replace(ASK, needs=("x-y-1",)), needs=("x-y-1",)),
        Bought(UID, "late"),
        Bought(UID, "submitted", "task_1", "std", sent=True, proven=True, host="north"),
    ],
)
def test_what_is_told_of_a_record_makes_it_again(record: Ask | Order | Bought) -> None:
    """Also after it has gone through JSON."""
    told = json.loads(json.dumps(record.as_json()))
    assert type(record).from_json(told) == record


def test_what_is_as_always_is_not_told() -> None:
    """An order that nothing has happened to is its `Ask`."""
    assert ORDER.as_json() == {
        "ask": {
            "ref": ["b1", 0, 3],
            "uid": UID,
            "key": "alley",
            "tier": "std",
            "seconds": 5,
            "price": ["2", "CNY"],
        }
    }
