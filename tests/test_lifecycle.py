"""A purchase's life: the table, and one purchase out of many accounts of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klingflow.ledger.lifecycle import (
    PAID,
    RANK,
    STATES,
    TIMES,
    TRANSITIONS,
    advance,
    last_event,
    merge,
)
from klingflow.model import Failure, Purchase
from tests.purchases import AT, LATER, done, intent, submitted

EVENTS = sorted(TIMES)


def lives() -> st.SearchStrategy[list[Purchase]]:
    """Every account of one purchase's life, from its intent on, while the clock does as it likes."""

    @st.composite
    def draw_life(draw: st.DrawFn) -> list[Purchase]:
        purchase = intent("opening", uid="20260608-1")
        accounts = [purchase]
        for _ in range(draw(st.integers(0, 8))):
            events = [e for (state, e) in TRANSITIONS if state == purchase.state]
            if not events:
                break
            event = draw(st.sampled_from(events))
            at = f"2026-06-08T06:{draw(st.integers(0, 59)):02d}:00.000Z"
            changes = {"task_id": "task_1"} if event in ("accepted", "found") else {}
            purchase = advance(purchase, event, at, **changes)
            accounts.append(purchase)
        return accounts

    return draw_life()


def test_the_table_names_every_state_and_event() -> None:
    assert {state for state, _ in TRANSITIONS} | set(TRANSITIONS.values()) == set(STATES)
    assert {event for _, event in TRANSITIONS} == set(TIMES)


@pytest.mark.parametrize(("pair", "after"), TRANSITIONS.items())
def test_no_event_makes_less_certain(pair: tuple[str, str], after: str) -> None:
    assert RANK[after] >= RANK[pair[0]]


@pytest.mark.parametrize("state", STATES)
def test_no_event_leads_from_paid_to_never_bought(state: str) -> None:
    reached = {after for (before, _), after in TRANSITIONS.items() if before == state}
    if state in PAID:
        assert reached <= PAID | {"failed"}


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


def test_advance_keeps_times_and_clears_an_old_error() -> None:
    purchase = replace(submitted("a"), error=Failure("unknown", "x", "y"))
    after = advance(purchase, "succeeded", LATER, video_url="https://x/y.mp4")
    assert after.times == {"intent": AT, "submitted": AT, "finished": LATER, "updated": LATER}
    assert (after.error, after.video_url, last_event(after)) == (
        None,
        "https://x/y.mp4",
        "finished",
    )


def test_updated_goes_on_where_the_clock_goes_back() -> None:
    """Or what happened later could not be told from what happened before."""
    parked = advance(submitted("a"), "parked", LATER)
    unparked = advance(parked, "unparked", AT)
    assert unparked.times["updated"] == "2026-06-08T06:53:00.001Z"
    assert last_event(unparked) == "unparked"
    parked_again = advance(unparked, "parked", AT)
    assert merge([parked, parked_again, unparked]) == (parked_again, [])


@pytest.mark.parametrize("updated", ["", "long ago", "9999-12-31T23:59:59.999Z"])
def test_a_time_that_cannot_be_followed_is_kept(updated: str) -> None:
    """From a lock edited by hand."""
    odd = replace(submitted("a"), times={"updated": updated})
    assert advance(odd, "parked", AT).times["updated"] == max(AT, updated)


@pytest.mark.parametrize(
    ("purchase", "event", "changes"),
    [
        (done("a"), "accepted", {"task_id": "t"}),
        (intent("a"), "accepted", {}),
        (submitted("a"), "succeeded", {"task_id": "another"}),
        (submitted("a"), "succeeded", {"task_id": None}),
        (submitted("a"), "succeeded", {"uid": "another"}),
    ],
)
def test_what_the_table_does_not_allow_is_a_programmers_mistake(
    purchase: Purchase, event: str, changes: dict[str, str]
) -> None:
    with pytest.raises(ValueError, match="a: "):
        advance(purchase, event, LATER, **changes)


@pytest.mark.parametrize("event", EVENTS)
def test_an_unknown_pair_is_refused(event: str) -> None:
    if ("rejected", event) not in TRANSITIONS:
        with pytest.raises(ValueError, match="rejected"):
            advance(advance(intent("a"), "refused", AT), event, LATER, task_id="t")
