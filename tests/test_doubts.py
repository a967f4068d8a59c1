"""What is told of a purchase in doubt: all that helps a person to find it, and how to settle it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from klingflow.ledger.lifecycle import advance
from klingflow.manifest.tag import tagged
from klingflow.model import Json, Purchase
from klingflow.results.doubts import doubts
from tests.purchases import AT, LATER, ORIGIN, done, intent, submitted


def command(verb: str, key: str) -> str:
    """The command that does a verb with a shot, as a site gives it."""
    return f"klingflow {verb} film.yaml {key}"


def told(purchase: Purchase) -> dict[str, Json]:
    """What is told of one purchase in doubt."""
    (said,) = doubts([purchase], command)
    return said


def test_a_doubt_is_told_with_all_that_is_known() -> None:
    """Where and when it was sent, what it may have cost, and the three ways to settle it."""
    evidence = {"from": AT, "to": LATER, "status": 502, "reason": "HTTP 502: a page"}
    evidence |= {"request_ids": {"x-request-id": "r1"}, "names": ["task_1"]}
    purchase = intent("a", 2, 3, uid="20260608-3f")
    purchase = replace(purchase, body=tagged(purchase.body, purchase.uid))
    assert told(advance(purchase, "doubted", LATER, evidence=evidence)) == {
        "key": "a#2",
        "id": "a",
        "take": 2,
        "attempt": 3,
        "uid": "20260608-3f",
        "from": AT,
        "to": LATER,
        "origin": ORIGIN,
        "model": "kling-3.0",
        "predicted_tier": "kling-3.0-720p",
        "seconds": 5,
        "most": {"amount": "3.00", "currency": "CNY"},
        "tag": "klingflow-3f",
        "client_request_id": "20260608-3f/a#2",
        "request_ids": {"x-request-id": "r1"},
        "names": ["task_1"],
        "received": "HTTP 502: a page",
        "status": 502,
        "commands": {
            "task": "klingflow resolve film.yaml a#2 --task ID",
            "resubmit": "klingflow resolve film.yaml a#2 --resubmit",
            "abandon": "klingflow resolve film.yaml a#2 --abandon",
            "not_charged": "klingflow resolve film.yaml a#2 --abandon --not-charged",
        },
    }


def test_what_is_unknown_of_a_doubt_is_none() -> None:
    """Of one that a damaged line alone tells of, nearly everything."""
    bare = Purchase("u", "a", 1, 1, "in_doubt", "", {}, "", "", 0, evidence={"damaged": "{..."})
    known = {k: v for k, v in told(bare).items() if v}
    assert known.pop("commands")
    assert known == {
        "key": "a",
        "id": "a",
        "take": 1,
        "attempt": 1,
        "uid": "u",
        "client_request_id": "u/a",
        "received": "a damaged line of the ledger is all that tells of it;"
        " git may have it as it was",
    }
    assert {told(bare)[name] for name in ("from", "to", "origin", "model", "most", "tag")} == {None}
    assert told(bare)["request_ids"] == {} and told(bare)["names"] == []


def test_an_intent_without_an_outcome_is_a_doubt_since_its_time() -> None:
    """Nothing was received."""
    said = told(intent("a"))
    assert (said["from"], said["to"], said["received"], said["status"]) == (AT, None, None, None)


@pytest.mark.parametrize(
    ("evidence", "received"),
    [
        ({"reason": "no answer in time", "received": "old"}, "no answer in time"),
        ({"received": "nothing was recorded"}, "nothing was recorded"),
        ({}, None),
    ],
)
def test_the_reason_is_told_before_what_was_received(
    evidence: dict[str, str], received: str | None
) -> None:
    """Whatever explains most."""
    assert told(replace(intent("a"), evidence=evidence))["received"] == received


def test_only_what_is_in_doubt_is_told() -> None:
    """In the order of the purchases."""
    purchases = [done("a"), intent("b"), submitted("c"), intent("a", attempt=2)]
    assert [said["key"] for said in doubts(purchases, command)] == ["b", "a"]
