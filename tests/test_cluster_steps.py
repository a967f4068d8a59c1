"""The steps that an engine has a host do, without an engine."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from temporalio.testing import ActivityEnvironment

from klingflow.cluster import hands
from klingflow.cluster.hand import Hand
from klingflow.cluster.orders import Ref
from klingflow.cluster.queued import Order
from klingflow.cluster.temporal.steps import Steps
from klingflow.cluster.temporal.telling import Telling
from klingflow.gateway.http import Gateway
from tests.clusters import a_hand, a_store, hand_over, order
from tests.runs import Scripted, said

pytestmark = pytest.mark.anyio

ACCEPTED = said(id="task_1", model="t", status="queued")
READY = said(id="task_1", status="completed", model="t", video_url="https://cdn.example.com/1.mp4")
NOW = datetime(2026, 6, 8, tzinfo=UTC)


@dataclass
class Heard:
    """What a desk is told."""

    reports: list[list[Any]] = field(default_factory=list)

    async def tell(self, *report: Any) -> None:
        """Hear a report."""
        self.reports.append([*report])


def an_errand(hand: Hand, ref: Ref) -> dict[str, Any]:
    """An order as the engine hands it to a step."""
    (ask,) = hand.pages[ref.batch, ref.page].asks()
    return Order(ask, ask.uid).as_json()


def as_engine(attempt: int) -> ActivityEnvironment:
    """An engine that has a step done for the `attempt`-th time."""
    engine = ActivityEnvironment()
    engine.info = replace(engine.info, attempt=attempt, started_time=NOW)
    return engine


def a_host(hand: Hand, heard: Heard, scratch: Path) -> Steps:
    """The steps of one host."""
    return Steps(hand, cast(Telling, heard), scratch, lambda line: None, lambda error: None)


async def test_the_task_of_a_dead_host_is_looked_at_at_once(tmp_path: Path) -> None:
    """Nobody knows when it was polled last, and what waits for its place has waited for long: here
    a host that goes on would else ask in a month.
    """
    store, heard = a_store(tmp_path / "store"), Heard()
    (ref,) = hand_over(store, [order("alley")], poll_floor_s=30 * 86_400.0)
    with a_hand(store, tmp_path / "north", [ACCEPTED]) as hand:
        await hands.buy(hand, ref)
        hand.gateway = cast(Gateway, Scripted([], [READY]))
        watch = a_host(hand, heard, tmp_path).watch
        with anyio.fail_after(60):
            seen = await as_engine(2).run(watch, an_errand(hand, ref), NOW.timestamp())
    assert seen["state"] == "succeeded"
    assert heard.reports == [["over", order("alley").uid, True]]


async def test_a_step_tells_the_desk_what_came_of_it(tmp_path: Path) -> None:
    """With the moment of the grant, by which the desk knows what the report is on."""
    store, heard = a_store(tmp_path / "store"), Heard()
    (ref,) = hand_over(store, [order("alley")])
    with a_hand(store, tmp_path / "north", [ACCEPTED]) as hand:
        await hands.page(hand, ref.batch, ref.page)
        buy = a_host(hand, heard, tmp_path).buy
        outcome = await as_engine(1).run(buy, an_errand(hand, ref), NOW.timestamp())
    ((name, told, at),) = heard.reports
    assert (outcome, told["outcome"]) == ("submitted", "submitted")
    assert (name, at) == ("bought", NOW.timestamp())


async def test_an_order_that_nobody_can_read_is_stale(tmp_path: Path) -> None:
    """The desk is told so: it buys the rest."""
    store, heard = a_store(tmp_path / "store"), Heard()
    (ref,) = hand_over(store, [order("alley")])
    with a_hand(store, tmp_path / "north") as hand:
        await hands.page(hand, ref.batch, ref.page)
        errand = an_errand(hand, ref)
        errand["ask"]["ref"][2] = 99
        buy = a_host(hand, heard, tmp_path).buy
        assert await as_engine(1).run(buy, errand, NOW.timestamp()) == "stale"
    ((name, told, _),) = heard.reports
    assert (name, told["outcome"]) == ("bought", "stale")
