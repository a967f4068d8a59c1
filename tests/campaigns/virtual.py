"""Real async code on a clock of its own: when nothing is ready the loop jumps to the next timer, so
that hours pass in milliseconds and the same seed gives the same history. A process that dies stops
between two instructions: nothing of it runs on, not even its cleaning up.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

import anyio

T = TypeVar("T")


class Died(SystemExit):
    """The process ends here. A SystemExit, since asyncio lets those through from wherever they are
    raised.
    """


class Stuck(Exception):
    """Nothing can happen any more, or too much does."""


class _Jumping(selectors.DefaultSelector):
    """Never waits: where asyncio would, time goes on instead."""

    def __init__(self, now_s: float, until_s: float, most_steps: int) -> None:
        super().__init__()
        self.now_s = now_s
        self._until_s = until_s
        self._steps_left = most_steps

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        self._steps_left -= 1
        if self._steps_left < 0:
            raise Stuck("too many steps")
        if not ready and timeout != 0:
            if timeout is None:
                raise Stuck("everybody waits, and nothing is left to wait for")
            self.now_s += timeout
            if self.now_s > self._until_s:
                raise Stuck("it goes on for ever")
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its time begins at `now_s`. `Stuck` is raised out of it at `until_s`, and after `most_steps`
    of its rounds.
    """

    def __init__(self, now_s: float, until_s: float, most_steps: int = 300_000) -> None:
        self._jumping = _Jumping(now_s, until_s, most_steps)
        super().__init__(self._jumping)
        self.set_exception_handler(lambda loop, context: None)  # the dead are many, and say so

    def time(self) -> float:
        return self._jumping.now_s


def live(loop: VirtualLoop, main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """What `main` returns. Raises Died and Stuck, and buries what is left of the process then."""
    task = loop.create_task(main())
    task.add_done_callback(lambda _: loop.stop())
    try:
        loop.run_forever()
        return task.result()
    finally:
        _bury(loop)


def _bury(loop: VirtualLoop) -> None:
    """Throw away what still waits; whatever it does at its end is done to a disk that nobody reads
    any more.
    """
    for task in asyncio.all_tasks(loop):
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # nobody is to hear of it
        for _ in range(5):  # one that waits anew at its end has to be told again
            try:
                task.get_coro().close()
            except BaseException:
                continue
            break
    with suppress(Died):
        loop.close()


def in_line(latency_s: Callable[[], float]) -> Callable[..., Coroutine[Any, Any, Any]]:
    """In place of `anyio.to_thread.run_sync`: the same work in this thread, some time before and
    after it.

    What other tasks do meanwhile is then decided by the seed and not by the machine's threads.
    """

    async def run_sync(function: Callable[..., T], *args: Any, **_: Any) -> T:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(latency_s())
            try:
                result = function(*args)
            except Exception:
                await anyio.sleep(latency_s())
                raise
            await anyio.sleep(latency_s())
        return result

    return run_sync
