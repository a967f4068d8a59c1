"""A whole run, on a clock of its own: what is started, how much at once, and how it ends."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from klingflow.errors import LedgerBroken
from klingflow.gateway.outcomes import Answer, Reply
from klingflow.ledger.lifecycle import advance
from klingflow.model import Purchase, Rate
from klingflow.runner.context import Outcome
from klingflow.runner.dispatch import run as run_context
from tests.campaigns.virtual import VirtualLoop, in_line, live
from tests.purchases import done, intent, submitted, succeeded
from tests.runs import ORIGIN, VIDEO, Run, Said, Video, a_run, refused, said

TIER = "kling-2.5-720p"
CONTENT = f"{ORIGIN}/v1/videos/task_1/content"
UNSAFE: Answer = refused(400, "moderation", "sensitive")
END_S = 100_000.0


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a thread would do is done in line: virtual time does not wait for threads."""
    monkeypatch.setattr(anyio.to_thread, "run_sync", in_line(lambda: 0.0))


def lived(run: Run, abort: Callable[[], None] = lambda: None) -> tuple[Outcome, float]:
    """The run to its end: its outcome, and the time at which it ended."""
    loop = VirtualLoop(0.0, END_S)
    run.context.clock = loop.time
    outcome = live(loop, lambda: run_context(run.context, abort))
    return outcome, loop.time()


def created(number: int) -> Answer:
    """A create that is accepted as `task_<number>`."""
    return said(id=f"task_{number}", model=TIER, status="queued")


def completed(number: int) -> Said:
    """A query that finds `task_<number>` finished."""
    return said(id=f"task_{number}", status="completed")


def running(number: int) -> Said:
    """A query that finds `task_<number>` unfinished."""
    return said(id=f"task_{number}", status="in_progress")


def task(at: str = "2026-07-01T00:00:00.000Z") -> Purchase:
    """The first shot's task, submitted then."""
    return advance(intent("shot001"), "accepted", at, task_id="task_1")


FINISHED = succeeded("shot001", task_id="task_1")


# ---------------------------------------------------------------- from plan to videos


def test_what_the_plan_leaves_out_is_not_bought_though_room_is_given_back(tmp_path: Path) -> None:
    """The run buys what the plan shows: the first shot is refused, and the second stays left out.
    What waits for it is never released.
    """
    shots = {"a": {"prompt": "x"}, "b": {"prompt": "y"}, "c": {"prompt": "z", "after": "b"}}
    with a_run(tmp_path, shots=shots, creates=[UNSAFE], max_tasks=1) as run:
        assert lived(run)[0] == Outcome()
        capped = {w.action.key: left_out.reason for w, left_out in run.context.schedule.capped}
        assert capped == {
            "b": "max_tasks: 1 of 1 are used",
            "c": "max_tasks: waits for b, which is left out",
        }
        assert run.states == ["rejected"]


def test_who_only_fetches_leaves_nothing_out(tmp_path: Path) -> None:
    with a_run(tmp_path, max_tasks=1, buying=False, top={"budget": 0}) as run:
        assert lived(run)[0] == Outcome()
        assert run.context.schedule.capped == []


def test_what_a_plan_calls_for_is_done(tmp_path: Path) -> None:
    """Each shot is bought, followed and downloaded; then the run ends by itself."""
    with a_run(
        tmp_path,
        shots=2,
        creates=[created(1), created(2)],
        queries=[completed(1), completed(2)],
        videos=[Video(200, VIDEO), Video(200, VIDEO)],
    ) as run:
        assert lived(run)[0] == Outcome()
        assert run.states == ["done", "done"]
    assert run.events.count("submitted") == run.events.count("done") == 2


def test_steps_go_on_at_once_up_to_connections(tmp_path: Path) -> None:
    """And no further, however many could."""
    now = most = 0

    async def slow() -> Answer:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await anyio.sleep(5.0)
        now -= 1
        return UNSAFE

    with a_run(tmp_path, shots=7, creates=[slow] * 7, connections=3) as run:
        _, ended = lived(run)
    assert most == 3
    assert ended == pytest.approx(15.0)  # the first alone, then three at a time


def test_a_place_that_is_free_is_taken_at_once(tmp_path: Path) -> None:
    """Whoever waits for a place is woken by the step that gives it free."""

    async def slow() -> Answer:
        await anyio.sleep(50.0)
        return UNSAFE

    with a_run(tmp_path, shots=3, creates=[slow] * 3, max_running=1) as run:
        assert lived(run)[1] == pytest.approx(150.0)


def test_creates_wait_for_their_rate(tmp_path: Path) -> None:
    """Three at once, and then one a minute."""
    with a_run(tmp_path, shots=5, creates=[UNSAFE] * 5, submit=Rate(1, 60.0)) as run:
        assert lived(run)[1] == pytest.approx(120.0)


def test_a_task_of_an_earlier_run_is_followed_to_its_end(tmp_path: Path) -> None:
    """Its duration is unknown: nobody looked between the runs."""
    with a_run(
        tmp_path, queries=[running(1), completed(1)], videos=[Video(200, VIDEO)], bought=[task()]
    ) as run:
        lived(run)
        (purchase,) = run.purchases
        assert (purchase.state, purchase.finished_after_s) == ("done", None)
    assert run.events[0] == "poll"


def test_a_task_of_an_earlier_run_has_a_whole_deadline(tmp_path: Path) -> None:
    """However old it is; asked for the first time at once."""
    with a_run(
        tmp_path, queries=[running(1)] * 400, deadline_s=60.0, poll_floor_s=5.0, bought=[task()]
    ) as run:
        run.context.now = lambda: "2029-01-01T00:00:00.000Z"
        assert lived(run)[1] == pytest.approx(60.0, abs=10.0)
        assert run.states == ["parked"]


@pytest.mark.parametrize(
    ("submitted", "age_s"), [("2026-07-01T00:00:00.000Z", 60.0), ("2026-07-01T09:00:00.000Z", 0.0)]
)
def test_a_task_is_as_old_as_its_record_says(tmp_path: Path, submitted: str, age_s: float) -> None:
    """Except one from the future, of a clock that was set wrong."""
    with a_run(
        tmp_path, queries=[completed(1)], videos=[Video(200, VIDEO)], bought=[task(submitted)]
    ) as run:
        run.context.now = lambda: "2026-07-01T00:01:00.000Z"
        lived(run)
    told = next(event for event in run.told if event["event"] == "succeeded")
    assert told["after_s"] == age_s


def test_a_video_of_an_earlier_run_is_asked_for_at_the_gateway_first(tmp_path: Path) -> None:
    """Its own address may have expired."""
    with a_run(tmp_path, videos=[Video(200, VIDEO)], bought=[FINISHED]) as run:
        lived(run)
        assert run.states == ["done"]
    assert run.gateway.asked == [f"open {CONTENT}"]


def test_who_only_fetches_buys_nothing(tmp_path: Path) -> None:
    """Neither a new shot nor one that waits."""
    shots = {
        "shot001": {"prompt": "a"},
        "shot002": {"prompt": "b"},
        "shot003": {"prompt": "c", "after": ["shot001"]},
    }
    with a_run(
        tmp_path,
        shots=shots,
        buying=False,
        queries=[completed(1)],
        videos=[Video(200, VIDEO)],
        bought=[task()],
    ) as run:
        assert [a.verb for a in run.job.plan.actions] == ["resume", "create", "waits"]
        lived(run)
        assert run.states == ["done"]


def test_what_is_no_more_in_the_manifest_comes_like_any_other(tmp_path: Path) -> None:
    """It is paid for: what is unfinished is polled and downloaded, what is finished is kept."""
    old = [submitted("old", task_id="task_1"), done("older")]
    with a_run(
        tmp_path, creates=[UNSAFE], queries=[completed(1)], videos=[Video(200, VIDEO)], bought=old
    ) as run:
        assert [a.verb for a in run.job.plan.actions] == ["create", "resume", "orphan"]
        lived(run)
        assert sorted(run.states) == ["done", "done", "rejected"]
    assert (tmp_path / "outputs/film/old.mp4").read_bytes() == VIDEO


def test_a_shot_that_needs_two_is_bought_once_when_both_are_there(tmp_path: Path) -> None:
    """In the same run."""
    needs = {"a": {"prompt": "a street"}, "b": {"prompt": "a roof"}}
    shots = {**needs, "c": {"prompt": "a bridge", "after": ["a", "b"]}}
    with a_run(
        tmp_path,
        shots=shots,
        creates=[created(n) for n in (1, 2, 3)],
        queries=[completed(n) for n in (1, 2, 3)],
        videos=[Video(200, VIDEO) for _ in range(3)],
    ) as run:
        lived(run)
        assert [(p.shot, p.state) for p in run.purchases] == [(s, "done") for s in "abc"]


# ---------------------------------------------------------------- how it ends


def test_a_ledger_that_cannot_be_written_ends_the_run(tmp_path: Path) -> None:
    """Nothing that happens now could be kept."""

    async def broken() -> Answer:
        raise LedgerBroken("the disk is gone")

    with a_run(tmp_path, shots=3, creates=[broken]) as run:
        outcome, _ = lived(run)
        assert str(outcome.broken) == "the disk is gone"
    assert run.events == ["intent", "leaving"]
    assert run.told[-1]["reason"] == "the disk is gone"


def test_a_mistake_of_ours_with_one_shot_leaves_no_other_video_behind(tmp_path: Path) -> None:
    """Buying stops; what was bought comes home."""

    async def mistake() -> Answer:
        raise ZeroDivisionError("ours")

    with a_run(
        tmp_path,
        shots=3,
        max_running=2,
        creates=[created(1), mistake],
        queries=[completed(1)],
        videos=[Video(200, VIDEO)],
    ) as run:
        outcome, _ = lived(run)
        assert run.states == ["done", "intent"]
        assert isinstance(outcome.crash, ZeroDivisionError)
    assert "internal error with shot002: ZeroDivisionError: ours" in str(run.told)


def test_a_mistake_of_ours_with_a_task_names_its_shot(tmp_path: Path) -> None:
    """The task is in the ledger, and the next run asks again."""

    async def mistake() -> Answer:
        raise ZeroDivisionError("ours")

    with a_run(tmp_path, queries=[mistake], bought=[task()]) as run:
        assert isinstance(lived(run)[0].crash, ZeroDivisionError)
        assert run.states == ["submitted"]
    assert run.told[0]["reason"] == "internal error with shot001: ZeroDivisionError: ours"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_once_it_finishes_what_is_on_its_way(tmp_path: Path, number: signal.Signals) -> None:
    """The reply is read and written down; nothing more is started."""

    async def slow() -> Answer:
        signal.raise_signal(number)
        await anyio.sleep(30.0)
        return created(1)

    with a_run(tmp_path, shots=2, creates=[slow]) as run:
        outcome, ended = lived(run)
        assert run.states == ["submitted"]
        assert outcome == Outcome(interrupted=True)
    assert ended == pytest.approx(30.0)
    assert run.events == ["intent", "leaving", "submitted"]
    said_of = "interrupted; finishing what is on its way (Ctrl-C again leaves at once)"
    assert run.told[1]["reason"] == said_of


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize(("number", "ends_after_s"), [(signal.SIGINT, 30.0), (signal.SIGTERM, 0.0)])
def test_a_termination_waits_for_no_poll(
    tmp_path: Path, number: signal.Signals, ends_after_s: float
) -> None:
    """Ctrl-C once lets it finish; whoever terminates a process waits for seconds only."""

    async def slow() -> Answer:
        signal.raise_signal(number)
        await anyio.sleep(30.0)
        return Reply(200, {}, b'{"id": "task_1", "status": "in_progress"}')

    with a_run(tmp_path, queries=[slow], bought=[task()]) as run:
        began = run.at
        outcome, ended = lived(run)
        assert outcome == Outcome(interrupted=True)
        assert run.states == ["submitted"]
    assert ended - began >= ends_after_s
    assert (ended >= 30.0) is (ends_after_s > 0)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_asked_twice_it_leaves_at_once(tmp_path: Path) -> None:
    """`abort` is told; the create whose reply has not come is in doubt for the next run."""
    aborted: list[bool] = []

    async def slow() -> Answer:
        for _ in range(2):
            signal.raise_signal(signal.SIGINT)
            await anyio.sleep(1.0)
        await anyio.sleep(1000.0)
        raise AssertionError

    with a_run(tmp_path, creates=[slow]) as run:
        outcome, ended = lived(run, lambda: aborted.append(True))
        assert outcome == Outcome(interrupted=True, abandoned=True)
        assert (run.states, aborted) == (["intent"], [True])
    assert ended < 10.0


def test_in_another_thread_it_runs_without_signals(tmp_path: Path) -> None:
    """Python gives them to the main thread only."""
    with a_run(tmp_path, creates=[UNSAFE]) as run:
        found: list[Outcome] = []
        thread = threading.Thread(target=lambda: found.append(lived(run)[0]))
        thread.start()
        thread.join(60)
        assert found == [Outcome()]


# ---------------------------------------------------------------- the record meanwhile


def test_the_record_and_the_lock_are_renewed_while_it_runs(tmp_path: Path) -> None:
    """Every ten seconds; who looks meanwhile sees what has become of it."""
    times: list[float] = []

    async def slow() -> Answer:
        await anyio.sleep(35.0)
        return UNSAFE

    with a_run(tmp_path, creates=[slow]) as run:
        run.job.write_results = lambda: times.append(run.context.clock())
        lived(run)
        assert times == pytest.approx([10.0, 20.0, 30.0])
        assert run.job.ledger.pending == 1  # the outcome alone: the intent was folded


@pytest.mark.parametrize(
    ("each_s", "expected"), [(1.0, [10.0, 60.0, 110.0]), (30.0, [10.0, 310.0, 610.0])]
)
def test_a_record_that_takes_long_is_renewed_more_seldom(
    tmp_path: Path, each_s: float, expected: list[float]
) -> None:
    """For no more than a fiftieth of the time, but every five minutes, however slow the disk is."""
    times: list[float] = []

    async def slow() -> Answer:
        await anyio.sleep(999.0)
        return UNSAFE

    with a_run(tmp_path, creates=[slow]) as run:
        run.job.write_results = lambda: times.append(anyio.current_time())
        loop = VirtualLoop(0.0, END_S)
        run.context.clock = lambda: loop.time() + each_s * len(times)
        live(loop, lambda: run_context(run.context, lambda: None))
    assert times[:3] == pytest.approx(expected)


def test_a_lock_that_cannot_be_folded_ends_the_run(tmp_path: Path) -> None:
    """The first renewal finds out."""

    async def slow() -> Answer:
        await anyio.sleep(35.0)
        return UNSAFE

    with a_run(tmp_path, shots=2, creates=[slow]) as run:

        def broken() -> None:
            raise LedgerBroken("the disk is gone")

        run.job.write_results = broken
        outcome, _ = lived(run)
        assert str(outcome.broken) == "the disk is gone"
    assert run.events == ["intent", "leaving", "rejected"]
