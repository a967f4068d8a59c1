"""The queues of a run: what goes next, in which order, and what has to be waited for."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from klingflow.decide.chains import ALONE, Chain
from klingflow.decide.polling import Durations
from klingflow.decide.schedule import Fetch, Flight, Schedule, Wanted
from klingflow.model import Action, Limits, Rate
from tests.planned import request, shot
from tests.purchases import submitted

FAST = Rate(1000, 1.0)


def schedule(**limits: object) -> Schedule:
    """A schedule whose rates bind nothing unless a test says so."""
    quick: dict[str, object] = {"submit": FAST, "poll": FAST, **limits}
    return Schedule(Limits(**quick), Durations())  # type: ignore[arg-type]  # limits by name


def wanted(name: str = "a", amount: str | None = "3.00", chain: Chain = ALONE) -> Wanted:
    """A take of five seconds to buy."""
    action = Action("create", name, "never bought", shot(name), request(amount=amount))
    return Wanted(0, action, chain=chain)


def flight(name: str = "a", *, since: float = 0.0, seen: float = 0.0) -> Flight:
    """A task since `since`, found unfinished at `seen`."""
    return Flight(0, submitted(name), since, seen, 9000.0, wanted(name))


def named(step: object) -> str:
    """The shot of a step."""
    if isinstance(step, Wanted):
        return step.action.key
    assert isinstance(step, (Flight, Fetch))
    return step.purchase.shot


def bought(queue: Schedule, now: float = 0.0) -> str:
    """The shot that is bought next; its create is answered at once and its task runs."""
    step = queue.next(now)
    assert isinstance(step, Wanted)
    queue.answered(proven=True)
    return step.action.key


# ---------------------------------------------------------------- creates


def test_takes_are_bought_in_the_order_they_were_wanted() -> None:
    """The plan's order is the queue's."""
    queue = schedule()
    for name in "abc":
        queue.want(wanted(name))
    assert [bought(queue) for _ in "abc"] == ["a", "b", "c"]
    assert queue.next(0.0) is None


def test_what_begins_a_chain_is_bought_first() -> None:
    """The longest first, by how long it takes; a long take alone comes after a short chain."""
    queue = schedule(max_running=9)
    for name, chain in [
        ("alone", Chain(90.0, 1)),
        ("pair", Chain(40.0, 2)),
        ("five", Chain(50.0, 5)),
        ("slow", Chain(99.0, 1)),
        ("equal", Chain(40.0, 3)),
    ]:
        queue.want(wanted(name, chain=chain))
    assert [bought(queue, float(n)) for n in range(5)] == ["five", "pair", "equal", "slow", "alone"]


def test_what_was_released_goes_before_what_was_ready() -> None:
    """The batch will wait for its chain, except where a longer one has yet to begin."""
    queue = schedule(max_running=9)
    for name, chain in [("a", ALONE), ("slow", Chain(9.0, 1)), ("long", Chain(3.0, 3))]:
        queue.want(wanted(name, chain=chain))
    queue.want(wanted("last"), released=True)
    queue.want(wanted("middle", chain=Chain(3.0, 3)), released=True)
    assert [bought(queue, float(n)) for n in range(5)] == ["middle", "long", "last", "slow", "a"]


def test_a_take_that_is_bought_again_waits_behind_its_equals() -> None:
    """A gateway that had no capacity for it gets time."""
    queue = schedule(max_running=9)
    for name in "ab":
        queue.want(wanted(name))
    bought(queue)
    queue.want(wanted("a again"))
    assert [bought(queue), bought(queue)] == ["b", "a again"]


def test_creates_go_one_by_one_until_the_gateway_has_dealt_with_one() -> None:
    """A wrong key or address is found out by a single request."""
    queue = schedule()
    for name in "abc":
        queue.want(wanted(name))
    assert named(queue.next(0.0)) == "a"
    assert queue.next(0.0) is None
    queue.answered(proven=False)
    assert named(queue.next(0.0)) == "b"
    assert queue.next(0.0) is None
    queue.answered(proven=True)
    assert named(queue.next(0.0)) == "c"


def test_once_proven_creates_go_together() -> None:
    """Also after an answer that proves nothing."""
    queue = schedule()
    for name in "abcd":
        queue.want(wanted(name))
    bought(queue)
    assert [named(queue.next(0.0)) for _ in "bc"] == ["b", "c"]
    queue.answered(proven=False)
    assert named(queue.next(1.0)) == "d"
    assert queue.creating == 2


def test_a_create_that_bought_nothing_keeps_its_turn_and_its_reservation() -> None:
    """Refused for the time being, it goes before those that were ready after it."""
    queue = schedule(max_tasks=2, max_running=9)
    for name in "abc":
        queue.want(wanted(name))
    step = queue.next(0.0)
    assert isinstance(step, Wanted)
    queue.answered(proven=True)
    queue.again(step)
    assert queue.running == 0
    assert [bought(queue), bought(queue)] == ["a", "b"]
    assert queue.caps.tasks == 2


def test_only_so_many_tasks_run_at_once() -> None:
    """A task that lands gives its place to the next."""
    queue = schedule(max_running=2)
    for name in "abc":
        queue.want(wanted(name))
    assert [bought(queue), bought(queue)] == ["a", "b"]
    assert queue.next(0.0) is None
    queue.landed()
    assert bought(queue) == "c"
    assert queue.running == 2


def test_a_task_from_the_ledger_takes_a_place() -> None:
    """It runs at the gateway like any other."""
    queue = schedule(max_running=1)
    queue.want(wanted("b"))
    queue.resume(flight("a"), 5.0)
    assert queue.running == 1
    assert queue.next(0.0) == 5.0


def test_what_a_cap_forbids_is_set_aside_with_its_reason() -> None:
    """And what still fits is bought."""
    queue = schedule(max_spend=Decimal("5"))
    for step in (wanted("a", "4.00"), wanted("b", "2.00"), wanted("c", "1.00")):
        queue.want(step)
    assert [bought(queue), bought(queue)] == ["a", "c"]
    ((capped, left_out),) = queue.capped
    assert (capped.action.key, capped.reserved) == ("b", False)
    assert left_out.reason.startswith("max_spend: 4.00 of 5.00 CNY are used")


def test_what_was_not_bought_gives_its_reservation_back() -> None:
    """Once, and only if it had one."""
    queue = schedule(max_tasks=1)
    queue.want(wanted("a"))
    step = queue.next(0.0)
    assert isinstance(step, Wanted) and step.reserved
    queue.landed(give_back=step)
    assert (queue.caps.tasks, queue.caps.spend, queue.running) == (0, Decimal(0), 0)
    queue.landed(give_back=step)
    assert queue.caps.tasks == 0
    assert not step.reserved


def test_a_task_that_ends_keeps_what_it_reserved() -> None:
    """It was bought."""
    queue = schedule()
    queue.want(wanted("a"))
    bought(queue)
    queue.landed()
    assert (queue.caps.tasks, queue.running) == (1, 0)


def test_creates_keep_their_rate() -> None:
    """Three at once, then one every two seconds."""
    queue = schedule(submit=Rate(30, 60.0), max_running=9)
    for name in "abcde":
        queue.want(wanted(name))
    assert [bought(queue) for _ in range(3)] == ["a", "b", "c"]
    assert queue.next(0.0) == 2.0
    assert bought(queue, 2.0) == "d"


def test_a_pause_after_a_missed_create_lets_polls_go_on() -> None:
    """The later of two pauses counts."""
    queue = schedule()
    queue.want(wanted("b"))
    queue.pauses.miss(9.0)
    queue.pauses.miss(4.0)
    assert queue.next(1.0) == 9.0
    queue.resume(flight("a"), 1.0)
    assert named(queue.next(1.0)) == "a"
    assert bought(queue, 9.0) == "b"


def test_after_a_missed_create_they_go_one_by_one() -> None:
    """Also once its pause has ended early, until one is answered."""
    queue = schedule()
    queue.proven = True
    for name in "ab":
        queue.want(wanted(name))
    queue.pauses.miss(9.0)
    queue.pauses.end()
    assert named(queue.next(1.0)) == "a"
    assert queue.next(1.0) is None
    queue.pauses.missed = False
    assert named(queue.next(1.0)) == "b"


def test_the_end_of_a_pause_of_creates_ends_no_pause_of_all() -> None:
    """Where the key is refused, a reply says nothing of when it will be good."""
    queue = schedule()
    queue.want(wanted("a"))
    queue.pauses.hold(9.0)
    queue.pauses.miss(4.0)
    queue.pauses.end()
    assert queue.next(1.0) == 9.0


def test_after_a_stop_of_buying_nothing_is_queued() -> None:
    """A retry or a dependant that comes up later is not bought; polls go on."""
    queue = schedule()
    queue.want(wanted("a"))
    queue.resume(flight("f"), 0.0)
    queue.stop_buying()
    queue.want(wanted("b"))
    queue.again(wanted("c"))
    assert (queue.buying, len(queue.ready)) == (False, 0)
    assert named(queue.next(0.0)) == "f"
    assert queue.next(0.0) is None


def test_after_a_stop_no_step_begins() -> None:
    """Neither a create nor a poll nor a download."""
    queue = schedule()
    queue.want(wanted("a"))
    queue.resume(flight("b"), 0.0)
    queue.fetch(Fetch(0, submitted("c"), wanted("c")), 0.0)
    queue.stop()
    assert (queue.next(0.0), queue.buying, queue.working) == (None, False, False)


# ---------------------------------------------------------------- polls


def test_the_task_most_likely_finished_is_polled_first() -> None:
    """When several are due: the one that nobody has looked at for longest."""
    queue = schedule(poll=Rate(1, 10.0))
    for name, seen in [("late", 90.0), ("early", 10.0), ("middle", 50.0)]:
        queue.resume(flight(name, seen=seen), 95.0)
    assert [named(queue.next(100.0)) for _ in range(3)] == ["early", "middle", "late"]


def test_of_equally_likely_tasks_the_one_queued_first_is_polled_first() -> None:
    """As they came."""
    queue = schedule()
    for name in "abc":
        queue.resume(flight(name), 1.0)
    assert [named(queue.next(1.0)) for _ in range(3)] == ["a", "b", "c"]


def test_chances_that_have_grown_while_tasks_waited_count() -> None:
    """A task that has come to its tier's usual end meanwhile overtakes one that was likelier."""
    queue = schedule(poll=Rate(1, 100.0))
    for _ in range(100):
        queue.durations.learn("kling-3.0-720p", 95.0, 105.0)
    for name in ("b", "c", "d"):
        queue.resume(flight(name), 0.0)
        assert named(queue.next(0.0)) == name
    other = flight("other tier", seen=80.0)
    other.purchase = replace(other.purchase, billed_tier="another")
    queue.resume(other, 85.0)
    queue.resume(flight("usual", seen=60.0), 85.0)
    assert queue.next(85.0) == 100.0
    assert named(queue.next(115.0)) == "usual"


def test_the_task_whose_progress_foretells_its_end_is_polled_first() -> None:
    """Before one that nobody has looked at for longer."""
    queue = schedule(poll=Rate(1, 10.0))
    tier = "kling-3.0-720p"
    for n in range(100):
        queue.durations.learn(tier, 75.0 + n, 85.0 + n, progress=[((80.0 + n) / 2, 50.0)])
    for name, seen, percent in [("begun", 40.0, 20.0), ("done", 90.0, 95.0)]:
        task = flight(name, seen=seen)
        task.progress = [(seen, percent)]
        queue.resume(task, 99.0)
    assert [named(queue.next(100.0)) for _ in range(2)] == ["done", "begun"]


def test_a_poll_that_can_show_nothing_new_comes_last() -> None:
    """Rows were refreshed at 90 s last: one seen after that, and one seen before."""
    queue = schedule(poll=Rate(1, 10.0))
    queue.durations = Steps15()
    for name, seen in [("after", 91.0), ("before", 89.0)]:
        queue.resume(flight(name, seen=seen), 99.0)
    assert [named(queue.next(100.0)) for _ in range(2)] == ["before", "after"]


class Steps15(Durations):
    """Durations of a gateway that refreshes its rows every 15 s."""

    def as_of(self, now: float, *, since: float) -> float:
        return now // 15 * 15


def test_a_poll_comes_when_it_is_due() -> None:
    """The earliest first, whatever the order of queueing."""
    queue = schedule()
    queue.resume(flight("b"), 7.0)
    queue.resume(flight("a"), 3.0)
    assert queue.next(2.9) == 3.0
    assert named(queue.next(3.0)) == "a"
    assert queue.next(3.0) == 7.0


def test_polls_keep_their_rate() -> None:
    """What is due waits for it."""
    queue = schedule(poll=Rate(30, 60.0))
    for name in "abcd":
        queue.resume(flight(name), 0.0)
    assert [named(queue.next(0.0)) for _ in range(3)] == ["a", "b", "c"]
    assert queue.next(0.0) == 2.0
    assert named(queue.next(2.0)) == "d"


def test_the_next_poll_is_where_the_durations_say() -> None:
    """Twice the floor while nothing is known."""
    queue = schedule(poll_floor_s=5.0)
    queue.follow(flight("a"), 20.0, 0.5)
    assert queue.next(20.0) == 30.0


@pytest.mark.parametrize(
    ("retry_after_s", "due"), [(None, 30.0), (3.0, 30.0), (60.0, 80.0), (1e9, 9000.0)]
)
def test_a_poll_is_not_before_the_gateway_asked_for(
    retry_after_s: float | None, due: float
) -> None:
    """But at the task's deadline at the latest, so that it can be parked."""
    queue = schedule()
    queue.follow(flight("a"), 20.0, 0.5, retry_after_s=retry_after_s)
    assert queue.next(20.0) == due


def test_a_deadline_that_has_passed_does_not_hurry() -> None:
    """The floor is kept."""
    queue = schedule()
    late = Flight(0, submitted("a"), 0.0, 0.0, 10.0, wanted("a"))
    queue.follow(late, 20.0, 0.5, retry_after_s=60.0)
    assert queue.next(20.0) == 30.0


def test_a_pause_holds_polls_and_creates() -> None:
    """And says when to ask again, if there is anything to ask after."""
    queue = schedule()
    queue.pauses.hold(20.0)
    queue.pauses.hold(10.0)
    assert queue.next(5.0) is None
    queue.resume(flight("a"), 0.0)
    queue.want(wanted("b"))
    assert (queue.pauses.holds_polls(19.9), queue.pauses.holds_polls(20.0)) == (True, False)
    assert queue.next(5.0) == 20.0
    assert {named(queue.next(20.0)), named(queue.next(20.0))} == {"a", "b"}


def test_a_poll_that_was_due_before_a_pause_comes_after_it() -> None:
    """It is kept."""
    queue = schedule(poll=Rate(1, 1.0))
    for name in "abcd":
        queue.resume(flight(name), 0.0)
    assert [named(queue.next(0.0)) for _ in "abc"] == ["a", "b", "c"]
    queue.pauses.hold(5.0)
    assert queue.next(4.0) == 5.0
    assert named(queue.next(5.0)) == "d"


def test_questions_beside_the_polls_keep_their_rate() -> None:
    """A download that asks for a new address has no budget of its own."""
    queue = schedule(poll=Rate(30, 60.0))
    asked_at = (0.0, 0.0, 0.0, 0.0, 1.9, 2.0)
    granted = [True, True, True, False, False, True]
    assert [queue.spare_poll(now) for now in asked_at] == granted
    queue.pauses.hold(20.0)
    assert not queue.spare_poll(19.0)


def test_a_flight_knows_its_age_and_its_tier() -> None:
    """The tier that is billed, and the predicted one until that is known."""
    task = flight("a", since=10.0)
    assert (task.age_s(25.0), task.age_s(5.0)) == (15.0, 0.0)
    assert task.tier == "kling-3.0-720p"


# ---------------------------------------------------------------- downloads


def test_only_so_many_downloads_go_at_once() -> None:
    """The one due first goes first; the next when one has ended."""
    queue = schedule(downloads=2)
    for name, due in [("c", 2.0), ("b", 1.0), ("a", 0.0)]:
        queue.fetch(Fetch(0, submitted(name), wanted(name)), due)
    assert [named(queue.next(5.0)) for _ in "ab"] == ["a", "b"]
    assert queue.next(5.0) is None
    queue.fetched()
    assert named(queue.next(5.0)) == "c"


def test_a_download_waits_until_it_is_due() -> None:
    """Pauses are not its business: what is finished is brought home."""
    queue = schedule()
    queue.fetch(Fetch(0, submitted("a"), wanted("a")), 3.0)
    queue.pauses.hold(100.0)
    assert queue.next(2.0) == 3.0
    assert named(queue.next(3.0)) == "a"


def test_the_next_look_is_at_the_earliest_of_what_comes() -> None:
    """Of creates, polls and downloads."""
    queue = schedule()
    queue.want(wanted("a"))
    queue.pauses.miss(8.0)
    queue.resume(flight("b"), 6.0)
    queue.fetch(Fetch(0, submitted("c"), wanted("c")), 7.0)
    assert queue.next(0.0) == 6.0


def test_creates_go_before_polls_and_polls_before_downloads() -> None:
    """What the batch waits for longest comes first."""
    queue = schedule()
    queue.fetch(Fetch(0, submitted("c"), wanted("c")), 0.0)
    queue.resume(flight("b"), 0.0)
    queue.want(wanted("a"))
    assert [named(queue.next(1.0)) for _ in "abc"] == ["a", "b", "c"]


# ---------------------------------------------------------------- counts and durations


def test_places_and_downloads_are_counted_one_by_one() -> None:
    """Two tasks from the ledger take two places; two ended downloads make room for two."""
    queue = schedule(downloads=2)
    queue.resume(flight("a"), 99.0)
    queue.resume(flight("b"), 99.0)
    assert queue.running == 2
    for name in "cdef":
        queue.fetch(Fetch(0, submitted(name), wanted(name)), 0.0)
    assert [named(queue.next(1.0)) for _ in "cd"] == ["c", "d"]
    queue.fetched()
    queue.fetched()
    assert [named(queue.next(1.0)) for _ in "ef"] == ["e", "f"]
    assert queue.next(1.0) == 99.0


def test_the_next_poll_goes_by_the_tasks_own_tier_age_and_progress() -> None:
    """What other tiers took says nothing."""
    queue = schedule(poll_floor_s=5.0)
    for number in range(100):
        end_s = 80.0 + number
        progress = [(end_s / 2, 50.0)]
        queue.durations.learn("kling-3.0-720p", end_s - 5, end_s + 5, progress)
        queue.durations.learn("another", 500.0, 510.0)
    task = flight("a", since=100.0)
    task.progress = [(40.0, 50.0)]
    queue.follow(task, 140.0, 0.5)
    assert queue.next(140.0) == pytest.approx(180.0)


# ---------------------------------------------------------------- where a second is the batch's


def taught(**limits: object) -> Schedule:
    """A schedule of two polls a second that knows its tier: tasks of 80 to 180 s."""
    queue = schedule(poll=Rate(120, 60.0), poll_floor_s=5.0, **limits)
    for number in range(100):
        queue.durations.learn("kling-3.0-720p", 75.0 + number, 85.0 + number)
    return queue


def polled_at(queue: Schedule, task: Flight) -> float:
    """When the one task on its way, now 100 s old, is asked after next."""
    queue.follow(task, 100.0, 0.5)
    due = queue.next(100.0)
    assert isinstance(due, float)
    return due


def test_while_shots_wait_for_a_place_polls_are_as_close_as_the_budget_allows() -> None:
    """A second of delay is a second of the batch; without it, a poll costs what it costs."""
    waiting, idle = taught(max_running=1), taught(max_running=1)
    for queue in (waiting, idle):
        queue.running = 1
    waiting.want(wanted("b"))
    assert polled_at(waiting, flight(seen=100.0)) == 105.0
    assert polled_at(idle, flight(seen=100.0)) > 108


def test_while_shots_wait_twice_the_polls_of_the_rate_are_due() -> None:
    """What is asked after is chosen among many."""
    queue, tier = taught(max_running=1), "kling-3.0-720p"
    queue.running = 1
    queue.want(wanted("b"))
    for number in range(100):
        queue.durations.watch(tier, str(number), 100.0)
    task = flight(seen=100.0)
    due = polled_at(queue, task)
    twice, once = (
        queue.durations.next_delay_s(tier, 100.0, floor_s=5.0, u=0.5, per_s=per_s, urgent=True)
        for per_s in (4.0, 2.0)
    )
    assert due == 100.0 + twice < 100.0 + once


def test_while_others_wait_for_its_video_a_task_is_polled_as_closely() -> None:
    """What its chain waits for is what the batch waits for."""
    queue, task = taught(), flight(seen=100.0)
    task.wanted.chain = Chain(200.0, 2)
    queue.running = 1
    assert polled_at(queue, task) == 105.0
    queue.stop_buying()
    assert polled_at(taught(), flight(seen=100.0)) > 108


def test_free_places_that_the_rate_of_creates_will_not_fill_are_no_hurry() -> None:
    """What is short is the rate then."""
    queue = taught(max_running=50, submit=Rate(1, 60.0))
    queue.want(wanted("first"))
    bought(queue)
    for number in range(100):
        queue.want(wanted(f"s{number}"))
    queue.pauses.miss(1e6)
    assert polled_at(queue, flight(seen=100.0)) > 108


def test_a_task_that_ends_or_is_parked_gives_its_place_and_is_not_watched() -> None:
    """A parked one is still known to have taken that long."""
    queue, tasks = schedule(), [flight(name, seen=50.0) for name in "abc"]
    for task in tasks:
        queue.resume(task, 99.0)
    queue.ended(tasks[0])
    queue.parked(tasks[1])
    known = queue.durations._tiers["kling-3.0-720p"]
    assert queue.running == 1
    assert (list(known.unfinished.values()), list(known.parked.values())) == ([50.0], [50.0])


def test_what_a_poll_showed_is_kept_and_changes_are_learned() -> None:
    """A change lies between two polls; the same words twice are none."""
    queue, task = schedule(), flight(since=100.0, seen=100.0)
    changes: list[tuple[float, float]] = []
    queue.durations.changed = lambda *at, since, floor_s: changes.append(at)  # type: ignore[method-assign]  # a spy
    for now, said, progress in [
        (110.0, "queued", None),
        (120.0, "queued", None),
        (130.0, "running", 10.0),
        (140.0, "running", 30.0),
    ]:
        queue.unfinished(task, now, said, progress)
    assert changes == [(120.0, 130.0), (130.0, 140.0)]
    assert (task.unfinished_at, task.progress) == (140.0, [(30.0, 10.0), (40.0, 30.0)])
    queue.succeeded(task, 150.0)
    assert changes[2:] == [(140.0, 150.0)]
    assert queue.running == -1


def test_progress_is_as_old_as_what_was_shown() -> None:
    """Where rows are refreshed every 15 s, a poll in between shows the last of them."""
    queue = schedule(poll_floor_s=5.0)
    for number in range(1, 60):
        step = 15.0 * number
        queue.durations.changed(step - 1.0, step + 1.0, since=0.0, floor_s=5.0)
    task = flight("a", since=0.0)
    queue.unfinished(task, 908.0, "running", 40.0)
    ((age_s, percent),) = task.progress
    assert percent == 40.0 and age_s == pytest.approx(900.0, abs=1.5)


@pytest.mark.parametrize(("timed", "known"), [(True, [45.0]), (False, [])])
def test_how_long_a_task_took_is_learned_where_it_was_watched(
    timed: bool, known: list[float]
) -> None:
    """The middle between the last poll that found it unfinished and the one that did not."""
    queue, task = schedule(), flight(since=100.0, seen=140.0)
    task.timed = timed
    queue.succeeded(task, 150.0)
    assert list(queue.durations._tiers["kling-3.0-720p"]._samples) == known
