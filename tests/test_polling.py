"""Polls go where tasks are likely to finish: few of them, and none much too late."""

from __future__ import annotations

import random
import statistics
from dataclasses import replace

import pytest

from klingflow.decide.history import KEPT
from klingflow.decide.polling import ENOUGH, Durations, Foretold
from klingflow.model import Purchase
from tests.simulations import duration_s, fixed_polls, learned_polls


def learned(tier: str = "a", tasks: int = 300) -> Durations:
    """Durations that have seen so many lognormal tasks of one tier, each to within 10 s."""
    durations, chance = Durations(), random.Random(5)
    for _ in range(tasks):
        end_s = duration_s(chance)
        durations.learn(tier, end_s - 5, end_s + 5)
    return durations


def delay_s(durations: Durations, age_s: float, tier: str = "a", **more: float) -> float:
    return durations.next_delay_s(tier, age_s, floor_s=5.0, u=more.get("u", 0.5))


def test_a_learned_schedule_takes_few_polls_and_notices_soon() -> None:
    """At most 7 polls a task, 7 s late in the median; every 15 s takes 7.6 polls and 7.5 s."""
    found = [learned_polls(seed=seed) for seed in (1, 2, 3)]
    assert statistics.mean(polls.per_task for polls in found) <= 7
    assert statistics.mean(polls.delay_s for polls in found) <= 7
    assert fixed_polls(15).per_task > 7.4


def test_honest_progress_takes_fewer_polls_still() -> None:
    """Where percentages have foretold the end, the next poll is at the foretold end."""
    polls = learned_polls(honest_progress=True)
    assert polls.per_task < 4.5
    assert polls.delay_s < 3


def test_everything_scales_with_the_floor() -> None:
    """Tasks a hundred times faster with a floor a hundred times smaller are the same problem."""
    slow, fast = learned_polls(tasks=1000), learned_polls(tasks=1000, scale=0.01)
    assert fast.per_task == pytest.approx(slow.per_task, rel=0.02)
    assert fast.delay_s == pytest.approx(slow.delay_s * 0.01, rel=0.05)


@pytest.mark.parametrize(("u", "interval_s"), [(0.0, 9.0), (0.5, 10.0), (1.0, 11.0)])
def test_before_enough_is_known_the_interval_is_fixed(u: float, interval_s: float) -> None:
    """Twice the floor, ±10 %, for tiers with fewer than twenty durations and for unknown ones."""
    durations = learned(tasks=ENOUGH - 1)
    assert delay_s(durations, 0.0, u=u) == pytest.approx(interval_s)
    assert delay_s(durations, 60.0, "b", u=u) == pytest.approx(interval_s)


def test_no_two_polls_are_closer_than_the_floor_or_farther_than_nine() -> None:
    """At every age, also long after the longest task."""
    durations = learned()
    delays = [delay_s(durations, float(age_s)) for age_s in range(0, 5000, 3)]
    assert min(delays) >= 5
    assert max(delays) == 45


def test_polls_are_densest_where_tasks_finish() -> None:
    """Rare in the first seconds and late in the tail, frequent around the usual duration."""
    durations = learned()
    assert delay_s(durations, 0.0) > 2 * delay_s(durations, 90.0)
    assert delay_s(durations, 500.0) > 1.2 * delay_s(durations, 90.0)


def test_tiers_are_learned_apart() -> None:
    """A slow tier does not blur a fast one."""
    durations = learned("slow")
    for n in range(50):
        durations.learn("fast", 19 + n / 50, 21 + n / 50)
    assert delay_s(durations, 0.0, "fast") == pytest.approx(20, abs=3)
    assert delay_s(durations, 0.0, "slow") > 25


def test_progress_that_lies_is_ignored() -> None:
    """A bar that stands at 90 % from the start foretells nothing."""
    durations = Durations()
    for n in range(100):
        durations.learn("a", 80.0 + n, 90.0 + n, progress=[(10.0, 90.0), (40.0, 90.0)])
    plain = durations.next_delay_s("a", 40.0, floor_s=5.0, u=0.5)
    assert durations.next_delay_s("a", 40.0, floor_s=5.0, u=0.5, progress=[(40.0, 90.0)]) == plain


@pytest.mark.parametrize("progress", [[(40.0, 5.0)], [(40.0, 100.0)], [(40.0, 0.0)], []])
def test_progress_that_says_nothing_yet_is_ignored(progress: list[tuple[float, float]]) -> None:
    """The first percents and the last are where no bar is honest."""
    durations = Durations()
    for n in range(100):
        end_s = 80.0 + n
        durations.learn("a", end_s - 5, end_s + 5, progress=[(end_s / 2, 50.0)])
    plain = durations.next_delay_s("a", 40.0, floor_s=5.0, u=0.5)
    assert durations.next_delay_s("a", 40.0, floor_s=5.0, u=0.5, progress=progress) == plain
    assert durations.next_delay_s(
        "a", 40.0, floor_s=5.0, u=0.5, progress=[(40.0, 50.0)]
    ) == pytest.approx(40)


@pytest.mark.parametrize("known", [True, False])
def test_the_likelihood_orders_tasks_by_how_probably_they_are_done(known: bool) -> None:
    """It grows with the time since the last look and is a chance."""
    durations = learned() if known else Durations()
    chances = [
        durations.likelihood("a", 60.0, age_s) for age_s in (60.0, 70.0, 100.0, 400.0, 9000.0)
    ]
    assert chances == sorted(chances)
    assert chances[0] == 0
    assert all(0 <= chance <= 1 for chance in chances)


def purchase(n: int, bounds: tuple[float, float] | None) -> Purchase:
    times = {"finished": f"2026-01-01T00:{n // 60:02}:{n % 60:02}.000Z"}
    bare = Purchase(f"u{n}", "a", 1, 1, "done", "sha256:0", {}, "https://g", "predicted", 5)
    return replace(bare, billed_tier="billed", times=times, finished_after_s=bounds)


def test_a_ledger_teaches_its_latest_durations_by_billed_tier() -> None:
    """What has no duration teaches nothing, and old durations give way to new ones."""
    old = [purchase(n, (900.0, 910.0)) for n in range(KEPT)]
    new = [purchase(KEPT + n, (19.0, 21.0)) for n in range(KEPT)]
    durations = Durations()
    durations.learn_from([*new, *old, purchase(3000, None)])
    assert delay_s(durations, 0.0, "billed") == pytest.approx(20, abs=3)
    assert delay_s(durations, 0.0, "predicted") == 10


@pytest.mark.parametrize("bounds", [(0.0, 0.0), (5.0, 5.0), (0.0, 1e6)])
def test_odd_durations_break_nothing(bounds: tuple[float, float]) -> None:
    """Tasks that are done at once, and all alike, still give a schedule within its bounds."""
    durations = Durations()
    for _ in range(50):
        durations.learn("a", *bounds)
    assert all(5 <= delay_s(durations, age_s) <= 45 for age_s in (0.0, 1.0, 5.0, 100.0, 1e7))


@pytest.mark.parametrize(("unseen_s", "chance"), [(0.0, 0.0), (60.0, 0.632), (600.0, 1.0)])
def test_without_a_history_the_likelihood_is_an_order(unseen_s: float, chance: float) -> None:
    """By how long nobody has looked, whatever the task's age."""
    for age_s in (0.0, 500.0):
        found = Durations().likelihood("a", age_s, age_s + unseen_s)
        assert found == pytest.approx(chance, abs=0.001)
    assert Durations().likelihood("a", 70.0, 60.0) == 0.0


def test_the_middle_of_what_is_known_is_learned() -> None:
    """Tasks that ended between 10 s and 30 s are polled first about half-way to 20 s."""
    durations = Durations()
    for _ in range(ENOUGH):
        durations.learn("a", 10.0, 30.0)
    assert delay_s(durations, 0.0) == pytest.approx(20, abs=2)
    assert durations.likelihood("a", 0.0, 15.0) < 0.1
    assert durations.likelihood("a", 0.0, 25.0) > 0.9


def on_their_way(durations: Durations, tasks: int, tier: str = "a") -> Durations:
    for number in range(tasks):
        durations.watch(tier, f"u{number}", 0.0)
    return durations


@pytest.mark.parametrize("tasks", [1, 3, 10])
def test_where_every_second_counts_polls_go_as_close_as_the_floor(tasks: int) -> None:
    """While the rate of polls allows: ten tasks at a floor of 5 s are two polls a second."""
    durations = on_their_way(learned(), tasks)
    urgent = durations.next_delay_s("a", 90.0, floor_s=5.0, u=0.5, per_s=2.0, urgent=True)
    assert urgent == 5.0
    assert durations.next_delay_s("a", 90.0, floor_s=5.0, u=0.5, per_s=2.0) > 10


def test_many_tasks_share_the_budget() -> None:
    """However urgent: the polls of all of them are what the rate allows."""
    delays = [
        on_their_way(learned(), tasks).next_delay_s(
            "a", 90.0, floor_s=5.0, u=0.5, per_s=2.0, urgent=True
        )
        for tasks in (10, 20, 40, 80)
    ]
    assert delays == sorted(set(delays))


def test_a_tight_budget_spreads_the_polls_that_are_not_urgent() -> None:
    """Otherwise the likeliest tasks would be asked after for ever, and the others never."""
    few, many = (on_their_way(learned(), tasks) for tasks in (10, 200))
    usual = few.next_delay_s("a", 90.0, floor_s=5.0, u=0.5, per_s=2.0)
    assert usual == delay_s(few, 90.0)
    assert many.next_delay_s("a", 90.0, floor_s=5.0, u=0.5, per_s=2.0) > 2 * usual


@pytest.mark.parametrize(("tasks", "interval_s"), [(5, 5.0), (15, 7.5), (50, 10.0)])
def test_where_nothing_is_known_an_urgent_interval_is_what_the_budget_allows(
    tasks: int, interval_s: float
) -> None:
    """Between one floor and two."""
    durations = on_their_way(Durations(), tasks)
    found = durations.next_delay_s("a", 60.0, floor_s=5.0, u=0.5, per_s=2.0, urgent=True)
    assert found == interval_s


def test_tasks_that_are_not_finished_count() -> None:
    """Twenty of 250 that finish first do not make the others look fast; what has ended is gone."""
    durations = Durations()
    for number in range(250):
        durations.watch("a", f"u{number}", 40.0)
    for number in range(ENOUGH):
        durations.ended("a", f"u{number}")
        durations.learn("a", 30 + number / 4, 32 + number / 4)
    assert durations.likelihood("a", 0.0, 36.0) < 0.1


def test_a_parked_task_counts_until_it_is_watched_again() -> None:
    """Also one that a ledger remembers: how old it was is in its times."""
    times = {"submitted": "2026-01-01T00:00:00.000Z", "parked": "2026-01-01T01:30:00.000Z"}
    parked = [replace(purchase(n, None), state="parked", times=times) for n in range(100)]
    durations = Durations()
    durations.learn_from([*parked, *(purchase(1000 + n, (80.0, 100.0)) for n in range(100))])
    assert durations.likelihood("billed", 0.0, 89.0) < 0.3
    for task in parked:
        durations.watch("billed", task.uid, 0.0)
        durations.ended("billed", task.uid)
    for number in range(100):
        durations.learn("billed", 80.0 + number / 9, 100.0)
    assert durations.likelihood("billed", 0.0, 120.0) > 0.9


def stepped(*, together: bool) -> Durations:
    """Durations that have seen rows refreshed every 15 s, by the clock or from their create on."""
    durations, chance = Durations(), random.Random(2)
    for number in range(100):
        since = 40.0 * number + chance.random() * 30
        step_at = (since if not together else 0.0) + 15.0 * (
            chance.randrange(9) + 3 * number * together
        )
        seen_at = step_at + 5.3 * chance.random()
        durations.changed(seen_at - 5.3, seen_at, since=since, floor_s=5.0)
    return durations


@pytest.mark.parametrize("together", [True, False])
def test_where_changes_are_shown_in_steps_polls_go_just_after_them(together: bool) -> None:
    """All at once by the clock, or each by its task's age; never farther than nine floors."""
    durations = stepped(together=together)
    since = 7004.0 if not together else 7000.0
    found = [durations.shown_at(7101.5, 7096.5, since=since, floor_s=5.0) for _ in range(3)]
    first = 7109.0 if not together else 7110.0
    assert min(found) >= 7101.5
    assert min(abs(at - first) for at in found) < 1.2
    assert durations.shown_at(9000.0, 7096.5, since=since, floor_s=5.0) == 7141.5


@pytest.mark.parametrize(("together", "shown"), [(True, 7095.0), (False, 7094.0)])
def test_where_changes_are_shown_in_steps_a_poll_shows_the_last_one(
    together: bool, shown: float
) -> None:
    """Progress that it reports is as old as that; of a new task as old as the task."""
    durations = stepped(together=together)
    assert durations.as_of(7101.0, since=7004.0) == pytest.approx(shown, abs=1.0)
    assert durations.as_of(7101.0, since=7100.5) == pytest.approx(7100.5, abs=0.2)
    assert Durations().as_of(7101.0, since=7004.0) == 7101.0


def test_many_tasks_that_change_at_once_prove_no_steps() -> None:
    """All windows of a few seconds agree on any period."""
    durations = Durations()
    for number in range(5000):
        seen_at = number / 100
        durations.changed(seen_at - 6, seen_at, since=seen_at - 40, floor_s=5.0)
    assert durations.shown_at(61.5, 55.0, since=0.0, floor_s=5.0) == 61.5


def test_where_changes_are_shown_at_once_polls_go_when_they_are_due() -> None:
    """Steps that were never seen cost nothing."""
    durations, chance = Durations(), random.Random(2)
    for number in range(200):
        seen_at = 20.0 * (number + chance.random())
        durations.changed(seen_at - 5, seen_at, since=seen_at - 30 * chance.random(), floor_s=5.0)
    assert durations.shown_at(7101.5, 7095.0, since=7000.0, floor_s=5.0) == 7101.5


def test_a_percentage_counts_from_when_it_was_seen_first() -> None:
    """Where rows are refreshed seldom, a later look finds it long out of date."""
    durations = Durations()
    for n in range(100):
        end_s = 80.0 + n
        durations.learn("a", end_s - 5, end_s + 5, progress=[(end_s / 2, 50.0), (end_s, 50.0)])
    progress = [(40.0, 50.0), (60.0, 50.0)]
    assert durations.next_delay_s(
        "a", 60.0, floor_s=5.0, u=0.5, progress=progress
    ) == pytest.approx(20)


def honest() -> Durations:
    """Durations of a tier whose progress has proved honest, to within 2 %."""
    durations = Durations()
    for n in range(100):
        end_s = 80.0 + n
        durations.learn("a", end_s - 5, end_s + 5, progress=[(end_s * 0.51, 50.0)])
    return durations


def test_an_end_is_foretold_where_progress_is_honest() -> None:
    """With how far off that was for half of the tasks; not of a tier that is not known."""
    found = honest().foretold("a", [(60.0, 50.0)])
    assert found is not None
    assert found.end_s == 120
    assert found.error_s == pytest.approx(120 * 0.02)
    assert honest().foretold("b", [(60.0, 50.0)]) is None
    assert honest().foretold("a", [(0.0, 50.0)]) is None


def test_a_whole_percentage_is_never_exact() -> None:
    """However well the end was foretold before: to within one percent."""
    durations = Durations()
    for n in range(100):
        durations.learn("a", 75.0 + n, 85.0 + n, progress=[((80.0 + n) / 2, 50.0)])
    found = durations.foretold("a", [(60.0, 50.0)])
    assert found is not None
    assert found.error_s == pytest.approx(1.2)


def test_a_task_is_as_likely_to_be_done_as_its_progress_foretells() -> None:
    """Not as others of its tier are; and not before it can show more than it did."""
    durations, progress = honest(), [(60.0, 50.0)]
    chances = [durations.likelihood("a", 60.0, age_s, progress) for age_s in (90.0, 120.0, 150.0)]
    assert chances == [pytest.approx(0, abs=1e-4), 0.5, pytest.approx(1, abs=1e-4)]
    assert durations.likelihood("a", 150.0, 150.0, progress) == 0


@pytest.mark.parametrize(("end_s", "at"), [(111.0, 7110.0), (109.0, 7110.0), (120.0, 7125.0)])
def test_of_steps_the_first_that_can_show_an_end_that_is_foretold_is_polled_for(
    end_s: float, at: float
) -> None:
    """Also where the usual price asks sooner; within the error, one step too early."""
    foretold = Foretold(end_s, 2.0)
    durations = stepped(together=True)
    found = [
        durations.shown_at(7101.5, 7096.0, since=7000.0, floor_s=5.0, foretold=foretold)
        for _ in range(3)
    ]
    assert max(found) == pytest.approx(at, abs=1.2)


def test_an_end_that_is_foretold_far_away_is_looked_at_before() -> None:
    """It is known better by then."""
    durations = stepped(together=True)
    due = {
        durations.shown_at(7141.5, 7096.5, since=7000.0, floor_s=5.0, foretold=foretold)
        for foretold in (None, Foretold(900.0, 2.0))
        for _ in range(4)
    }
    assert all(7110 <= at < 7141.5 for at in due)
