"""A process of a host: workflows and activities of one account, until it is told to leave."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import PollActivityTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode, ServiceClient
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from klingflow import __version__
from klingflow.cluster.hand import Hand
from klingflow.cluster.temporal.flows import DeskFlow, ShotFlow, desk_queue_of, queue_of
from klingflow.cluster.temporal.steps import Steps
from klingflow.cluster.temporal.telling import FOR_GOOD, Telling
from klingflow.errors import LedgerBroken
from klingflow.words import _

# Shots at once of one host; most are coroutines that sleep until their next poll.
_SHOTS: Final = 2000
# A workflow's step that a dead host was asked for goes to another after this time.
_STICKY_S: Final = timedelta(seconds=2)
# How often a host looks whether a server that was away is back.
_LOOK_S: Final = 0.5
_PATIENCE: Final = timedelta(seconds=10)
# A server ends a call that waits for work after a minute.
_HELD: Final = timedelta(seconds=90)
# What only a server says that is there; what else a call ends with, it may end with on its way.
_ANSWERS: Final = FOR_GOOD | {RPCStatusCode.NOT_FOUND, RPCStatusCode.RESOURCE_EXHAUSTED}


async def work(
    client: Client,
    account: str,
    hand: Hand,
    scratch: Path,
    *,
    at_once: int,
    until: asyncio.Event,
    told: Callable[[str], None],
    begun: Callable[[], None],
) -> LedgerBroken | None:
    """Work for an account until the event is set; then finish the creates that are on their way.
    Downloads go to the folder `scratch` first.

    `at_once` bounds its creates, and its downloads. `told` gets dated lines for people, `begun` is
    called when the work has begun. Return why this host must buy nothing more, if that ended it.
    """
    logging.getLogger("temporalio").setLevel(logging.CRITICAL)  # its words come through `told`
    broken: list[LedgerBroken] = []

    def tell(line: str) -> None:
        told(f"{datetime.now(UTC).isoformat(timespec='seconds')} {line}")

    def broke(error: LedgerBroken) -> None:
        broken.append(error)
        until.set()

    steps = Steps(hand, Telling(client, account), scratch, tell, broke, at_once=at_once)
    longest_s = hand.waits.create_s + hand.waits.spare_s
    shots = Worker(
        client,
        task_queue=queue_of(account),
        activities=[steps.shot],
        max_concurrent_activities=_SHOTS,
        build_id=__version__,  # by default all loaded code is hashed, for seconds
        graceful_shutdown_timeout=timedelta(seconds=longest_s),
    )
    desk = Worker(
        client,
        task_queue=desk_queue_of(account),
        activities=[steps.page, steps.end],
        build_id=__version__,
        graceful_shutdown_timeout=timedelta(seconds=5),
    )
    async with AsyncExitStack() as stack:
        await steps.minding.look(account)
        for worker in (shots, desk):
            await stack.enter_async_context(worker)
        minding = asyncio.create_task(steps.minding.always(account))
        stack.callback(minding.cancel)
        begun()
        while not until.is_set():
            await _play(client, account, steps, until, tell)
        steps.leave()
    await steps.finished(longest_s)
    return broken[0] if broken else None


async def _play(
    client: Client, account: str, steps: Steps, until: asyncio.Event, tell: Callable[[str], None]
) -> None:
    """Play workflows until the server was away and answers again, or the event is set. Raises
    RuntimeError where a server that is there takes no worker.
    """
    try:
        async with _workflows(await _connected_anew(client), account):
            await _first(_until_away(client, account), until.wait())
            began = time.monotonic()
            await _until_back(client, until, tell)
            if not until.is_set():
                steps.repeat(time.monotonic() - began)
    except RuntimeError:  # it was away again when the worker began
        if await _answers(client):
            raise
        await _until_back(client, until, tell)


async def _connected_anew(client: Client) -> Client:
    """Return a client of the same server. One whose worker could not begin takes no other worker
    for the same workflows. Raises RuntimeError.
    """
    service = await ServiceClient.connect(client.service_client.config)
    return Client(service, namespace=client.namespace)


def _workflows(client: Client, account: str) -> Worker:
    """Return what plays the workflows of an account, and remembers nothing yet."""
    return Worker(
        client,
        task_queue=queue_of(account),
        workflows=[DeskFlow, ShotFlow],
        # A sandbox lets all of klingflow through, and takes a second of CPU to start.
        workflow_runner=UnsandboxedWorkflowRunner(),
        build_id=__version__,
        sticky_queue_schedule_to_start_timeout=_STICKY_S,
    )


async def _until_back(client: Client, until: asyncio.Event, tell: Callable[[str], None]) -> None:
    """Return when a server that was away answers again, or the event is set.

    It may have come back with a database of an earlier time. What a workflow remembers is then
    ahead of its own history, and the engine, which hands over only what is new, would wait for
    ever.
    """
    if until.is_set():
        return
    tell(_("the cluster's server does not answer; this host goes on when it is back"))
    while not until.is_set() and not await _answers(client):
        await _first(asyncio.sleep(_LOOK_S), until.wait())
    if not until.is_set():
        tell(_("the cluster's server is back"))


async def _until_away(client: Client, account: str) -> None:
    """Wait for work in a queue that has none: a server holds such a call, and ends it when it dies,
    however soon it is there again.
    """
    queue = TaskQueue(name=f"{queue_of(account)}-away")
    asked = PollActivityTaskQueueRequest(
        namespace=client.namespace, task_queue=queue, identity=client.identity
    )
    while True:
        began = time.monotonic()
        try:
            await client.workflow_service.poll_activity_task_queue(asked, timeout=_HELD)
        except RPCError as error:
            if error.status not in _ANSWERS:
                return
        await asyncio.sleep(max(0.0, began + _LOOK_S - time.monotonic()))


async def _first(*works: Coroutine[Any, Any, Any]) -> None:
    """Do several things until one of them is done."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()


async def _answers(client: Client) -> bool:
    try:
        return await client.service_client.check_health(timeout=_PATIENCE)
    except RPCError as error:
        return error.status in _ANSWERS
