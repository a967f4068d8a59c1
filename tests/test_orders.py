"""Orders: pages that are believed whole or not at all, and what follows from an answer."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from klingflow.cluster.orders import (
    Ask,
    OrdersDamaged,
    Page,
    Ref,
    Terms,
    as_bytes,
    failed,
    following,
    from_bytes,
    is_answer,
    is_tried_again,
    page_name,
    pages,
)
from klingflow.decide.caps import Caps
from klingflow.ledger.handed_over import (
    bought_again,
    handed_over,
    is_at_cluster,
    is_undecided,
)
from klingflow.ledger.lifecycle import advance, placed
from klingflow.ledger.lines import journal_line
from klingflow.ledger.uids import next_try, uid_of
from klingflow.manifest.tag import tag_in, tag_of
from klingflow.model import Failure, FailureKind, Price, Purchase
from tests.clusters import BATCH, LINEAGE, order
from tests.purchases import AT, LATER, ORIGIN

TERMS = Terms(BATCH, LINEAGE, "film", ORIGIN, "store-1", 0, caps=Caps(Decimal(9)).state())


def a_page(*shots: str) -> Page:
    """The first page of a batch of these shots."""
    return pages(TERMS, [order(shot) for shot in shots])[0]


def rejected(kind: FailureKind, code: str = "") -> Purchase:
    """An order that was refused."""
    handed = handed_over(order("alley"), store="store-1", batch=BATCH)
    return advance(handed, "refused", LATER, error=Failure(kind, code, "no"))


def test_a_batch_has_pages_of_a_hundred() -> None:
    """Each says how many there are; names sort as numbers do."""
    made = pages(TERMS, [order(f"shot{n}") for n in range(201)])
    assert [(p.number, len(p.orders), p.terms.pages) for p in made] == [
        (0, 100, 3), (1, 100, 3), (2, 1, 3)
    ]  # fmt: skip
    assert page_name(BATCH, 7) == "orders/b1/000007.jsonl"


def test_a_page_goes_into_bytes_and_back() -> None:
    """Orders say where they were handed over."""
    page = a_page("alley", "bridge")
    assert from_bytes(as_bytes(page), BATCH, 0) == page
    assert all(map(is_at_cluster, page.orders))
    assert from_bytes(as_bytes(page), BATCH, 0).terms.caps == TERMS.caps


def _cut(data: bytes) -> bytes:
    return data[: data.rindex(b"\n", 0, -1) + 1]


@pytest.mark.parametrize("damaged", [
    b"",
    b"no page\n",
    as_bytes(a_page("alley"))[:-20],
    as_bytes(a_page("alley")).replace(b"alley", b"valley"),
    _cut(as_bytes(a_page("alley", "bridge"))),
    as_bytes(replace(a_page("alley"), number=1)),
    as_bytes(replace(a_page("alley"), terms=replace(TERMS, batch="b2"))),
    as_bytes(a_page("alley")).partition(b"\n")[0] + b"\n" + journal_line(rejected("key")),
    as_bytes(replace(a_page("alley"), orders=(replace(order("alley"), uid="20260608-ff"),))),
    as_bytes(a_page("alley")).replace(b"klingflow_orders", b"klingflow_orderz"),
])  # fmt: skip
def test_a_page_is_believed_whole_or_not_at_all(damaged: bytes) -> None:
    """Another page, or another batch's, is none of ours."""
    with pytest.raises(OrdersDamaged):
        from_bytes(damaged, BATCH, 0)


def test_an_engine_is_told_no_body() -> None:
    """What it needs for its limits, as JSON; the request that caps reserve for has the price."""
    (ask,) = a_page("alley").asks()
    assert ask == Ask(
        Ref(BATCH, 0, 0), order("alley").uid, "alley", "kling-3.0-720p", 5, ("3.00", "CNY")
    )
    text = json.dumps(ask.as_json())
    assert "雨夜" not in text and Ask.from_json(json.loads(text)) == ask
    assert ask.request.price == Price(Decimal("3.00"), "CNY", "")
    unpriced = replace(ask, price=None)
    assert Ask.from_json(json.loads(json.dumps(unpriced.as_json()))) == unpriced
    assert unpriced.request.price is None


def test_tries_of_an_order_differ_in_nothing_but_the_uid() -> None:
    """The claim of each is another object."""
    page = a_page("alley")
    assert page.order(0) == page.orders[0]
    second = next_try(page.orders[0].uid)
    assert page.order(0, 2) == replace(page.orders[0], uid=second or "")


def test_each_try_has_a_name_at_the_gateway_where_its_film_wants_one() -> None:
    """By it a person finds the task of a try that is in doubt."""
    page = replace(a_page("alley"), terms=replace(TERMS, tag_media=True))
    tried = [page.named(page.order(0)), page.named(page.order(0, 2))]
    assert [tag_in(order.body) for order in tried] == [tag_of(order.uid) for order in tried]


@pytest.mark.parametrize(("number", "try_"), [(1, 1), (-1, 1), (0, 1000)])
def test_an_order_that_is_not_there_is_told(number: int, try_: int) -> None:
    """Trying again would not bring it."""
    with pytest.raises(OrdersDamaged):
        a_page("alley").order(number, try_)


@pytest.mark.parametrize(("change", "is_ours"), [
    ({}, True),
    ({"uid": "other"}, False),
    ({"fingerprint": "sha256:2"}, False),
    ({"fingerprint": ""}, True),
    ({"origin": "https://elsewhere.example.com"}, False),
])  # fmt: skip
def test_a_claim_answers_an_order_of_the_same_body_and_gateway(
    change: dict[str, str], is_ours: bool
) -> None:
    """Any other leaves the order stale."""
    assert is_answer(order("alley"), replace(order("alley"), **change)) is is_ours  # type: ignore[arg-type]  # texts


@pytest.mark.parametrize(("kind", "code", "again"), [
    ("limited", "", True),
    ("not_sent", "not_sent", True),
    ("not_sent", "withdrawn", False),
    ("moderation", "", False),
    ("key", "", True),
    ("quota", "", True),
])  # fmt: skip
def test_what_is_not_about_the_shot_is_tried_again(
    kind: FailureKind, code: str, again: bool
) -> None:
    """Then the ledger holds the intent of the next try at once: no moment is without one."""
    answer = rejected(kind, code)
    after = following(answer)
    assert is_tried_again(answer) is again is (after is not None)
    if after:
        first = handed_over(order("alley"), store="store-1", batch=BATCH)
        times = {"intent": LATER, "updated": LATER}
        assert after == replace(first, uid=next_try(first.uid) or "", times=times)


@pytest.mark.parametrize(("kind", "retries", "again"), [
    ("capacity", 2, [2, 3]),
    ("capacity", 1, [2]),
    ("capacity", 0, []),
    ("moderation", 2, []),
])  # fmt: skip
def test_a_task_that_failed_names_the_attempt_that_follows(
    kind: FailureKind, retries: int, again: list[int]
) -> None:
    """For want of capacity alone, and as often as the film says; its hosts and all who follow make
    the same order of it.
    """
    terms, found = replace(TERMS, retries=retries), list[int]()
    page = pages(terms, [order("alley")])[0]
    intent: Purchase | None = page.order(0)
    while intent is not None:
        bought = advance(intent, "accepted", AT, task_id=f"task_{intent.attempt}")
        end = advance(bought, "failed", LATER, error=Failure(kind, "1", "busy"))
        end = failed(terms, page.orders[0], end)
        intent = following(end)
        if intent is not None:
            times = {"intent": LATER, "updated": LATER}
            assert intent == replace(page.order(0, 1, len(found) + 1), times=times)
            assert intent.uid == uid_of(LINEAGE, "alley", 1, intent.attempt)
            found.append(intent.attempt)
    assert found == again


# Who claimed each attempt, a host or a run beside the cluster; the attempt that was ordered,
# `retries`, and the attempts that hosts may buy after the failures of these.
COUNTED = [
    ("h", 1, 0, []),
    ("h", 1, 1, [2]),
    ("hh", 1, 1, [2]),
    ("r", 1, 1, [2]),
    ("rr", 1, 1, [2]),
    ("rh", 1, 1, [2]),
    ("hr", 1, 2, [2, 3]),
    ("rrr", 1, 2, [2, 3]),
    ("hrhr", 1, 2, [2, 3]),
    ("rr", 2, 1, [3]),
]


@pytest.mark.parametrize(("who", "ordered", "retries", "again"), COUNTED)
def test_what_a_run_beside_the_cluster_has_bought_counts(
    who: str, ordered: int, retries: int, again: list[int]
) -> None:
    """One number over runs and hosts: the attempts since the order. So a take is bought no more
    than once and `retries` times for it, whoever makes the claims, and all who follow make the same
    order of each.
    """
    terms, found = replace(TERMS, retries=retries), list[int]()
    first = replace(order("alley"), attempt=ordered, uid=uid_of(LINEAGE, "alley", 1, ordered))
    page = pages(terms, [first])[0]
    for number, one in enumerate(who):
        claim = page.order(0, 1, number)
        if one == "r":
            claim = replace(claim, evidence={"claim": {"host": "laptop", "nonce": "n"}})
        bought = advance(claim, "accepted", AT, task_id=f"task_{number}")
        busy = advance(bought, "failed", LATER, error=Failure("capacity", "1", "busy"))
        end = failed(terms, page.orders[0], busy)
        assert not is_undecided(end)
        intent = following(end)
        if intent is not None:
            times = {"intent": LATER, "updated": LATER}
            assert intent == replace(page.order(0, 1, number + 1), times=times)
            found.append(intent.attempt)
    assert found == again


def test_what_was_moved_since_is_bought_again_for_its_order() -> None:
    """Whoever tells the store of it: hosts would not find it under another id."""
    terms = replace(TERMS, retries=1)
    page = pages(terms, [order("alley")])[0]
    bought = advance(page.order(0), "accepted", AT, task_id="task_1")
    busy = advance(bought, "failed", LATER, error=Failure("capacity", "1", "busy"))
    end = failed(terms, page.orders[0], placed(busy, LATER, shot="bridge"))
    assert bought_again(end) == page.order(0, 1, 1).uid


def test_a_further_attempt_has_tries_of_its_own() -> None:
    """A limit passes there as well."""
    page = a_page("alley")
    first, second = page.order(0, 1, 1), page.order(0, 2, 1)
    assert second == replace(first, uid=next_try(first.uid) or "")


def test_nobody_goes_on_with_what_was_not_ordered() -> None:
    """A plain run that claims alone has no order; with an order at the cluster its hosts do."""
    answer = replace(rejected("limited"), evidence={"claim": {"host": "h", "nonce": "n"}})
    ordered = handed_over(order("alley"), store="store-1", batch=BATCH)
    assert following(answer) is None
    assert following(answer, ordered) == following(rejected("limited"))
    bought = advance(order("alley"), "accepted", AT, task_id="task_1")
    assert following(bought, ordered) is None
