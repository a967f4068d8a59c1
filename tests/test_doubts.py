"""What is told of a purchase in doubt: all that helps a person to find it, and how to settle it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from klingflow.decide.creates import settled
from klingflow.gateway.create_replies import read_create
from klingflow.gateway.outcomes import NoReply, Reply
from klingflow.ledger.answers import LastAnswer, last_answer, with_last
from klingflow.ledger.book import doubt
from klingflow.ledger.lifecycle import advance
from klingflow.ledger.lines import lock_line, parse_lines
from klingflow.manifest.tag import tagged
from klingflow.model import Json, Purchase
from klingflow.results.doubts import doubts
from klingflow.words import Text, _
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


def in_a_file(purchase: Purchase) -> Purchase:
    """Return the purchase as the next command finds it in the lock."""
    (again,) = parse_lines(lock_line(purchase), "film.lock").accounts
    assert again == purchase
    return again


def in_brackets(said: str) -> str:
    """Return what a person reads in a language that puts each sentence into brackets."""
    return said.said_by(lambda template: f"⟦{template}⟧") if isinstance(said, Text) else said


@pytest.mark.parametrize(
    ("purchase", "said"),
    [
        (doubt(intent("a"), LATER), "⟦nothing was recorded: klingflow ended before"),
        (
            settled(intent("a"), read_create(Reply(502, {}, b"<html>")), LATER),
            "⟦HTTP 502⟦ (⟦a page⟧)⟧ ⟦does not say that nothing was created⟧⟧",
        ),
        (settled(intent("a"), read_create(NoReply(True, _("cut off"))), LATER), "⟦cut off⟧"),
    ],
)
def test_why_a_doubt_began_is_said_in_the_readers_language(purchase: Purchase, said: str) -> None:
    """Another person, in another language, reads what this one's run wrote down."""
    assert in_brackets(told(in_a_file(purchase))["received"]).startswith(said)


def test_why_a_purchase_ended_is_said_in_the_readers_language() -> None:
    """klingflow's own reason is translated; the gateway's words stay as they are."""
    unsent = in_a_file(settled(intent("a"), read_create(NoReply(False, _("no host"))), LATER))
    assert unsent.error is not None and in_brackets(unsent.error.message) == "⟦no host⟧"
    body = b'{"error": {"message": "\xe4\xbd\x99\xe9\xa2\x9d", "code": "x"}}'
    refused = in_a_file(settled(intent("a"), read_create(Reply(400, {}, body)), LATER))
    assert refused.error is not None and not isinstance(refused.error.message, Text)


def test_a_last_answer_is_said_in_the_readers_language() -> None:
    """It holds the gateway's own word for the state."""
    answer = LastAnswer(AT, _("{said}, {progress:g} %", said="processing", progress=40))
    parked = advance(submitted("a"), "parked", LATER, evidence=with_last(submitted("a"), answer))
    found = last_answer(in_a_file(parked))
    assert found == answer
    assert in_brackets(found.said) == "⟦processing, 40 %⟧"
