"""A process of a host: workflows and activities of one account, until it is told to leave."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Final

from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from klingflow import __version__
from klingflow.cluster.hand import Hand
from klingflow.cluster.temporal.flows import DeskFlow, ShotFlow, desk_queue_of, queue_of
from klingflow.cluster.temporal.steps import Steps
from klingflow.cluster.temporal.telling import Telling
from klingflow.errors import LedgerBroken

# Shots at once of one host; most are coroutines that sleep until their next poll.
_SHOTS: Final = 2000
# A workflow's step that a dead host was asked for goes to another after this time.
_STICKY_S: Final = timedelta(seconds=2)


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

    `at_once` bounds its creates, and its downloads. `told` gets lines for people, `begun` is called
    when the work has begun. Return why this host must buy nothing more, if that ended it.
    """
    logging.getLogger("temporalio").setLevel(logging.CRITICAL)  # its words come through `told`
    broken: list[LedgerBroken] = []

    def broke(error: LedgerBroken) -> None:
        broken.append(error)
        until.set()

    steps = Steps(hand, Telling(client, account), scratch, told, broke, at_once=at_once)
    longest_s = hand.waits.create_s + hand.waits.spare_s
    shots = Worker(
        client,
        task_queue=queue_of(account),
        workflows=[DeskFlow, ShotFlow],
        activities=[steps.shot],
        # A sandbox lets all of klingflow through, and takes a second of CPU to start.
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_concurrent_activities=_SHOTS,
        build_id=__version__,  # by default all loaded code is hashed, for seconds
        sticky_queue_schedule_to_start_timeout=_STICKY_S,
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
        await steps.mind_store(account)
        for worker in (shots, desk):
            await stack.enter_async_context(worker)
        minding = asyncio.create_task(steps.mind_store_always(account))
        stack.callback(minding.cancel)
        begun()
        await until.wait()
        steps.leave()
    await steps.finished(longest_s)
    return broken[0] if broken else None
