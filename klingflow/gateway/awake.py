"""A deadline by the time in which this process was awake.

A process that is stopped for minutes (Ctrl-Z, a closed laptop) finds its deadlines passed when it
goes on, while the answer waits in the socket. A create's answer must then be read: without it the
purchase would be in doubt.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import anyio

from klingflow.words import _

# How often the clock is looked at. Where it has gone on by much more, nobody was awake.
TICK_S = 1.0


@contextmanager
def fail_after(seconds: float, error: type[Exception] = TimeoutError) -> Iterator[None]:
    """Raise `error` once the block has taken `seconds` in which the process was awake.

    After a stop the block has at least one tick to read what has come meanwhile.
    """
    loop = asyncio.get_running_loop()
    left_s, last, timer = seconds, loop.time(), None
    with anyio.CancelScope() as scope:

        def look() -> None:
            nonlocal left_s, last, timer
            passed_s = loop.time() - last
            last += passed_s
            tick_s = min(TICK_S, seconds)
            if passed_s > 3 * tick_s:
                left_s = max(left_s, tick_s)
            else:
                left_s -= passed_s
            if left_s <= 0:
                scope.cancel()
            else:
                timer = loop.call_later(min(left_s, tick_s), look)

        timer = loop.call_later(min(seconds, TICK_S), look)
        try:
            yield
        finally:
            timer.cancel()
    if scope.cancelled_caught:
        raise error(_("no end after {seconds:g} s", seconds=seconds))
