"""What has happened in a run so far, counted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from klingflow.decide.verbs import VERBS
from klingflow.model import LeftOut
from klingflow.runner.events import EVENTS, EventName
from klingflow.terminal.tally import Tally
from tests.planned import OTHER, plan
from tests.plans import action, plan_of, several
from tests.purchases import done, submitted

A = ("film.yaml", "a")


def noted(tally: Tally, *names: str, at: float = 0.0, **facts: Any) -> Tally:
    """The tally after these events of shot a."""
    for name in names:
        tally.note({"event": name, "path": "film.yaml", "shot": "a", **facts}, at)
    return tally


def test_before_the_first_event_a_shot_is_what_its_verb_says() -> None:
    """An orphan is no shot of the run."""
    tally = Tally.of([plan_of(action("keep", "a"), action("orphan", "b", done("b")))], 0.0)
    assert tally.states == {A: VERBS["keep"].label}


@pytest.mark.parametrize("event", EVENTS)
def test_after_an_event_a_shot_is_what_its_row_says(event: EventName) -> None:
    """An event without a label leaves it as it was."""
    tally = noted(Tally.of([several(["waits"])], 0.0), event)
    assert tally.states[A] == (EVENTS[event].label or "waiting")


def test_an_event_of_the_whole_run_is_no_shots() -> None:
    tally = Tally.of([several(["create"])], 0.0)
    tally.note({"event": "end", "exit_code": 0}, 1.0)
    assert tally == Tally.of([several(["create"])], 0.0)


def test_two_manifests_of_one_name_have_shots_of_their_own() -> None:
    """They are told apart by their paths."""
    plans = [plan_of(action("create", "a"), path=path) for path in ("a/film.yaml", "b/film.yaml")]
    tally = Tally.of(plans, 0.0)
    tally.note({"event": "done", "path": "b/film.yaml", "manifest": "film", "shot": "a"}, 1.0)
    assert tally.states == {("a/film.yaml", "a"): "to buy", ("b/film.yaml", "a"): "done"}


def test_a_purchase_is_spent_once_it_is_made_or_perhaps_made() -> None:
    """By the price of its request; what has none is counted beside it."""
    tally = Tally.of([plan_of(action("create", "a"), action("create", "b", price=None))], 0.0)
    assert tally.money() == "nothing so far"
    noted(tally, "intent", "submitted", "done")
    tally.note({"event": "in_doubt", "path": "film.yaml", "shot": "b"}, 1.0)
    assert (tally.bought, tally.money()) == (2, "2.00 CNY + 1 of unknown price")


def test_a_refund_is_spent_no_more() -> None:
    """Only what this run has paid is taken back."""
    tally = Tally.of([plan_of(action("create", "a"))], 0.0)
    noted(tally, "failed", refunded=True)
    assert tally.money() == "nothing so far"
    noted(tally, "submitted", "submitted")
    noted(tally, "failed", refunded=True)
    assert (tally.bought, tally.money()) == (2, "2.00 CNY")


def test_what_a_plan_leaves_out_is_nothing_to_do() -> None:
    plan = plan_of(action("create", "a"), action("create", "b"))
    plan = replace(plan, left_out={"a": LeftOut("budget", "because")})
    assert [*Tally.of([plan], 0.0).states.values()] == ["left out", "to buy"]


def test_a_task_runs_from_its_submission_to_its_end() -> None:
    """Its progress is what the gateway says, and after that nothing."""
    tally = noted(Tally.of([several(["create"])], 0.0), "submitted", at=5.0)
    assert (tally.running_since, tally.share(A, 6.0)) == ({A: 5.0}, None)
    noted(tally, "poll", progress=40)
    assert tally.share(A, 6.0) == 40.0
    noted(tally, "poll", progress=None)
    assert tally.share(A, 6.0) == 40.0
    noted(tally, "succeeded", after_s=30.0)
    assert (tally.running_since, tally.progress, tally.durations) == ({}, {}, [30.0])


def test_without_progress_the_median_of_other_tasks_counts() -> None:
    """Never more than 95 %, for it is a guess."""
    tally = noted(Tally.of([several(["create"])], 0.0), "submitted", at=10.0)
    tally.durations = [50.0, 100.0, 900.0]
    assert (tally.share(A, 35.0), tally.share(A, 500.0)) == (25.0, 95.0)


def test_after_a_stop_nothing_is_bought() -> None:
    """Whether all stops, or buying alone."""
    for name in ("stopped", "leaving"):
        tally = Tally.of([several(["create"])], 0.0)
        tally.note({"event": name, "reason": "a cap"}, 1.0)
        assert not tally.buying


def test_a_refusal_says_how_many_tasks_the_gateway_lets_run() -> None:
    """Until it lets more."""
    tally = noted(Tally.of([several(["create"])], 0.0), "limited")
    assert tally.places == 1
    for key in ("b", "c"):
        tally.note({"event": "submitted", "path": "film.yaml", "shot": key}, 1.0)
    assert tally.places == 2
    noted(tally, "limited")
    assert tally.places == 2


def test_what_is_still_to_come_of_a_shot_that_is_gone_is_counted() -> None:
    """What is kept of one is not."""
    running = submitted("gone", fingerprint=OTHER)
    made = plan([running, done("kept", fingerprint=OTHER), done("a")])
    assert Tally.of([made], 0.0).states == {
        ("film.yaml", "a"): "kept",
        ("film.yaml", "gone"): "running",
    }
