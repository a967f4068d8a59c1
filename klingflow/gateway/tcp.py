"""TCP and TLS for httpcore, straight on asyncio's transports.

httpcore's own way is anyio's streams, where each read and write makes cancel scopes, takes a lock
and waits for a turn of the event loop. What goes over a connection is httpcore's concern, and when
one is opened is transport.py's.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import httpcore

from klingflow.words import _, cause

# So much is kept of what a server sends before it is read; then the server has to wait.
_MOST_UNREAD_BYTES = 1024 * 1024
# A second address of a host is tried this much later than the first (RFC 8305, 5).
_NEXT_ADDRESS_S = 0.25
# What Python raises in place of an OSError for a port beyond 65535 and for a host whose labels are
# too long: an address of a server may hold both.
_NO_PLACE = (OverflowError, UnicodeError)


async def connect(url: httpcore.URL, context: ssl.SSLContext, seconds: float | None) -> Wire:
    """Connect to the host of `url`, with TLS if its scheme is https. TCP and TLS may take so many
    seconds each. Raises httpcore.ConnectTimeout, ConnectError.
    """
    loop = asyncio.get_running_loop()
    origin = url.origin
    host = origin.host.decode("ascii")
    with _connecting(seconds):
        _transport, wire = await loop.create_connection(
            Wire,
            host,
            origin.port,
            happy_eyeballs_delay=None if _is_number(host) else _NEXT_ADDRESS_S,
        )
    if origin.scheme != b"https":
        return wire
    context.set_alpn_protocols(["http/1.1"])
    return await wire.start_tls(context, host, seconds)


class Wire(asyncio.Protocol, httpcore.AsyncNetworkStream):
    """One connection. Either a read or a write waits at a time, as HTTP/1.1 has it."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport = asyncio.Transport()  # until connection_made
        self._unread = bytearray()
        self._ended = False  # True once nothing more will come
        self._broken: Exception | None = None
        self._writing = True
        self._waiter: asyncio.Future[None] | None = None

    # -------- what httpcore calls

    async def read(
        self,
        max_bytes: int,
        timeout: float | None = None,  # noqa: ASYNC109 httpcore's name
    ) -> bytes:
        """Return what has come, b"" at the end. Raises httpcore.ReadTimeout, ReadError."""
        while not self._unread and not self._ended:
            await self._change(timeout, httpcore.ReadTimeout)
        if not self._unread and self._broken:
            raise httpcore.ReadError from self._broken
        data = bytes(self._unread[:max_bytes])
        del self._unread[:max_bytes]
        if len(self._unread) < _MOST_UNREAD_BYTES:
            self._transport.resume_reading()
        return data

    async def write(
        self,
        buffer: bytes,
        timeout: float | None = None,  # noqa: ASYNC109 httpcore's name
    ) -> None:
        """Send `buffer`. Raises httpcore.WriteTimeout, WriteError."""
        if not buffer:
            return
        if self._transport.is_closing():
            raise httpcore.WriteError from self._broken
        self._transport.write(buffer)
        while not self._writing and not self._ended:
            await self._change(timeout, httpcore.WriteTimeout)
        if not self._writing:
            raise httpcore.WriteError from self._broken

    async def aclose(self) -> None:
        """Close the connection at once, whatever is on its way."""
        self._transport.abort()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 httpcore's name
    ) -> Wire:
        """Go on with TLS, once the server has proved its name."""
        loop = asyncio.get_running_loop()
        try:
            with _connecting(timeout):
                transport = await loop.start_tls(
                    self._transport, self, ssl_context, server_hostname=server_hostname
                )
        except BaseException:
            self._transport.abort()
            raise
        assert isinstance(transport, asyncio.Transport), "it is open"
        self._begin(transport)
        return self

    def get_extra_info(self, info: str) -> Any:
        """Return what httpcore asks for. One is readable between two requests only once the server
        has left, or sends what nobody asked for.
        """
        if info == "is_readable":
            return self._ended or bool(self._unread)
        return self._transport.get_extra_info(info)

    # -------- what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; over TLS, `start_tls` begins once more."""
        assert isinstance(transport, asyncio.Transport), "TCP is written and read"
        self._begin(transport)

    def data_received(self, data: bytes) -> None:
        """Keep what comes until it is read."""
        self._unread += data
        if len(self._unread) >= _MOST_UNREAD_BYTES:
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """Note that the server sends nothing more; the transport closes itself."""
        self._ended = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note why the connection is over."""
        self._ended = True
        self._broken = exc
        self._wake()

    def pause_writing(self) -> None:
        """Let `write` wait until what it sends is on its way."""
        self._writing = False

    def resume_writing(self) -> None:
        """Let `write` end."""
        self._writing = True
        self._wake()

    # -------- between the two

    def _begin(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        transport.set_write_buffer_limits(0)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _change(self, seconds: float | None, error: type[Exception]) -> None:
        """Wait until asyncio has called. Raises `error` after so many seconds."""
        loop = asyncio.get_running_loop()
        waiter = self._waiter = loop.create_future()
        timer = None if seconds is None else loop.call_later(seconds, _fail, waiter, error)
        try:
            await waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()


def _fail(waiter: asyncio.Future[None], error: type[Exception]) -> None:
    if not waiter.done():
        waiter.set_exception(error())


@contextmanager
def _connecting(seconds: float | None) -> Iterator[None]:
    """Raise httpcore.ConnectTimeout after so many seconds, ConnectError for what goes wrong."""
    try:
        with anyio.fail_after(seconds):
            yield
    except TimeoutError as error:
        raise httpcore.ConnectTimeout from error
    except (OSError, *_NO_PLACE) as error:
        raise httpcore.ConnectError(_not_connected(error)) from error


# By their numbers in OpenSSL's x509_vfy.h.
_OF_A_CERTIFICATE = {
    10: _("the server's certificate has expired"),
    18: _("the server has signed its certificate itself"),
    19: _("nobody known here has signed the server's certificate"),
    20: _("nobody known here has signed the server's certificate"),
    62: _("the server's certificate is for another name"),
}
# What OpenSSL makes of a server that answers without TLS.
_WITHOUT_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG")
_NO_TLS = _("the server speaks no TLS there; perhaps its address begins with http://")
_NO_NAME = _("the host's name is not known")
_NO_NAME_NOW = _("the host's name cannot be looked up at the moment")
_NO_ADDRESS = _("none of its addresses can be reached")
_NUMBER = re.compile(r"\[Errno (\d+)\]")


def _not_connected(error: Exception) -> str:
    """Return why there is no connection, as a sentence; what is rare keeps its own words."""
    if isinstance(error, ssl.SSLError):
        return _not_secured(error)
    if isinstance(error, socket.gaierror):
        return _NO_NAME_NOW if error.errno == socket.EAI_AGAIN else _NO_NAME
    if isinstance(error, OSError) and error.errno is None:
        # Several addresses of one host were tried: asyncio lists what became of each.
        numbers = {int(found) for found in _NUMBER.findall(str(error))}
        return cause(OSError(*numbers, "")) if len(numbers) == 1 else _NO_ADDRESS
    return cause(error)


def _not_secured(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _OF_A_CERTIFICATE.get(error.verify_code, str(error))
    return _NO_TLS if error.reason in _WITHOUT_TLS else str(error)


def _is_number(host: str) -> bool:
    """True for an address in numbers, which has no second one."""
    return ":" in host or host.rpartition(".")[2].isdigit()
