"""The runner's own promises, where no server is needed to see them."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from klingflow.api import loading, running, site
from klingflow.decide.patience import Patience
from klingflow.decide.polling import Durations
from klingflow.decide.schedule import Flight, Schedule, Wanted
from klingflow.gateway.http import Gateway
from klingflow.gateway.outcomes import Reply
from klingflow.ledger.lifecycle import advance, begin
from klingflow.model import Limits, Rate
from klingflow.runner.buy import buy
from klingflow.runner.context import Context, Job
from klingflow.runner.poll import poll
from tests.harness import pipeline_at, sandboxed
from tests.purchases import submitted

NOWHERE = "http://127.0.0.1:9"  # the discard port: nothing may be sent in these tests


def wanted_of(job: Job) -> Wanted:
    """The first action of a plan, decided by what the ledger holds."""
    return Wanted(0, job.plan.actions[0])


def context_of(job: Job, gateway: Gateway, told: list[dict[str, Any]]) -> Context:
    """A context in which nothing waits and chance is seeded."""
    return Context(
        jobs=[job],
        gateway=gateway,
        limits=Limits(),
        schedule=Schedule(Limits(), Durations()),
        patience=Patience(Limits()),
        emit=told.append,
        clock=lambda: 0.0,
        now=site.now,
        chance=random.Random(1).random,
        new_uid=lambda: "uid-of-this-run",
    )


def test_what_came_into_the_ledger_meanwhile_is_not_bought_again(tmp_path: Path) -> None:
    """A colleague's purchase that a merge brings in during the run spares ours: no intent, nothing
    sent.
    """
    film = pipeline_at(tmp_path)
    film.write(1)
    manifest = loading.load(film.manifest)
    told: list[dict[str, Any]] = []

    async def main(job: Job) -> None:
        async with Gateway(NOWHERE, "any-key") as gateway:
            wanted = wanted_of(job)
            shot, request = manifest.shots[0], manifest.requests[0]
            theirs = begin(shot, request, uid="theirs", attempt=1, origin=NOWHERE, at=site.now())
            await job.ledger.record(advance(theirs, "accepted", site.now(), task_id="task_theirs"))
            context = context_of(job, gateway, told)
            context.schedule.want(wanted)
            assert context.schedule.next(0.0) is wanted
            await buy(context, wanted)
            assert (context.schedule.running, context.schedule.caps.tasks) == (0, 0)

    with running.open_job(manifest, site.Wish(), NOWHERE) as job:
        anyio.run(main, job)
        assert [p.uid for p in job.ledger.book.purchases.values()] == ["theirs"]
    assert [event["event"] for event in told] == ["spared"]


def test_after_a_stop_nothing_is_queued() -> None:
    """A retry or a dependant that comes up after buying has stopped is not bought."""
    schedule = Schedule(Limits(), Durations())
    schedule.stop_buying()
    schedule.want(Wanted(0, None))  # type: ignore[arg-type]  # never looked at
    schedule.again(Wanted(0, None))  # type: ignore[arg-type]
    assert schedule.next(0.0) is None


def test_a_year_of_retry_after_does_not_outlive_the_deadline() -> None:
    """The poll comes at the task's deadline at the latest, so that it can be parked."""
    flight = Flight(0, submitted("a"), 0.0, 0.0, 60.0, Wanted(0, None))  # type: ignore[arg-type]  # never looked at
    schedule = Schedule(Limits(), Durations())
    schedule.follow(flight, 1.0, 0.5, retry_after_s=1e9)
    assert schedule.next(1.0) == 60.0


def test_questions_beside_the_polls_keep_their_rate() -> None:
    """A download that asks for a new address has no budget of its own."""
    schedule = Schedule(Limits(poll=Rate(30, 60.0)), Durations())
    assert [schedule.spare_poll(now) for now in (0.0, 0.0, 0.0, 0.0, 1.9, 2.0)] == [True] * 3 + [
        False,
        False,
        True,
    ]
    schedule.pause(20.0)
    assert not schedule.spare_poll(19.0)


def test_a_shot_with_two_needs_is_bought_once(tmp_path: Path) -> None:
    """Both needs are finished within one poll of each other."""
    with sandboxed(tmp_path) as (film, sandbox):
        needs = {"a": {"prompt": "a street"}, "b": {"prompt": "a roof"}}
        film.write(
            {**needs, "c": {"prompt": "a bridge", "after": ["a", "b"]}}, run={"max_running": 2}
        )
        film.do("run", "film.yaml", "-y", "--log", "run.jsonl")
        events = [json.loads(line) for line in (tmp_path / "run.jsonl").read_text().splitlines()]
        assert [e["shot"] for e in events if e["event"] == "intent"].count("c") == 1
        assert len(sandbox.ledger()["charges"]) == 3


class _Says:
    """A gateway whose every query is answered by the next of some bodies; `apart` notes how each
    was asked.
    """

    def __init__(self, *bodies: dict[str, Any]) -> None:
        self._bodies = iter(bodies)
        self.apart: list[bool] = []

    async def query(self, _: str, *, apart: bool = False) -> Reply:
        self.apart.append(apart)
        return Reply(200, {}, json.dumps(next(self._bodies)).encode())


def polled(folder: Path, gateway: _Says, *tasks: str) -> list[str]:
    """Two shots are at the gateway, task_1 and task_2. Ask after `tasks`; gives each one's state
    after its answer.
    """
    film = pipeline_at(folder)
    film.write(2)
    manifest = loading.load(film.manifest)

    async def main(job: Job) -> list[str]:
        context = context_of(job, gateway, [])  # type: ignore[arg-type]  # all that is asked of it here
        flights = {}
        for number in (1, 2):
            purchase = submitted(f"shot{number:03}", task_id=f"task_{number}")
            await job.ledger.record(purchase)
            flights[f"task_{number}"] = Flight(0, purchase, 0.0, 0.0, 60.0, wanted_of(job))
        states = []
        for task_id in tasks:
            await poll(context, flights[task_id])
            states.append(job.ledger.book.purchases[flights[task_id].purchase.uid].state)
        return states

    with running.open_job(manifest, site.Wish(), NOWHERE) as job:
        return anyio.run(main, job)


FAILED = {"status": "failed", "error": {"code": "x", "message": "no"}}


def test_a_final_answer_that_names_no_task_is_believed_the_second_time(tmp_path: Path) -> None:
    """The first may be another request's reply, left over on the connection; so the next is asked
    on a new one.
    """
    gateway = _Says(FAILED, {"status": "queued"}, FAILED, FAILED)
    states = polled(tmp_path, gateway, *["task_1"] * 4)
    assert states == ["submitted", "submitted", "submitted", "failed"]
    assert gateway.apart == [False, True, False, True]


def test_a_task_that_queries_call_otherwise_is_finished(tmp_path: Path) -> None:
    """A relay's second name for a task is believed once it has come twice on connections of its
    own.
    """
    done = {"id": "alias_1", "status": "completed"}
    gateway = _Says({**done, "status": "queued"}, done, done)
    assert polled(tmp_path, gateway, *["task_1"] * 3) == ["submitted", "submitted", "succeeded"]
    assert gateway.apart == [False, True, True]


@pytest.mark.parametrize("name", ["task_2", "alias"])
def test_a_name_that_is_anothers_is_never_believed(tmp_path: Path, name: str) -> None:
    """Neither a reply about another task of ours, nor one that is given to two of them."""
    gateway = _Says(*[{"id": name, **FAILED}] * 8)
    states = polled(tmp_path, gateway, *["task_1", *["task_2"] * (name == "alias")] * 4)
    assert set(states) == {"submitted"}


def test_another_name_is_not_believed_of_a_task_that_queries_call_by_its_id(tmp_path: Path) -> None:
    """However often it comes: it may be that of a task in doubt, which nobody else could claim."""
    other = {"id": "task_in_doubt", "status": "completed"}
    gateway = _Says({"id": "task_1", "status": "in_progress"}, *[other] * 5)
    assert set(polled(tmp_path, gateway, *["task_1"] * 6)) == {"submitted"}


def test_a_name_that_changes_is_not_believed(tmp_path: Path) -> None:
    """Two names for one task are one too many."""
    gateway = _Says(*[{"id": f"alias_{n % 2}", **FAILED} for n in range(6)])
    assert set(polled(tmp_path, gateway, *["task_1"] * 6)) == {"submitted"}


def test_a_task_is_parked_when_its_id_has_been_unknown_for_a_minute(tmp_path: Path) -> None:
    """However old it is: a server that takes over from another may know nothing for a while."""
    film = pipeline_at(tmp_path)
    film.write(1)
    nobody = {"id": "task_1", "error": {"code": "task_not_exist", "message": "no"}}
    known = {"id": "task_1", "status": "in_progress"}

    async def main(job: Job) -> list[str]:
        purchase = submitted("shot001", task_id="task_1")
        await job.ledger.record(purchase)
        flight = Flight(0, purchase, 0.0, 0.0, 9000.0, wanted_of(job))
        states = []
        for now, body in [(500.0, nobody), (505.0, nobody), (510.0, nobody), (515.0, known), (600.0, nobody),
                          (630.0, nobody), (661.0, nobody)]:  # fmt: skip
            context = context_of(job, _Says(body), [])  # type: ignore[arg-type]  # all that is asked of it here
            context.clock = partial(float, now)
            await poll(context, flight)
            states.append(job.ledger.book.purchases[purchase.uid].state)
        return states

    with running.open_job(loading.load(film.manifest), site.Wish(), NOWHERE) as job:
        assert anyio.run(main, job) == ["submitted"] * 6 + ["parked"]


def test_a_retry_knows_only_what_the_plan_knew(tmp_path: Path) -> None:
    """While our task was on its way a merge brought a colleague's purchase: its failure does not
    buy another.
    """
    film = pipeline_at(tmp_path)
    film.write(1)
    manifest = loading.load(film.manifest)
    told: list[dict[str, Any]] = []

    async def main(job: Job) -> None:
        gateway: Any = _Says(
            {"id": "task_ours", "status": "failed", "error": {"code": "busy", "message": "过载"}}
        )
        context = context_of(job, gateway, told)
        context.patience = Patience(replace(context.limits, retries=2))
        ours, theirs = (
            submitted("shot001", task_id="task_ours"),
            submitted("shot001", task_id="task_theirs"),
        )
        await job.ledger.record(ours)
        await job.ledger.record(theirs)
        context.schedule.running = 1
        await poll(context, Flight(0, ours, 0.0, 0.0, 60.0, wanted_of(job)))
        again = context.schedule.next(0.0)
        assert isinstance(again, Wanted)
        await buy(context, again)

    with running.open_job(manifest, site.Wish(), NOWHERE) as job:
        anyio.run(main, job)
    assert [event["event"] for event in told] == ["failed", "spared"]
