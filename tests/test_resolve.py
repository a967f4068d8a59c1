"""The way out of doubt: three answers, each one record; anything else is refused in clear words."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from klingflow.decide.resolve import abandon, adopt, resubmit
from klingflow.errors import Mark, UsageError
from klingflow.gateway.outcomes import Accepted, Reply
from klingflow.gateway.replies import read_create
from klingflow.ledger.book import Book
from klingflow.ledger.lifecycle import advance, last_event
from klingflow.model import Failure, Node, Purchase, Request, Shot
from tests.purchases import AT, LATER, ORIGIN, done, intent, submitted, succeeded

SHOT = Shot("a", 1, "text", {}, "outputs/film/a.mp4", Node({}, Mark("film.yaml", 1, 1)))
REQUEST = Request({"model": "kling-3.0"}, "sha256:1", "kling-3.0-720p", 5, None)


def doubtful(shot: str = "a", attempt: int = 1) -> Purchase:
    return advance(intent(shot, attempt=attempt), "doubted", AT, evidence={"from": AT})


def parked() -> Purchase:
    return advance(submitted("a"), "parked", AT)


def adopted(book: Book, task_id: str, request: Request | None = REQUEST) -> list[Purchase]:
    wanted = (SHOT, request) if request else None
    return adopt(
        book, "a", task_id, wanted=wanted, origin=ORIGIN, new_uid=lambda: "20260608-new", at=LATER
    )


def test_a_task_that_was_found_settles_its_doubt() -> None:
    (record,) = adopted(Book([doubtful()]), "task_x")
    assert (record.state, record.task_id, record.evidence) == ("submitted", "task_x", {"from": AT})


def test_a_task_found_after_the_doubt_was_abandoned_still_counts() -> None:
    old = advance(doubtful(), "resubmitted", AT)
    (record,) = adopted(Book([old, done("a", attempt=2)]), "task_x")
    assert (record.uid, record.state, record.task_id) == (old.uid, "submitted", "task_x")


@pytest.mark.parametrize("task_id", ["models/veo?y=1#z", "..x", "x" * 256])
def test_an_id_that_a_create_may_get_can_be_adopted(task_id: str) -> None:
    """What is believed of the gateway's reply is believed of a person."""
    (record,) = adopted(Book([doubtful()]), task_id)
    assert read_create(Reply(200, {}, json.dumps({"id": task_id}).encode())) == Accepted(task_id)
    assert record.task_id == task_id


def test_a_purchase_made_elsewhere_is_adopted() -> None:
    (record,) = adopted(Book([advance(intent("a"), "refused", AT)]), "task_x")
    assert (record.uid, record.attempt, record.state, record.task_id) == (
        "20260608-new",
        1,
        "submitted",
        "task_x",
    )
    assert record.evidence == {"adopted": LATER}


@pytest.mark.parametrize(
    ("book", "task_id", "request_", "says"),
    [
        (Book([doubtful(), submitted("b")]), "task_b", REQUEST, "already that of b"),
        (Book([submitted("a")]), "task_x", REQUEST, "a is bought: its task is task_a"),
        (Book(), "task_x", None, "neither in the manifest nor in the ledger"),
        (Book(), "task_x", Request({}, None, "t", 5, None), "its body is not known"),
        *(
            (Book([doubtful()]), bad, REQUEST, "is no task id")
            for bad in ("", "a b", "..", "x" * 257, "a\nb", "任务")
        ),
    ],
)
def test_a_task_that_cannot_be_right_is_refused(
    book: Book, task_id: str, request_: Request | None, says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        adopted(book, task_id, request_)


@pytest.mark.parametrize(("purchase", "after"), [(doubtful(), "abandoned"), (parked(), "failed")])
def test_abandon_and_resubmit_settle_what_is_open(purchase: Purchase, after: str) -> None:
    (given_up,) = abandon(Book([purchase]), "a", origin=ORIGIN, at=LATER)
    (again,) = resubmit(Book([purchase]), "a", origin=ORIGIN, at=LATER, held=False)
    assert (given_up.state, given_up.task_id, last_event(given_up)) == (
        after,
        purchase.task_id,
        "abandoned",
    )
    assert (again.state, again.task_id, last_event(again)) == (
        after,
        purchase.task_id,
        "resubmitted",
    )


@pytest.mark.parametrize(
    ("purchase", "says"),
    [
        (doubtful(), "given up by `klingflow resolve`"),
        (parked(), "given up by `klingflow resolve`; its task id stays in the ledger"),
    ],
)
def test_what_was_wrong_before_is_no_reason_any_more(purchase: Purchase, says: str) -> None:
    lost = replace(purchase, error=Failure("unknown", "in_doubt", "the connection broke"))
    for verdict in (abandon, partial(resubmit, held=False)):
        (record,) = verdict(Book([lost]), "a", origin=ORIGIN, at=LATER)
        assert record.error and record.error.message == says


def test_every_doubt_of_a_take_is_settled_at_once() -> None:
    assert len(abandon(Book([doubtful(), doubtful(attempt=2)]), "a", origin=ORIGIN, at=LATER)) == 2


def test_what_was_abandoned_may_be_resubmitted_after_all() -> None:
    given_up = Book([advance(doubtful(), "abandoned", AT)])
    (record,) = resubmit(given_up, "a", origin=ORIGIN, at=LATER, held=False)
    assert (record.state, last_event(record)) == ("abandoned", "resubmitted")


@pytest.mark.parametrize("purchase", [submitted("a"), done("a")])
def test_what_is_at_another_gateway_may_be_bought_here(purchase: Purchase) -> None:
    (record,) = resubmit(Book([purchase]), "a", origin="https://elsewhere", at=LATER, held=True)
    assert (record.task_id, last_event(record)) == (purchase.task_id, "resubmitted")
    with pytest.raises(UsageError, match="only what is in doubt, parked or at another gateway"):
        resubmit(Book([purchase]), "a", origin=ORIGIN, at=LATER, held=False)


@pytest.mark.parametrize("purchase", [succeeded("a"), done("a")])
def test_what_is_finished_gets_no_permission_that_would_lie_in_wait(purchase: Purchase) -> None:
    """Bought elsewhere, but its file is here: the plan does not hold it."""
    with pytest.raises(UsageError, match=r"needs no second purchase.*--rerun changed"):
        resubmit(Book([purchase]), "a", origin="https://elsewhere", at=LATER, held=False)


@pytest.mark.parametrize("answer", [abandon, partial(resubmit, held=False)])
def test_nothing_to_resolve_is_said(answer: Callable[..., object]) -> None:
    with pytest.raises(UsageError, match="knows no purchase of it"):
        answer(Book(), "a", origin=ORIGIN, at=LATER)
