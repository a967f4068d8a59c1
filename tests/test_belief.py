"""Whose reply is this: an answer about another task is never believed, in values alone."""

from __future__ import annotations

from collections.abc import Container, Sequence

import pytest

from klingflow.decide.belief import NAMED_TIMES, Names, Naming, believed_of_create, is_anothers
from klingflow.gateway.outcomes import (
    Accepted,
    Blind,
    CreateOutcome,
    Doubtful,
    Hiccup,
    Misnamed,
    NoSuchTask,
    QueryOutcome,
    Refused,
    Running,
    Succeeded,
    TaskFailed,
    Unsent,
)
from klingflow.model import Failure
from klingflow.model.sayings import saying

WHY = Failure("moderation", "unsafe", "no")
FAILED = TaskFailed(WHY, named=False)
DONE = Succeeded("https://cdn.example.com/a.mp4", named=False)
DOUBT = Hiccup("a final answer that does not name the task")
HELD: list[Container[str]] = [{"task_1": "u1"}, {"task_2": "u2", "task_3": "u3"}]


def alias(name: str) -> Misnamed:
    """A reply that calls the task `name`, and says that it has succeeded."""
    return Misnamed("the reply is about another task", None, name, DONE)


def told(
    outcomes: Sequence[QueryOutcome], names: Names | None = None, uid: str = "u1"
) -> list[QueryOutcome]:
    """What is believed of some answers in a row about the task of `uid`."""
    names, naming, believed = names or Names(), Naming(), []
    for outcome in outcomes:
        outcome, naming = names.believed(uid, naming, outcome, HELD)
        believed.append(outcome)
    return believed


NAMED = [Running(50.0), Succeeded(), TaskFailed(WHY), Running(named=False)]
ELSE = [NoSuchTask(WHY), Blind(WHY), Hiccup("no answer in time")]


@pytest.mark.parametrize("outcome", [*NAMED, *ELSE])
def test_an_answer_that_names_its_task_or_ends_nothing_is_believed(outcome: QueryOutcome) -> None:
    """At once, and the next query is asked as usual."""
    names = Names()
    by_its_id = getattr(outcome, "named", False)
    assert names.believed("u1", Naming(), outcome, HELD) == (outcome, Naming(by_its_id=by_its_id))


@pytest.mark.parametrize("final", [FAILED, DONE])
def test_a_final_answer_that_names_no_task_is_believed_on_a_connection_of_its_own(
    final: QueryOutcome,
) -> None:
    """The first may be another request's reply, left over on a kept connection."""
    names = Names()
    assert names.believed("u1", Naming(), final, HELD) == (DOUBT, Naming(apart=True))
    assert names.believed("u1", Naming(apart=True), final, HELD) == (final, Naming())


def test_a_reply_between_two_of_them_begins_again() -> None:
    """Only the answer after a doubtful one came on a connection of its own."""
    outcomes: list[QueryOutcome] = [FAILED, Running(), FAILED, FAILED]
    assert told(outcomes) == [DOUBT, Running(), DOUBT, FAILED]


# On a kept connection, and on as many others as do not suffice.
NOT_YET = 1 + (NAMED_TIMES - 1)


def test_a_second_name_is_believed_once_it_has_come_often_on_such_connections() -> None:
    """A relay may know a task by two names, one at its creation and one in queries."""
    other = alias("alias")
    assert told([other] * (NOT_YET + 2)) == [*[other] * NOT_YET, DONE, DONE]


def test_a_name_that_comes_between_begins_again() -> None:
    """What is mistaken now and then is not a name."""
    other, another = alias("task_in_doubt"), alias("task_of_another_film")
    outcomes = [*[other] * NOT_YET, another, *[other] * (NAMED_TIMES - 1)]
    assert told(outcomes) == outcomes


def test_every_query_after_another_name_goes_on_a_connection_of_its_own() -> None:
    """Also after the name has been believed of a task that is still running."""
    _, naming = Names().believed("u1", Naming(), alias("alias"), HELD)
    assert naming == Naming(apart=True)
    _, naming = Names().believed("u1", naming, alias("alias"), HELD)
    assert naming == Naming(apart=True, other_name="alias", other_times=1)


def test_a_name_that_changes_is_not_believed() -> None:
    """Two names for one task are one too many."""
    outcomes = [alias(f"alias_{n % 2}") for n in range(8)]
    assert told(outcomes) == outcomes


@pytest.mark.parametrize("name", ["task_1", "task_2", "task_3"])
def test_the_id_of_another_purchase_is_never_believed(name: str) -> None:
    """Whichever ledger of the run holds it."""
    outcomes = [alias(name)] * (NOT_YET + 1)
    assert told(outcomes) == outcomes


def test_a_name_that_is_given_to_two_tasks_is_nobody_s() -> None:
    """Not even of the one that it was given to first."""
    names, other = Names(), alias("alias")
    often = [other] * (NOT_YET + 1)
    told([other, other], names, "u1")
    assert told(often, names, "u2") == often
    assert told(often, names, "u1") == often


def test_a_task_that_queries_call_by_its_id_has_no_other_name() -> None:
    """However often it comes: it may be that of a task in doubt, which nobody else could claim."""
    other = alias("task_in_doubt")
    often = [other] * (NOT_YET + 1)
    assert told([Running(), *often]) == [Running(), *often]


def test_what_comes_on_a_kept_connection_gives_nobody_a_name() -> None:
    """Another task may still be called by it."""
    names, other = Names(), alias("alias")
    told([other], names, "u1")
    assert told([other] * (NOT_YET + 1), names, "u2") == [*[other] * NOT_YET, DONE]


# ---------------------------------------------------------------- creates


@pytest.mark.parametrize(
    "outcome", [Accepted("task_9"), Refused(WHY), Unsent("no route"), Doubtful("lost")]
)
def test_a_create_is_believed_that_names_no_other_task(outcome: CreateOutcome) -> None:
    """Whatever it came to."""
    assert believed_of_create(outcome, HELD) is outcome


@pytest.mark.parametrize("task_id", ["task_1", "task_3"])
def test_a_create_answered_with_another_purchase_s_task_is_in_doubt(task_id: str) -> None:
    """What the reply says is kept whole: the task's own id may be in it."""
    reason = f"the gateway answered with {task_id}, which is the task of another purchase"
    evidence = {"status": 200, "body": "…", "answered_task_id": task_id}
    accepted = Accepted(task_id, "tier", {"status": 200, "body": "…"})
    found = believed_of_create(accepted, HELD)
    assert isinstance(found, Doubtful)
    assert found == Doubtful(reason, evidence | saying("reason", found.reason))


def test_a_task_is_anothers_if_any_ledger_has_it() -> None:
    """Each ledger of the run is looked at."""
    assert [is_anothers(t, HELD) for t in ("task_1", "task_2", "task_9")] == [True, True, False]
