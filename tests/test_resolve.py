"""The way out of doubt: three answers, each one record; anything else is refused in clear words."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from klingflow.decide.resolve import (
    Verdict,
    abandon,
    adopt,
    not_charged,
    resubmit,
    settled_of,
    what_there_is,
)
from klingflow.errors import Mark, UsageError
from klingflow.gateway.create_replies import read_create
from klingflow.gateway.outcomes import Accepted, Reply
from klingflow.ledger.book import Book
from klingflow.ledger.handed_over import handed_over
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
        (Book([doubtful(), submitted("b")]), "task_b", REQUEST, "already belongs to b"),
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


GIVEN_UP = Failure("unknown", "given_up", "given up by `klingflow resolve`")
ONCE_MORE = "to be bought once more, by `klingflow resolve --resubmit`"


@pytest.mark.parametrize(
    ("verdict", "code", "says"),
    [
        (abandon, "given_up", "given up by `klingflow resolve`"),
        (not_charged, "given_up", "given up by `klingflow resolve`, and not charged"),
        (partial(resubmit, held=False), "resubmitted", ONCE_MORE),
    ],
)
def test_the_verdict_takes_the_place_of_what_was_wrong_before(
    verdict: Callable[..., list[Purchase]], code: str, says: str
) -> None:
    """Also of an earlier verdict. A task id stays in the ledger, and the words say so."""
    lost = replace(doubtful(), error=Failure("unknown", "in_doubt", "the connection broke"))
    let_go = replace(advance(doubtful(), "abandoned", AT), error=GIVEN_UP)
    kept = f"{says}; its task id stays in the ledger"
    for purchase, words in ((lost, says), (let_go, says), (parked(), kept)):
        (record,) = verdict(Book([purchase]), "a", origin=ORIGIN, at=LATER)
        assert record.error == Failure("unknown", code, words)


@pytest.mark.parametrize(
    ("purchases", "said_of"),
    [
        ([doubtful(), advance(submitted("a", attempt=2), "failed", AT)], [1]),
        ([parked()], [1]),
        ([advance(doubtful(), "abandoned", AT)], [1]),
        ([advance(submitted("a"), "failed", AT), done("a", attempt=2)], [1]),
        ([advance(submitted("a", attempt=n), "failed", AT) for n in (1, 2)], [1, 2]),
    ],
)
def test_that_nothing_was_charged_is_said_of_all_that_brought_nothing(
    purchases: list[Purchase], said_of: list[int]
) -> None:
    """Doubts and open tasks come first; otherwise every failed and abandoned purchase."""
    records = not_charged(Book(purchases), "a", origin=ORIGIN, at=LATER)
    assert [(r.attempt, last_event(r)) for r in records] == [(n, "not_charged") for n in said_of]


@pytest.mark.parametrize("purchase", [submitted("a"), done("a")])
def test_what_comes_or_is_here_was_charged(purchase: Purchase) -> None:
    """A video is no proof of a mistake in the bill."""
    with pytest.raises(UsageError, match="only what is in doubt, parked or at another gateway"):
        not_charged(Book([purchase]), "a", origin=ORIGIN, at=LATER)


def test_a_word_said_in_error_can_be_taken_back() -> None:
    """The bill shows the purchase after all."""
    book = Book([advance(doubtful(), "not_charged", AT)])
    (record,) = abandon(book, "a", origin=ORIGIN, at=LATER)
    assert (record.state, last_event(record)) == ("abandoned", "abandoned")


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


# ---------------------------------------------------------------- whose a task is


def test_a_takes_own_failed_task_may_be_asked_after_again() -> None:
    """Whether it failed is for the gateway to say once more; nothing new is recorded."""
    failed = advance(submitted("a"), "failed", AT)
    assert adopted(Book([failed]), "task_a") == [failed]


def test_a_task_of_another_take_is_refused_though_it_failed() -> None:
    """And one whose purchase was pruned."""
    failed = advance(submitted("b"), "failed", AT)
    with pytest.raises(UsageError, match=r"^task_b already belongs to b$"):
        adopted(Book([failed]), "task_b")
    book = Book()
    book.remember([advance(submitted("a"), "failed", AT)])
    with pytest.raises(UsageError, match=r"^task_a already belongs to a$"):
        adopted(book, "task_a")


def test_the_last_doubt_is_settled_before_what_was_abandoned() -> None:
    """A later abandoned attempt does not take the task of a doubt."""
    given_up = advance(doubtful(attempt=3), "abandoned", AT)
    book = Book([doubtful(), doubtful(attempt=2), given_up, done("a", attempt=4)])
    (record,) = adopted(book, "task_x")
    assert (record.attempt, record.state, record.times["found"]) == (2, "submitted", LATER)


@pytest.mark.parametrize(("known", "origin"), [("", ORIGIN), ("https://there", "https://there")])
def test_a_doubt_keeps_the_gateway_that_it_was_sent_to(known: str, origin: str) -> None:
    """Only where that is unknown, the run's own is written down."""
    (record,) = adopted(Book([replace(doubtful(), origin=known)]), "task_x")
    assert record.origin == origin


def test_an_adopted_purchase_is_that_of_the_shot() -> None:
    """As if it had been bought by this manifest, after what was bought before."""
    (record,) = adopted(Book([advance(submitted("a"), "failed", AT)]), "task_x")
    assert (record.shot, record.take, record.attempt, record.origin) == ("a", 1, 2, ORIGIN)
    assert (record.fingerprint, record.output) == ("sha256:1", "outputs/film/a.mp4")
    assert record.times == {"intent": LATER, "submitted": LATER, "updated": LATER}


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("purchase", "said"),
    [
        (None, "a: the ledger knows no purchase of it, so there is nothing to resolve"),
        (
            advance(intent("a"), "refused", AT),
            "a: the ledger knows no purchase of it, so there is nothing to resolve",
        ),
        (
            advance(submitted("a"), "failed", AT),
            "a is failed: only what is in doubt, parked or at another gateway is resolved",
        ),
        (
            submitted("a"),
            "a is submitted: only what is in doubt, parked or at another gateway is resolved",
        ),
    ],
)
@pytest.mark.parametrize("verdict", [abandon, partial(resubmit, held=False)])
def test_what_needs_no_person_is_refused(
    purchase: Purchase | None, said: str, verdict: Callable[..., object]
) -> None:
    """In the words that say why, and with what there is."""
    with pytest.raises(UsageError) as caught:
        verdict(Book([purchase] if purchase else []), "a", origin=ORIGIN, at=LATER)
    assert str(caught.value) == f"{said}; nothing is in doubt"


@pytest.mark.parametrize("origin", [ORIGIN, ""])
def test_what_may_still_come_is_not_given_up(origin: str) -> None:
    """At the run's own gateway, and while that is unknown."""
    with pytest.raises(UsageError, match="a is submitted"):
        abandon(Book([submitted("a")]), "a", origin=origin, at=LATER)


def test_what_is_at_another_gateway_is_abandoned_for_good() -> None:
    """Unfinished there: the user says that nothing came of it."""
    (record,) = abandon(Book([submitted("a")]), "a", origin="https://elsewhere", at=LATER)
    assert (record.state, record.error and record.error.code) == ("failed", "given_up")
    with pytest.raises(UsageError, match="a is done"):
        abandon(Book([done("a")]), "a", origin="https://elsewhere", at=LATER)


def test_only_the_last_purchase_of_a_take_is_given_up() -> None:
    """An older parked one was left behind by what followed it."""
    book = Book([parked(), done("a", attempt=2)])
    with pytest.raises(UsageError, match="a is done"):
        abandon(book, "a", origin=ORIGIN, at=LATER)


def test_what_the_gateway_said_of_a_failed_task_stays() -> None:
    """That it was not charged is no other reason."""
    why = Failure("moderation", "risk", "not allowed")
    failed = replace(advance(submitted("a"), "failed", AT), error=why)
    (record,) = not_charged(Book([failed]), "a", origin=ORIGIN, at=LATER)
    assert (record.error, last_event(record)) == (why, "not_charged")


def test_a_finished_video_is_not_bought_a_second_time_by_a_verdict() -> None:
    """There are options that say what is meant."""
    with pytest.raises(UsageError) as caught:
        resubmit(Book([done("a")]), "a", origin="https://elsewhere", at=LATER, held=False)
    assert str(caught.value) == (
        "a is done and needs no second purchase; to buy it again nevertheless, there are"
        " --rerun changed, and --rerun failed where its video cannot be had"
    )


def test_a_second_take_is_resolved_by_its_key() -> None:
    """And the first is left alone."""
    book = Book([doubtful(), advance(intent("a", 2), "doubted", AT)])
    (record,) = abandon(book, "a#2", origin=ORIGIN, at=LATER)
    assert (record.key, record.state) == ("a#2", "abandoned")


@pytest.mark.parametrize(
    ("verdict", "settled"),
    [("abandon", ["d", "d"]), ("resubmit", ["d", "d"]), ("not_charged", ["d", "d", "f"])],
)
def test_a_verdict_about_many_settles_doubts_alone(verdict: Verdict, settled: list[str]) -> None:
    """What is parked, running or delivered is left: it is paid for. That nothing was charged is
    said of failures, too.
    """
    book = Book(
        [
            parked(),
            doubtful("d"),
            doubtful("d", attempt=2),
            done("e"),
            advance(submitted("f"), "failed", AT, error=Failure("capacity", "x", "busy")),
            submitted("g"),
            doubtful("h"),
        ]
    )
    found = settled_of(book, set("adefg"), verdict)
    assert [purchase.key for purchase in found] == settled


def test_a_failure_whose_take_is_bought_again_is_not_settled_by_the_way() -> None:
    """It may be named by itself, once the later task has ended."""
    failed = advance(submitted("f"), "failed", AT, error=Failure("capacity", "x", "busy"))
    again = submitted("f", attempt=2, task_id="task_again")
    assert settled_of(Book([failed, again]), {"f"}, "not_charged") == []


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0, "nothing is in doubt"),
        (2, "in doubt: a00, a01"),
        (12, "in doubt: a00, a01, a02, a03, a04, a05, a06, a07, a08, a09 and 2 more"),
    ],
)
def test_who_names_what_is_in_no_doubt_hears_what_is(number: int, said: str) -> None:
    """Ten of them by name."""
    book = Book([done("x"), *(doubtful(f"a{n:02}") for n in range(number))])
    assert what_there_is(book) == said


@pytest.mark.parametrize("answer", [
    lambda book: abandon(book, "a", origin=ORIGIN, at=LATER),
    lambda book: not_charged(book, "a", origin=ORIGIN, at=LATER),
    lambda book: resubmit(book, "a", origin=ORIGIN, at=LATER, held=True),
    lambda book: adopted(book, "task_1"),
])  # fmt: skip
def test_what_is_at_the_cluster_is_not_settled_here(answer: Callable[[Book], object]) -> None:
    """Its hosts may be buying it, and would not hear of it."""
    handed = handed_over(intent("a"), store="s", batch="b")
    with pytest.raises(UsageError, match="a is at the cluster"):
        answer(Book([handed]))
