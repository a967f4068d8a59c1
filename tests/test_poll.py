"""A task that is paid for is followed until it is certain what became of it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from klingflow.cluster.claims import Claims
from klingflow.cluster.store import FolderStore
from klingflow.decide.belief import NAMED_TIMES
from klingflow.decide.schedule import Fetch, Flight, Wanted
from klingflow.gateway.outcomes import Reply
from klingflow.ledger.answers import last_answer
from klingflow.ledger.lifecycle import placed
from klingflow.model import Failure, Json, Rate
from klingflow.runner.buy import buy
from klingflow.runner.poll import poll
from tests.purchases import LATER, submitted
from tests.runs import LOST, Run, Said, a_run, refused, said

pytestmark = pytest.mark.anyio

TIER = "kling-3.0-720p"
URL = "https://cdn.example.com/a.mp4"
RUNNING = said(id="task_1", status="in_progress", progress=40)
DONE = said(id="task_1", status="completed", video_url=URL, model="billed")
BUSY = said(id="task_1", status="failed", error={"code": "busy", "message": "过载"}, model="billed")
UNSAFE = said(id="task_1", status="failed", error={"code": "moderation", "message": "unsafe"})
UNNAMED = said(status="failed", error={"code": "moderation", "message": "no"})
NOBODY = refused(404, "task_not_exist")
BLIND = refused(401, "invalid_api_key", "no such key")
CREATED = said(id="task_9", model=TIER, status="queued")


async def polled(run: Run, flight: Flight, times: int) -> list[str]:
    """The states of a task's purchase after so many polls, 10 s apart."""
    states: list[str] = []
    for _ in range(times):
        await poll(run.context, flight)
        states.append(run.job.ledger.book.purchases[flight.purchase.uid].state)
        run.at += 10.0
    return states


# ---------------------------------------------------------------- not finished


@pytest.mark.parametrize(("answer", "ends"), [(RUNNING, True), (NOBODY, True), (LOST, False)])
async def test_an_answer_ends_the_pause_of_creates(
    tmp_path: Path, answer: Said, ends: bool
) -> None:
    """The gateway can be reached again, and nobody need wait a minute for it."""
    with a_run(tmp_path, queries=[answer]) as run:
        flight = await run.flight()
        run.context.patience.lost("reset", 1.0, now=0.0, sent_at=0.0)
        run.context.schedule.pauses.miss(60.0)
        run.at = 1.0
        await poll(run.context, flight)
        assert run.context.schedule.pauses.creates_from == (0.0 if ends else 60.0)


async def test_a_running_task_is_asked_after_again(tmp_path: Path) -> None:
    """When its tier's durations say so; what was seen is kept, and told."""
    with a_run(tmp_path, queries=[RUNNING], poll_floor_s=5.0) as run:
        run.at = 100.0
        flight = await run.flight()
        await poll(run.context, flight)
        assert (flight.unfinished_at, flight.progress) == (100.0, [(100.0, 40.0)])
        assert run.next() == 110.0
        assert run.context.schedule.running == 1
    facts = {"event": "poll", "shot": "shot001", "status": "running", "progress": 40.0}
    assert run.told == [{**run.told[0], **facts}]
    assert run.gateway.asked == ["query task_1"]


async def test_few_progress_reports_are_kept(tmp_path: Path) -> None:
    """The latest 21."""
    with a_run(tmp_path, queries=[RUNNING] * 30) as run:
        flight = await run.flight()
        await polled(run, flight, 30)
        assert [age for age, _ in flight.progress] == [10.0 * n for n in range(9, 30)]


async def test_progress_that_is_not_said_is_not_kept(tmp_path: Path) -> None:
    """Nor a time at which nothing was seen."""
    queries: list[Said] = [said(id="task_1", status="queued"), LOST]
    with a_run(tmp_path, queries=queries) as run:
        flight = await run.flight()
        await polled(run, flight, 2)
        assert (flight.progress, flight.unfinished_at) == ([], 0.0)
    assert run.told[1]["status"] == "hiccup"
    assert run.told[1]["reason"] == "no answer in time"


async def test_a_gateway_that_asks_for_a_pause_gets_it(tmp_path: Path) -> None:
    """Retry-After on a query is a wish about this task."""
    waits = said(id="task_1", status="queued", retry_after=31)
    with a_run(tmp_path, queries=[waits]) as run:
        await poll(run.context, await run.flight())
        assert run.next() == 31.0


@pytest.mark.parametrize("answer", [RUNNING, LOST, NOBODY])
async def test_at_its_deadline_a_task_is_parked(tmp_path: Path, answer: Said) -> None:
    """It is paid for, so the next run asks again; its place is free."""
    with a_run(tmp_path, queries=[answer], deadline_s=90 * 60.0) as run:
        flight = await run.flight(deadline=100.0)
        run.at = 100.0
        await poll(run.context, flight)
        said_of = "not finished after 90 minutes; the next run asks again"
        assert run.purchases[0].error == Failure("unknown", "deadline", said_of)
        assert run.states == ["parked"]
        assert run.context.schedule.running == 0
        assert run.next() is None
    assert run.events == ["poll", "parked"]
    assert run.told[1]["failure"]["code"] == "deadline"


async def test_a_parked_task_that_is_late_again_stays_parked(tmp_path: Path) -> None:
    """A parked one whose words were `processing` shows when it was asked last."""
    answer = said(id="task_1", status="processing", progress="37%")
    with a_run(tmp_path, queries=[answer]) as run:
        flight = await run.flight(deadline=0.0)
        before = flight.purchase = await run.context.record(0, flight.purchase, "parked")
        await poll(run.context, flight)
        (purchase,) = run.purchases
    asked = last_answer(purchase)
    assert purchase.state == "parked" and asked is not None
    assert asked.said == "processing, 37 %"
    assert before.times["updated"] <= asked.at <= run.told[-1]["at"]
    assert run.events == ["poll", "parked"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (said(id="task_1", status="in_queue"), "in_queue"),
        (LOST, "no answer in time"),
        (
            said(id="task_1", status="odd", error={"message": "prompt refused by moderation"}),
            "status 'odd' (prompt refused by moderation) says nothing",
        ),
    ],
)
async def test_what_the_gateway_said_last_is_kept_with_a_parked_task(
    tmp_path: Path, answer: Said, words: str
) -> None:
    """Whatever it was: polled to the deadline, its words would be in no file otherwise."""
    with a_run(tmp_path, queries=[answer]) as run:
        await poll(run.context, await run.flight(deadline=0.0))
        kept = last_answer(run.purchases[0])
    assert kept is not None and kept.said == words


# ---------------------------------------------------------------- unknown


async def test_an_unknown_id_is_parked_after_a_minute_and_not_before(tmp_path: Path) -> None:
    """However old it is: a server that takes over from another may know nothing for a while."""
    answers = [NOBODY, NOBODY, NOBODY, RUNNING, NOBODY, NOBODY, NOBODY]
    with a_run(tmp_path, queries=answers) as run:
        flight, states = await run.flight(), []
        for run.at in (500.0, 505.0, 510.0, 515.0, 600.0, 630.0, 661.0):
            await poll(run.context, flight)
            states += run.states
        assert states == ["submitted"] * 6 + ["parked"]
        assert run.purchases[0].error == Failure("unknown", "task_not_exist", "no")
        assert run.context.schedule.running == 0
    assert (run.told[0]["status"], run.told[0]["reason"]) == ("unknown", "no")


# ---------------------------------------------------------------- finished


async def test_a_task_that_succeeded_is_downloaded(tmp_path: Path) -> None:
    """Its address, tier and duration are known; its place is free."""
    with a_run(tmp_path, queries=[DONE]) as run:
        flight = await run.flight(since=10.0, unfinished_at=60.1234)
        run.at = 70.5678
        await poll(run.context, flight)
        (purchase,) = run.purchases
        assert (purchase.state, purchase.video_url, purchase.billed_tier) == (
            "succeeded",
            URL,
            "billed",
        )
        assert purchase.finished_after_s == (50.123, 60.568)
        assert run.context.schedule.running == 0
        fetch = run.next_of(Fetch)
        assert (fetch.purchase, fetch.wanted, fetch.delivery.tries) == (purchase, flight.wanted, 0)
    assert run.events == ["succeeded"]
    assert (run.told[0]["tier"], run.told[0]["after_s"]) == ("billed", 60.568)


async def test_words_in_place_of_an_address_are_kept(tmp_path: Path) -> None:
    """The video comes from the content route; a person may need the words."""
    done = said(id="task_1", status="completed", video_url="see the console")
    with a_run(tmp_path, queries=[done]) as run:
        await poll(run.context, await run.flight())
        (purchase,) = run.purchases
    assert (purchase.video_url, purchase.evidence) == (None, {"video_url": "see the console"})


async def test_a_reply_without_a_tier_leaves_the_one_that_is_known(tmp_path: Path) -> None:
    """What the create said still counts."""
    for name, answer in (("a", said(id="task_1", status="completed")), ("b", UNSAFE)):
        with a_run(tmp_path / name, queries=[answer]) as run:
            await poll(run.context, await run.flight())
            assert run.purchases[0].billed_tier == TIER


@pytest.mark.parametrize(("timed", "learned"), [(True, 1), (False, 0)])
async def test_durations_are_learned_of_tasks_that_were_watched(
    tmp_path: Path, timed: bool, learned: int
) -> None:
    """A pause between two runs makes a duration unknown."""
    with a_run(tmp_path, queries=[DONE]) as run:
        durations = run.context.schedule.durations
        for n in range(19):  # one short of what a schedule is learned from
            durations.learn("billed", 100.0 + n, 110.0 + n)
            durations.learn(TIER, 100.0 + n, 110.0 + n)
        run.at = 120.0
        flight = await run.flight(timed=timed, unfinished_at=110.0)
        await poll(run.context, flight)
        assert (run.purchases[0].finished_after_s is not None) is timed
        known = durations.next_delay_s(TIER, 0.0, floor_s=5.0, u=0.5) != 10.0
        assert known == bool(learned)


# ---------------------------------------------------------------- failed


async def test_a_task_that_failed_is_not_bought_again(tmp_path: Path) -> None:
    """`retries` are for want of capacity alone."""
    with a_run(tmp_path, queries=[UNSAFE], retries=2) as run:
        await poll(run.context, await run.flight())
        assert run.states == ["failed"]
        assert run.purchases[0].error == Failure("moderation", "moderation", "unsafe")
        assert (run.context.schedule.running, run.next()) == (0, None)
    assert run.events == ["failed"]
    failure = {"kind": "moderation", "code": "moderation", "message": "unsafe"}
    assert (run.told[0]["failure"], run.told[0]["retry"]) == (failure, False)


@pytest.mark.parametrize("prompt", ["人们在雨中排队", "a hall at capacity", "系统繁忙的广告牌"])
async def test_a_failure_that_quotes_the_prompt_is_bought_once(tmp_path: Path, prompt: str) -> None:
    """The body in the ledger says which words are the shot's: they are no lack of capacity."""
    failed = said(
        id="task_1",
        status="failed",
        error={"code": "task_failed", "message": f"参数错误: {prompt}"},
    )
    shots = {"shot001": {"prompt": prompt}}
    with a_run(tmp_path, shots=shots, creates=[CREATED], queries=[failed], retries=3) as run:
        flight = await run.flight(body={"prompt": prompt})
        await poll(run.context, flight)
        assert run.states == ["failed"]
        error = run.purchases[0].error
        assert error is not None and error.kind == "parameters"
    assert not run.told[-1]["retry"]


async def test_want_of_capacity_is_bought_again_as_often_as_retries_say(tmp_path: Path) -> None:
    """Each is a purchase of its own and reserves again: no rule says that failures are refunded."""
    with a_run(tmp_path, queries=[BUSY, BUSY], retries=1, max_tasks=2) as run:
        flight = await run.flight()
        await poll(run.context, flight)
        assert run.purchases[0].billed_tier == "billed"
        again = run.next_of(Wanted)
        assert (again.action, again.failures) == (flight.wanted.action, 1)
        assert again.known == {flight.purchase.uid}
        assert run.context.schedule.caps.tasks == 1
        await poll(run.context, await run.flight(wanted=again))
        assert run.next() is None
    assert [event["retry"] for event in run.told] == [True, False]


@pytest.mark.parametrize(
    ("failed_tasks", "spent", "left"),
    [("refunded", "0", "4"), ("charged", "2", "2"), (None, "2", "2")],
)
async def test_a_failed_task_gives_money_back_only_where_it_is_refunded(
    tmp_path: Path, failed_tasks: str | None, spent: str, left: str
) -> None:
    """To the caps of the run and to the budget of its film; a task that was created stays one."""
    prices = {"failed_tasks": failed_tasks} if failed_tasks else {}
    top = {"price_list": prices, "budget": 4}
    failed = said(id="task_9", status="failed", error={"code": "moderation", "message": "no"})
    with a_run(tmp_path, creates=[CREATED], queries=[failed], top=top) as run:
        await buy(run.context, run.want())
        run.at = 100.0
        await poll(run.context, run.next_of(Flight))
        caps = run.context.schedule.caps
        assert (caps.spend, caps.tasks) == (Decimal(spent), 1)
        assert 4 - caps.purses[0].reserved == Decimal(left)
    assert run.told[-1]["refunded"] == (failed_tasks == "refunded")


async def test_a_refund_for_an_earlier_run_is_room_in_the_budget(tmp_path: Path) -> None:
    """The ledger counted the task as spent when this run began."""
    top = {"price_list": {"failed_tasks": "refunded"}, "budget": 4}
    before = submitted("shot001", task_id="task_1")
    with a_run(tmp_path, shots=2, queries=[UNSAFE], bought=[before], top=top) as run:
        caps = run.context.schedule.caps
        assert "shot002" in run.job.plan.left_out
        flight = Flight(0, before, 0.0, 0.0, 9000.0, run.context.wanted(0, run.job.plan.actions[0]))
        await poll(run.context, flight)
        assert (caps.spend, caps.purses[0].back) == (Decimal(0), Decimal("3.00"))


@pytest.mark.parametrize("stopped", [True, False])
async def test_nothing_is_bought_again_by_who_does_not_buy(tmp_path: Path, stopped: bool) -> None:
    """Neither after buying has stopped, nor by `klingflow fetch`."""
    with a_run(tmp_path, queries=[BUSY], retries=2, buying=stopped) as run:
        flight = await run.flight()
        if stopped:
            run.context.stop_buying("enough")
        await poll(run.context, flight)
        assert run.told[-1]["retry"] is False
        assert run.next() is None


async def test_what_needs_another_shot_is_not_bought_again(tmp_path: Path) -> None:
    """Its body is not final: what it needs may itself be on its way again."""
    clip = {"video": "${{ shots.shot001.video_url }}", "reference_type": "feature"}
    shots = {
        "shot001": {"prompt": "a"},
        "shot002": {"prompt": "b", "model": "kling-3.0-omni", "files": [clip]},
    }
    busy = said(id="task_2", status="failed", error={"code": "busy", "message": "过载"})
    with a_run(tmp_path, shots=shots, queries=[busy], retries=2) as run:
        await poll(run.context, await run.flight(2))
    assert run.told[-1]["retry"] is False


@pytest.mark.parametrize("claims", [True, False])
@pytest.mark.parametrize(("store", "moved", "retry"), [
    ("theirs", False, [False, False]),
    (None, False, [True, True]),
    (None, True, [True, False]),
])  # fmt: skip
async def test_what_hosts_have_ordered_they_buy_again(
    tmp_path: Path, claims: bool, store: str | None, moved: bool, retry: list[bool]
) -> None:
    """They alone count how often. What was moved has another id for a run than for hosts, which may
    have ordered what was claimed.
    """
    wanted = retry[claims]
    with a_run(tmp_path, queries=[BUSY], retries=1, max_tasks=2) as run:
        if claims:
            (tmp_path / "store").mkdir()
            place = FolderStore(tmp_path / "store")
            run.job.claims = Claims(place, host="h", nonce=lambda: "n")
        flight = await run.flight()
        if moved:
            flight.purchase = placed(flight.purchase, LATER, shot="before")
        evidence: Json = {"cluster": {"batch": "b", "store": store}} if store else None
        flight.purchase = replace(flight.purchase, evidence=evidence)
        await poll(run.context, flight)
        assert (run.next() is not None, run.told[-1]["retry"]) == (wanted, wanted)


async def test_a_retry_knows_only_what_the_plan_knew(tmp_path: Path) -> None:
    """While our task was on its way a merge brought a colleague's purchase: its failure does not
    buy another.
    """
    with a_run(tmp_path, queries=[BUSY], retries=2) as run:
        flight = await run.flight()
        await run.job.ledger.record(submitted("shot001", task_id="task_theirs"))
        await poll(run.context, flight)
        await buy(run.context, run.next_of(Wanted))
    assert run.events == ["failed", "spared"]


async def test_under_fail_fast_a_failed_task_stops_the_buying(tmp_path: Path) -> None:
    """Except where it is bought again."""
    with a_run(tmp_path, queries=[BUSY, UNSAFE], retries=1, fail_fast=True) as run:
        await poll(run.context, await run.flight())
        assert run.context.schedule.buying
        await poll(run.context, await run.flight())
        assert not run.context.schedule.buying
    assert run.events == ["failed", "failed", "stopped"]
    assert run.told[-1]["reason"] == "shot001 failed (--fail-fast)"


# ---------------------------------------------------------------- whose reply is this


async def test_a_final_answer_that_names_no_task_is_believed_the_second_time(
    tmp_path: Path,
) -> None:
    """The first may be another request's reply, left over on the connection; so the next is asked
    on a new one.
    """
    answers = [UNNAMED, said(status="queued"), UNNAMED, UNNAMED]
    with a_run(tmp_path, queries=answers) as run:
        states = await polled(run, await run.flight(), 4)
    assert states == ["submitted", "submitted", "submitted", "failed"]
    apart = ["", " apart", "", " apart"]
    assert run.gateway.asked == [f"query task_1{word}" for word in apart]


async def test_a_task_that_queries_call_otherwise_is_finished(tmp_path: Path) -> None:
    """A relay's second name for a task is believed once it has come often on connections of its
    own; the answers while it is made count.
    """
    queued, done = (said(id="alias_1", status=status) for status in ("queued", "completed"))
    with a_run(tmp_path, queries=[*[queued] * NAMED_TIMES, done]) as run:
        states = await polled(run, await run.flight(), NAMED_TIMES + 1)
    assert states == [*["submitted"] * NAMED_TIMES, "succeeded"]


@pytest.mark.parametrize("name", ["task_2", "alias"])
async def test_a_name_that_is_anothers_is_never_believed(tmp_path: Path, name: str) -> None:
    """Neither a reply about another task of ours, nor one that is given to two of them."""
    failed = said(id=name, status="failed", error={"code": "x", "message": "no"})
    with a_run(tmp_path, shots=2, queries=[failed] * 8) as run:
        first, second = await run.flight(1), await run.flight(2)
        for _ in range(4):
            await poll(run.context, first)
            if name == "alias":
                await poll(run.context, second)
        assert run.states == ["submitted", "submitted"]


# ---------------------------------------------------------------- blind


async def test_a_blind_round_pauses_everything_and_counts_once(tmp_path: Path) -> None:
    """401 and 403 say nothing of a task; the polls of one round are one piece of news."""
    with a_run(tmp_path, shots=2, queries=[BLIND] * 2, poll_floor_s=5.0) as run:
        first, second = await run.flight(1), await run.flight(2)
        await poll(run.context, first)
        await poll(run.context, second)
        run.context.schedule.want(run.context.wanted(0, run.job.plan.actions[0]))
        assert run.next() == 5.0
        assert run.context.schedule.pauses.holds_polls(4.9)
        assert run.states == ["submitted"] * 2
        assert run.context.schedule.running == 2
    assert run.events == ["blind"]
    failure = {"kind": "key", "code": "invalid_api_key", "message": "no such key"}
    assert (run.told[0]["failure"], run.told[0]["pause_s"]) == (failure, 5.0)


async def test_two_blind_rounds_stop_the_buying_and_five_the_run(tmp_path: Path) -> None:
    """Somebody has to look at the account; the task ids are in the ledger."""
    with a_run(tmp_path, queries=[BLIND] * 5, poll_floor_s=5.0) as run:
        flight, told = await run.flight(), []
        for _ in range(5):
            await poll(run.context, flight)
            told.append(run.told[-1]["event"])
            run.at += 100.0
        assert run.context.outcome.refused == Failure("key", "invalid_api_key", "no such key")
        assert not run.context.schedule.working
    assert told == ["blind", "stopped", "blind", "blind", "leaving"]


async def test_one_answer_ends_the_blindness(tmp_path: Path) -> None:
    """Whatever it says."""
    with a_run(tmp_path, queries=[BLIND, NOBODY, BLIND]) as run:
        await polled(run, await run.flight(), 3)
        assert run.context.schedule.buying
    assert run.events == ["blind", "poll", "blind"]


async def test_a_page_is_a_hiccup(tmp_path: Path) -> None:
    """Nothing was learned."""
    page = Reply(502, {}, b"<html>bad gateway</html>")
    with a_run(tmp_path, queries=[page], poll=Rate(10, 1.0)) as run:
        assert await polled(run, await run.flight(), 1) == ["submitted"]
    assert run.told[0]["status"] == "hiccup"


# ---------------------------------------------------------------- what waits


async def test_what_waited_for_a_shot_is_bought_with_what_it_brought(tmp_path: Path) -> None:
    """Once, whatever else it needs; its body is final only now."""
    clip = {"video": "${{ shots.shot001.video_url }}", "reference_type": "feature"}
    shots = {
        "shot001": {"prompt": "a"},
        "shot002": {"prompt": "b", "model": "kling-3.0-omni", "files": [clip]},
    }
    with a_run(tmp_path, shots=shots, queries=[DONE]) as run:
        waits = run.job.plan.actions[1]
        assert waits.verb == "waits"
        run.context.waiting[0].add(run.context.wanted(0, waits))
        await poll(run.context, await run.flight())
        request = run.next_of(Wanted).action.request
        assert request is not None
        assert request.body["metadata"]["file_infos"][0]["url"] == URL
