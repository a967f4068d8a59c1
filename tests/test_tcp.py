"""Connections over TCP and TLS give what was sent, say how they end, and wait as long as told."""

from __future__ import annotations

import asyncio
import errno
import shutil
import socket
import ssl
import struct
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpcore
import pytest

from klingflow.gateway.http import Gateway
from klingflow.gateway.outcomes import Reply
from klingflow.gateway.tcp import Wire, connect
from klingflow.words import Text
from tests.wire import HANG, http, listening, serve

pytestmark = pytest.mark.anyio

MEGABYTES = b"0123456789abcdef" * (256 * 1024)  # more than a connection keeps unread


@asynccontextmanager
async def connected(base: str) -> AsyncIterator[Wire]:
    wire = await connect(httpcore.URL(base), ssl.create_default_context(), 60.0)
    try:
        yield wire
    finally:
        await wire.aclose()


async def asked(wire: Wire) -> bytes:
    """What the server sends until its end."""
    await wire.write(b"GET / HTTP/1.1\r\n\r\n", timeout=60.0)
    found = b""
    while data := await wire.read(65536, timeout=60.0):
        found += data
    return found


@pytest.mark.parametrize("answer", [b"", b"x", MEGABYTES])
async def test_all_that_was_sent_is_read_up_to_the_end(answer: bytes) -> None:
    """Also more than is kept unread: the server waits then."""
    async with serve(answer) as server, connected(server.base) as wire:
        assert await asked(wire) == answer


async def test_no_more_is_read_than_was_asked_for() -> None:
    """The rest stays for the next read."""
    async with serve(b"abcde") as server, connected(server.base) as wire:
        await wire.write(b"GET / HTTP/1.1\r\n\r\n")
        assert [await wire.read(2), await wire.read(2), await wire.read(2)] == [b"ab", b"cd", b"e"]


async def test_a_server_that_says_nothing_is_waited_for_so_long() -> None:
    """And the connection can be read again afterwards."""
    async with serve(HANG) as server, connected(server.base) as wire:
        await wire.write(b"GET / HTTP/1.1\r\n\r\n")
        for _ in range(2):
            with pytest.raises(httpcore.ReadTimeout):
                await wire.read(1, timeout=0.02)


async def test_a_connection_that_breaks_is_no_end() -> None:
    """A reply without a length would pass for whole."""

    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        at_once = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        writer.transport.abort()

    async with listening(reset) as base, connected(base) as wire:
        with pytest.raises(httpcore.ReadError):
            await asked(wire)
        with pytest.raises(httpcore.WriteError):
            await wire.write(b"more")


async def test_a_server_that_does_not_read_is_written_to_for_so_long() -> None:
    """What fills no buffer has gone out."""
    async with serve(HANG) as server, connected(server.base) as wire:
        await wire.write(b"", timeout=0.02)
        await wire.write(b"GET / HTTP/1.1\r\n\r\n", timeout=0.02)
        with pytest.raises(httpcore.WriteTimeout):
            await wire.write(MEGABYTES * 8, timeout=0.02)


async def test_a_read_that_is_cancelled_loses_nothing() -> None:
    """Whoever reads next gets what came."""
    async with serve(b"abc") as server, connected(server.base) as wire:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(wire.read(3), 0.02)
        assert await asked(wire) == b"abc"


async def test_between_requests_it_is_readable_once_the_server_has_left_or_speaks() -> None:
    """By that a kept connection is told from one that cannot be used again."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"!")

    async with listening(speak) as base, connected(base) as wire:
        assert not wire.get_extra_info("is_readable")
        await wire.write(b"?")
        assert await wire.read(1) == b"!"
        assert await wire.read(1) == b"" and wire.get_extra_info("is_readable")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_host_that_does_not_answer_is_no_connection(host: str) -> None:
    """By its name, or by its number."""
    async with serve(b"") as server:
        url = httpcore.URL(server.base.replace("127.0.0.1", host))
    with pytest.raises(httpcore.ConnectError) as caught:
        await connect(url, ssl.create_default_context(), 60.0)
    assert told(caught.value) == "Connection refused"


def told(error: httpcore.ConnectError) -> str:
    """What an error says, which has to be a sentence: it is shown in the user's language."""
    said = str(error)
    assert isinstance(said, Text)
    return said


def bad_certificate(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code = code
    return error


def without_tls() -> ssl.SSLError:
    error = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)")
    error.reason = "WRONG_VERSION_NUMBER"
    return error


SEVERAL = "Multiple exceptions: [Errno 111] Connect call failed ('::1', 9), [Errno {}] x"


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (socket.gaierror(socket.EAI_NONAME, "x"), "the host's name is not known"),
        (
            socket.gaierror(socket.EAI_AGAIN, "x"),
            "the host's name cannot be looked up at the moment",
        ),
        (OSError(errno.ENETUNREACH, "x"), "Network is unreachable"),
        (OSError(SEVERAL.format(errno.ENETUNREACH)), "none of its addresses can be reached"),
        (bad_certificate(10), "the server's certificate has expired"),
        (bad_certificate(62), "the server's certificate is for another name"),
        (
            without_tls(),
            "the server speaks no TLS there; perhaps its address begins with http://",
        ),
    ],
)
async def test_why_there_is_no_connection_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, error: Exception, says: str
) -> None:
    """The kinds that a user meets; the words of a library would stay English."""

    async def fail(*args: object, **options: object) -> None:
        raise error

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", fail)
    with pytest.raises(httpcore.ConnectError) as caught:
        await connect(httpcore.URL("http://example.com"), ssl.create_default_context(), 60.0)
    assert told(caught.value) == says


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 99999), ("x" * 64, 80), ("x..y", 80)])
async def test_what_can_be_no_place_is_no_connection(host: str, port: int) -> None:
    """A redirect may lead to such an address, and must not end a run."""
    url = httpcore.URL(scheme="http", host=host, port=port, target="/")
    with pytest.raises(httpcore.ConnectError):
        await connect(url, ssl.create_default_context(), 60.0)


@pytest.fixture
def certified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's TLS, whose certificate the client believes."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"]
    made = ["-keyout", "key.pem", "-out", "cert.pem", *names]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *made]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    return context


@asynccontextmanager
async def over_tls(context: ssl.SSLContext, answer: bytes) -> AsyncIterator[str]:
    """A server that answers each request with these bytes, and then breaks TLS off if they have no
    length.
    """

    async def attend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(answer)
                if b"content-length" not in answer.lower():
                    writer.get_extra_info("socket").shutdown(socket.SHUT_WR)

    async with listening(attend, context) as base:
        yield base


async def test_a_gateway_over_tls_is_asked_again_on_the_same_connection(
    certified: ssl.SSLContext,
) -> None:
    """As over TCP."""
    async with (
        over_tls(certified, http(200, MEGABYTES[:100_000])) as base,
        Gateway(base, "sk-0123456789abcdef0123456789") as gateway,
    ):
        for _ in range(2):
            answer = await gateway.query("task_1")
            assert isinstance(answer, Reply) and answer.complete
            assert answer.body == MEGABYTES[:100_000]


async def test_tls_that_ends_without_a_word_ends_a_reply_of_no_length(
    certified: ssl.SSLContext,
) -> None:
    """Many servers leave so."""
    async with (
        over_tls(certified, b'HTTP/1.1 200 OK\r\n\r\n{"id":"task_1"}') as base,
        Gateway(base, "sk-0123456789abcdef0123456789") as gateway,
    ):
        answer = await gateway.create(b"{}", "u/a")
    assert isinstance(answer, Reply)
    assert (answer.body, answer.complete) == (b'{"id":"task_1"}', True)
