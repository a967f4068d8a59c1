"""The workflows: `Desk`, one for each account, and `Shot`, one for each try of an order.

Knows when something is asked of whom, and what is told to whom. What is granted is
klingflow.cluster.desk's part. A workflow is played again from its history on any host, so it reads
no clock and no chance except the engine's.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, Literal

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError
from temporalio.workflow import ActivityCancellationType, ParentClosePolicy

from klingflow.cluster.account import Said
from klingflow.cluster.desk import Desk
from klingflow.cluster.orders import Ask
from klingflow.cluster.queued import Grant, Order
from klingflow.cluster.reports import Bought
from klingflow.words import _

# A desk goes on as a new run of itself after so many events of history.
_EVENTS: Final = 200
# Of a workflow's own step, which takes milliseconds: a host that died with one is noticed soon.
TASK_S: Final = timedelta(seconds=5)
# A host that says nothing for so long is dead, and another goes on.
_SILENT_S: Final = timedelta(seconds=10)
# An order that nobody here works on, and that some host has claimed, is asked after so often.
_ASK_EVERY: Final = timedelta(seconds=30)
# No step is ever given up by the engine: each may be done again, and some wait for a person.
_LONG: Final = timedelta(days=30)
_RETRY: Final = RetryPolicy(
    initial_interval=timedelta(seconds=0.2),  # most often a host has died: others go on at once
    maximum_interval=timedelta(seconds=10),
    non_retryable_error_types=["OrdersDamaged"],
)
# A host may remember more of a workflow than a server whose database comes from a backup, and leave
# a history that nobody can play again. Such a workflow fails: the server begins a shot anew, which
# finds its claim taken, and a person or who follows a batch begins another desk.
_FAILS: Final = (workflow.NondeterminismError,)
_ANEW: Final = RetryPolicy(maximum_interval=timedelta(seconds=10))


# What the name of the queue of a desk's own steps ends in.
_DESK: Final = "-desk"
# What a host is at with a shot, as the heartbeats of its activity say.
Stage = Literal["buy", "watch", "bring"]


def desk_of(account: str) -> str:
    """Return the id of the desk of an account."""
    return f"desk-{account}"


def queue_of(account: str) -> str:
    """Return the queue in which the work of an account waits: workflows and shots."""
    return f"klingflow-{account}"


def account_of(queue: str) -> str:
    """Return the account whose work waits in a queue of `queue_of`."""
    return queue.removeprefix(queue_of(""))


def desk_queue_of(account: str) -> str:
    """Return the queue of what a desk asks of hosts: that waits behind no shot."""
    return f"{queue_of(account)}{_DESK}"


async def _step(name: str, *arguments: Any, queue: str | None = None) -> Any:
    return await workflow.execute_activity(
        name,
        args=arguments,
        task_queue=queue,
        start_to_close_timeout=_LONG,
        heartbeat_timeout=_SILENT_S,
        retry_policy=_RETRY,
        cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    )


@workflow.defn(name="Desk", failure_exception_types=_FAILS)
class DeskFlow:
    """The desk of an account. Never ends by itself, except that it fails where its history cannot
    be played again.
    """

    @workflow.init
    def __init__(self, account: str, state: dict[str, Any]) -> None:
        """Set the state before the first signal is heard."""
        self._account = account
        self._desk = Desk.from_state(state)
        self._reading: set[tuple[str, int]] = set()
        self._asking: set[str] = set()
        self._starting = 0
        self._alarm: asyncio.Task[None] | None = None
        self._alarm_at = math.inf
        self._news = True
        self._reports: dict[str, Callable[..., None]] = {
            "bought": self._bought,
            "over": self._over,
            "again": self._again,
            "delivered": self._delivered,
            "blinded": self._desk.blinded,
            "store": self._desk.missed,
            "missing": self._desk.missing,
        }

    @workflow.run
    async def run(self, account: str, state: dict[str, Any]) -> None:
        """Grant creates, and start a `Shot` for each."""
        while not self._is_full() or self._starting:
            self._news = False
            if not self._is_full():
                self._go_on()
            await self._wait()
        workflow.continue_as_new(args=[account, self._desk.state()])

    def _is_full(self) -> bool:
        return workflow.info().get_current_history_length() >= _EVENTS

    def _go_on(self) -> None:
        for batch, page in list(self._desk.wanted_pages()):
            if (batch, page) not in self._reading:
                self._reading.add((batch, page))
                asyncio.create_task(self._read(batch, page))  # noqa: RUF006 (the loop keeps it)
        for order in [one for one in self._desk.ends.unsure if one not in self._asking]:
            self._asking.add(order)
            asyncio.create_task(self._ask(order))  # noqa: RUF006
        for grant in self._desk.grants(workflow.time()):
            self._starting += 1
            asyncio.create_task(self._start(grant))  # noqa: RUF006

    async def _wait(self) -> None:
        until = None if self._is_full() else self._desk.wake_at(workflow.time())
        if until is not None and until < self._alarm_at:
            if self._alarm is not None:
                self._alarm.cancel()
            self._alarm_at, self._alarm = until, asyncio.create_task(self._ring(until))
        await workflow.wait_condition(lambda: self._news)

    async def _ring(self, at: float) -> None:
        """Wake the desk at a time. One timer is kept for all news that come until then, because an
        engine notes each that is set or put off.
        """
        await workflow.sleep(max(0.05, at - workflow.time()))
        self._alarm, self._alarm_at, self._news = None, math.inf, True

    async def _step(self, name: str, *arguments: Any) -> Any:
        return await _step(name, *arguments, queue=desk_queue_of(self._account))

    async def _read(self, batch: str, page: int) -> None:
        try:
            told = await self._step("page", self._account, batch, page)
            if (said := told["said"]) is not None:  # before the first create of a new desk
                self._said(*said, told=False, spend=False)
            asks = [(Ask.from_json(ask), claims) for ask, claims in told["asks"]]
            self._desk.read(batch, page, asks, told["ends"])
        except ActivityError:
            self._desk.unreadable(batch, page, _("page {page} of its orders is damaged", page=page))
        self._reading.discard((batch, page))
        self._news = True

    def _said(self, number: int, settings: dict[str, Any], *, told: bool, spend: bool) -> None:
        self._desk.account.say(Said.from_json(number, settings), told=told, spend=spend)

    async def _ask(self, order: str) -> None:
        """Find out what became of an order that nobody here works on."""
        end = await self._step("end", order)
        if end == "coming":
            await workflow.sleep(_ASK_EVERY)
        else:
            self._desk.ended(order, well=end == "done")
        self._asking.discard(order)
        self._news = True

    async def _start(self, grant: Grant) -> None:
        order = grant.order
        # Each grant has a shot of its own, which reports on it, whatever became of earlier ones:
        # one that is about to end could be asked, and never answer.
        try:
            await workflow.start_child_workflow(
                "Shot",
                args=[order.as_json(), grant.at, self._desk.account.last.number],
                id=f"shot-{order.uid}-{workflow.uuid4().hex[:8]}",
                parent_close_policy=ParentClosePolicy.ABANDON,
                task_timeout=TASK_S,
                retry_policy=_ANEW,
            )
        finally:
            self._starting -= 1
            self._news = True

    # -------- what hosts report

    @workflow.signal
    def reports(self, told: list[list[Any]]) -> None:
        """Hosts have done something: each report is its name and what it says."""
        for name, *said in told:
            self._reports[name](*said)
        self._news = True

    def _bought(self, told: dict[str, Any], at: float) -> None:
        """A try is over that was granted for the moment `at`. One that another host had begun says
        it again, and may not find any more what that has bought.
        """
        bought = Bought.from_json(told)
        if self._desk.awaits(bought.uid, at):
            self._desk.bought(bought, workflow.time(), workflow.random().random())
        elif bought.outcome in ("in_doubt", "stale"):
            self._desk.lost(bought.uid)

    def _over(self, uid: str, comes: bool) -> None:
        """A task holds no place any more; its video `comes`, or none does."""
        self._desk.over(uid, comes=comes)

    def _again(self, failed: dict[str, Any], uid: str, claimed: bool) -> None:
        """A task has failed, and its take is bought again."""
        self._desk.again(Order.from_json(failed), uid, claimed=claimed)

    def _delivered(self, uid: str, well: bool) -> None:
        """A video is in the store, or does not come."""
        self._desk.delivered(uid, well=well)

    # -------- what persons say

    @workflow.signal
    def add(self, batch: str, film: str, pages: int, caps: dict[str, Any]) -> None:
        """Take over a batch."""
        self._desk.add(batch, film, pages, caps)
        self._news = True

    @workflow.signal
    def stop(self, batch: str) -> None:
        """Grant nothing more of a batch."""
        self._desk.stop(batch)
        self._news = True

    @workflow.signal
    def halt(self, reason: str) -> None:
        """Grant nothing more of any batch."""
        self._desk.halt(reason)

    @workflow.signal
    def go_on(self) -> None:
        """Grant again."""
        self._desk.go_on()
        self._news = True

    @workflow.signal
    def say(self, number: int, settings: dict[str, Any], spend: bool) -> None:
        """Work by what was said of the account as the `number`-th; `spend`: also what to spend."""
        self._said(number, settings, told=True, spend=spend)
        self._news = True

    @workflow.query
    def status(self) -> dict[str, Any]:
        """Return what a person is told."""
        return self._desk.status(workflow.time())


@workflow.defn(name="Shot", failure_exception_types=_FAILS)
class ShotFlow:
    """One try of an order: it is bought, its task waited for, and its video brought, by one host
    after the other where they die. They tell the desk by themselves what came of it.
    """

    @workflow.run
    async def run(self, order: dict[str, Any], at: float, heard: int = 0) -> str:
        """Return the last that became known, as `Steps.shot`. `heard` is the number of the last
        word of a person that the desk knew.
        """
        last: str = await _step("shot", order, at, heard)
        return last
