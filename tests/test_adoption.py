"""A task that a person found is taken where the gateway's word fits the purchase, and asked about
where it does not.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from klingflow.decide.adoption import TOLERANCE, Adoption, judge, unasked
from klingflow.gateway.outcomes import (
    Answer,
    Blind,
    Hiccup,
    Misnamed,
    NoReply,
    NoSuchTask,
    QueryOutcome,
    Reply,
    Running,
    Succeeded,
    TaskFailed,
)
from klingflow.gateway.query_replies import read_query
from klingflow.ledger.lifecycle import advance
from klingflow.model import Failure, Purchase
from tests.purchases import AT, LATER, found, intent

BEGUN = 1780901570  # 2026-06-08T06:52:50Z, between AT and LATER
BEGUN_AT = datetime(2026, 6, 8, 6, 52, 50, tzinfo=UTC)
TIER = "kling-3.0-720p"
URL = "https://cdn.example.com/x.mp4"
BUSY = Failure("capacity", "x", "busy")


def reply(**task: Any) -> Reply:
    document = {"id": "task_x", "status": "completed", "model": TIER, "created_at": BEGUN, **task}
    return Reply(200, {}, json.dumps(document).encode())


def read(answer: Answer) -> QueryOutcome:
    return read_query(answer, task_id="task_x")


def misfits(purchase: Purchase, answer: Answer) -> list[str]:
    return list(judge(purchase, read(answer), LATER).doubts)


def learned(purchase: Purchase, answer: Answer) -> list[Purchase]:
    return list(judge(purchase, read(answer), LATER).records)


@pytest.mark.parametrize(
    "answer",
    [
        reply(),
        reply(created_at=BEGUN * 1000),
        reply(created_at=str(BEGUN)),
        reply(created_at=BEGUN - 500),  # the clocks differ
        reply(created_at=None, model=None, status="queued"),
        reply(model="Kling-3.0"),  # repeats the request's own model
        reply(status="failed"),
    ],
)
def test_what_fits_is_taken(answer: Reply) -> None:
    """Clocks may differ, and a reply may say little."""
    assert misfits(found(), answer) == []


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (
            reply(model="kling-3.0-1080p"),
            "billed as kling-3.0-1080p, where kling-3.0-720p was predicted",
        ),
        (reply(created_at=BEGUN - 3600), "created at 2026-06-08 05:52:50 UTC"),
        (reply(created_at=(BEGUN + 3600) * 1000), "created at 2026-06-08 07:52:50 UTC"),
        (reply(id=None), "does not name the task"),
        (reply(id="another"), "the gateway's reply is about another task, another"),
        (
            Reply(404, {}, b'{"code":"task_not_exist","message":"no such task"}'),
            "does not know task_x",
        ),
        (Reply(401, {}, b'{"error":{"message":"bad key","code":"invalid"}}'), "refuses the key"),
        (Reply(502, {}, b"<html>"), "could not be asked: HTTP 502"),
        (NoReply(False, "no connection"), "could not be asked: no connection"),
    ],
)
def test_what_does_not_fit_is_said(answer: Reply, says: str) -> None:
    """Each misfit is one question to the person."""
    (doubt,) = misfits(found(), answer)
    assert says in doubt


def test_a_purchase_made_elsewhere_may_be_of_any_time() -> None:
    """Nobody knows when it was sent."""
    elsewhere = advance(
        intent("a"), "accepted", LATER, task_id="task_x", evidence={"adopted": LATER}
    )
    assert misfits(elsewhere, reply(created_at=1)) == []


ENDS = [("queued", "submitted"), ("completed", "succeeded"), ("failed", "failed")]


@pytest.mark.parametrize(("status", "state"), ENDS)
def test_what_was_learned_is_recorded_with_the_id(status: str, state: str) -> None:
    """State, tier and time of creation."""
    records = learned(found(), reply(status=status, video_url="https://cdn.example.com/x.mp4"))
    assert [r.state for r in records] == list(dict.fromkeys(["submitted", state]))
    assert (records[-1].task_id, records[-1].billed_tier) == ("task_x", TIER)
    assert records[-1].evidence and records[-1].evidence["created_at"].startswith(
        "2026-06-08T06:52:50"
    )


@pytest.mark.parametrize(
    ("status", "state", "says"),
    [
        ("completed", "succeeded", ""),
        ("failed", "failed", "it has failed"),
        ("queued", "failed", "not finished"),
    ],
)
def test_a_failure_is_taken_back_where_the_gateway_says_so(
    status: str, state: str, says: str
) -> None:
    """It was paid for, and a gateway may have been wrong about it for a while."""
    failed = advance(found(), "failed", LATER, error=BUSY)
    assert says in "; ".join(misfits(failed, reply(status=status)))
    assert bool(says) == bool(misfits(failed, reply(status=status)))
    last = learned(failed, reply(status=status))[-1]
    assert (last.state, last.task_id, last.error is None) == (state, "task_x", state == "succeeded")


# Whole values


def with_facts(purchase: Purchase) -> Purchase:
    """The purchase with what a reply of TIER and BEGUN_AT says of it."""
    evidence = {**(purchase.evidence or {}), "created_at": "2026-06-08T06:52:50+00:00"}
    return replace(purchase, billed_tier=TIER, evidence=evidence)


def test_what_is_unfinished_is_recorded_with_its_facts() -> None:
    """It is polled from then on."""
    task = found()
    outcome = Running(30.0, TIER, created_at=BEGUN_AT)
    assert judge(task, outcome, LATER) == Adoption((), (with_facts(task),))


def test_a_finished_task_is_recorded_with_its_address() -> None:
    """The id is written down before the end."""
    task = found()
    known = with_facts(task)
    records = (known, advance(known, "succeeded", LATER, video_url=URL))
    assert judge(task, Succeeded(URL, TIER, created_at=BEGUN_AT), LATER) == Adoption((), records)


def test_a_failed_task_is_recorded_with_its_failure() -> None:
    """The id is written down before the end."""
    task = found()
    known = with_facts(task)
    records = (known, advance(known, "failed", LATER, error=BUSY))
    assert judge(task, TaskFailed(BUSY, TIER, created_at=BEGUN_AT), LATER) == Adoption((), records)


def test_a_failure_that_was_wrong_is_recovered_with_its_address() -> None:
    """One record takes it back."""
    task = advance(found(), "failed", LATER, error=BUSY)
    records = (advance(with_facts(task), "recovered", LATER, video_url=URL),)
    assert judge(task, Succeeded(URL, TIER, created_at=BEGUN_AT), LATER) == Adoption((), records)


@pytest.mark.parametrize(
    ("outcome", "doubt"),
    [
        (Running(0.0, TIER, created_at=BEGUN_AT), "it is not finished; ask again later"),
        (TaskFailed(BUSY, TIER, created_at=BEGUN_AT), "it has failed, as is known"),
    ],
)
def test_a_failure_that_stands_stays_as_it_is(outcome: QueryOutcome, doubt: str) -> None:
    """Nothing new is written, even by force."""
    task = advance(found(), "failed", LATER, error=BUSY)
    assert judge(task, outcome, LATER) == Adoption((doubt,), (task,))


@pytest.mark.parametrize("task", [found(), advance(found(), "failed", LATER, error=BUSY)])
@pytest.mark.parametrize("outcome", [Succeeded(URL, named=False), TaskFailed(BUSY, named=False)])
def test_an_unnamed_end_is_a_doubt_and_not_recorded(task: Purchase, outcome: QueryOutcome) -> None:
    """By force the id is taken all the same, and polled."""
    adoption = judge(task, outcome, LATER)
    assert "the gateway's reply does not name the task it is about" in adoption.doubts
    assert adoption.records == (task,)


@pytest.mark.parametrize(
    ("outcome", "doubt"),
    [
        (NoSuchTask(Failure("unknown", "c", "m")), "the gateway does not know task_x (m)"),
        (NoSuchTask(Failure("unknown", "c", "")), "the gateway does not know task_x (c)"),
        (NoSuchTask(Failure("unknown", "", "")), "the gateway does not know task_x"),
        (
            Blind(Failure("key", "c", "m")),
            "the gateway refuses the key (m), so it could not be asked",
        ),
        (Hiccup("HTTP 502"), "the gateway could not be asked: HTTP 502"),
        (Misnamed("other", name="a\nb"), "the gateway's reply is about another task, a b"),
        (
            Misnamed("other", name="n" * 300),
            f"the gateway's reply is about another task, {'n' * 200}",
        ),
    ],
)
def test_a_task_that_nothing_was_learned_of_is_one_doubt(outcome: QueryOutcome, doubt: str) -> None:
    """By force the id is taken as it is."""
    task = found()
    assert judge(task, outcome, LATER) == Adoption((doubt,), (task,))


def test_a_task_that_could_not_be_asked_after_is_one_doubt() -> None:
    """By force the id is taken as it is."""
    task = found()
    assert unasked(task, "why") == Adoption(("why",), (task,))


def test_all_that_does_not_fit_is_said_in_order() -> None:
    """The person settles all of it at once."""
    outcome = Running(None, "kling-3.0-1080p", named=False, created_at=BEGUN_AT - timedelta(1))
    assert judge(found(), outcome, LATER).doubts == (
        "the gateway's reply does not name the task it is about",
        "it is billed as kling-3.0-1080p, where kling-3.0-720p was predicted",
        "it was created at 2026-06-07 06:52:50 UTC, and the purchase went out between"
        " 2026-06-08 06:52:49 UTC and 2026-06-08 06:53:00 UTC",
    )


@pytest.mark.parametrize(
    ("tier", "fits"),
    [
        (TIER.upper(), True),
        ("KLING-3.0", True),
        (None, True),
        ("", True),
        ("kling-3.0-1080p", False),
    ],
)
def test_a_tier_fits_as_predicted_or_as_asked(tier: str | None, fits: bool) -> None:
    """A relay may repeat the request's model, which says nothing."""
    assert (judge(found(), Running(None, tier), LATER).doubts == ()) is fits
    unpredicted = replace(found(), predicted_tier="", body={})
    assert judge(unpredicted, Running(None, tier), LATER).doubts == ()


def is_in_time(purchase: Purchase, at: datetime) -> bool:
    return judge(purchase, Running(created_at=at), LATER).doubts == ()


@pytest.mark.parametrize("window", [{"from": AT, "to": LATER}, None, {}])
def test_a_task_begins_while_its_purchase_is_out(window: dict[str, str] | None) -> None:
    """Ten minutes more or less, by the evidence or else by the purchase's own times."""
    task = replace(found(), evidence=window)
    first, last = map(datetime.fromisoformat, (AT, LATER))
    second = timedelta(seconds=1)
    assert is_in_time(task, first - TOLERANCE) and is_in_time(task, last + TOLERANCE)
    assert not is_in_time(task, first - TOLERANCE - second)
    assert not is_in_time(task, last + TOLERANCE + second)


def test_the_evidence_of_a_doubt_counts_before_the_times() -> None:
    """It says when the request was out."""
    task = replace(found(), times={"intent": "2020-01-01T00:00:00Z", "in_doubt": LATER})
    assert not is_in_time(task, datetime(2020, 1, 1, tzinfo=UTC))
    task = replace(found(), times={"intent": AT, "in_doubt": "2030-01-01T00:00:00Z"})
    assert not is_in_time(task, datetime(2030, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    "times",
    [
        {},
        {"intent": AT},
        {"in_doubt": LATER},
        {"intent": "?", "in_doubt": LATER},
        {"intent": AT[:-1], "in_doubt": LATER},
    ],
)
def test_without_a_window_no_time_is_wrong(times: dict[str, str]) -> None:
    """A time without a zone is none."""
    assert is_in_time(
        replace(found(), evidence=None, times=times), datetime(2000, 1, 1, tzinfo=UTC)
    )


def test_what_was_adopted_before_may_be_of_any_time() -> None:
    """Its own times are those of the adoption."""
    task = replace(found(), evidence={"adopted": LATER})
    assert is_in_time(task, datetime(2000, 1, 1, tzinfo=UTC))
