"""The pace of buying: never above what was configured, soon below what the gateway allows, and
never for ever.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klingflow.decide.pace import CUT, LEAST, RISE, AdaptiveRate, AdaptiveRunning, Gcra, Pauses
from klingflow.model import Rate
from tests.simulations import ALLOWED, creates

SECOND = Rate(1, 1.0)


@given(
    st.integers(1, 3),
    st.lists(st.floats(0, 5), min_size=1, max_size=60),
    st.sampled_from([Rate(30, 60.0), SECOND, Rate(6000, 1.0)]),
)
def test_no_window_holds_more_than_the_rate_and_its_burst(
    burst: int, waits: list[float], rate: Rate
) -> None:
    """However requests come, n of them span at least n − burst intervals."""
    bucket, now, taken = Gcra(rate, burst), 0.0, []
    for wait_s in waits:
        now += wait_s
        now += bucket.delay_s(now)
        bucket.take(now)
        taken.append(now)
    for i, first in enumerate(taken):
        for n, last in enumerate(taken[i:]):
            assert last - first >= (n - burst) * rate.interval_s - 1e-6


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    """Two at once, then one a second."""
    bucket = Gcra(SECOND, burst=2)
    delays = []
    for _ in range(4):
        delays.append(bucket.delay_s(100.0))
        bucket.take(100.0)
    assert delays == [0.0, 0.0, 1.0, 2.0]


def test_a_limit_that_halves_costs_few_refusals() -> None:
    """A static bucket is refused hundreds of times per thousand creates, the adaptive one hardly
    ever.
    """
    static, adaptive = creates(Gcra(ALLOWED)), creates(AdaptiveRate(ALLOWED))
    assert static.refused > 600
    assert adaptive.refused <= 14
    assert adaptive.seconds < 1.1 * static.seconds


def test_refusals_that_were_on_their_way_together_count_once() -> None:
    """Ten replies of one round trip are one piece of news."""
    pace = AdaptiveRate(SECOND)
    for _ in range(10):
        pace.refused(now=10.0, sent_at=9.5, retry_after_s=None, u=0.5)
    assert pace.per_s == CUT


def test_an_acceptance_from_before_the_refusal_ends_no_pause() -> None:
    """It left when the gate was still open."""
    pace = AdaptiveRate(SECOND)
    pace.refused(now=10.0, sent_at=9.0, retry_after_s=8.0, u=0.0)
    pace.accepted(now=10.1, sent_at=9.1)
    assert pace.delay_s(10.1) == pytest.approx(7.9)


@pytest.mark.parametrize(("retry_after_s", "pause_s"), [(None, 0.75), (0.0, 0.0), (30.0, 30.0)])
def test_a_refusal_pauses_as_asked_or_by_itself(
    retry_after_s: float | None, pause_s: float
) -> None:
    """Retry-After is obeyed; without one the pause is a jittered second at first."""
    pace = AdaptiveRate(SECOND)
    pace.refused(now=10.0, sent_at=9.0, retry_after_s=retry_after_s, u=0.5)
    assert pace.delay_s(10.0) == pytest.approx(pause_s)


def test_one_at_a_time_is_tried_until_one_is_accepted() -> None:
    """After the pause a single create asks whether it is over; the next waits for its answer."""
    pace = AdaptiveRate(Rate(100, 1.0), burst=3)
    pace.refused(now=10.0, sent_at=9.0, retry_after_s=2.0, u=0.0)
    assert pace.delay_s(12.0) == 0
    pace.take(12.0)
    assert pace.delay_s(12.1) > 0.5
    pace.accepted(now=12.2, sent_at=12.0)
    assert pace.delay_s(12.2) == 0


def test_pauses_grow_while_refusals_go_on() -> None:
    """Doubling, up to a minute; the rate itself is cut only once."""
    pace, now, pauses = AdaptiveRate(Rate(100, 1.0)), 0.0, []
    for _ in range(9):
        pace.take(now)
        pace.refused(now, now, None, u=1.0)
        pauses.append(pace.delay_s(now))
        now += pauses[-1]
    assert pauses == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60, 60], abs=0.01)
    assert pace.per_s == 100 * CUT


def test_a_lying_retry_after_is_not_believed_for_ever() -> None:
    """A gateway that says "0 s" and refuses is asked less and less often all the same."""
    pace, now = AdaptiveRate(Rate(1000, 1.0)), 0.0
    for _ in range(20):
        pace.take(now)
        pace.refused(now, now, 0.0, u=0.0)
        now += pace.delay_s(now)
    assert now > 300


def test_acceptances_raise_the_rate_slowly_to_what_was_configured() -> None:
    """And never above it."""
    pace = AdaptiveRate(SECOND)
    pace.refused(0.0, 0.0, None, 0.0)
    for _ in range(100):
        pace.accepted(1.0, 1.0)
    assert CUT < pace.per_s < 1
    for _ in range(1000):
        pace.accepted(1.0, 1.0)
    assert pace.per_s == 1


def endless(pace: AdaptiveRate, retry_after_s: float | None) -> tuple[float, int]:
    """(seconds, refusals) until the pace gives up on a gateway that refuses for ever."""
    now, refused = 0.0, 0
    while not pace.exhausted(now):
        now += pace.delay_s(now)
        pace.take(now)
        pace.refused(now, now, retry_after_s, u=0.5)
        refused += 1
    return now, refused


@pytest.mark.parametrize("retry_after_s", [None, 0.0, 1.0, 60.0, 100.0, 299.0, 3599.0, 3600.0])
def test_refusals_without_end_end(retry_after_s: float | None) -> None:
    """A few bad minutes are outlived, arrears are not: it takes five minutes whatever the gateway
    asks for, and few requests are spent on it.
    """
    seconds, refused = endless(AdaptiveRate(Rate(30, 60.0)), retry_after_s)
    assert 300 <= seconds <= 360
    assert 2 <= refused <= 50


@pytest.mark.parametrize(("asked_s", "pauses"), [(3599.0, [300.0]), (200.0, [200.0, 100.0])])
def test_a_pause_ends_when_the_patience_does(asked_s: float, pauses: list[float]) -> None:
    """The last try is at the end of the five minutes, not an hour later."""
    pace, now = AdaptiveRate(SECOND), 50.0
    for pause_s in pauses:
        pace.refused(now, now, asked_s, u=0.5)
        assert (pace.delay_s(now), pace.exhausted(now)) == (pause_s, False)
        now += pause_s
    pace.refused(now, now, asked_s, u=0.5)
    assert pace.exhausted(now)


def test_what_is_refused_while_tasks_run_does_not_count() -> None:
    """The limit may be our own: five minutes begin with the first refusal after their end."""
    pace = AdaptiveRate(SECOND)
    for now in range(0, 3600, 60):
        pace.refused(float(now), float(now), None, 0.5, running=2)
        assert not pace.exhausted(float(now))
    for now in range(3600, 3900, 50):
        pace.refused(float(now), float(now), None, 0.5)
        assert not pace.exhausted(float(now))
    assert pace.exhausted(3900.0)


def test_while_tasks_run_an_hours_pause_is_five_minutes() -> None:
    """Their end may be the limit's, and is not slept through."""
    pace = AdaptiveRate(SECOND)
    for now in (0.0, 300.0, 600.0):
        pace.refused(now, now, 3599.0, 0.5, running=1)
        assert pace.delay_s(now) == 300.0


def test_a_process_that_slept_has_not_waited() -> None:
    """Two refusals ten minutes apart are no five minutes of patience."""
    pace = AdaptiveRate(SECOND)
    pace.refused(0.0, 0.0, 2.0, 0.5)
    pace.refused(600.0, 600.0, 2.0, 0.5)
    assert not pace.exhausted(600.0)


def test_a_pause_beyond_reason_is_the_end() -> None:
    """A gateway that asks for a day or for 30 years is not waited for."""
    pace = AdaptiveRate(SECOND)
    pace.refused(0.0, 0.0, 3600.0, u=0.5)
    assert not pace.exhausted(0.0)
    pace.refused(3600.0, 3600.0, 1e9, u=0.5)
    assert pace.exhausted(3600.0)


def test_while_tasks_run_a_pause_beyond_reason_is_not_believed() -> None:
    """It is asked again at our own pace, and what is said then counts."""
    pace = AdaptiveRate(SECOND)
    pace.refused(0.0, 0.0, 1e9, u=0.5)
    assert pace.delay_s(0.0) == pytest.approx(0.75)
    pace.refused(1.0, 1.0, 2.0, u=0.5)
    assert not pace.exhausted(1.0)
    pace.refused(3.0, 3.0, 1e9, u=0.5)
    pace.accepted(4.0, 4.0)
    assert not pace.exhausted(4.0)


def test_patience_is_a_parameter() -> None:
    """Three rounds and out."""
    impatient = Pauses(rounds=3, seconds=0.0, first_pause_s=0.01)
    assert endless(AdaptiveRate(Rate(1000, 1.0), pauses=impatient), None)[1] == 3


def test_an_acceptance_restores_patience() -> None:
    """Only refusals in a row count."""
    pace = AdaptiveRate(SECOND, pauses=Pauses(rounds=2, seconds=0.0))
    pace.refused(0.0, 0.0, None, 0.0)
    pace.accepted(1.0, 1.0)
    pace.refused(2.0, 2.0, None, 0.0)
    assert not pace.exhausted(2.0)


def test_the_number_of_running_tasks_is_learned() -> None:
    """A gateway that allows 8 at once is found from 20, and hardly left again."""
    places, running, refused = AdaptiveRunning(20), 0, 0
    for now in range(2000):
        if running < places.limit:
            if running < 8:
                running += 1
                places.accepted()
            else:
                refused += 1
                places.refused(now, now, running)
        else:
            running -= 1
    assert 6 <= places.limit <= 9
    assert refused < 100


def test_one_task_may_always_run() -> None:
    """Refusals of one round trip cut once, and never to nothing."""
    places = AdaptiveRunning(5)
    for now in (1.0, 1.0, 2.0, 3.0, 4.0):
        places.refused(now, sent_at=now - 0.5, running=0)
    assert places.limit == 1


# ---------------------------------------------------------------- exact numbers


def test_a_rate_is_never_cut_below_a_hundredth() -> None:
    """Then the pauses do the work."""
    pace = AdaptiveRate(SECOND)
    for now in range(100):
        pace.refused(float(now), float(now), None, 0.0)
        pace.accepted(now + 0.5, now + 0.5)
    assert LEAST <= pace.per_s <= LEAST + 2 * RISE


def test_an_acceptance_gives_back_a_thousandth() -> None:
    """Of the configured rate, and the bucket goes by the present one."""
    pace = AdaptiveRate(Rate(10, 1.0))
    pace.refused(1.0, 1.0, None, 0.0)
    assert pace.per_s == 10 * CUT
    pace.accepted(2.0, 2.0)
    assert pace.per_s == pytest.approx(10 * (CUT + RISE))
    pace.take(2.0)
    assert pace.delay_s(2.0) == pytest.approx(1 / pace.per_s)


@pytest.mark.parametrize(("u", "pause_s"), [(0.0, 0.5), (0.5, 0.75), (1.0, 1.0)])
def test_a_pause_is_jittered_by_half(u: float, pause_s: float) -> None:
    """So that many runs do not come back together."""
    pace = AdaptiveRate(SECOND)
    pace.refused(10.0, 10.0, None, u)
    assert pace.delay_s(10.0) == pytest.approx(pause_s)


def test_a_retry_after_that_was_wrong_three_times_is_not_believed() -> None:
    """From the fourth round on the pause is our own, if that is longer."""
    pace, pauses = AdaptiveRate(Rate(1000, 1.0)), []
    for number in range(5):
        now = 100.0 * number
        pace.refused(now, now, 0.0, u=1.0)
        pauses.append(pace.delay_s(now))
    assert pauses == [0.0, 0.0, 0.0, 8.0, 16.0]


def test_of_two_pauses_the_longer_counts() -> None:
    """A reply that was on its way does not shorten it."""
    pace = AdaptiveRate(SECOND)
    pace.refused(10.0, 9.0, 30.0, 0.0)
    pace.refused(11.0, 9.0, 2.0, 0.0)
    assert pace.delay_s(11.0) == pytest.approx(29.0)


@pytest.mark.parametrize(
    ("rounds", "seconds", "exhausted"),
    [(6, 300.0, True), (5, 300.0, False), (6, 299.0, False), (9, 299.0, False), (5, 999.0, False)],
)
def test_it_takes_rounds_and_time_to_give_up(rounds: int, seconds: float, exhausted: bool) -> None:
    """Six round trips and five minutes since the first refusal."""
    pace, start = AdaptiveRate(SECOND), 50.0
    for number in range(rounds):
        pace.refused(start + number, start + number, None, 0.5)
    assert pace.exhausted(start + seconds) is exhausted


def test_an_acceptance_begins_the_count_again() -> None:
    """The rounds, the time of the first, and what was asked for."""
    pace = AdaptiveRate(SECOND)
    for now in range(6):
        pace.refused(float(now), float(now), 1e9, 0.5)
    pace.accepted(10.0, 10.0)
    assert not pace.exhausted(1000.0)
    for now in range(500, 506):
        pace.refused(float(now), float(now), None, 0.5)
    assert not pace.exhausted(799.0)
    assert pace.exhausted(800.0)


def test_a_refusal_lowers_the_places_by_a_quarter_of_what_ran() -> None:
    """Or of the limit, where more ran than may; of one round trip once."""
    places = AdaptiveRunning(20)
    places.refused(5.0, 4.0, 8)
    assert places.limit == 6
    places.refused(6.0, 4.5, 8)
    assert places.limit == 6
    places.refused(6.0, 5.0, 9)
    assert places.limit == 4


def test_places_come_back_one_by_one() -> None:
    """After as many acceptances as may run since the last cut, up to what was configured."""
    places = AdaptiveRunning(4)
    places.accepted()
    places.refused(5.0, 5.0, 4)
    limits = []
    for _ in range(9):
        places.accepted()
        limits.append(places.limit)
    assert limits == [3, 3, 4, 4, 4, 4, 4, 4, 4]


NEWS = st.tuples(st.sampled_from("tars"), st.floats(0, 400), st.floats(0, 90), st.booleans())


def _happens(pace: AdaptiveRate, places: AdaptiveRunning, kind: str, now: float, s: float) -> None:
    """Let one thing happen to both limits: a create goes, is accepted, or refused in two ways."""
    if kind == "t":
        pace.take(now)
    elif kind == "a":
        pace.accepted(now, now - s / 10)
        places.accepted()
    else:
        pace.refused(now, now - s / 10, s if kind == "r" else None, 0.5, running=int(s) % 2)
        places.refused(now, now - s / 10, int(s))


@given(st.lists(NEWS, max_size=40))
def test_a_state_goes_into_json_and_back(news: list[tuple[str, float, float, bool]]) -> None:
    """Whatever has happened, a pace that another process resumes goes on as the first one would."""
    pauses = Pauses(rounds=3, seconds=200.0)
    pace, places = AdaptiveRate(SECOND, 2, pauses), AdaptiveRunning(20)
    now = 0.0
    for kind, wait_s, seconds, resumes in news:
        now += wait_s
        _happens(pace, places, kind, now, seconds)
        if resumes:
            told = json.loads(json.dumps([pace.state(), places.state()], allow_nan=False))
            again, places_again = AdaptiveRate(SECOND, 2, pauses), AdaptiveRunning(20)
            again.resume(told[0])
            places_again.resume(told[1])
            assert (again.state(), places_again.state()) == (pace.state(), places.state())
            assert again.delay_s(now) == pace.delay_s(now)
            assert again.exhausted(now) == pace.exhausted(now)
            pace, places = again, places_again


def test_a_state_holds_all_that_a_limit_learns() -> None:
    """A field that is new in a limit is in its state, too."""
    pace, places, bucket = AdaptiveRate(SECOND), AdaptiveRunning(3), Gcra(SECOND)
    configured = {"bucket", "fastest", "pauses", "most", "burst"}
    for limit in (pace, places, bucket):
        learned = {name.removeprefix("_") for name in vars(limit)} - configured
        assert learned == limit.state().keys() - configured
