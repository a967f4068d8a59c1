"""The order of a purchase: nothing is sent before its intent is on the disk, and no place is given
free before its outcome is.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from klingflow.decide.schedule import Flight, Wanted
from klingflow.gateway.outcomes import Answer, Reply
from klingflow.ledger.lifecycle import advance, begin
from klingflow.model import Failure, Rate
from klingflow.runner.buy import buy
from tests.purchases import submitted
from tests.runs import LOST, ORIGIN, UNSENT, Run, Said, a_run, refused, said

pytestmark = pytest.mark.anyio

TIER = "kling-2.5-720p"
ACCEPTED = said(id="task_1", model=TIER, status="queued")
LIMITED = refused(429, "rate_limit", "slow down", retry_after=7)
PAGE = Reply(200, {"content-type": "text/html"}, b"<html>welcome</html>")
NO_KEY = refused(401, "invalid_api_key", "no such key")


# ---------------------------------------------------------------- the order


async def test_the_intent_is_on_the_disk_before_a_byte_is_sent(tmp_path: Path) -> None:
    """A crash at any later moment leaves a doubt, never a purchase that nobody knows of."""
    on_disk: list[bool] = []

    async def look() -> Answer:
        on_disk.append(b'"uid-1"' in run.job.ledger.paths.journal.read_bytes())
        return ACCEPTED

    with a_run(tmp_path, creates=[look]) as run:
        await buy(run.context, run.want())
    assert on_disk == [True]


async def test_the_outcome_is_on_the_disk_before_it_is_told(tmp_path: Path) -> None:
    """Whoever hears of a task id finds it in the ledger."""
    on_disk: list[bool] = []
    with a_run(tmp_path, creates=[ACCEPTED]) as run:

        def emit(event: dict[str, object]) -> None:
            if event["event"] == "submitted":
                on_disk.append(b"task_1" in run.job.ledger.paths.journal.read_bytes())

        run.context.emit = emit
        await buy(run.context, run.want())
    assert on_disk == [True]


async def test_a_purchase_is_finished_though_the_run_is_cancelled(tmp_path: Path) -> None:
    """Between the intent and the outcome nothing stops it: its reply is read and written down."""

    async def cancel() -> Answer:
        scope.cancel()
        await anyio.lowlevel.checkpoint()
        return ACCEPTED

    with a_run(tmp_path, creates=[cancel]) as run:
        with anyio.CancelScope() as scope:
            await buy(run.context, run.want())
        assert run.states == ["submitted"]


async def test_a_purchase_that_is_abandoned_is_in_doubt(tmp_path: Path) -> None:
    """Whoever asks twice leaves at once, without the reply."""

    async def leave() -> Answer:
        run.context.abandon()
        scope.cancel()
        await anyio.sleep_forever()
        raise AssertionError

    with a_run(tmp_path, creates=[leave]) as run:
        with anyio.CancelScope() as scope:
            await buy(run.context, run.want())
        assert run.states == ["intent"]
        assert run.events == ["intent"]


async def test_what_is_sent_is_what_was_written_down(tmp_path: Path) -> None:
    """The body of the intent, under a name by which a person can find it at the gateway."""
    with a_run(tmp_path, creates=[ACCEPTED], shots={"街": {"prompt": "雨夜"}}) as run:
        await buy(run.context, run.want())
        (purchase,) = run.purchases
        assert run.gateway.asked == ["create uid-1/街"]
        assert run.gateway.bodies == [purchase.body]
        assert "雨夜".encode() in run.gateway.sent[0]
        assert (purchase.origin, purchase.key) == (ORIGIN, "街")
    assert run.told[0]["uid"] == "uid-1"


async def test_a_tagged_purchase_carries_its_uid(tmp_path: Path) -> None:
    """With `tag_media`, the gateway's console shows which attempt a video is."""
    with a_run(tmp_path, creates=[ACCEPTED], top={"run": {"tag_media": True}}) as run:
        await buy(run.context, run.want())
        config = run.gateway.bodies[0]["metadata"]["output_config"]
        assert config["media_name"] == "klingflow-1"
        assert run.purchases[0].body == run.gateway.bodies[0]


# ---------------------------------------------------------------- what a create comes to


async def test_an_accepted_create_is_a_task_that_is_polled(tmp_path: Path) -> None:
    """Its id and tier are known, and its place is taken until it lands."""
    with a_run(tmp_path, creates=[ACCEPTED], poll_floor_s=5.0, deadline_s=60.0) as run:
        run.at = 1000.0
        wanted = run.want()
        await buy(run.context, wanted)
        (purchase,) = run.purchases
        assert (purchase.task_id, purchase.billed_tier) == ("task_1", TIER)
        assert purchase.evidence is None
        assert run.context.schedule.running == 1
        assert run.next() == 1010.0
        run.at = 1010.0
        flight = run.next_of(Flight)
        assert (flight.purchase, flight.wanted) == (purchase, wanted)
        assert (flight.since, flight.unfinished_at, flight.deadline) == (1000.0, 1000.0, 1060.0)
    about = {"task_id": "task_1", "tier": TIER, "predicted_tier": purchase.predicted_tier}
    assert run.told[1] == {**run.told[1], "event": "submitted", "shot": "shot001", **about}
    assert run.context.bought == [(0, "uid-1")]


async def test_a_reply_with_two_ids_is_kept(tmp_path: Path) -> None:
    """The other one may be what the gateway's console knows the task by."""
    both = said(id="task_1", task_id="up-1", model=TIER, status="queued")
    with a_run(tmp_path, creates=[both]) as run:
        await buy(run.context, run.want())
        assert run.purchases[0].evidence is not None
        assert "up-1" in run.purchases[0].evidence["body"]


async def test_another_purchase_s_id_is_not_believed(tmp_path: Path) -> None:
    """The create is in doubt; the reply is kept whole."""
    with a_run(tmp_path, shots=2, creates=[said(id="task_2", model=TIER)]) as run:
        await run.flight(2)
        await buy(run.context, run.want())
        theirs, ours = run.purchases
        assert (theirs.task_id, ours.state, ours.task_id) == ("task_2", "in_doubt", None)
        assert ours.evidence is not None
        assert ours.evidence["answered_task_id"] == "task_2"
        assert ours.evidence["status"] == 200


async def test_a_lost_reply_is_in_doubt_and_holds_its_money(tmp_path: Path) -> None:
    """The place is free; what was reserved is not."""
    with a_run(tmp_path, creates=[LOST], max_tasks=1, shots=2) as run:
        await buy(run.context, run.want())
        (purchase,) = run.purchases
        assert purchase.error == Failure("unknown", "in_doubt", "no answer in time")
        assert purchase.evidence is not None
        assert purchase.evidence["from"] == purchase.times["intent"] <= purchase.evidence["to"]
        assert (run.context.schedule.running, run.context.schedule.caps.tasks) == (0, 1)
    assert run.events == ["intent", "in_doubt"]
    assert run.told[-1]["reason"] == "no answer in time"


async def test_a_refused_shot_costs_nothing(tmp_path: Path) -> None:
    """Neither a place nor what was reserved; others are still bought."""
    with a_run(tmp_path, creates=[refused(400, "moderation", "sensitive")]) as run:
        await buy(run.context, run.want())
        assert run.purchases[0].error == Failure("moderation", "moderation", "sensitive")
        assert run.states == ["rejected"]
        schedule = run.context.schedule
        assert (schedule.running, schedule.caps.tasks, schedule.buying) == (0, 0, True)
        assert run.next() is None
    assert run.events == ["intent", "rejected"]
    failure = {"kind": "moderation", "code": "moderation", "message": "sensitive"}
    assert run.told[-1]["failure"] == failure


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (NO_KEY, "the gateway refuses us (key): no such key"),
        (refused(400, "moderation", "sensitive"), "shot001 was refused (--fail-fast)"),
    ],
)
async def test_a_refusal_may_stop_the_buying(tmp_path: Path, answer: Said, reason: str) -> None:
    """Of us always, of one shot under --fail-fast."""
    with a_run(tmp_path, creates=[answer], fail_fast=True) as run:
        await buy(run.context, run.want())
        assert not run.context.schedule.buying
    assert run.events == ["intent", "rejected", "stopped"]
    assert run.told[-1]["reason"] == reason


async def test_a_refused_key_is_what_ended_the_run(tmp_path: Path) -> None:
    """As the gateway said it first."""
    with a_run(tmp_path, creates=[NO_KEY]) as run:
        await buy(run.context, run.want())
    assert run.context.outcome.refused == Failure("key", "invalid_api_key", "no such key")


async def test_a_limited_create_keeps_its_turn(tmp_path: Path) -> None:
    """After the pause that was asked for, the same shot goes first, with its reservation."""
    with a_run(tmp_path, shots=2, creates=[LIMITED, ACCEPTED], max_tasks=2) as run:
        first = run.want()
        run.context.schedule.want(run.context.wanted(0, run.job.plan.actions[1]))
        await buy(run.context, first)
        assert run.purchases[0].error == Failure("limited", "rate_limit", "slow down")
        assert run.states == ["rejected"]
        assert (run.context.schedule.running, run.context.schedule.caps.tasks) == (0, 1)
        assert run.next() == 7.0
        run.at = 7.0
        assert run.next() is first
    assert run.events == ["intent", "limited"]
    assert run.told[-1]["pause_s"] == 7.0
    assert run.told[-1]["failure"]["kind"] == "limited"


async def test_a_limit_that_never_passes_ends_the_run_only_when_no_task_of_ours_runs(
    tmp_path: Path,
) -> None:
    """A pause of a year is no limit; while ours run, they may be what it is about."""
    endless = refused(429, "rate_limit", "come back next year", retry_after=3e7)
    with a_run(tmp_path, shots=2, creates=[endless, endless]) as run:
        flight = await run.flight(2)
        await buy(run.context, run.want())
        assert run.context.schedule.buying
        run.context.schedule.landed()
        run.at = 10.0
        await buy(run.context, run.next_of(Wanted))
        assert not run.context.schedule.buying
    assert flight.purchase.state == "submitted"
    assert run.events == ["intent", "limited", "intent", "limited", "stopped"]
    assert ["pause_s" in event for event in run.told if event["event"] == "limited"] == [
        True,
        False,
    ]


async def test_refusals_lower_the_rate_and_the_places(tmp_path: Path) -> None:
    """429 may mean either; each learns from it."""
    with a_run(tmp_path, creates=[LIMITED], submit=Rate(100, 1.0), max_running=8) as run:
        await buy(run.context, run.want())
        assert run.context.schedule.submit.per_s == 75.0
        assert run.context.schedule.places.limit == 1


async def test_acceptances_raise_them_again(tmp_path: Path) -> None:
    """One place more after as many acceptances as may run at once."""
    with a_run(tmp_path, creates=[LIMITED, ACCEPTED], submit=Rate(100, 1.0), max_running=8) as run:
        await buy(run.context, run.want())
        run.at = 7.0
        await buy(run.context, run.next_of(Wanted))
        assert run.context.schedule.submit.per_s > 75.0
        assert run.context.schedule.places.limit == 2


async def test_what_could_not_be_sent_is_tried_again(tmp_path: Path) -> None:
    """It keeps its turn and its reservation; creates alone pause meanwhile."""
    with a_run(tmp_path, creates=[UNSENT, ACCEPTED], max_tasks=1) as run:
        wanted = run.want()
        await buy(run.context, wanted)
        assert run.purchases[0].error == Failure("not_sent", "not_sent", "no connection")
        assert run.next() == 0.75
        run.at = 0.75
        assert run.next() is wanted
        await buy(run.context, wanted)
        assert run.states == ["rejected", "submitted"]
        assert [p.attempt for p in run.purchases] == [1, 1]
    assert run.events == ["intent", "unsent", "intent", "submitted"]
    assert (run.told[1]["reason"], run.told[1]["pause_s"]) == ("no connection", 0.75)


async def until_nothing_is_bought(run: Run) -> int:
    """How many creates go out before the run gives up."""
    await buy(run.context, run.want())
    while run.context.schedule.buying:
        run.at += 100.0
        await buy(run.context, run.next_of(Wanted))
    return len(run.purchases)


async def test_an_address_that_never_answers_is_given_up(tmp_path: Path) -> None:
    """After five tries where it never has, after forty more where it has once."""
    with a_run(tmp_path, creates=[UNSENT] * 5) as run:
        assert await until_nothing_is_bought(run) == 5
    assert run.context.outcome.unreachable == "no connection"
    assert run.told[-1]["reason"] == "the gateway cannot be reached: no connection"


async def test_an_answer_makes_the_run_patient(tmp_path: Path) -> None:
    """Whatever it says: a night's run has to survive a router's restart."""
    with a_run(tmp_path, creates=[LIMITED, *[UNSENT] * 40]) as run:
        assert await until_nothing_is_bought(run) == 41


async def test_creates_wait_after_one_that_was_lost(tmp_path: Path) -> None:
    """Otherwise an outage would leave a doubt for each shot that is to be bought."""
    with a_run(tmp_path, shots=3, creates=[LOST, ACCEPTED]) as run:
        await buy(run.context, run.want())
        assert run.states == ["in_doubt"]
        schedule = run.context.schedule
        schedule.want(run.context.wanted(0, run.job.plan.actions[1]))
        assert run.next() == 0.75
        run.at = 0.75
        await buy(run.context, run.next_of(Wanted))
        assert not run.context.schedule.pauses.missed


# ---------------------------------------------------------------- one by one, until proven


@pytest.mark.parametrize(
    ("answer", "proven"), [(ACCEPTED, True), (LIMITED, True), (PAGE, False), (NO_KEY, False)]
)
async def test_creates_go_one_by_one_until_address_and_key_are_proven(
    tmp_path: Path, answer: Said, proven: bool
) -> None:
    """A wrong key is found out by a single request."""
    with a_run(tmp_path, creates=[answer]) as run:
        wanted = run.want()
        assert (run.context.schedule.creating, run.context.schedule.proven) == (1, False)
        await buy(run.context, wanted)
        assert (run.context.schedule.creating, run.context.schedule.proven) == (0, proven)


async def test_three_pages_are_a_wrong_address(tmp_path: Path) -> None:
    """Each is in doubt; nothing more is bought."""
    with a_run(tmp_path, shots=4, creates=[PAGE] * 3) as run:
        for number in range(3):
            assert run.context.schedule.buying
            await buy(run.context, run.want(number))
        assert not run.context.schedule.buying
        assert run.states == ["in_doubt"] * 3


async def test_pages_of_a_proven_address_stop_nothing(tmp_path: Path) -> None:
    """A proxy in between may answer with pages for a while."""
    with a_run(tmp_path, shots=4, creates=[ACCEPTED, PAGE, PAGE, PAGE]) as run:
        for number in range(4):
            await buy(run.context, run.want(number))
            run.at += 1.0
        assert run.context.schedule.buying


@pytest.mark.parametrize(("refund", "state"), [(True, "rejected"), (False, "in_doubt")])
async def test_a_gateway_that_refunds_its_own_errors_is_believed(
    tmp_path: Path, refund: bool, state: str
) -> None:
    """Only where the manifest says so: a 5xx is in doubt otherwise."""
    gateway = {"gateway": {"refund_5xx": refund}}
    with a_run(tmp_path, creates=[refused(500, "internal_error")], top=gateway) as run:
        await buy(run.context, run.want())
        assert run.states == [state]


async def test_a_doubt_that_says_that_the_key_is_refused_ends_the_buying(tmp_path: Path) -> None:
    """403 may come from a filter on the way back, so the create is in doubt all the same."""
    answer = Reply(
        403, {}, b'{"error":{"code":"insufficient_quota","message":"no quota"},"id":"t"}'
    )
    with a_run(tmp_path, creates=[answer]) as run:
        await buy(run.context, run.want())
        assert run.states == ["in_doubt"]
        assert run.purchases[0].error == run.context.outcome.refused
        assert not run.context.schedule.buying


@pytest.mark.parametrize("running", [0, 1])
async def test_a_limit_ends_the_buying_after_five_minutes(tmp_path: Path, running: int) -> None:
    """Whatever Retry-After says; while a task of ours runs, the limit may end with it."""
    limited = refused(429, "rate_limit", "slow down", retry_after=3599)
    with a_run(tmp_path, creates=[limited, limited]) as run:
        run.context.schedule.running = running
        wanted = run.want()
        await buy(run.context, wanted)
        assert run.context.schedule.buying
        assert run.context.schedule.submit.delay_s(run.at) == 300.0
        run.at += 300.0
        run.context.schedule.running += 1
        await buy(run.context, wanted)
        assert run.context.schedule.buying is bool(running)


QUOTES = [
    (400, "屏幕上写着余额不足"),
    (400, "人们在雨中排队"),
    (400, "a hall at full capacity"),
    (422, "he wrote: invalid api key"),
    (404, "insufficient balance, says the screen"),
]


@pytest.mark.parametrize(("status", "prompt"), QUOTES)
async def test_a_refusal_that_quotes_the_prompt_is_of_that_shot_alone(
    tmp_path: Path, status: int, prompt: str
) -> None:
    """The words of a scene are not the gateway's: the other shots are bought."""
    shots = {"a": {"prompt": prompt}, "b": {"prompt": "another"}}
    answer = refused(status, "upstream_error", f"参数错误: {prompt}")
    with a_run(tmp_path, shots=shots, creates=[answer, ACCEPTED]) as run:
        await buy(run.context, run.want(0))
        assert run.context.schedule.buying
        await buy(run.context, run.want(1))
        assert run.states == ["rejected", "submitted"]
        error = run.purchases[0].error
        assert error is not None and (error.kind, error.message) == (
            "parameters",
            f"参数错误: {prompt}",
        )


@pytest.mark.parametrize("status", [400, 429])
async def test_an_empty_prepaid_pack_ends_the_buying(tmp_path: Path, status: int) -> None:
    """It never fills by itself, whatever status a relay gives it."""
    pack = refused(status, "1102", "Resource pack depleted or expired (prepaid scenario)")
    with a_run(tmp_path, creates=[pack]) as run:
        await buy(run.context, run.want())
        assert run.states == ["rejected"]
        assert not run.context.schedule.buying
        refusal = run.context.outcome.refused
        assert refusal is not None and refusal.kind == "quota"


# ---------------------------------------------------------------- who else bought it


async def test_what_came_into_the_ledger_meanwhile_is_not_bought_again(tmp_path: Path) -> None:
    """A colleague's purchase that a merge brings in during the run spares ours: no intent, nothing
    sent.
    """
    with a_run(tmp_path) as run:
        wanted = run.want()
        manifest = run.job.plan.manifest
        theirs = begin(manifest.shots[0], manifest.requests[0], uid="theirs", attempt=1,
                       origin=ORIGIN, at=run.context.now())  # fmt: skip
        await run.job.ledger.record(
            advance(theirs, "accepted", run.context.now(), task_id="task_theirs")
        )
        await buy(run.context, wanted)
        schedule = run.context.schedule
        assert (schedule.running, schedule.creating, schedule.caps.tasks) == (0, 0, 0)
        assert not schedule.proven
        assert [p.uid for p in run.purchases] == ["theirs"]
    assert run.events == ["spared"]
    said_of = "the ledger has another purchase of it by now (submitted)"
    assert run.told[0]["reason"] == said_of


async def test_what_the_plan_knew_of_spares_nothing(tmp_path: Path) -> None:
    """A failed purchase that the user wants again is one of them; its attempt counts."""
    with a_run(tmp_path, creates=[said(id="task_9", model=TIER)]) as run:
        flight = await run.flight()
        run.context.schedule.landed()
        await run.context.record(
            0, flight.purchase, "failed", error=Failure("moderation", "x", "no")
        )
        await buy(run.context, run.want())
        assert [(p.state, p.attempt) for p in run.purchases] == [("failed", 1), ("submitted", 2)]


async def test_a_spare_purchase_of_the_body_that_came_meanwhile_spares_the_money(
    tmp_path: Path,
) -> None:
    """A merge brought it under another id. One that serves another take is no obstacle."""
    with a_run(tmp_path, shots=2, creates=[said(id="task_9", model=TIER)]) as run:
        first, second = run.job.plan.actions
        assert first.request and second.request
        wanted = run.want(0)
        of_another = submitted("shot002", fingerprint=str(second.request.fingerprint))
        theirs = submitted("renamed", fingerprint=str(first.request.fingerprint))
        await run.job.ledger.record(
            replace(theirs, origin=run.job.site.origin),
            replace(of_another, origin=run.job.site.origin),
        )
        await buy(run.context, wanted)
        assert run.gateway.sent == []
    assert run.events == ["spared"]
