"""How long a run will take, by what ledgers remember."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from klingflow.decide.chains import Chain
from klingflow.decide.forecast import Key, Task, forecast, tasks_of
from klingflow.model import Forecast, History, LeftOut, Limits, Rate
from tests.nights import Night, plan_of, play
from tests.planned import OTHER, plan, shot
from tests.plans import plan_of as plan_with
from tests.purchases import AT, LATER, done, submitted

STEADY = History({"t": (60.0,) * 5})
FAST = Rate(1000, 1.0)


def half() -> float:
    """Chance that never changes."""
    return 0.5


def takes(
    tasks: Mapping[str, Task],
    history: History = STEADY,
    chance: Callable[[], float] = half,
    **limits: object,
) -> Forecast | None:
    """The forecast for tasks of one plan, by their keys; rates bind nothing unless it says so."""
    bounds = Limits(**{"submit": FAST, **limits})  # type: ignore[arg-type]  # limits by name
    return forecast({(0, key): task for key, task in tasks.items()}, history, bounds, chance)


def alone(number: int, **about: object) -> dict[str, Task]:
    """So many tasks that wait for nothing."""
    return {str(n): Task("t", **about) for n in range(number)}  # type: ignore[arg-type]  # by name


def chained(number: int, first: str = "c") -> dict[str, Task]:
    """A chain of tasks."""
    keys: list[Key] = [(0, f"{first}{n}") for n in range(number)]
    return {
        key: Task("t", Chain(60.0 * (number - n), number - n), needs=tuple(keys[max(0, n - 1) : n]))
        for n, (_, key) in enumerate(keys)
    }


def exactly(seconds: float, bound: str, links: int = 1) -> Forecast:
    """A forecast without spread."""
    about = pytest.approx(seconds, abs=0.1)
    return Forecast(about, about, about, bound, links)  # type: ignore[arg-type]  # approx, and text


# ---------------------------------------------------------------- a run


def test_as_many_run_as_there_are_places() -> None:
    """Seven tasks on three places go in three rounds; the last download comes after."""
    assert takes(alone(7), max_running=3) == exactly(180.0, "places")
    assert takes(alone(7), replace(STEADY, bring_s=4.0), max_running=3) == exactly(184.0, "places")


def test_creates_keep_their_rate() -> None:
    """Three at once, then one in ten seconds."""
    found = takes(alone(23), max_running=99, submit=Rate(6, 60.0))
    assert found == exactly(200.0 + 60.0, "rate")


def test_a_chain_goes_one_by_one() -> None:
    """Beside it the others find places."""
    found = takes({**alone(3), **chained(5)}, max_running=2)
    assert found == exactly(300.0, "chain", 5)


def test_what_begins_a_chain_goes_first() -> None:
    """As the schedule has it, wherever it stands; a released take goes on at once."""
    found = takes({**alone(9), **chained(5)}, max_running=2)
    assert found == exactly(7 * 60.0, "places", 5)


def test_where_all_run_at_once_the_longest_is_waited_for() -> None:
    assert takes(alone(3), max_running=5) == exactly(60.0, "chain")


def test_what_runs_already_is_waited_for_and_holds_its_place() -> None:
    """A task of fifty seconds has ten to go."""
    found = takes({**alone(1), "r": Task("t", age_s=50.0)}, max_running=1)
    assert found == exactly(70.0, "places")


def test_what_waits_for_a_running_task_comes_after_it() -> None:
    waiting = Task("t", needs=((0, "r"), (0, "elsewhere")))
    found = takes({"w": waiting, "r": Task("t", age_s=50.0)})
    assert found == exactly(70.0, "chain")


def test_where_too_little_is_known_nothing_is_said() -> None:
    """Four tasks of a tier say nothing, nor do those of another."""
    assert takes(alone(3), History({"t": (60.0,) * 4, "u": (60.0,) * 9})) is None
    assert takes({**alone(3), "u": Task("u")}) is None
    assert takes({}) is None


def test_while_most_have_not_ended_nothing_is_said() -> None:
    """The first to finish are the fastest."""
    first = History({"t": (30.0, 31.0, 32.0, 33.0, 34.0)})
    assert takes(alone(20, age_s=40.0), first) is None


def test_the_range_is_wider_where_less_is_known() -> None:
    """And holds the middle."""
    spread = tuple(float(s) for s in range(30, 150, 20))
    few = takes(alone(40), History({"t": spread}), random.Random(1).random)
    much = takes(alone(40), History({"t": spread * 50}), random.Random(1).random)
    assert few and much
    assert few.low_s < much.low_s < much.middle_s < much.high_s < few.high_s


def test_the_same_chance_gives_the_same_forecast() -> None:
    history = History({"t": tuple(float(s) for s in range(30, 150, 20))})
    found = [takes(alone(40), history, random.Random(1).random) for _ in "ab"]
    assert found[0] == found[1]


@pytest.mark.parametrize("needs", [{}, {n: (n - 1,) for n in range(31, 35)}])
def test_a_learned_forecast_is_near_what_comes(needs: dict[int, tuple[int, ...]]) -> None:
    """Of sixty shots on five places; `python -m benchmarks night` measures more of them."""
    errors = []
    for seed in range(9):
        night = Night(shots=60, needs=needs, seed=seed)
        past = play(Night(shots=100, seed=1000 + seed)).history
        tasks = tasks_of([replace(plan_of(night), history=past)])
        found = forecast(tasks, past, night.limits, random.Random(1).random)
        assert found
        errors.append(abs(found.middle_s / play(night).seconds - 1))
    assert sorted(errors)[4] <= 0.1


# ---------------------------------------------------------------- of plans


def test_a_run_sees_through_what_it_buys_and_what_runs() -> None:
    """Each with what it waits for; what is here, left out or gone is not waited for."""
    bought = [done("here"), submitted("r"), submitted("gone", fingerprint=OTHER)]
    wanted = (shot("a"), shot("b", "a", "here"), shot("c", "r"), shot("r"), shot("here"), shot("x"))
    made = plan(bought, *wanted, at=LATER)
    tasks = tasks_of([replace(made, left_out={"x": LeftOut("budget", "because")})])
    tier, running = "kling-3.0-720p", Task("kling-3.0-720p", age_s=10.877)
    assert tasks == {
        (0, "a"): Task(tier, Chain(2.0, 2)),
        (0, "b"): Task(tier, needs=((0, "a"),)),
        (0, "c"): Task(tier, needs=((0, "r"),)),
        (0, "r"): running,
        (0, "gone"): running,
    }


def test_shots_of_several_plans_are_told_apart() -> None:
    first, second = plan([], shot("a")), plan([], shot("a"), shot("b", "a"))
    assert [*tasks_of([first, second])] == [(0, "a"), (1, "a"), (1, "b")]
    assert tasks_of([first, second])[1, "b"].needs == ((1, "a"),)


def test_chains_are_weighed_by_what_all_ledgers_remember() -> None:
    first = replace(plan([], shot("z")), history=History({"kling-3.0-720p": (9.0,) * 5}))
    assert tasks_of([first, plan([], shot("a"))])[1, "a"].chain == Chain(9.0, 1)


def test_a_task_of_which_no_time_is_known_is_new() -> None:
    """The ledger may come from anywhere."""
    for at, since in [("", AT), (LATER, "yesterday"), (AT, LATER)]:
        task = replace(submitted("a"), times={"submitted": since})
        assert tasks_of([plan([task], at=at)])[0, "a"].age_s == 0.0
    assert tasks_of([plan_with()]) == {}
