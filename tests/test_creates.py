"""What a create's outcome makes of the intent: the record that a ledger keeps."""

from __future__ import annotations

from dataclasses import replace

import pytest

from klingflow.decide.creates import settled
from klingflow.gateway.outcomes import Accepted, CreateOutcome, Doubtful, Refused, Unsent
from klingflow.model import Failure, Purchase, State
from tests.purchases import AT, LATER, intent

WHERE = {"cluster": {"batch": "b"}}
MODERATED = Failure("moderation", "1301", "no")
TIER = "kling-3.0-720p"


def became(state: State, event: str, **known: object) -> Purchase:
    """The intent of these tests in another state."""
    times = {"intent": AT, event: LATER, "updated": LATER}
    return replace(BEGUN, state=state, times=times, **known)  # type: ignore[arg-type]  # any field


BEGUN = intent("alley", uid="u")


@pytest.mark.parametrize(("outcome", "after"), [
    (
        Accepted("task_1", TIER, {"status": 200}),
        became("submitted", "submitted", task_id="task_1", billed_tier=TIER),
    ),
    (
        Accepted("task_1", None, {"status": 200}, frozenset({"task_2"})),
        became("submitted", "submitted", task_id="task_1", evidence={"status": 200}),
    ),
    (Refused(MODERATED, 7.0), became("rejected", "rejected", error=MODERATED)),
    (
        Unsent("no route"),
        became("rejected", "rejected", error=Failure("not_sent", "not_sent", "no route")),
    ),
    (
        Doubtful("no answer", {"status": 504}),
        became(
            "in_doubt",
            "in_doubt",
            error=Failure("unknown", "in_doubt", "no answer"),
            evidence={"from": AT, "to": LATER, "status": 504},
        ),
    ),
    (
        Doubtful("a page", {}, failure=MODERATED),
        became(
            "in_doubt", "in_doubt", error=MODERATED, evidence={"from": AT, "to": LATER}
        ),
    ),
])  # fmt: skip
def test_an_outcome_makes_a_record(outcome: CreateOutcome, after: Purchase) -> None:
    """One for each outcome; a reply is kept where a person may need it."""
    assert settled(BEGUN, outcome, LATER) == after


@pytest.mark.parametrize("outcome", [
    Accepted("task_1", None, {"status": 200}, frozenset({"task_2"})),
    Doubtful("no answer", {"status": 504}),
])  # fmt: skip
def test_what_an_intent_says_of_where_it_was_made_stays(outcome: CreateOutcome) -> None:
    """Evidence is added to, never replaced."""
    after = settled(replace(BEGUN, evidence=WHERE), outcome, LATER)
    assert after.evidence == {**(settled(BEGUN, outcome, LATER).evidence or {}), **WHERE}
