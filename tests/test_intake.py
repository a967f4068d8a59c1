"""Under a cap a desk counts what is claimed on all pages of a batch before it grants anything."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import pytest

from klingflow.cluster.account import Settings
from klingflow.cluster.desk import Desk
from klingflow.cluster.orders import Ask, Ref
from klingflow.cluster.reports import Bought
from klingflow.decide.caps import Caps
from klingflow.ledger.uids import uid_of
from klingflow.model import Rate

FAST = Settings(Rate(6000, 60.0), 100)
PAGE = 4  # orders of a page here


def ask(number: int) -> Ask:
    """The order of this number, on its page."""
    uid = uid_of("b1", f"shot{number}", 1, 1)
    ref = Ref("b1", number // PAGE, number % PAGE)
    return Ask(ref, uid, f"shot{number}", "std", 5, ("2", "CNY"))


def a_desk(pages: int, caps: Caps | None = None, settings: Settings = FAST) -> Desk:
    """A desk that has lost its memory, and has been given its batch again."""
    made = Desk(settings)
    made.standing.proven = True
    made.add("b1", "film", pages, (caps or Caps()).state())
    return made


def again(desk: Desk) -> Desk:
    """The desk after it went through JSON."""
    made = Desk.from_state(json.loads(json.dumps(desk.state())))
    assert made.state() == desk.state()
    return made


def read(desk: Desk, page: int, claims: Mapping[int, int], **ends: bool) -> None:
    """Let a desk read a page of whose orders so many attempts are claimed."""
    numbers = range(page * PAGE, page * PAGE + PAGE)
    told = {ask(int(name[1:])).uid: well for name, well in ends.items()}
    desk.read("b1", page, [(ask(n), claims.get(n, 0)) for n in numbers], told)


def wanted(desk: Desk) -> list[int]:
    """The pages that a desk wants, by number."""
    return [page for _, page in desk.wanted_pages()]


def granted(desk: Desk, now: float = 10.0) -> list[int]:
    """The numbers of the orders that are granted."""
    numbers = {ask(n).uid: n for n in range(100)}
    return [numbers[grant.order.uid] for grant in desk.grants(now)]


def test_claims_of_later_pages_count_before_the_first_grant() -> None:
    """The first page is read last, and only then anything waits; what has no room is left out."""
    desk = a_desk(3, Caps(max_tasks=5))
    assert wanted(desk) == [1, 2]
    read(desk, 2, {8: 1, 11: 1})
    read(desk, 0, {})  # not wanted yet
    desk = again(desk)
    assert (wanted(desk), granted(desk)) == ([1], [])
    read(desk, 1, {5: 1})
    desk = again(desk)
    assert (wanted(desk), granted(desk)) == ([0], [])
    read(desk, 0, {1: 1})
    assert granted(desk) == [0, 1]
    assert desk.batches["b1"].left_out == 2
    for page, claims in ((1, {5: 1}), (2, {8: 1, 11: 1})):
        assert wanted(desk) == [page]
        read(desk, page, claims)
    assert granted(desk) == [5, 8, 11]
    assert desk.account.caps.tasks == 5


def test_without_a_cap_pages_are_read_in_order() -> None:
    """Nothing could be passed."""
    desk = a_desk(3)
    assert wanted(desk) == [0]
    read(desk, 2, {})
    read(desk, 0, {})
    assert granted(desk) == [0, 1, 2, 3]
    assert wanted(desk) == [1]


def test_a_few_pages_are_read_at_once() -> None:
    """A batch may have thousands."""
    desk = a_desk(30, Caps(max_tasks=5))
    assert wanted(desk) == [*range(1, 9)]
    read(desk, 3, {})
    assert wanted(desk) == [1, 2, *range(4, 10)]


def test_a_cap_that_is_set_meanwhile_holds_grants_back() -> None:
    """Until the claims of all unread pages are counted; what is claimed itself goes on."""
    desk = a_desk(2, settings=replace(FAST, max_running=1))
    read(desk, 0, {3: 1})
    assert granted(desk) == [0]
    desk.account.settle(replace(FAST, max_spend=Decimal(8)))
    assert wanted(desk) == [1] and granted(desk) == []
    assert desk.wake_at(10.0) is None
    read(desk, 1, {5: 1, 6: 1})
    assert granted(again(desk)) == [3, 5, 6] and desk.account.caps.spend == 8


@pytest.mark.parametrize(("claims", "tasks"), [(1, 1), (2, 2), (3, 3)])
def test_attempts_of_one_order_count_each(claims: int, tasks: int) -> None:
    """An order that was bought again before the loss is counted so often at once, and not again
    when its failed tasks are found out.
    """
    desk = a_desk(1, Caps(max_tasks=3))
    read(desk, 0, {0: claims})
    assert desk.batches["b1"].caps.tasks == tasks
    assert len(granted(desk)) == 4 - claims
    for number in range(1, claims):
        failed = next(g.order for g in desk._granted.values() if g.order.ask == ask(0))
        uid = uid_of("b1", "shot0", 1, 1 + number)
        desk.bought(Bought(failed.uid, "submitted", "task"), 11.0, 0.5)
        desk.again(failed, uid, claimed=True)
        desk = again(desk)
        assert [grant.order.uid for grant in desk.grants(12.0)] == [uid]
    assert desk.batches["b1"].caps.tasks == 3


def test_a_claim_that_bought_nothing_costs_nothing() -> None:
    """It was withdrawn or refused: there is room for another, and nobody asks after it."""
    desk = a_desk(2, Caps(max_tasks=1))
    read(desk, 1, {4: 0}, n4=False)
    read(desk, 0, {})
    assert granted(desk) == [0]
    read(desk, 1, {4: 0}, n4=False)
    assert granted(desk) == [] and desk.batches["b1"].settled == 1


def test_what_is_claimed_stays_set_aside_when_its_batch_is_stopped() -> None:
    """It was bought. The money of others is free."""
    desk = a_desk(1, settings=replace(FAST, max_spend=Decimal(6)))
    read(desk, 0, {0: 1, 3: 1})
    desk.stop("b1")
    assert desk.account.caps.spend == 4


@pytest.mark.parametrize("seed", range(20))
def test_no_loss_of_memory_passes_a_cap(seed: int) -> None:
    """Whatever was claimed before, and in whatever order pages come: no more is bought than the cap
    allows, and all of it, unless the claims alone pass it.
    """
    chance = random.Random(seed)
    pages, most = 5, chance.randrange(1, 30)
    claims: dict[int, int] = {}
    for _ in range(3):  # losses
        desk = a_desk(pages, Caps(max_tasks=most))
        for _ in range(chance.choice((2, 5, 40))):
            desk = again(desk)
            for page in chance.sample(wanted(desk), len(wanted(desk))):
                read(desk, page, claims)
            for grant in desk.grants(chance.uniform(0, 1000)):
                number = grant.order.ask.ref.page * PAGE + grant.order.ask.ref.number
                claims[number] = 1
                desk.bought(Bought(grant.order.uid, "submitted", "task", sent=True), 0.0, 0.5)
                desk.over(grant.order.uid)
    assert len(claims) <= most
    assert len(claims) == min(most, pages * PAGE) or wanted(desk)
