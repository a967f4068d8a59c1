"""Records that come while a write is on its way share the next one, and nobody is forgotten."""

from __future__ import annotations

import asyncio
import threading

import pytest

from klingflow.ledger.sharing import Batch, Sharing
from tests.purchases import intent

pytestmark = pytest.mark.anyio


class Writer:
    """Writes nothing, and notes what went together. A write goes on until `end` is set."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.end = threading.Event()
        self.written: list[list[bytes]] = []
        self.heeded: list[Batch] = []

    def commit(self, batch: Batch) -> None:
        self.begun.set()
        assert self.end.wait(60)
        if not batch.settled:
            self.written.append(batch.lines)
            batch.settled = True


async def write(writes: Sharing, line: bytes) -> Batch:
    """Hand in one record."""
    return await writes.write([intent(line.decode())], [line])


async def test_what_comes_during_a_write_shares_the_next() -> None:
    """Each record is written once, and all of one batch hear of the same one."""
    writer = Writer()
    writes = Sharing(writer.commit, writer.heeded.append)
    first = asyncio.ensure_future(write(writes, b"a"))
    await asyncio.to_thread(writer.begun.wait, 60)
    others = [asyncio.ensure_future(write(writes, line)) for line in (b"b", b"c")]
    await asyncio.sleep(0)  # both have handed in their records
    writer.end.set()
    alone = await first
    one, other = await asyncio.gather(*others)
    assert writer.written == [[b"a"], [b"b", b"c"]]
    assert one is other and writer.heeded == [alone, one]


async def test_who_waits_hears_of_a_batch_whose_leader_was_torn_away() -> None:
    """A cancellation of asyncio does not know the shield."""
    writer = Writer()
    writes = Sharing(writer.commit, writer.heeded.append)
    async with writes.turn:  # nobody writes yet
        leader = asyncio.ensure_future(write(writes, b"a"))
        await asyncio.sleep(0)
        follower = asyncio.ensure_future(write(writes, b"b"))
        await asyncio.sleep(0)
        writer.end.set()
        leader.cancel()
        batch = await follower
    assert writer.written == [[b"a", b"b"]] and writer.heeded == [batch]
    assert (await asyncio.gather(leader, return_exceptions=True))[0] is not batch
    assert (await write(writes, b"c")) is not batch
