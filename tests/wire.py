"""A server on loopback that sends exactly the bytes it is told to: replies no honest server would
give.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Answer = bytes | Callable[[bytes], bytes]

HANG = (
    b"\x00hang"  # as an answer: say nothing, and keep the connection open until the client leaves
)
RESET = b"\x00reset"  # as an answer: break the connection off without a proper end
DRIP = b"\x00drip"  # at the end of an answer: send no more, and keep the connection open


@dataclass
class Wire:
    """The server's address and what it was sent. `connections` counts those that were opened."""

    base: str = ""
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0


@asynccontextmanager
async def listening(
    handle: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[str]:
    """A port of our own, whose address this is; each connection is handed to `handle`, and closed
    after it.
    """
    tasks: set[asyncio.Task[None]] = set()

    async def attend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handle(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the client has left
        finally:
            writer.close()

    def start(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(attend(reader, writer))
        task.add_done_callback(lambda _: writer.close())  # cancelled before it began, it has not
        tasks.add(task)

    server = await asyncio.start_server(start, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}"
    finally:
        await _turns()  # a connection that is being accepted begins
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await _turns()  # what was broken off is closed


async def _turns() -> None:
    """Let the loop do what it has begun."""
    for _ in range(5):
        await asyncio.sleep(0)


@asynccontextmanager
async def serve(*answers: Answer, close: bool = True) -> AsyncIterator[Wire]:
    """Answer the n-th request with the n-th answer, the last one for ever; then close, unless told
    not to.
    """
    wire = Wire()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire.connections += 1
        while (request := await _request(reader)) is not None:
            wire.requests.append(request)
            answer = answers[min(len(wire.requests), len(answers)) - 1]
            await _answer(reader, writer, answer(request) if callable(answer) else answer)
            if close:
                break

    async with listening(handle) as wire.base:
        yield wire


def http(status: int, body: bytes = b"", *headers: str) -> bytes:
    """A well-formed reply."""
    lines = [f"HTTP/1.1 {status} Said", f"content-length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def _answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: bytes
) -> None:
    if answer == RESET:
        writer.transport.abort()
    elif answer == HANG:
        await reader.read()
    else:
        writer.write(answer.removesuffix(DRIP))
        await writer.drain()
        if answer.endswith(DRIP):
            await reader.read()


async def _request(reader: asyncio.StreamReader) -> bytes | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        size = next(
            (int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:")), 0
        )
        return head + await reader.readexactly(size)
    except asyncio.IncompleteReadError:
        return None
