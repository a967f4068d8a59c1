"""How long tasks of one tier last, with those that are not finished yet."""

from __future__ import annotations

import pytest

from klingflow.decide.lasting import Lasting, unfinished_after


@pytest.mark.parametrize(
    ("finished_s", "unfinished_s", "shares"),
    [
        ([], [5.0], []),
        ([10.0, 20.0], [], [0.5, 0.0]),
        ([10.0, 20.0], [15.0], [2 / 3, 0.0]),
        ([10.0, 20.0], [25.0, 5.0], [2 / 3, 1 / 3]),
        ([10.0, 20.0], [10.0], [2 / 3, 0.0]),  # of one age, it was there to finish, too
    ],
)
def test_tasks_that_are_not_finished_count_up_to_their_age(
    finished_s: list[float], unfinished_s: list[float], shares: list[float]
) -> None:
    """Kaplan and Meier's estimate, in whatever order the ages come."""
    assert unfinished_after(finished_s, unfinished_s) == pytest.approx(shares)


def test_a_task_takes_as_long_as_others_did() -> None:
    """Each with the same chance."""
    lasting = Lasting((10.0, 20.0, 30.0, 40.0))
    assert [lasting.seconds(u) for u in (0.0, 0.2, 0.3, 0.6, 0.99)] == [10, 10, 20, 30, 40]
    assert (lasting.mean_s, lasting.is_known) == (25.0, False)


def test_a_task_that_runs_takes_longer_than_it_has() -> None:
    """As long as those did that took longer; longer than all of them by a quarter."""
    lasting = Lasting((10.0, 20.0, 30.0, 40.0))
    assert [lasting.seconds(u, 25.0) for u in (0.1, 0.4, 0.6, 0.9)] == [30, 30, 40, 40]
    assert lasting.seconds(0.5, 44.0) == 55.0


def test_tasks_that_run_still_make_others_look_slower() -> None:
    """As Kaplan and Meier have it: 1/4, then 3/4 of 1/2 of what ran longer."""
    lasting = Lasting((10.0, 30.0), (20.0, 40.0))
    assert [lasting.seconds(u) for u in (0.24, 0.26, 0.62, 0.63)] == [10, 30, 30, 50]
    assert lasting.mean_s == pytest.approx(0.25 * 10 + 0.375 * 30 + 0.375 * 50)


def test_without_tasks_nothing_is_known() -> None:
    assert (Lasting(()).is_known, Lasting(()).mean_s, Lasting((5.0,)).error) == (False, 0.0, 0.0)


def test_a_tier_is_known_by_five_tasks_that_most_do_not_outlast() -> None:
    five = (10.0, 20.0, 30.0, 40.0, 50.0)
    assert Lasting(five).is_known
    assert Lasting(five, [60.0]).is_known
    assert not Lasting(five, [60.0] * 2).is_known
