"""A deadline counts the time in which the process was awake, and no other."""

from __future__ import annotations

import asyncio
import threading
import time

import anyio
import pytest

from klingflow.gateway import awake
from klingflow.gateway.http import Gateway, Timeouts
from klingflow.gateway.outcomes import NoReply, Reply
from tests.wire import HANG, http, serve

pytestmark = pytest.mark.anyio


def stop(seconds: float) -> None:
    """Give this process no turn, as Ctrl-Z does."""
    threading.Event().wait(seconds)


async def test_a_block_that_takes_too_long_is_left() -> None:
    """With the error that was asked for."""
    with pytest.raises(TimeoutError, match=r"no end after 0\.05 s"), awake.fail_after(0.05):
        await anyio.sleep(10.0)
    with pytest.raises(ZeroDivisionError), awake.fail_after(0.05, ZeroDivisionError):
        await anyio.sleep(10.0)


async def test_a_block_that_ends_in_time_is_left_alone() -> None:
    """Nor is what follows it cancelled; other errors come through."""
    with awake.fail_after(0.05):
        pass
    await anyio.sleep(0.1)
    with pytest.raises(KeyError), awake.fail_after(0.05):
        raise KeyError


async def test_a_stop_does_not_count() -> None:
    """What has come meanwhile is taken before the deadline is looked at again."""
    came = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stopped() -> None:
        sender = threading.Thread(target=loop.call_soon_threadsafe, args=[came.set])
        sender.start()
        sender.join()
        stop(0.5)

    began = time.monotonic()
    with awake.fail_after(0.1):
        loop.call_soon(stopped)
        await came.wait()
    assert time.monotonic() - began > 0.4


async def test_an_answer_that_came_during_a_stop_is_read() -> None:
    """A create is accepted although its deadlines have passed meanwhile."""

    def answer(request: bytes) -> bytes:
        stop(1.6)
        return http(200, b'{"id": "task_1"}')

    async with serve(answer) as wire:
        short = Timeouts(create_read_s=0.4, create_total_s=0.5)
        async with Gateway(wire.base, "key-0123456789abcdef", timeouts=short) as gateway:
            got = await gateway.create(b"{}", "u/a")
    assert isinstance(got, Reply) and got.body == b'{"id": "task_1"}'


async def test_a_silent_server_is_left_all_the_same() -> None:
    """After the time for a head, with the words for it."""
    async with serve(HANG) as wire:
        short = Timeouts(create_read_s=0.1, create_total_s=10.0)
        async with Gateway(wire.base, "key-0123456789abcdef", timeouts=short) as gateway:
            answer = await gateway.create(b"{}", "u/a")
    assert isinstance(answer, NoReply) and answer.sent
    assert answer.reason.startswith("no answer in time")
