"""One connection of HTTP/1.1: what goes out, what is a reply, and when it may be used again."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import h11
import httpcore
import pytest

from klingflow.gateway.http11 import Connection
from klingflow.gateway.tcp import connect
from tests.wire import DRIP, Answer, Wire, http, listening, serve

pytestmark = pytest.mark.anyio

ASKED = h11.Request(method="GET", target="/a", headers=[("host", "x")])
POSTED = h11.Request(method="POST", target="/a", headers=[("host", "x"), ("content-length", "3")])


@asynccontextmanager
async def connected(
    *answers: Answer, close: bool = False, kept_s: float = 60.0
) -> AsyncIterator[tuple[Connection, Wire]]:
    async with serve(*answers, close=close) as server:
        url, context = httpcore.URL(server.base), ssl.create_default_context()
        connection = Connection(await connect(url, context, 60.0), kept_s)
        try:
            yield connection, server
        finally:
            await connection.aclose()


async def said(connection: Connection, asked: h11.Request = ASKED, body: bytes = b"") -> bytes:
    """The whole body of the reply to one request."""
    answer = await connection.send(asked, body, {"write": 60.0, "read": 60.0})
    found = b"".join([piece async for piece in answer.body])
    await answer.aclose()
    return found


async def test_requests_follow_each_other_on_one_connection() -> None:
    """Each goes out as it is, and gets its own reply."""
    async with connected(http(200, b"one"), http(404, b"two")) as (connection, server):
        assert not connection.is_as_new, "nobody has asked anything yet"
        assert await said(connection) == b"one"
        assert connection.is_as_new
        assert await said(connection, POSTED, b"abc") == b"two"
    first = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
    second = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
    assert [request.lower() for request in server.requests] == [first.lower(), second.lower()]


async def test_the_head_of_a_reply_is_as_it_was_sent() -> None:
    """Status and headers; what a server says before it (1xx) is no reply."""
    answer = b"HTTP/1.1 103 Early\r\nlink: x\r\n\r\n" + http(503, b"", "Retry-After: 7")
    async with connected(answer) as (connection, _):
        found = await connection.send(ASKED, b"", {})
        assert found.status == 503
        assert (b"Retry-After", b"7") in found.headers


@pytest.mark.parametrize(
    ("answer", "kept_s"),
    [
        (http(200, b"one", "connection: close"), 60.0),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 3\r\n\r\none", 60.0),
        (http(200, b"one") + http(200, b"two"), 60.0),
        (http(200, b"one"), -1.0),
    ],
    ids=["said to close", "HTTP/1.0", "a reply that nobody asked for", "too long ago"],
)
async def test_a_connection_that_may_lie_or_end_is_not_used_again(
    answer: bytes, kept_s: float
) -> None:
    """The next reply on it could be another task's, or none."""
    async with connected(answer, kept_s=kept_s) as (connection, _):
        assert await said(connection) == b"one"
        assert not connection.is_as_new


@pytest.mark.parametrize("late", [http(200, b"two"), b""], ids=["says more", "leaves"])
async def test_a_connection_on_which_something_has_come_since_is_not_used_again(
    late: bytes,
) -> None:
    """The server says what nobody has asked for, or leaves, some time after its reply."""
    gate = anyio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(http(200, b"one"))
        await gate.wait()
        writer.write(late)
        await reader.read(len(late))

    async with listening(handle) as base:
        wire = await connect(httpcore.URL(base), ssl.create_default_context(), 60.0)
        connection = Connection(wire, 60.0)
        assert await said(connection) == b"one" and connection.is_as_new
        gate.set()
        with anyio.fail_after(60.0):
            while connection.is_as_new:
                await anyio.lowlevel.checkpoint()
        await connection.aclose()


async def test_an_answer_counts_before_the_request_is_sent() -> None:
    """A server may refuse a request early, and close; what it says is no doubt."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(http(413))

    async with listening(handle) as base:
        wire = await connect(httpcore.URL(base), ssl.create_default_context(), 60.0)
        with anyio.fail_after(60.0):
            while not wire._transport.is_closing():
                await anyio.lowlevel.checkpoint()
        answer = await Connection(wire, 60.0).send(POSTED, b"abc", {})
        assert answer.status == 413
        await answer.aclose()


async def test_a_reply_that_is_not_read_to_its_end_closes_the_connection() -> None:
    """What is left of it would pass for the next one."""
    async with connected(http(200, b"x" * 10)[:-5] + DRIP) as (connection, _):
        answer = await connection.send(ASKED, b"", {})
        assert await anext(aiter(answer.body)) == b"x" * 5
        await answer.aclose()
        assert not connection.is_as_new


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", httpcore.RemoteProtocolError),
        (b"SSH-2.0-gate\r\n\r\n", httpcore.RemoteProtocolError),
        (http(200, b"whole")[:-1], httpcore.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000, httpcore.RemoteProtocolError),
        (b"HTTP/1.1 102 Wait\r\n\r\n" * 2000 + http(200), httpcore.RemoteProtocolError),
        (DRIP, httpcore.ReadTimeout),
    ],
    ids=["nothing", "no HTTP", "cut short", "endless head", "heads without end", "silence"],
)
async def test_what_is_no_whole_reply_is_an_error(answer: bytes, error: type[Exception]) -> None:
    """Named as httpcore names it; the connection is not used again."""
    async with connected(answer, close=True) as (connection, _):
        with pytest.raises(error):
            found = await connection.send(ASKED, b"", {"read": 0.2})
            [piece async for piece in found.body]
        await connection.end()
        assert not connection.is_as_new


async def test_a_request_that_is_none_is_not_sent() -> None:
    """Its body is longer than its head says."""
    async with connected(http(200)) as (connection, server):
        with pytest.raises(httpcore.LocalProtocolError):
            await connection.send(POSTED, b"abcdef", {})
    assert server.requests == []
