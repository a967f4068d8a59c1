"""A network between a host and a server that can be cut: what was on its way arrives when the
network is back, as TCP has it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_PIECE = 65_536


class Relay:
    """Forwards what is sent to its `port` to a port of loopback, both ways, until it is `cut`."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._open = asyncio.Event()
        self._open.set()
        self._ways: set[asyncio.Task[None]] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        self._ready.wait()

    def cut(self) -> None:
        """Let nothing through, and say so to nobody."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def mend(self) -> None:
        """Let everything through again, and first what was on its way."""
        self._loop.call_soon_threadsafe(self._open.set)

    def close(self) -> None:
        """End every connection."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._start, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        self._loop.run_until_complete(_ended(asyncio.all_tasks(self._loop)))
        self._loop.close()

    def _start(self, ours: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        way = self._loop.create_task(self._take(ours, back))
        way.add_done_callback(lambda _: back.close())  # also if it was cancelled before it began
        way.add_done_callback(self._ways.discard)
        self._ways.add(way)

    async def _take(self, ours: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        await self._open.wait()
        try:
            theirs, on = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            back.close()
            return
        await asyncio.gather(self._forward(ours, on), self._forward(theirs, back))

    async def _forward(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError):
                while piece := await source.read(_PIECE):
                    await self._open.wait()
                    target.write(piece)
                    await target.drain()
            await self._open.wait()
        finally:
            target.close()


async def _ended(ways: set[asyncio.Task[None]]) -> None:
    """Break connections off, and let the loop close them."""
    for way in ways:
        way.cancel()
    await asyncio.gather(*ways, return_exceptions=True)
    for _ in range(3):
        await asyncio.sleep(0)


@contextmanager
def relayed(target: int) -> Iterator[Relay]:
    """A relay to a port of loopback."""
    relay = Relay(target)
    try:
        yield relay
    finally:
        relay.close()
