"""What a take calls for, queued: a purchase, a poll, a download, or a place among the waiting."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from klingflow.decide.delivery import FROM_AN_EARLIER_RUN
from klingflow.decide.schedule import Fetch, Flight, Wanted
from klingflow.model import Purchase, Verb
from klingflow.runner.queues import queue, release
from tests.purchases import done, submitted, succeeded
from tests.runs import Run, a_run

CHAIN = {"shot001": {"prompt": "a"}, "shot002": {"prompt": "b", "after": ["shot001"]}}


def queued(run: Run, verb: Verb, purchase: Purchase | None = None, number: int = 0) -> Wanted:
    """The take of a shot, queued with this verb and purchase."""
    wanted = run.context.wanted(0, run.job.plan.actions[number])
    wanted = replace(wanted, action=replace(wanted.action, verb=verb, purchase=purchase))
    queue(run.context, wanted)
    return wanted


def test_what_is_to_be_bought_is_wanted(tmp_path: Path) -> None:
    """As it is, with what it knows."""
    with a_run(tmp_path) as run:
        assert queued(run, "create") is run.next_of(Wanted)


def test_where_nothing_is_to_be_bought_nothing_is_wanted(tmp_path: Path) -> None:
    """Neither now nor when what it waits for is there."""
    with a_run(tmp_path, shots=CHAIN, buying=False) as run:
        queued(run, "create")
        queued(run, "waits", number=1)
        run.job.ledger.book.put(succeeded("shot001"))
        release(run.context, 0, "shot001")
        assert run.next() is None


def test_a_task_from_the_ledger_is_polled_at_once(tmp_path: Path) -> None:
    """It is as old as its record says, gets a whole deadline, and teaches no duration."""
    with a_run(tmp_path, deadline_s=600.0) as run:
        run.at = 1000.0
        begun = datetime.fromisoformat(run.context.now()) - timedelta(seconds=90)
        purchase = replace(submitted("shot001"), times={"submitted": begun.isoformat()})
        wanted = queued(run, "resume", purchase)
        flight = run.next_of(Flight)
        assert flight.since == pytest.approx(910.0, abs=5.0)
        facts: tuple[Any, ...] = (flight.job, flight.purchase, flight.deadline, flight.timed)
        assert facts == (0, purchase, 1600.0, False)
        assert (flight.wanted, flight.unfinished_at) == (wanted, flight.since)


@pytest.mark.parametrize("name", ["submitted", "updated"])
def test_a_task_from_the_future_is_new(tmp_path: Path, name: str) -> None:
    """The clock has gone back; one that does not say when it was bought is as old as its record."""
    with a_run(tmp_path) as run:
        run.at = 50.0
        purchase = replace(submitted("shot001"), times={name: "2999-01-01T00:00:00.000Z"})
        queued(run, "resume", purchase)
        assert run.next_of(Flight).since == 50.0


def test_a_finished_task_is_downloaded_as_from_an_earlier_run(tmp_path: Path) -> None:
    """Its address may have expired."""
    with a_run(tmp_path) as run:
        purchase = succeeded("shot001")
        wanted = queued(run, "download", purchase)
        fetch = run.next_of(Fetch)
        assert (fetch.job, fetch.purchase, fetch.wanted) == (0, purchase, wanted)
        assert fetch.delivery == FROM_AN_EARLIER_RUN


@pytest.mark.parametrize("verb", ["keep", "changed", "failed", "in_doubt", "held"])
def test_what_calls_for_nothing_is_not_queued(tmp_path: Path, verb: Verb) -> None:
    """It stays as it is."""
    with a_run(tmp_path) as run:
        queued(run, verb, done("shot001"))
        assert run.next() is None


def test_what_waits_is_released_into_the_queue_it_calls_for(tmp_path: Path) -> None:
    """Bought where nothing was; brought home where a merge has brought a purchase meanwhile."""
    with a_run(tmp_path, shots=CHAIN) as run:
        queued(run, "waits", number=1)
        release(run.context, 0, "shot001")
        assert run.next() is None
        run.job.ledger.book.put(succeeded("shot001"))
        release(run.context, 0, "shot001")
        assert run.next_of(Wanted).action.key == "shot002"


def test_what_was_released_goes_before_what_was_ready(tmp_path: Path) -> None:
    """Its chain is what the batch will wait for."""
    film = {**CHAIN, "shot003": {"prompt": "c"}}
    with a_run(tmp_path, shots=film, max_running=9) as run:
        queued(run, "create", number=2)
        queued(run, "waits", number=1)
        run.job.ledger.book.put(succeeded("shot001"))
        release(run.context, 0, "shot001")
        assert run.next_of(Wanted).action.key == "shot002"
        run.context.schedule.answered(proven=True)
        assert run.next_of(Wanted).action.key == "shot003"


def test_a_take_that_came_into_the_ledger_while_it_waited_is_polled(tmp_path: Path) -> None:
    """Not bought a second time."""
    with a_run(tmp_path, shots=CHAIN) as run:
        wanted = queued(run, "waits", number=1)
        theirs = replace(submitted("shot002"), origin=run.job.plan.terms.origin)
        for purchase in (succeeded("shot001"), theirs):
            run.job.ledger.book.put(purchase)
        release(run.context, 0, "shot001")
        flight = run.next_of(Flight)
        assert (flight.purchase, flight.wanted.known) == (theirs, wanted.known)
        assert run.next() is None
