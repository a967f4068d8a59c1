"""Starts the schedule's steps, as many at once as `connections` allows, until nothing is left or
the run is to stop. A shot that waits costs a heap entry, no coroutine.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable

import anyio
from anyio.abc import TaskGroup

from klingflow.decide.schedule import Fetch, Flight, Step, Wanted
from klingflow.decide.sending import Sent, also_fetched
from klingflow.errors import LedgerBroken
from klingflow.runner import look, signals
from klingflow.runner.buy import buy
from klingflow.runner.context import Context, Outcome
from klingflow.runner.fetch import fetch
from klingflow.runner.poll import poll
from klingflow.runner.queues import queue
from klingflow.runner.upload import upload
from klingflow.words import _

# While running, the run manifest and the lock are written again this often, except that writing
# takes no more than a fiftieth of the time. But then the run also learns what was merged into the
# lock meanwhile and need not be bought: however long a slow disk takes, that is not put off longer.
_RECORD_EVERY_S = 10.0
_RECORD_SHARE = 50
_RECORD_LONGEST_S = 300.0


async def run(context: Context, abort: Callable[[], None]) -> Outcome:
    """Run the plans of the context's jobs.

    `abort` is called at the second Ctrl-C, and may end the process. Where it returns, the run
    leaves what is on its way, and its outcome is `abandoned`.
    """
    for number, job in enumerate(context.jobs):
        also = also_fetched(job.plan) if context.patience.buying else ()
        for action in (*job.plan.actions, *also):
            _begin(context, context.wanted(number, action))
    look.begin(context)
    async with anyio.create_task_group() as group:
        group.start_soon(_listen, context, abort, group.cancel_scope)
        group.start_soon(_keep_record, context)
        group.start_soon(context.looking.go_on, context)
        await _Dispatcher(context).run(group)
        await context.looking.finish(context)
        group.cancel_scope.cancel()
    return context.outcome


def _begin(context: Context, wanted: Wanted) -> None:
    """Queue a take, unless its plan leaves it out."""
    left_out = context.jobs[wanted.job].plan.left_out.get(wanted.action.key)
    if left_out is None:
        queue(context, wanted)
    elif context.patience.buying:
        context.schedule.leave_out(wanted, left_out)


class _Dispatcher:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._busy = 0
        self._uploading = 0
        self._changed = anyio.Event()

    async def run(self, group: TaskGroup) -> None:
        context = self._context
        context.wake = self._wake
        while True:
            self._begin_uploads(group)
            free = self._busy < context.limits.connections
            step = context.schedule.next(context.clock()) if free else None
            if isinstance(step, (Wanted, Flight, Fetch)):
                self._busy += 1
                group.start_soon(self._take, step)
            elif step is None and self._busy == 0 and self._uploading == 0:
                return
            else:
                await self._wait(step)

    def _begin_uploads(self, group: TaskGroup) -> None:
        """Start uploads, as many at once as downloads may be."""
        context = self._context
        while self._uploading < context.limits.downloads and context.schedule.buying:
            file = context.sending.next()
            if file is None:
                return
            self._uploading += 1
            group.start_soon(self._upload, file)

    async def _upload(self, file: Sent) -> None:
        try:
            await upload(self._context, file)
        except Exception as error:
            self._context.crashed(error, file.named)
        finally:
            self._uploading -= 1
            self._wake()

    async def _wait(self, until: float | None) -> None:
        self._changed = anyio.Event()
        timeout_s = None if until is None else until - self._context.clock()
        with anyio.move_on_after(timeout_s):
            await self._changed.wait()

    def _wake(self) -> None:
        self._changed.set()

    async def _take(self, step: Step) -> None:
        try:
            if isinstance(step, Wanted):
                await buy(self._context, step)
            elif isinstance(step, Flight):
                await poll(self._context, step)
            else:
                await fetch(self._context, step)
        except LedgerBroken as error:
            self._context.broke(error)
        except Exception as error:
            # One shot's trouble must not leave the others' videos at the gateway.
            wanted = step if isinstance(step, Wanted) else step.wanted
            self._context.crashed(error, wanted.action.key)
        finally:
            self._busy -= 1
            self._wake()


async def _listen(
    context: Context, abort: Callable[[], None], run_scope: anyio.CancelScope
) -> None:
    """Ctrl-C or a termination, once: finish what is on its way and leave. Twice: leave at once.

    Who terminates us waits for seconds only: downloads and polls are then left where they stand.
    """
    if threading.current_thread() is not threading.main_thread():
        return  # Python gives signals to the main thread alone; a program handles its own there
    with signals.heard() as received:
        async for number in received:
            if context.outcome.interrupted:
                abort()
                context.abandon()
                run_scope.cancel()
            context.outcome.interrupted = True
            context.looking.stop()
            if number != signal.SIGINT:
                context.leave()
            context.stop(
                _("interrupted; finishing what is on its way (Ctrl-C again leaves at once)")
            )


async def _keep_record(context: Context) -> None:
    pause_s = _RECORD_EVERY_S
    while True:
        await anyio.sleep(pause_s)
        started = context.clock()
        try:
            for job in context.jobs:
                job.write_results()
                await job.ledger.fold()
            context.recount()
        except LedgerBroken as error:
            return context.broke(error)
        pause_s = max(_RECORD_EVERY_S, _RECORD_SHARE * (context.clock() - started))
        pause_s = min(pause_s, _RECORD_LONGEST_S)
