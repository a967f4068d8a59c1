"""Several accounts of one purchase become one, whatever the order in which they are read."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klingflow.ledger.accounts import merge
from klingflow.ledger.lifecycle import TRANSITIONS, advance, last_event, placed
from klingflow.model import Bought, Event, Purchase
from tests.purchases import AT, LATER, at, intent, submitted, succeeded


def lives() -> st.SearchStrategy[list[Purchase]]:
    """Every account of one purchase's life, from its intent on, while the clock does as it
    likes.
    """

    @st.composite
    def draw_life(draw: st.DrawFn) -> list[Purchase]:
        purchase = intent("opening", uid="20260608-1")
        accounts = [purchase]
        for _ in range(draw(st.integers(0, 8))):
            events = [e for (state, e) in TRANSITIONS if state == purchase.state]
            if not events:
                break
            event: Event = draw(st.sampled_from(events))
            at = f"2026-06-08T06:{draw(st.integers(0, 59)):02d}:00.000Z"
            changes = {"task_id": "task_1"} if event in ("accepted", "found") else {}
            purchase = advance(purchase, event, at, **changes)
            accounts.append(purchase)
        return accounts

    return draw_life()


def both_ways(*accounts: Purchase) -> tuple[Purchase, list[Purchase]]:
    """What the accounts merge to, which no order of them changes."""
    first, contradicting = merge(accounts)
    for order in permutations(accounts):
        merged, apart = merge(order)
        assert merged == first
        assert sorted(apart, key=str) == sorted(contradicting, key=str)
    return first, contradicting


@given(lives(), st.data())
def test_accounts_of_one_life_fold_to_its_end_in_any_order(
    life: list[Purchase], data: st.DataObject
) -> None:
    told = data.draw(st.permutations(life + data.draw(st.lists(st.sampled_from(life)))))
    merged, contradicting = merge(told)
    end = life[-1]
    assert contradicting == []
    assert (merged.state, merged.task_id, merged.times) == (end.state, end.task_id, end.times)
    assert last_event(merged) == last_event(end)
    assert merge(list(reversed(told))) == merge(told)


@given(lives(), lives(), st.data())
def test_a_task_id_is_never_replaced(
    ours: list[Purchase], theirs: list[Purchase], data: st.DataObject
) -> None:
    """Of two ids under one uid one stays, and the accounts of the other are handed back whole."""
    theirs = [replace(p, task_id="task_2") if p.task_id else p for p in theirs]
    told = data.draw(st.permutations(ours + theirs))
    merged, contradicting = merge(told)
    assert {p.task_id for p in [merged, *contradicting]} - {None} == {p.task_id for p in told} - {
        None
    }
    assert all(p.task_id not in (None, merged.task_id) for p in contradicting)


def test_what_an_account_is_silent_about_is_filled_in() -> None:
    """A line of the journal has no body, and a price may be known on one machine only."""
    whole = replace(
        submitted("a"), finished_after_s=(1, 2), video_url="u", sha256="s", size_bytes=1
    )
    bare = Purchase(
        uid=whole.uid,
        shot="a",
        take=1,
        attempt=1,
        state="done",
        fingerprint="",
        body={},
        origin="",
        predicted_tier="",
        seconds=0,
        times=whole.times,
    )
    assert both_ways(whole, bare) == (replace(whole, state="done"), [])


def test_of_two_tasks_the_one_learned_first_stays() -> None:
    """Whichever was updated last; by `submitted` or by `found`, and by `updated` where neither
    is.
    """
    first = replace(
        submitted("a", uid="u", task_id="1"), times={"submitted": at(2), "updated": at(9)}
    )
    later = replace(submitted("a", uid="u", task_id="2"), times={"found": at(3), "updated": at(4)})
    assert both_ways(first, later) == (replace(first), [later])
    found = replace(first, times={"found": at(1), "submitted": at(8), "updated": at(9)})
    learned = replace(later, times={"submitted": at(2), "updated": at(2)})
    assert both_ways(found, learned)[1] == [learned]
    odd = replace(later, times={"updated": at(1)})
    assert both_ways(first, odd)[1] == [first]


def test_a_task_id_counts_more_than_a_state_without_one() -> None:
    """The account of another take under one uid is set aside, even if it knows more."""
    bought = submitted("a", uid="u")
    other = replace(intent("b", uid="u"), state="failed")
    assert both_ways(bought, other) == (bought, [other])


@pytest.mark.parametrize("change", [{"shot": "b"}, {"take": 2}, {"attempt": 2}])
def test_an_account_of_another_purchase_contradicts(change: dict[str, Any]) -> None:
    """A uid is of one shot, one take and one attempt."""
    ours = submitted("a", uid="u")
    theirs = replace(ours, **change, times={**ours.times, "submitted": LATER})
    assert both_ways(ours, theirs) == (ours, [theirs])


def test_a_contradiction_still_tells_what_was_meant() -> None:
    """The body is the attempt's, whatever task came of it; what became of the task is not."""
    ours = replace(submitted("a", uid="u", task_id="1"), body={}, price=None, origin="")
    theirs = replace(
        submitted("a", uid="u", task_id="2"),
        times={"intent": at(1), "submitted": LATER, "abandoned": at(2), "updated": LATER},
        video_url="theirs",
        sha256="theirs",
    )
    merged, _ = both_ways(ours, theirs)
    assert (merged.body, merged.price, merged.origin) == (theirs.body, theirs.price, theirs.origin)
    assert (merged.video_url, merged.sha256) == (None, None)
    assert merged.times == {"intent": AT, "submitted": AT, "abandoned": at(2), "updated": AT}


def test_times_that_happen_once_count_first_and_others_last() -> None:
    """And they stand in their order, `updated` last."""
    early = replace(
        succeeded("a", uid="u"),
        times={
            "intent": at(3),
            "submitted": at(4),
            "parked": at(5),
            "finished": at(9),
            "undelivered": at(10),
            "updated": at(10),
        },
    )
    late = replace(
        early,
        times={
            **early.times,
            "intent": at(2),
            "finished": at(8),
            "parked": at(6),
            "updated": at(9),
        },
    )
    merged, _ = both_ways(early, late)
    assert [*merged.times.items()] == [
        ("intent", at(2)),
        ("submitted", at(4)),
        ("parked", at(6)),
        ("finished", at(8)),
        ("undelivered", at(10)),
        ("updated", at(10)),
    ]


@pytest.mark.parametrize(
    ("name", "once"),
    [
        *((name, True) for name in ("intent", "submitted", "found", "in_doubt", "finished")),
        *((name, False) for name in ("rejected", "recovered", "parked", "unparked", "done")),
        *((name, False) for name in ("undelivered", "abandoned", "resubmitted")),
        *((name, False) for name in ("not_charged", "a newer one")),
    ],
)
def test_of_two_times_of_one_name_it_is_settled_which_counts(name: str, once: bool) -> None:
    a = replace(submitted("a", uid="u"), times={name: at(1), "updated": at(3)})
    b = replace(a, times={name: at(2), "updated": at(3)})
    assert both_ways(a, b)[0].times == {name: at(1 if once else 2), "updated": at(3)}


@pytest.mark.parametrize("name", ["submitted", "found", "parked", "finished", "done"])
def test_times_of_another_task_are_not_this_tasks(name: str) -> None:
    ours = submitted("a", uid="u", task_id="1")
    theirs = replace(ours, task_id="2", times={"submitted": LATER, name: LATER, "updated": LATER})
    assert both_ways(ours, theirs)[0].times == ours.times


@pytest.mark.parametrize("name", ["intent", "in_doubt", "abandoned", "not_charged", "resubmitted"])
def test_times_of_the_attempt_are_those_of_all_its_accounts(name: str) -> None:
    ours = replace(submitted("a", uid="u", task_id="1"), times={"submitted": AT, "updated": AT})
    theirs = replace(ours, task_id="2", times={"submitted": LATER, name: at(1), "updated": LATER})
    assert both_ways(ours, theirs)[0].times[name] == at(1)


def test_times_of_one_moment_stand_in_the_order_of_events() -> None:
    a = replace(submitted("a", uid="u"), times={"zulu": AT, "done": AT, "updated": AT})
    b = replace(a, times={"finished": AT, "intent": AT, "submitted": AT, "updated": AT})
    assert [*both_ways(a, b)[0].times] == [
        "intent", "submitted", "finished", "done", "zulu", "updated",
    ]  # fmt: skip


def test_a_time_of_the_last_change_is_not_made_up() -> None:
    a = replace(submitted("a", uid="u"), times={"intent": AT})
    b = replace(a, times={"intent": at(1)})
    assert both_ways(a, b)[0].times == {"intent": AT}


def test_the_last_change_is_that_of_the_most_certain_account() -> None:
    """It stands last, also where another account was changed later."""
    certain = replace(succeeded("a", uid="u"), times={"submitted": at(5), "updated": at(1)})
    other = replace(submitted("a", uid="u"), times={"submitted": at(4), "updated": at(9)})
    assert [*both_ways(certain, other)[0].times.items()] == [
        ("submitted", at(4)),
        ("updated", at(1)),
    ]


def test_the_order_of_keys_in_evidence_does_not_matter() -> None:
    """Nor do values that JSON lacks."""
    a = replace(submitted("a", uid="u"), evidence={"b": 1, "a": Decimal(2)}, sha256="x")
    b = replace(submitted("a", uid="u"), evidence={"a": Decimal(3), "b": 0}, size_bytes=1)
    assert both_ways(a, b)[0].evidence == {"a": Decimal(3), "b": 0}


def test_the_fullest_evidence_stays() -> None:
    """Also where only an account that contradicts has any; of two as long, one and the same."""
    a = replace(submitted("a", uid="u", task_id="1"), evidence={"from": 1})
    b = replace(a, evidence={"from": 1, "to": 2}, billed_tier=None)
    assert both_ways(a, b)[0].evidence == {"from": 1, "to": 2}
    silent = replace(a, evidence=None)
    assert both_ways(silent, a)[0].evidence == {"from": 1}
    other = replace(b, task_id="2", times={**b.times, "submitted": LATER})
    assert both_ways(silent, other)[0].evidence == {"from": 1, "to": 2}
    assert both_ways(a, replace(a, evidence={"from": 2}, seconds=9))[0].evidence == {"from": 2}


def test_a_damaged_line_counts_where_nothing_else_tells() -> None:
    """It is a doubt without a fingerprint; a real doubt is not taken for one."""
    doubt = advance(intent("a", uid="u"), "doubted", LATER, evidence={"received": "damaged"})
    witness = replace(doubt, fingerprint="", body={}, times={}, evidence={"damaged": "{"})
    known = intent("a", uid="u")
    assert both_ways(witness, known) == (known, [])
    assert both_ways(witness, replace(witness, seconds=0))[0].state == "in_doubt"
    assert both_ways(doubt, known)[0].state == "in_doubt"
    assert both_ways(replace(doubt, evidence={"damaged": "x"}), known)[0].state == "in_doubt"
    assert both_ways(replace(witness, evidence=None), known)[0].state == "in_doubt"


def test_accounts_that_differ_in_a_detail_merge_to_one_and_the_same() -> None:
    """Same rank, same time, same state: the text decides, so that the order of lines does not."""
    a, b, c = (replace(submitted("a", uid="u"), seconds=n) for n in (3, 4, 5))
    assert (both_ways(a, b, c)[0], both_ways(c, b)[0]) == (a, b)


def test_of_several_places_the_last_counts_whatever_else_is_known() -> None:
    """One ledger moved the purchase, the other learned what became of it."""
    a = submitted("a")
    moved = placed(placed(a, at(1), shot="b", output="b.mp4"), at(2), output="b2.mp4")
    known = placed(advance(a, "succeeded", at(9)), at(1), shot="c")
    merged, contradicting = both_ways(moved, known)
    assert contradicting == []
    assert (merged.state, merged.key, merged.output) == ("succeeded", "b", "b2.mp4")
    assert merged.times == {**known.times, "placed": at(2), "moved": at(1)}


def test_places_of_one_moment_have_an_order() -> None:
    """So that every machine that merges them finds the same."""
    a = submitted("a")
    told = [placed(a, LATER, shot=s, output=o) for s in "bc" for o in ("x.mp4", "y.mp4")]
    for order in permutations(told):
        assert merge(order) == (told[-1], [])


@st.composite
def placings(draw: st.DrawFn) -> list[Purchase]:
    """Accounts of one purchase's life that was moved meanwhile, on several machines."""
    accounts = draw(lives())
    for _ in range(draw(st.integers(1, 4))):
        before = draw(st.sampled_from(accounts))
        where: dict[str, Any] = {
            "shot": draw(st.sampled_from(["opening", "b"])),
            "take": draw(st.integers(1, 2)),
        }
        accounts.append(placed(before, at(draw(st.integers(0, 3))), **where))
    return accounts


@given(placings(), st.data())
def test_places_merge_the_same_in_any_order_and_grouping(
    accounts: list[Purchase], data: st.DataObject
) -> None:
    told = data.draw(st.permutations(accounts))
    cut = data.draw(st.integers(1, len(told)))
    merged, contradicting = merge(told)
    one, _ = merge(told[:cut])
    assert merge([one, *told[cut:]]) == (merged, []) == merge([*told[cut:], one])
    assert contradicting == []
    assert merged.bought_for == Bought("opening", 1)


def test_times_of_one_moment_stand_in_one_order() -> None:
    """A lock has one text in every process, so that git sees no change where there is none."""
    moved = placed(intent("a"), LATER, shot="b")

    merged, _ = merge([submitted("a"), moved])

    names = [name for name in merged.times if name in ("moved", "placed", "updated")]
    assert sorted(names) == ["moved", "placed", "updated"]
    assert names.index("moved") < names.index("placed") < names.index("updated")
