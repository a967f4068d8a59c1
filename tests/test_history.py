"""How long tasks took before, and how long others are expected to take."""

from __future__ import annotations

from dataclasses import replace

import pytest

from klingflow.decide.history import ENOUGH, KEPT, expectation, kept_in, together
from klingflow.model import History, Purchase
from tests.purchases import done, submitted


def took(noticed_s: float, tier: str = "t", **times: str) -> Purchase:
    """A video whose end was noticed after so long; the create took a second, the download two."""
    usual = {
        "intent": "2026-06-08T06:00:00.000Z",
        "submitted": "2026-06-08T06:00:01.000Z",
        "finished": "2026-06-08T06:02:00.000Z",
        "done": "2026-06-08T06:02:02.000Z",
    }
    bounds = (noticed_s - 5.0, noticed_s)
    return replace(done("a"), billed_tier=tier, finished_after_s=bounds, times={**usual, **times})


def test_a_task_held_its_place_from_its_intent_until_its_end_was_noticed() -> None:
    """By tier, the shortest first; what has not finished, or not in one run, says nothing."""
    bought = [took(90.0), took(40.0), took(70.0, "u"), done("b"), submitted("c")]
    assert kept_in(bought) == History({"t": (41.0, 91.0), "u": (71.0,)}, 2.0)


def test_a_tier_that_was_not_billed_is_the_predicted_one() -> None:
    purchase = replace(took(90.0), billed_tier=None)
    assert kept_in([purchase]).held_s == {"kling-3.0-720p": (91.0,)}


def test_without_purchases_nothing_is_kept_in() -> None:
    assert kept_in([]) == History()


def test_only_the_latest_tasks_are_kept_in() -> None:
    """A gateway's speed changes over days."""
    old = [took(500.0, finished=f"2025-01-01T00:00:{n % 60:02}.000Z") for n in range(9)]
    assert kept_in(old + [took(90.0)] * KEPT).held_s == {"t": (91.0,) * KEPT}


@pytest.mark.parametrize(
    ("times", "found"),
    [
        ({"intent": ""}, History({"t": (90.0,)}, 2.0)),
        ({"intent": "2999-01-01T00:00:00.000Z"}, History({"t": (90.0,)}, 2.0)),
        ({"done": "yesterday"}, History({"t": (91.0,)}, 0.0)),
        ({"done": "2026-06-08T06:12:00.000Z"}, History({"t": (91.0,)}, 600.0)),
        ({"done": "2026-06-08T06:12:01.000Z"}, History({"t": (91.0,)}, 0.0)),
    ],
)
def test_times_that_say_nothing_are_left_out(times: dict[str, str], found: History) -> None:
    """A lock may come from anywhere, and a file may have been brought days later."""
    assert kept_in([took(90.0, **times)]) == found


def test_the_ledgers_of_one_run_are_one_history() -> None:
    """The slower download counts."""
    first = History({"t": (1.0, 9.0)}, 3.0)
    assert together([first, History({"t": (5.0,), "u": (2.0,)}, 4.0)]) == History(
        {"t": (1.0, 5.0, 9.0), "u": (2.0,)}, 4.0
    )
    assert together([first]) is first
    assert together([]) == History()


def test_the_mean_is_expected_once_enough_is_known() -> None:
    """A tier of which less is known takes as long as the others."""
    few, enough = (9.0,) * (ENOUGH - 1), (10.0, 20.0, 30.0, 40.0, 50.0)
    expected = expectation(History({"t": enough, "few": few, "u": (90.0,) * ENOUGH}))
    assert [expected(tier) for tier in ("t", "u", "few", "new")] == [30.0, 90.0, 60.0, 60.0]


def test_where_no_tier_is_known_tasks_are_counted() -> None:
    assert expectation(History())("t") == 1.0
