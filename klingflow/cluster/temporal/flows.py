"""The workflows: `Desk`, one for each account, and `Shot`, one for each try of an order.

Knows when something is asked of whom, and what is told to whom. What is granted is
klingflow.cluster.desk's part. A workflow is played again from its history on any host, so it reads
no clock and no chance except the engine's.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError
from temporalio.workflow import ActivityCancellationType, ParentClosePolicy

from klingflow.words import _

with workflow.unsafe.imports_passed_through():
    from klingflow.cluster.account import Settings
    from klingflow.cluster.desk import Desk
    from klingflow.cluster.orders import Ask
    from klingflow.cluster.queued import Grant, Order
    from klingflow.cluster.reports import Bought

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
    initial_interval=timedelta(seconds=1),
    maximum_interval=timedelta(seconds=10),
    non_retryable_error_types=["OrdersDamaged"],
)
# A host may remember more of a workflow than a server whose database comes from a backup, and leave
# a history that nobody can play again. Such a workflow fails: the server begins a shot anew, which
# finds its claim taken, and a person or who follows a batch begins another desk.
_FAILS: Final = (workflow.NondeterminismError,)
_ANEW: Final = RetryPolicy(maximum_interval=timedelta(seconds=10))


def desk_of(account: str) -> str:
    """Return the id of the desk of an account."""
    return f"desk-{account}"


def queue_of(account: str) -> str:
    """Return the queue in which the work of an account waits: workflows, creates, downloads."""
    return f"klingflow-{account}"


def watch_queue_of(account: str) -> str:
    """Return the queue of polls: they last for minutes and need no place of a create."""
    return f"klingflow-{account}-watch"


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
        self._news = True

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
        now = workflow.time()
        until = None if self._is_full() else self._desk.wake_at(now)
        seconds = None if until is None else max(0.05, until - now)
        with suppress(asyncio.TimeoutError):
            await workflow.wait_condition(lambda: self._news, timeout=seconds)

    async def _read(self, batch: str, page: int) -> None:
        try:
            told = await _step("page", self._account, batch, page)
            if (said := told["said"]) is not None:  # before the first create of a new desk
                self._said(*said, told=False, spend=False)
            asks = [(Ask.from_json(ask), claimed) for ask, claimed in told["asks"]]
            self._desk.read(batch, page, asks, there=frozenset(told["there"]))
        except ActivityError:
            self._desk.unreadable(batch, page, _("page {page} of its orders is damaged", page=page))
        self._reading.discard((batch, page))
        self._news = True

    def _said(self, number: int, settings: dict[str, Any], *, told: bool, spend: bool) -> None:
        known = Settings.from_json(settings)
        self._desk.account.say(number, known, told=told, spend=spend)

    async def _ask(self, order: str) -> None:
        """Find out what became of an order that nobody here works on."""
        end = await _step("end", order)
        if end == "coming":
            await workflow.sleep(_ASK_EVERY)
        else:
            self._desk.ended(order, well=end == "done")
        self._asking.discard(order)
        self._news = True

    async def _start(self, grant: Grant) -> None:
        order = grant.order
        errand = {"account": self._account, "order": order.as_json(), "at": grant.at}
        # Each grant has a shot of its own, which reports on it, whatever became of earlier ones:
        # one that is about to end could be asked, and never answer.
        try:
            await workflow.start_child_workflow(
                "Shot",
                errand,
                id=f"shot-{order.uid}-{workflow.uuid4().hex[:8]}",
                parent_close_policy=ParentClosePolicy.ABANDON,
                task_timeout=TASK_S,
                retry_policy=_ANEW,
            )
        finally:
            self._starting -= 1
            self._news = True

    # -------- reports of shots

    @workflow.signal
    def bought(self, told: dict[str, Any]) -> None:
        """A try is over."""
        self._desk.bought(Bought.from_json(told), workflow.time(), workflow.random().random())
        self._news = True

    @workflow.signal
    def over(self, uid: str, comes: bool) -> None:
        """A task holds no place any more; its video `comes`, or none does."""
        self._desk.over(uid, comes=comes)
        self._news = True

    @workflow.signal
    def again(self, failed: dict[str, Any], uid: str, claimed: bool) -> None:
        """A task has failed, and its take is bought again."""
        self._desk.again(Order.from_json(failed), uid, claimed=claimed)
        self._news = True

    @workflow.signal
    def ended(self, uid: str, well: bool) -> None:
        """A video is in the store, or does not come."""
        self._desk.ended(uid, well=well)
        self._news = True

    @workflow.signal
    def blinded(self, reason: str) -> None:
        """The key or the balance is refused to polls."""
        self._desk.blinded(reason)

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
    """One try of an order: buy it, wait for its task, bring its video."""

    @workflow.init
    def __init__(self, errand: dict[str, Any]) -> None:
        """Set the state before the first signal is heard."""
        self._errand = errand
        self._uid: str = errand["order"]["uid"]

    @workflow.run
    async def run(self, errand: dict[str, Any]) -> str:
        """Return the last that became known: an outcome of a create, or a state of a task."""
        try:
            told = await _step("buy", errand)
        except ActivityError:  # an order that nobody can read
            told = Bought(self._uid, "stale", reason=_("its order is damaged")).as_json()
        await self._tell("bought", told)
        if told["outcome"] != "submitted":
            return str(told["outcome"])
        state = await self._watched()
        if state.get("again"):
            await self._tell("again", errand["order"], state["again"], state["is_claimed"])
            return str(state["state"])
        comes = state["state"] == "succeeded"
        await self._tell("over", self._uid, comes)
        if not comes:
            return str(state["state"])
        end = await self._brought(state)
        await self._tell("ended", self._uid, end == "done")
        return end

    async def _watched(self) -> dict[str, Any]:
        """Wait until a task is over: succeeded, failed or parked."""
        since = workflow.time()
        while True:
            queue = watch_queue_of(self._errand["account"])
            try:
                seen: dict[str, Any] = await _step("watch", self._errand, since, queue=queue)
            except ActivityError:  # its page is damaged: nobody can say how long to wait
                return {"state": "damaged"}
            if seen["state"] != "blind":
                return seen
            await self._tell("blinded", _("the key or the balance is refused on every route"))

    async def _brought(self, seen: dict[str, Any]) -> str:
        last = None
        while True:
            try:
                last = await _step("bring", self._errand, seen, last)
            except ActivityError:  # what the store has of it is damaged
                return "undelivered"
            if last["state"] != "again":
                return str(last["state"])
            await workflow.sleep(max(1.0, last["pause_s"]))

    async def _tell(self, signal: str, *said: Any) -> None:
        desk = workflow.get_external_workflow_handle(desk_of(self._errand["account"]))
        with suppress(Exception):  # a desk that has ended: the next one grants again, to others
            await desk.signal(signal, args=list(said))
