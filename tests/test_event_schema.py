"""A line of a log has the published form: the facts of its event, and no others."""

from __future__ import annotations

import pytest

from klingflow.model import Json
from klingflow.runner.event_schema import FACTS
from klingflow.runner.events import EVENTS, EventName, EventRow
from tests.purchases import AT
from tests.runs import LOG

FACTS_OF: dict[str, Json] = {
    "uid": "20260608065249123-000000000001",
    "task_id": "task_x",
    "takes": 12,
    "tier": None,
    "host": "north",
    "predicted_tier": "kling-3.0-720p",
    "reason": "because",
    "failure": {"kind": "capacity", "code": "1", "message": "busy"},
    "pause_s": 0.5,
    "status": "running",
    "progress": None,
    "after_s": 61.5,
    "retry": False,
    "refunded": True,
    "file": "outputs/film/a.mp4",
    "size_bytes": 9,
    "remarks": [{"kind": "black"}, {"kind": "shorter", "got": 4.5, "bought": 10}],
    "videos": 12,
    "exit_code": 0,
    "bought": 1,
    "seconds": 5,
    "money": {"spent": {"purchases": 1, "amounts": {"CNY": "2.00"}, "unpriced": 0}},
}


@pytest.mark.parametrize(("event", "row"), EVENTS.items())
def test_an_event_of_a_log_has_these_facts_and_no_others(event: EventName, row: EventRow) -> None:
    """By the schema that is published; what it may tell can be absent."""
    shot = {"manifest": "film", "path": "film.yaml", "shot": "a"} if row.of_a_shot else {}
    told = {"at": AT, "event": event, **shot, **{name: FACTS_OF[name] for name in row.facts}}
    assert LOG.is_valid(told)
    assert LOG.is_valid({**told, **{name: FACTS_OF[name] for name in row.may}})
    assert not LOG.is_valid({**told, "colour": "red"})
    assert not [name for name in told if LOG.is_valid({k: v for k, v in told.items() if k != name})]


def test_every_fact_is_of_some_event() -> None:
    """And each has a form of its own."""
    assert {fact for row in EVENTS.values() for fact in (*row.facts, *row.may)} == set(FACTS)
    assert set(FACTS_OF) == set(FACTS)
