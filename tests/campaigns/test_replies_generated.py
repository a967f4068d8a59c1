"""Replies from a generator over status, headers, body, framing and manner, on each of the three
routes.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from klingflow.api import loading, planning
from klingflow.gateway import outcomes
from klingflow.gateway.create_replies import read_create
from klingflow.gateway.http import Timeouts
from klingflow.gateway.payload import plausible_id
from klingflow.gateway.query_replies import read_query
from klingflow.ledger.lifecycle import PAID
from klingflow.model import Purchase
from tests.campaigns.figures import Report
from tests.campaigns.liar import VIDEO, Script, lying
from tests.campaigns.lies import Lie, document_of, ids_in, lies
from tests.campaigns.steps import Rig
from tests.harness import pipeline_at

SHOTS = 12
RUNS = 4
# Short, but long for a reply that comes at all: only what hangs should take them.
TIMEOUTS = Timeouts(
    connect_s=5.0, create_read_s=1.5, create_total_s=2.0, query_total_s=1.5, download_read_s=1.0
)
# A pause that a lie asks for is not waited out: the run is left as by Ctrl-C, and the next one goes
# on.
LONGEST_PAUSE_S = 0.6
ROUTES = ("create", "create", "query", "content")
CALM = settings(
    database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)  # fmt: skip
# What Hypothesis draws in one go resembles itself more and more.
AT_ONCE = 3000


def generated(number: int) -> list[tuple[str, Lie]]:
    """So many lies, each about one route: Hypothesis chooses, from the same seeds each time."""
    drawn: list[tuple[str, Lie]] = []
    for begins in range(0, number, AT_ONCE):

        @seed(begins)
        @settings(CALM, max_examples=min(AT_ONCE, number - begins))
        @given(st.tuples(st.sampled_from(ROUTES), lies()))
        def draw(lie: tuple[str, Lie]) -> None:
            drawn.append(lie)

        draw()
    return drawn


async def bought(folder: Path, told: list[tuple[str, Lie]], counts: Counter[str]) -> list[str]:
    """Run a film against these lies until it is bought or the runs are used up.

    Return what is wrong with the outcome.
    """
    film = pipeline_at(folder)
    film.write(len(told))
    manifest = loading.load(film.manifest)
    cast = {}
    for number, (ours, (route, lie)) in enumerate(zip(manifest.shots, told, strict=True)):
        line = lie.with_id(f"id{number}") if route == "create" else lie
        cast[ours.id] = Script({route: line})
    wrong: list[str] = []
    async with lying(cast) as liar:
        rig = Rig(liar.base, TIMEOUTS, leave=_asks_for_patience)
        for _ in range(RUNS):
            outcome = await rig.run_manifest(manifest)
            counts["runs"] += 1
            if outcome.crash or outcome.broken:
                wrong.append(f"{outcome.crash!r} {outcome.broken!r}")
            plan = planning.plan(manifest, origin=liar.base)
            if {action.verb for action in plan.actions} <= {"keep", "in_doubt", "failed"}:
                break
        purchases = {p.shot: p for action in plan.actions if (p := action.purchase)}
    counts["requests"] += sum(script.posts + script.asked.total() for script in cast.values())
    for shot, script in cast.items():
        wrong += (
            f"{shot}: {what}: {script}" for what in judged(script, purchases.get(shot), counts)
        )
    return wrong + [f"asked for {path}" for path in liar.strays]


def batched(drawn: list[tuple[str, Lie]], size: int) -> Iterator[list[tuple[str, Lie]]]:
    """The lies by the film: one a shot."""
    return (drawn[start : start + size] for start in range(0, len(drawn), size))


def _asks_for_patience(event: dict[str, Any]) -> bool:
    return bool(event.get("pause_s", 0) > LONGEST_PAUSE_S)


def judged(script: Script, purchase: Purchase | None, counts: Counter[str]) -> list[str]:
    """What is wrong with what became of a shot, by its lies."""
    wrong = []
    lie = script.lies.get("create")
    state = purchase.state if purchase else "unbought"
    task_id = purchase.task_id if purchase else None
    counts[state] += 1
    counts["POSTs repeated"] += script.posts > 1
    if script.posts > 2 or (script.posts == 2 and not (lie and lie.certainly_bought_nothing())):
        wrong.append(f"charged twice: {script.posts} POSTs")
    if task_id is not None and task_id not in script.told:
        wrong.append(f"ids lost: {task_id!r} was never told")
    if lie and lie.certainly_accepted() and (meant := _meant(lie)) and script.posts == 1:
        counts["ids that had to be kept"] += 1
        if task_id != meant and not _late(purchase):
            wrong.append(f"ids lost: {meant!r} was told, {task_id!r} kept ({state})")
    if lie is None and script.posts and task_id is None and not _late(purchase):
        wrong.append(f"ids lost: an honest reply came to {state}")
    about = script.lies.get("query")
    if state == "failed" and not (about and about.may_end_a_task("failed")):
        wrong.append("ids lost: a paid task was given up")
    if state in PAID and state != "done" and not (about or "content" in script.lies):
        counts["unfinished without a lie"] += 1
    return wrong


def _meant(lie: Lie) -> str | None:
    """The id that a proper reply names first and beyond doubt: not in an envelope, whose own may be
    the request's.
    """
    document = document_of(lie.told())
    is_envelope = isinstance(document, dict) and isinstance(document.get("data"), dict)
    named = document.get("id") if isinstance(document, dict) and not is_envelope else None
    return (
        named
        if isinstance(named, str) and named in ids_in(document) and plausible_id(named)
        else None
    )


def _late(purchase: Purchase | None) -> bool:
    """Whether a machine under load made an honest reply late: that is a doubt, rightly."""
    reason = str((purchase.evidence or {}).get("reason")) if purchase else ""
    return "in time" in reason or "too long" in reason or "another purchase" in reason


def test_whole_steps_survive_any_reply(long: bool, report: Report) -> None:
    """Buying, asking and fetching end; no POST is repeated unless the first certainly did nothing;
    ids are kept.
    """
    counts: Counter[str] = Counter()
    found: list[str] = []
    drawn = generated(5000 if long else 180)
    for told in batched(drawn, SHOTS):
        counts["replies"] += len(told)
        with tempfile.TemporaryDirectory() as folder:
            try:
                wrong_here = anyio.run(bought, Path(folder), told, counts)
                print(
                    *(what[:3000] for what in wrong_here),
                    sep="\n",
                    end="" if not wrong_here else "\n",
                )
                found.extend(wrong_here)
            except TimeoutError:
                found.append(f"hangs: {told}")
            except Exception as error:
                found.append(f"crashes: {error!r}: {told}")
    kinds = ("charged twice", "ids lost", "hangs")
    wrong = {kind: sum(f"{kind}: " in what for what in found) for kind in kinds}
    wrong["crashes"] = len(found) - sum(wrong.values())
    report.add(
        "server: any reply",
        counts,
        wrong=wrong,
        found="\n".join(what[:1500] for what in found[:10]),
    )
    assert (
        counts["done"]
        and counts["in_doubt"]
        and counts["ids that had to be kept"]
        and counts["POSTs repeated"]
    )


@pytest.mark.parametrize("told", [302, 200])
def test_only_a_redirect_leads_a_download_elsewhere(tmp_path: Path, told: int) -> None:
    """Where a reply to a download names a place, it is asked for as a redirect alone; the judge
    knows both.
    """
    sent = ("content", Lie(told, ((b"location", b"/v1/videos"),), VIDEO, ending="keep"))
    assert anyio.run(bought, tmp_path, [sent], Counter[str]()) == []


def test_the_reading_of_any_reply(long: bool, report: Report) -> None:
    """The same replies without the network, many more: only what certainly bought nothing is a
    refusal.
    """
    drawn = generated(15_000 if long else 800)
    counts: Counter[str] = Counter(replies=len(drawn))
    found = [f"{kind}: {lie}" for _, lie in drawn for kind in misread(lie, counts)]
    wrong = {
        kind: sum(what.startswith(kind) for what in found)
        for kind in ("charged twice", "ids lost", "crashes")
    }
    report.add(
        "server: replies read",
        counts,
        wrong=wrong,
        found="\n".join(what[:1500] for what in found[:10]),
    )


def misread(lie: Lie, counts: Counter[str], *, refund_5xx: bool = False) -> Iterator[str]:
    """What is wrong with how a whole reply is read, as one to a create and as one to a query."""
    whole = replace(lie, framing="length", cut=1.0).with_id("task_x")
    headers = {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in whole.headers
    }
    reply = outcomes.Reply(whole.status, headers, whole.told(), complete=lie.cut >= 1)
    try:
        create = read_create(reply, refund_5xx=refund_5xx)
        query = read_query(reply, task_id="task_x")
    except Exception:
        yield "crashes"
        return
    counts.update([type(create).__name__, type(query).__name__])
    if isinstance(create, outcomes.Refused) and not whole.certainly_bought_nothing():
        yield "charged twice"
    told = [*ids_in(document_of(whole.told()))]
    if isinstance(create, outcomes.Accepted) and (
        create.task_id not in told or not 200 <= whole.status < 300
    ):
        yield "ids lost"
    if isinstance(query, outcomes.TaskFailed) and not whole.may_end_a_task("failed"):
        yield "ids lost"
    if isinstance(query, outcomes.Succeeded) and not whole.may_end_a_task("succeeded"):
        yield "ids lost"


def test_the_judge_of_readings_sees_a_refusal_that_is_none() -> None:
    """A reader that takes every JSON error with 5xx for a refusal is found out."""
    kinds = [kind for _, lie in generated(300) for kind in misread(lie, Counter(), refund_5xx=True)]
    assert set(kinds) == {"charged twice"}
