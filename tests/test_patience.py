"""When a run goes on, pauses, stops buying or stops, after each outcome."""

from __future__ import annotations

from dataclasses import replace

import pytest

from klingflow.decide import patience
from klingflow.decide.patience import (
    FIRST_ROUNDS,
    GO,
    PATIENT_ROUNDS,
    Patience,
    Unknown,
    Verdict,
)
from klingflow.gateway.outcomes import Accepted, CreateOutcome, Doubtful, Refused, Unsent
from klingflow.model import Failure, Limits

KEY = Failure("key", "invalid_api_key", "no such key")
QUOTA = Failure("quota", "1102", "pack depleted")
LIMITED = Failure("limited", "429", "slow down")
CAPACITY = Failure("capacity", "busy", "queue full")
MODERATION = Failure("moderation", "unsafe", "no")
STOPS = Verdict(stop="buying", reason="the gateway refuses us (key): no such key", refused=KEY)
PAGE = Doubtful("HTTP 200 with a page", off_the_mark=True)
LOST = Doubtful("no answer in time")


def patient(
    *, fail_fast: bool = False, buying: bool = True, retries: int = 0, deadline_s: float = 90 * 60.0
) -> Patience:
    """Patience at the default limits."""
    limits = replace(Limits(), retries=retries, poll_floor_s=5.0, deadline_s=deadline_s)
    return Patience(limits, fail_fast=fail_fast, buying=buying)


# ---------------------------------------------------------------- creates that could not be sent


@pytest.mark.parametrize(("u", "share"), [(0.0, 0.5), (0.5, 0.75), (1.0, 1.0)])
def test_pauses_double_up_to_a_minute(u: float, share: float) -> None:
    """From a second on, and chance takes up to a half of each."""
    held = patient()
    held.answered()
    pauses = [held.unsent("refused", u, now=at, sent_at=at).pause_s for at in range(9)]
    assert pauses == [share * s for s in (1, 2, 4, 8, 16, 32, 60, 60, 60)]


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize(("reached", "rounds"), [(False, FIRST_ROUNDS), (True, PATIENT_ROUNDS)])
def test_an_address_that_never_answered_is_given_up_soon(
    reached: bool, rounds: int, lost: bool
) -> None:
    """After 5 tries, or after 40 where the gateway has answered a create in this run; whether they
    could not be sent, or were sent and met no answer.
    """
    held = patient()
    if reached:
        held.answered()
    missed = held.lost if lost else held.unsent
    verdicts = [missed("no route", 1.0, now=at, sent_at=at) for at in range(rounds)]
    assert {v.stop for v in verdicts[:-1]} == {"nothing"}
    said = "the gateway cannot be reached: no route"
    pause_s = min(60.0, 2.0 ** (rounds - 1))
    assert verdicts[-1] == Verdict(pause_s, "buying", said, unreachable="no route")


def test_the_numbers_are_those_of_the_manual() -> None:
    """5 and 40 rounds, three pages, and a minute of unknown ids in three polls."""
    found = (FIRST_ROUNDS, PATIENT_ROUNDS, patience.PAGES)
    assert (*found, patience.UNKNOWN_POLLS, patience.UNKNOWN_GRACE_S) == (5, 40, 3, 3, 60.0)


def test_an_answer_restores_patience() -> None:
    """Only tries in a row count, and the pauses begin again at a second."""
    held = patient()
    for at in range(FIRST_ROUNDS - 1):
        held.unsent("no route", 1.0, now=at, sent_at=at)
    held.answered()
    assert held.unsent("no route", 1.0, now=9.0, sent_at=9.0) == Verdict(1.0)


def test_creates_that_were_on_their_way_together_are_one_round() -> None:
    """Twenty that one broken connection met are no reason for a pause of a minute."""
    held = patient()
    for late_s in range(20):
        verdict = held.lost("reset", 1.0, now=10.0 + late_s, sent_at=9.0)
        assert verdict == Verdict(1.0)
    assert held.lost("reset", 1.0, now=40.0, sent_at=31.0) == Verdict(2.0)


def test_an_answered_poll_ends_the_pause() -> None:
    """Only one that was asked since, and only while creates are missed."""
    held = patient()
    assert not held.ends_pause(5.0)
    held.unsent("no route", 1.0, now=10.0, sent_at=9.0)
    assert not held.ends_pause(9.0)
    assert held.ends_pause(10.0)


def test_a_gateway_that_answers_polls_and_loses_creates_is_not_believed_twice() -> None:
    """Each try would be one more doubt; what could not be sent is no doubt, and may be tried."""
    held = patient()
    held.lost("reset", 1.0, now=10.0, sent_at=9.0)
    assert held.ends_pause(11.0)
    held.lost("reset", 1.0, now=12.0, sent_at=11.0)
    assert not held.ends_pause(13.0)
    held.unsent("no route", 1.0, now=15.0, sent_at=14.0)
    assert held.ends_pause(16.0)
    held.answered()
    held.lost("reset", 1.0, now=18.0, sent_at=17.0)
    assert held.ends_pause(19.0)


# ---------------------------------------------------------------- creates that were answered


@pytest.mark.parametrize("failure", [KEY, QUOTA])
def test_a_refusal_of_us_stops_buying(failure: Failure) -> None:
    """A key or a balance that is refused is refused for every shot."""
    reason = f"the gateway refuses us ({failure.kind}): {failure.message}"
    expected = Verdict(stop="buying", reason=reason, refused=failure)
    assert patient().refused(failure, "opening") == expected


def test_a_refusal_of_one_shot_stops_nothing() -> None:
    """Except under --fail-fast, as does a task that failed."""
    assert patient().refused(MODERATION, "opening") == GO
    assert patient().failed("opening") == GO
    hasty = patient(fail_fast=True)
    refused = Verdict(stop="buying", reason="opening was refused (--fail-fast)")
    assert hasty.refused(MODERATION, "opening") == refused
    assert hasty.failed("chase").reason == "chase failed (--fail-fast)"


@pytest.mark.parametrize(
    ("endless", "running", "verdict"),
    [
        (False, 0, GO),
        (False, 3, GO),
        (True, 3, GO),
        (True, 0, Verdict(stop="buying", reason="the gateway refuses us (limited): slow down",
                          refused=LIMITED)),
    ],
)  # fmt: skip
def test_429_without_end_is_the_end_only_while_no_task_of_ours_runs(
    endless: bool, running: int, verdict: Verdict
) -> None:
    """A limit on running tasks may be our own, and ends with them."""
    assert patient().limited(LIMITED, endless=endless, running=running) == verdict


@pytest.mark.parametrize(
    ("failure", "passes"),
    [(LIMITED, True), (CAPACITY, True), (KEY, False), (QUOTA, False), (MODERATION, False)],
)
def test_some_refusals_pass_by_themselves(failure: Failure, passes: bool) -> None:
    """A limit and a full queue."""
    assert patience.passes(failure) is passes


def test_pages_and_nothing_else_are_a_wrong_address() -> None:
    """The third stops buying; what is in doubt otherwise does not count."""
    held = patient()
    outcomes = (PAGE, LOST, LOST, LOST, PAGE)
    assert [held.doubted(o, proven=False) for o in outcomes] == [GO] * 5
    assert held.doubted(PAGE, proven=False) == Verdict(
        stop="buying",
        reason="nothing but HTTP 200 with a page:"
        " is the gateway's address (KLINGFLOW_BASE_URL) right?",
    )


def test_pages_of_an_address_that_is_proven_stop_nothing() -> None:
    """A proxy in between may answer with pages for a while."""
    held = patient()
    assert [held.doubted(PAGE, proven=True) for _ in range(9)] == [GO] * 9


def test_a_doubt_that_refuses_us_stops_buying() -> None:
    """Whatever became of the create, the key is refused."""
    assert patient().doubted(replace(LOST, failure=KEY), proven=True) == STOPS


@pytest.mark.parametrize(
    ("outcome", "proven"),
    [
        (Accepted("task_1"), True),
        (Refused(MODERATION), True),
        (Refused(LIMITED), True),
        (Refused(KEY), False),
        (Refused(QUOTA), False),
        (LOST, True),
        (PAGE, False),
        (Unsent("no route"), False),
    ],
)
def test_what_proves_address_and_key(outcome: CreateOutcome, proven: bool) -> None:
    """Until then creates go one by one."""
    assert patience.proves(outcome) is proven


# ---------------------------------------------------------------- queries


def test_one_blind_round_pauses_two_stop_buying_five_stop() -> None:
    """401 and 403 on queries; the pauses double from the poll floor on."""
    held, now, verdicts = patient(), 100.0, []
    for _ in range(5):
        verdicts.append(held.blinded(KEY, now))
        now += verdicts[-1].pause_s or 0.0
    assert [v.pause_s for v in verdicts] == [5.0, 10.0, 20.0, 40.0, 80.0]
    assert [v.stop for v in verdicts] == ["nothing", "buying", "buying", "buying", "everything"]
    assert [v.refused for v in verdicts] == [None, KEY, KEY, KEY, KEY]
    assert [v.reason for v in verdicts] == [
        "",
        *[STOPS.reason] * 3,
        "the key or the balance is refused on every route; the task ids are in the ledger",
    ]


def test_the_replies_of_one_blind_round_count_once() -> None:
    """Polls that were on their way together are one piece of news."""
    held = patient()
    assert held.blinded(KEY, 100.0) == Verdict(5.0)
    assert [held.blinded(KEY, now) for now in (100.0, 101.0, 104.999)] == [GO] * 3
    assert held.blinded(KEY, 105.0).pause_s == 10.0


def test_a_query_that_is_answered_ends_the_blindness() -> None:
    """Only rounds in a row count."""
    held = patient()
    held.blinded(KEY, 0.0)
    held.blinded(KEY, 10.0)
    held.saw()
    assert held.blinded(KEY, 100.0) == Verdict(5.0)


@pytest.mark.parametrize(
    ("polls", "parked"),
    [
        ([0.0], False),
        ([0.0, 59.9, 59.99], False),
        ([0.0, 60.0], False),
        ([0.0, 1.0, 60.0], True),
        ([500.0, 530.0, 561.0], True),
        ([500.0, 501.0, 502.0, 503.0], False),
    ],
)
def test_an_unknown_id_is_parked_after_a_minute_and_three_polls(
    polls: list[float], parked: bool
) -> None:
    """Common in a task's first seconds, and while one server takes over from another."""
    unknown = Unknown()
    for now in polls:
        unknown = unknown.once_more(now)
    assert unknown == Unknown(len(polls), polls[0])
    assert unknown.is_to_be_parked(polls[-1]) is parked


@pytest.mark.parametrize(
    ("deadline_s", "worded"),
    [(5400.0, "90 minutes"), (60.0, "1 minute"), (2.0, "2 seconds"), (90.0, "90 seconds")],
)
def test_a_task_is_parked_at_its_deadline(deadline_s: float, worded: str) -> None:
    """Not a moment earlier; the next run asks again."""
    said = f"not finished after {worded}; the next run asks again"
    judge = patient(deadline_s=deadline_s)
    assert judge.overdue(100.0, 99.9) is None
    assert judge.overdue(100.0, 100.0) == Failure("unknown", "deadline", said)


@pytest.mark.parametrize(
    ("failure", "failures", "retries", "again"),
    [
        (CAPACITY, 1, 0, False),
        (CAPACITY, 1, 1, True),
        (CAPACITY, 2, 1, False),
        (CAPACITY, 2, 2, True),
        (MODERATION, 1, 2, False),
        (LIMITED, 1, 2, False),
    ],
)
def test_retries_buy_again_only_for_want_of_capacity(
    failure: Failure, failures: int, retries: int, again: bool
) -> None:
    """And no more often than the manifest says."""
    assert patient(retries=retries).buys_again(failure, failures) is again


def test_a_run_that_only_fetches_buys_nothing_again() -> None:
    """`klingflow fetch` buys nothing, whatever fails."""
    assert not patient(retries=2, buying=False).buys_again(CAPACITY, 1)
