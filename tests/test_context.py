"""What the steps of a run share: stopping is told once, and the first reason counts."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import anyio
import pytest

from klingflow.decide.chains import Chain
from klingflow.decide.patience import GO, Verdict
from klingflow.errors import LedgerBroken
from klingflow.model import Failure, Price, Sum
from klingflow.runner.context import Outcome, as_data
from tests.purchases import done, submitted
from tests.runs import Run, a_run

pytestmark = pytest.mark.anyio

CHEAP = Price(Decimal("3.50"), "CNY", "x")
KEY = Failure("key", "invalid_api_key", "no such key")
QUOTA = Failure("quota", "1102", "pack depleted")


def standing(run: Run) -> tuple[bool, bool]:
    """(still buying, still working)"""
    return run.context.schedule.buying, run.context.schedule.working


async def test_what_came_from_elsewhere_counts_against_the_budget(tmp_path: Path) -> None:
    """A lock that was merged meanwhile; what this run bought is reserved already."""
    with a_run(tmp_path, shots=2, top={"budget": 9}) as run:
        caps, book = run.context.schedule.caps, run.job.ledger.book
        run.context.bought.append((0, "ours"))
        book.put(submitted("shot001", uid="ours"))
        book.put(submitted("shot002"))
        book.remember([submitted("gone", task_id="x")])
        run.context.recount()
        assert caps.purses[0].before == Sum(2, {"CNY": Decimal("6.00")})
        refusal = caps.reserve(replace(run.job.plan.manifest.requests[0], price=CHEAP))
        assert refusal is not None and refusal.reason == (
            "budget: 6.00 of 9.00 CNY are spent or set aside, this shot costs 3.50"
        )


@pytest.mark.parametrize(
    ("verdict", "standing_then", "told"),
    [
        (GO, (True, True), []),
        (Verdict(5.0), (True, True), []),
        (Verdict(stop="buying", reason="why"), (False, True), [("stopped", "why")]),
        (Verdict(5.0, "everything", "why"), (False, False), [("leaving", "why")]),
    ],
)
def test_a_verdict_is_carried_out(
    tmp_path: Path,
    verdict: Verdict,
    standing_then: tuple[bool, bool],
    told: list[tuple[str, str]],
) -> None:
    """Once, however often it is said."""
    with a_run(tmp_path) as run:
        run.context.obey(verdict)
        run.context.obey(verdict)
        assert standing(run) == standing_then
    assert [(event["event"], event["reason"]) for event in run.told] == told
    assert run.context.outcome == Outcome()


def test_the_first_refusal_is_what_ended_the_run(tmp_path: Path) -> None:
    """And the last reason for which no connection could be made."""
    with a_run(tmp_path) as run:
        for failure, reason in ((KEY, "first"), (QUOTA, "last")):
            run.context.obey(Verdict(stop="buying", reason="a", refused=failure))
            run.context.obey(Verdict(stop="buying", reason="b", unreachable=reason))
        run.context.obey(GO)
        assert run.context.outcome == Outcome(refused=KEY, unreachable="last")
    assert run.events == ["stopped"]


def test_stopping_everything_wakes_who_waits(tmp_path: Path) -> None:
    """The dispatcher looks again, and finds nothing to start."""
    woken: list[bool] = []
    with a_run(tmp_path) as run:
        run.context.wake = lambda: woken.append(True)
        run.context.stop("enough")
        run.context.stop("enough")
    assert woken == [True]
    assert run.told == [{"at": run.told[0]["at"], "event": "leaving", "reason": "enough"}]


def test_the_first_crash_counts(tmp_path: Path) -> None:
    """Buying stops, and the shot is named."""
    first, second = ZeroDivisionError("ours"), KeyError("later")
    with a_run(tmp_path) as run:
        run.context.now = lambda: "2026-01-01T00:00:00.000Z"
        run.context.crashed(first, "shot001")
        run.context.crashed(second, "shot002")
        assert run.context.outcome == Outcome(crash=first)
        assert standing(run) == (False, True)
    reason = "internal error with shot001: ZeroDivisionError: ours"
    at = "2026-01-01T00:00:00.000Z"
    assert run.told == [{"at": at, "event": "stopped", "reason": reason}]


def test_the_first_broken_ledger_counts(tmp_path: Path) -> None:
    """Nothing more is started: it could not be kept."""
    first, second = LedgerBroken("the disk is gone"), LedgerBroken("still")
    with a_run(tmp_path) as run:
        run.context.broke(first)
        run.context.broke(second)
        assert run.context.outcome.broken is first
        assert standing(run) == (False, False)
    assert [event["reason"] for event in run.told] == ["the disk is gone"]


async def test_what_is_recorded_is_durable(tmp_path: Path) -> None:
    """On the disk when it returns, with what else became known."""
    with a_run(tmp_path) as run:
        flight = await run.flight()
        purchase = await run.context.record(0, flight.purchase, "failed", error=QUOTA)
        assert (purchase.state, purchase.error) == ("failed", QUOTA)
        assert run.purchases == [purchase]
        assert b'"failed"' in run.job.ledger.paths.journal.read_bytes()


async def test_a_take_is_wanted_with_what_its_plan_knew(tmp_path: Path) -> None:
    """Every purchase of this very take, and of no other."""
    with a_run(tmp_path, shots=2) as run:
        ours = submitted("shot001", task_id="task_1")
        for purchase in (ours, submitted("shot001", take=2), submitted("shot002")):
            await run.job.ledger.record(purchase)
        action = run.job.plan.actions[0]
        wanted = run.context.wanted(0, action)
        assert (wanted.job, wanted.action, wanted.known) == (0, action, frozenset({ours.uid}))


def test_a_take_is_wanted_with_the_chain_that_it_begins(tmp_path: Path) -> None:
    """By what the ledger remembers of its tier."""
    film = {"shot001": {"prompt": "a"}, "shot002": {"prompt": "b", "after": ["shot001"]}}
    old = [replace(done(f"old{n}"), finished_after_s=(20.0, 30.0)) for n in range(5)]
    with a_run(tmp_path, shots=film, bought=old) as run:
        chains = [run.context.wanted(0, a).chain for a in run.job.plan.actions[:2]]
        assert chains == [Chain(60.0, 2), Chain(30.0, 1)]


def test_an_event_says_when_where_and_what(tmp_path: Path) -> None:
    """The manifest's name and the shot's key, and the facts."""
    with a_run(tmp_path) as run:
        run.context.now = lambda: "2026-01-01T00:00:00.000Z"
        wanted = run.context.wanted(0, run.job.plan.actions[0])
        run.context.tell("rejected", wanted, uid="u", failure=as_data(KEY))
    assert run.told == [
        {
            "at": "2026-01-01T00:00:00.000Z",
            "event": "rejected",
            "manifest": "film",
            "path": str(tmp_path / "film.yaml"),
            "shot": "shot001",
            "uid": "u",
            "failure": {"kind": "key", "code": "invalid_api_key", "message": "no such key"},
        }
    ]


async def test_what_is_shielded_is_finished_unless_the_run_is_abandoned(tmp_path: Path) -> None:
    """Also what is begun after that is not shielded any more."""
    finished: list[str] = []

    async def work(name: str) -> None:
        with anyio.CancelScope() as scope, run.context.shielded():
            scope.cancel()
            await anyio.lowlevel.checkpoint()
            finished.append(name)

    with a_run(tmp_path) as run:
        await work("before")
        assert run.context._shields == []
        run.context.abandon()
        await work("after")
        assert (finished, run.context.outcome.abandoned) == (["before"], True)


async def test_abandoning_breaks_off_what_is_shielded_already(tmp_path: Path) -> None:
    """At its next wait."""
    with a_run(tmp_path) as run:
        reached = 0
        with anyio.CancelScope() as scope, run.context.shielded():
            scope.cancel()
            await anyio.lowlevel.checkpoint()
            reached = 1
            run.context.abandon()
            await anyio.lowlevel.checkpoint()
            reached = 2
        assert reached == 1


def test_a_manifest_s_record_lies_with_its_outputs(tmp_path: Path) -> None:
    """Where people look for it."""
    with a_run(tmp_path) as run:
        assert run.job.results == tmp_path / "outputs/film/manifest.json"


@pytest.mark.anyio
async def test_what_may_be_left_is_left_at_once(tmp_path: Path) -> None:
    """By a call in its midst, and also where it begins after that."""
    done: list[str] = []
    with a_run(tmp_path) as run:
        with run.context.leaving():
            run.context.leave()
            await anyio.sleep(1000.0)
            done.append("the first")
        with run.context.leaving():
            await anyio.sleep(1000.0)
            done.append("the second")
    assert done == []
