"""A purchase's life: its tables, each step, and one purchase out of many accounts of it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any, get_args

import pytest

from klingflow.api import resolving
from klingflow.decide.select import NEW, Called, select
from klingflow.decide.take import CALLS_FOR
from klingflow.errors import Mark, UsageError
from klingflow.ledger.accounts import merge
from klingflow.ledger.book import Book
from klingflow.ledger.lifecycle import (
    EVENTS,
    IN_DOUBT,
    PAID,
    RANK,
    STATES,
    TRANSITIONS,
    UNFINISHED,
    advance,
    begin,
    last_event,
    placed,
    states_before,
)
from klingflow.manifest.schema import generate
from klingflow.model import Bought, Event, Failure, Node, Price, Purchase, Request, Shot, State
from klingflow.terminal import lock_commands
from tests import pages
from tests.purchases import AT, LATER, at, done, intent, submitted, succeeded

# ---------------------------------------------------------------- one row per word

# What may happen to a purchase, once more in other words: a row that is lost or wrong fails here.
LIFE = """
intent     accepted → submitted  refused → rejected    unsent → rejected     doubted → in_doubt
in_doubt   found → submitted     abandoned → abandoned resubmitted → abandoned
in_doubt   not_charged → abandoned
rejected
abandoned  found → submitted     abandoned → abandoned resubmitted → abandoned
abandoned  not_charged → abandoned
submitted  parked → parked       succeeded → succeeded failed → failed
submitted  abandoned → failed    resubmitted → failed  not_charged → failed
parked     unparked → submitted  succeeded → succeeded failed → failed
parked     abandoned → failed    resubmitted → failed  not_charged → failed
parked     parked → parked
failed     recovered → succeeded not_charged → failed
succeeded  downloaded → done     undelivered → succeeded resubmitted → succeeded
done       downloaded → done     undelivered → done    resubmitted → done
"""


def test_what_may_happen_is_what_is_written_here() -> None:
    """No step is missing, and none is there that nobody meant."""
    steps = set()
    for line in LIFE.split("\n"):
        before, *words = line.replace("→", " ").split() or [""]
        steps |= {(before, event, after) for event, after in zip(*[iter(words)] * 2, strict=True)}
    assert {(before, event, after) for (before, event), after in TRANSITIONS.items()} == steps


def test_every_state_and_event_has_its_row() -> None:
    """mypy sees a word that there is not; this sees a word that nothing leads to."""
    assert set(STATES) == set(get_args(State))
    assert set(EVENTS) == set(get_args(Event))
    assert {state for state, _ in TRANSITIONS} | set(TRANSITIONS.values()) == set(STATES)
    assert {event for _, event in TRANSITIONS} == set(EVENTS)


def test_every_room_has_a_word_for_every_state() -> None:
    """The lock's schema, what a plan does, what `state:` selects, why `prune` keeps it, the
    pages.
    """
    schema = generate("lock")["$defs"]["purchase"]["properties"]["state"]
    assert set(schema["enum"]) == set(STATES)
    assert set(CALLS_FOR) == set(STATES) - IN_DOUBT - {"rejected"}
    with pytest.raises(UsageError) as error:
        select([], Book(), ["state:nonsense"], [])
    known = str(error.value).split("there are ")[1].split(", ")
    assert known == [*dict.fromkeys([*STATES, NEW, *get_args(Called)])]
    assert set(lock_commands.WHY_KEPT) == IN_DOUBT | UNFINISHED
    assert resolving.STATE_WORDS.keys() <= set(STATES)
    for language in pages.LANGUAGES:
        assert set(pages.first_cells(language, "states")) == set(STATES)


def test_states_mean_what_they_are_called() -> None:
    """What was paid may bring a video; what is in doubt may have been paid."""
    assert {"submitted", "parked", "succeeded", "done"} == PAID
    assert {"submitted", "parked"} == UNFINISHED
    assert {"intent", "in_doubt"} == IN_DOUBT
    assert {state for state, row in STATES.items() if row.task == "named"} == PAID
    assert {state for state, row in STATES.items() if row.task == "either"} == {"failed"}
    assert {state for state, row in STATES.items() if row.delivered} == {"done"}
    assert sorted(STATES, key=RANK.__getitem__) == [*STATES]
    assert RANK["submitted"] == RANK["parked"]
    assert len(set(RANK.values())) == len(STATES) - 1


@pytest.mark.parametrize(("pair", "after"), TRANSITIONS.items())
def test_no_event_makes_less_certain(pair: tuple[State, Event], after: State) -> None:
    """Or a fold would go back to what was known before."""
    assert RANK[after] >= RANK[pair[0]]


@pytest.mark.parametrize("state", sorted(PAID))
def test_no_event_leads_from_paid_to_never_bought(state: State) -> None:
    """A failed task may not have been charged; nothing else takes a payment back."""
    reached = {after for (before, _), after in TRANSITIONS.items() if before == state}
    assert reached <= PAID | {"failed"}


def test_a_state_is_known_by_what_can_happen_to_it() -> None:
    """The commands that settle a purchase ask this table."""
    assert states_before("abandoned") == {"in_doubt", "submitted", "parked", "abandoned"}
    assert states_before("unparked") == {"parked"}


# ---------------------------------------------------------------- begin, advance


def wanted(fingerprint: str | None) -> tuple[Shot, Request]:
    shot = Shot("opening", 2, "text", {}, "outputs/film/opening-2.mp4", Node({}, Mark("f", 1, 1)))
    price = Price(Decimal(3), "CNY", "5 s × 0.6")
    return shot, Request({"prompt": "雨"}, fingerprint, "kling-3.0-720p", 5, price)


def test_an_intent_holds_all_that_is_known_before_a_byte_is_sent() -> None:
    """Whatever happens next, what was meant can be found again."""
    shot, request = wanted("sha256:1")
    assert begin(shot, request, uid="u", attempt=3, origin="https://g", at=AT) == Purchase(
        uid="u",
        shot="opening",
        take=2,
        attempt=3,
        state="intent",
        fingerprint="sha256:1",
        body={"prompt": "雨"},
        origin="https://g",
        predicted_tier="kling-3.0-720p",
        seconds=5,
        price=request.price,
        times={"intent": AT, "updated": AT},
        output="outputs/film/opening-2.mp4",
    )


def test_a_body_that_is_not_final_is_never_meant_to_be_sent() -> None:
    """It waits for what another shot brings."""
    with pytest.raises(ValueError, match=r"^opening#2: its body is not final$"):
        begin(*wanted(None), uid="u", attempt=1, origin="", at=AT)


# What each event leaves in `times`, and what becomes of an error.
LEAVES: dict[Event, tuple[str, bool]] = {
    "accepted": ("submitted", False),
    "found": ("found", False),
    "refused": ("rejected", True),
    "unsent": ("rejected", True),
    "doubted": ("in_doubt", True),
    "succeeded": ("finished", False),
    "failed": ("finished", True),
    "recovered": ("recovered", False),
    "parked": ("parked", True),
    "unparked": ("unparked", True),
    "downloaded": ("done", False),
    "undelivered": ("undelivered", True),
    "abandoned": ("abandoned", True),
    "not_charged": ("not_charged", True),
    "resubmitted": ("resubmitted", True),
}


@pytest.mark.parametrize(("pair", "after"), TRANSITIONS.items())
def test_every_step_leaves_its_time_and_clears_an_error_where_all_went_well(
    pair: tuple[State, Event], after: State
) -> None:
    """And nothing else changes, except what the caller learned."""
    state, event = pair
    error = Failure("unknown", "x", "y")
    before = replace(submitted("a"), state=state, error=error)
    name, keeps_error = LEAVES[event]
    assert advance(before, event, LATER, billed_tier="t") == replace(
        before,
        state=after,
        billed_tier="t",
        error=error if keeps_error else None,
        times={**before.times, name: LATER, "updated": LATER},
    )


def test_a_time_moves_to_the_end_when_it_happens_again() -> None:
    """So that the last event is found among those of one moment."""
    twice = advance(advance(done("a"), "undelivered", AT), "downloaded", AT)
    assert [*twice.times][-2:] == ["done", "updated"]
    assert last_event(twice) == "done"


def test_what_nothing_happened_to_has_no_last_event() -> None:
    assert last_event(replace(intent("a"), times={})) is None
    assert last_event(replace(intent("a"), times={"updated": AT})) is None
    assert last_event(replace(intent("a"), times={"intent": AT})) is None


def test_a_new_error_of_a_good_step_stays() -> None:
    """What the caller says wins over the rule."""
    error = Failure("unknown", "x", "new")
    assert advance(submitted("a"), "succeeded", LATER, error=error).error == error


def test_a_purchase_without_times_begins_with_the_first() -> None:
    assert advance(replace(intent("a"), times={}), "refused", AT).times == {
        "rejected": AT,
        "updated": AT,
    }


def test_updated_goes_on_where_the_clock_stands_still() -> None:
    """Two accounts of one time and one rank would have no order."""
    purchase = submitted("a")
    parked = advance(purchase, "parked", purchase.times["updated"])
    assert parked.times["updated"] == "2026-06-08T06:52:49.124Z" > AT


def test_a_step_up_keeps_the_later_of_two_clocks() -> None:
    """Of another rank, so that no time has to be later than the last one."""
    ahead = replace(submitted("a"), times={"updated": LATER})
    assert advance(ahead, "succeeded", AT).times == {"finished": LATER, "updated": LATER}


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
    ("purchase", "event", "changes", "says"),
    [
        (done("a"), "accepted", {"task_id": "t"}, "a purchase that is done cannot be accepted"),
        (intent("a"), "accepted", {}, "accepted without a task id"),
        (intent("a"), "accepted", {"task_id": ""}, "accepted without a task id"),
        (replace(intent("a"), state="in_doubt"), "found", {}, "found without a task id"),
        (submitted("a"), "succeeded", {"task_id": "x"}, "task_a cannot become x"),
        (submitted("a"), "succeeded", {"task_id": None}, "task_a cannot become None"),
        *(
            (submitted("a"), "succeeded", {name: "x"}, f"succeeded cannot change {name}")
            for name in ("uid", "shot", "take", "attempt", "times")
        ),
        (submitted("a"), "parked", {"uid": "x", "take": 1}, "parked cannot change take, uid"),
    ],
)
def test_what_the_tables_do_not_allow_is_a_programmers_mistake(
    purchase: Purchase, event: Event, changes: dict[str, Any], says: str
) -> None:
    """It crashes loudly, and names the take."""
    with pytest.raises(ValueError, match=f"^a: {says}$"):
        advance(purchase, event, LATER, **changes)


@pytest.mark.parametrize("event", get_args(Event))
def test_nothing_happens_to_what_was_refused(event: Event) -> None:
    """It cost nothing, and the next attempt is another purchase."""
    with pytest.raises(ValueError, match=f"a purchase that is rejected cannot be {event}"):
        advance(advance(intent("a"), "refused", AT), event, LATER, task_id="t")


# ---------------------------------------------------------------- where it stands


def test_a_purchase_remembers_the_take_it_was_bought_for() -> None:
    """Once it is back there, nothing needs remembering."""
    a = submitted("a", attempt=2)
    moved = placed(a, at(1), shot="b", take=3)
    assert (moved.key, moved.was, moved.attempt) == ("b#3", Bought("a", 1), 2)
    assert (moved.bought_for, a.bought_for) == (Bought("a", 1), Bought("a", 1))
    again = placed(moved, at(2), shot="c")
    assert (again.key, again.was) == ("c#3", Bought("a", 1))
    home = placed(again, at(3), shot="a", take=1, output="x.mp4")
    assert (home.key, home.was, home.output) == ("a", None, "x.mp4")


def test_placing_leaves_what_happened_to_the_task_alone() -> None:
    """Its state, the time of the last change, and what happened last."""
    a = advance(succeeded("a"), "undelivered", LATER)
    after = placed(a, LATER, output="b.mp4")
    assert after == replace(a, output="b.mp4", times={**a.times, "placed": LATER})
    assert last_event(after) == "undelivered"
    assert [*after.times][-1] == "updated"


def test_a_later_place_has_a_later_time_where_the_clock_goes_back() -> None:
    """Two places at one time would have no order. Only another take is a move."""
    times = placed(placed(done("a"), LATER, shot="b"), AT, output="b.mp4").times
    assert (times["moved"], times["placed"]) == (LATER, "2026-06-08T06:53:00.001Z")


@pytest.mark.parametrize("name", ["output", "shot", "take", "was"])
def test_no_event_gives_a_purchase_another_place(name: str) -> None:
    with pytest.raises(ValueError, match=f"downloaded cannot change {name}"):
        advance(succeeded("a"), "downloaded", LATER, **{name: None})
