"""What an engine is told of a try."""

from __future__ import annotations

import json
from typing import get_args

import pytest

from klingflow.cluster.reports import Bought, BoughtAs
from klingflow.ledger.uids import next_try
from tests.clusters import order

UID = order("alley").uid


@pytest.mark.parametrize("outcome", get_args(BoughtAs))
def test_another_try_follows_what_bought_nothing_and_passes(outcome: BoughtAs) -> None:
    """A grant that came too late is of the same try."""
    told = Bought(UID, outcome)
    assert told.next_try == (next_try(UID) if outcome in ("limited", "unsent") else None)


def test_a_report_goes_into_json_and_back() -> None:
    """An engine keeps it in its history."""
    told = Bought(UID, "submitted", "task_1", "std", None, "", 7.0, sent=True, proven=True)
    assert Bought.from_json(json.loads(json.dumps(told.as_json()))) == told
