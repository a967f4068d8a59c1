"""One request over HTTP: sent once, its reply whole and within bounds, and every failure of the
network as a value. No other module uses httpx.

What a request asks for, and which key goes with it, is for http.py; what a reply means is for
create_replies.py and query_replies.py. Promises:

- A failure says truthfully whether anything may have been sent.
- Every reply is bounded in bytes and time, so that a server that drips for ever cannot hold a
  purchase.
- Everything that leaves this module, except a video's bytes, has been through `Secret`.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Final, NamedTuple

import anyio
import h11
import httpcore
import httpx

from klingflow.errors import UsageError
from klingflow.gateway import awake
from klingflow.gateway.environment import proxy_variable, tls
from klingflow.gateway.http11 import Connection, Seconds
from klingflow.gateway.origin import names_this_machine
from klingflow.gateway.outcomes import Answer, NoReply, Reply
from klingflow.gateway.payload import clean
from klingflow.gateway.reading import Cut, Incoming, headers_of, read_body, unpacked
from klingflow.gateway.secret import Secret
from klingflow.gateway.tcp import connect
from klingflow.words import Text, _

# Shorter than the 60–75 s after which common servers close a quiet connection.
KEPT_S: Final = 20.0

# An address as httpx understands it, because that is where a request goes.
Address = httpx.URL

# What an exception means: (True if bytes may have been sent, what to call it). The nearest class in
# the exception's ancestry counts. False stands only where no connection was made or our own side
# refused to begin: httpx raises ProxyError while it asks a proxy for a tunnel, and ConnectError
# also because of DNS and TLS.
FAILURES: dict[type[Exception], tuple[bool, str]] = {
    httpx.ConnectError: (False, _("no connection")),
    httpx.ConnectTimeout: (False, _("no connection in time")),
    httpx.PoolTimeout: (False, _("no free connection in time")),
    httpx.ProxyError: (False, _("the proxy refused the tunnel")),
    httpx.UnsupportedProtocol: (False, _("not an http(s) address")),
    httpx.InvalidURL: (False, _("not a valid address")),
    httpx.HTTPError: (True, _("the exchange failed")),
    httpx.TimeoutException: (True, _("timed out")),
    httpx.ReadTimeout: (True, _("no answer in time")),
    httpx.WriteTimeout: (True, _("the request could not be sent in time")),
    httpx.ReadError: (True, _("the connection broke before the answer")),
    httpx.WriteError: (True, _("the connection broke while sending")),
    httpx.CloseError: (True, _("the connection broke while closing")),
    httpx.RemoteProtocolError: (True, _("the answer was not HTTP, or was cut short")),
    httpx.StreamError: (True, _("the answer could not be read")),
    httpx.CookieConflict: (True, _("the exchange failed")),
    # Exceptions of anyio that httpx does not translate, and our own total deadline.
    TimeoutError: (True, _("the whole exchange took too long")),
    OSError: (True, _("the operating system broke the exchange off")),
    anyio.BrokenResourceError: (True, _("the connection broke")),
    anyio.ClosedResourceError: (True, _("the connection was closed")),
    anyio.EndOfStream: (True, _("the connection ended")),
    anyio.BusyResourceError: (True, _("the connection was in use")),
    ValueError: (True, _("not a valid address")),
}
# httpcore's exceptions have the names of httpx's.
_OF_HTTPX: dict[type[Exception], type[httpx.TransportError]] = {
    error: getattr(httpx, name)
    for name, error in vars(httpcore).items()
    if isinstance(error, type) and issubclass(error, Exception) and name in httpx.__all__
}
CAUGHT = (*FAILURES, *_OF_HTTPX)


def reason_of(error: Exception) -> tuple[bool, str]:
    """Return the row of FAILURES of an exception of the network."""
    kind = _OF_HTTPX.get(type(error), type(error))
    return next(FAILURES[c] for c in kind.__mro__ if c in FAILURES)


def no_reply(error: Exception, secret: Secret, heard: bytes = b"") -> NoReply:
    """Return an exception of the network as a value, after so much was `heard`. Its own text may
    quote the server, which may quote the key.
    """
    sent, reason = reason_of(error)
    told = str(error)  # a sentence, where it is klingflow's own
    if isinstance(told, Text):
        detail: str = told.mapped(secret.clean_text)
    else:
        detail = clean(secret.clean_text(told), 200)
    said = _("{reason} ({detail})", reason=reason, detail=detail) if detail else reason
    return NoReply(sent, said, secret.clean_words(heard))


# ---------------------------------------------------------------- addresses


def video_at(url: str, gateway: Address) -> Address:
    """Return the address of a video. Raises exceptions of CAUGHT for what is none, and for one on
    this machine where the gateway is elsewhere.
    """
    address = Address(url)
    if address.scheme not in ("http", "https") or not address.raw_host:
        raise httpx.UnsupportedProtocol(_("a video's address must be http(s)"))
    if _is_here(address) and not _is_here(gateway):
        raise httpx.InvalidURL(_("a gateway elsewhere has no video on this machine"))
    return address


def _is_here(address: Address) -> bool:
    return names_this_machine(address.raw_host.decode("ascii", "replace"))


def origin_of(address: Address) -> tuple[str, bytes, int | None]:
    """Return scheme, host and port; the usual port where the address has none."""
    port = address.port or {"http": 80, "https": 443}.get(address.scheme)
    return address.scheme, address.raw_host.lower(), port


def location_of(answer: Incoming) -> str | None:
    """Return where a reply redirects to; None where it does not say."""
    location: str | None = httpx.Headers(answer.headers).get("location")
    return location


# ---------------------------------------------------------------- requests and connections


class Asked(NamedTuple):
    """A request: its address, the server that it goes to (only the origin of `server` counts), its
    form on the wire, and the seconds that its steps may take.

    httpx's own form is made for a proxy only: it takes longer to make than to send.
    """

    address: str
    server: Address
    head: h11.Request
    body: bytes
    limits: Seconds

    def __repr__(self) -> str:
        """Leave out the headers, which may hold the key."""
        return f"Asked({self.head.method!r}, {self.address!r})"


def asking(
    method: str,
    url: Address,
    headers: Mapping[str, str],
    body: bytes = b"",
    limits: Seconds | None = None,
    below: str = "",
) -> Asked:
    """Return a request for `url`, or for what is `below` it, in the form of a URL already. Raises
    httpcore.LocalProtocolError where it cannot be put on the wire.
    """
    pairs = [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]
    if body:
        pairs.append((b"content-length", b"%d" % len(body)))
    target = url.raw_path + below.encode("ascii")
    try:
        head = h11.Request(method=method.encode("ascii"), target=target, headers=pairs)
    except h11.LocalProtocolError as error:
        raise httpcore.LocalProtocolError(str(error)) from error
    return Asked(f"{url}{below}", url, head, body, limits or {})


class _Direct:
    """Sends requests without a proxy, on a connection of our own."""

    def __init__(self, context: ssl.SSLContext, *, kept: bool) -> None:
        self._context = context
        self._kept_s = KEPT_S if kept else 0.0
        self._connection: Connection | None = None

    @property
    def heard(self) -> bytes:
        """The beginning of what came since the last request."""
        return self._connection.heard if self._connection else b""

    async def send(self, asked: Asked) -> Incoming:
        """Send a request, on the kept connection if there is one. Raises httpcore's exceptions."""
        connection = self._connection
        if connection is None or not connection.is_as_new:
            connection = await self._new(asked.server, asked.limits.get("connect"))
        return await connection.send(asked.head, asked.body, asked.limits)

    async def _new(self, url: Address, seconds: float | None) -> Connection:
        await self.aclose()
        address = httpcore.URL(
            scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
        )
        wire = await connect(address, self._context, seconds)
        self._connection = Connection(wire, self._kept_s)
        return self._connection

    async def aclose(self) -> None:
        """Close the connection."""
        known, self._connection = self._connection, None
        if known is not None:
            await known.aclose()


class _Proxied:
    """Sends requests through a proxy: httpx's own transport, of one connection."""

    def __init__(self, proxy: str, context: ssl.SSLContext, *, kept: bool) -> None:
        limits = httpx.Limits(
            max_connections=1, max_keepalive_connections=int(kept), keepalive_expiry=KEPT_S
        )
        self._transport = httpx.AsyncHTTPTransport(verify=context, proxy=proxy, limits=limits)

    @property
    def heard(self) -> bytes:
        """Nothing: httpx does not tell what is no reply."""
        return b""

    async def send(self, asked: Asked) -> Incoming:
        """Send a request. Raises httpx's exceptions."""
        head = asked.head
        request = httpx.Request(
            head.method.decode("ascii"),
            asked.server.copy_with(raw_path=head.target),
            headers=head.headers.raw_items(),
            content=asked.body,
            extensions={"timeout": asked.limits},
        )
        answer = await self._transport.handle_async_request(request)
        assert isinstance(answer.stream, httpx.AsyncByteStream)
        return Incoming(answer.status_code, answer.headers.raw, answer.stream, answer.aclose)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._transport.aclose()


class Connections:
    """A stack of senders of one connection each, the last used on top.

    A pool of httpx looks at all its idle connections before and after each request, which is a
    third of a request's CPU at 16 connections. A sender looks at its own connection only, and no
    request ever waits for one.
    """

    def __init__(self, proxy: str | None, context: ssl.SSLContext, *, kept: bool) -> None:
        self._proxy, self._context, self._kept = proxy, context, kept
        try:
            self._idle = [self._sender()]
        except (ImportError, ValueError, httpx.InvalidURL) as error:
            name = proxy_variable(proxy or "")
            raise UsageError(
                _("the proxy that {name} names cannot be used: {error}", name=name, error=error)
            ) from error

    def _sender(self) -> _Direct | _Proxied:
        if self._proxy is None:
            return _Direct(self._context, kept=self._kept)
        return _Proxied(self._proxy, self._context, kept=self._kept)

    @contextmanager
    def borrow(self) -> Iterator[_Direct | _Proxied]:
        """Hand out a sender that nobody else uses meanwhile."""
        sender = self._idle.pop() if self._idle else self._sender()
        try:
            yield sender
        finally:
            self._idle.append(sender)

    async def aclose(self) -> None:
        """Close every connection."""
        for sender in self._idle:
            await sender.aclose()


def certificates(url: str) -> ssl.SSLContext:
    """Return what proves the name of the server at an address. Raises UsageError as `tls`."""
    return tls(url, httpx.create_ssl_context)


# ---------------------------------------------------------------- exchanges


async def exchange(
    connections: Connections,
    asked: Asked,
    secret: Secret,
    total_s: float,
    silent_s: float | None = None,
) -> Answer:
    """Send one request and read its whole reply, or as much as came of one that breaks off.

    `total_s` bounds all of it, `silent_s` the wait for the reply's head.
    """
    answer: Incoming | None = None
    body = bytearray()
    complete = False
    silence = _silence(silent_s)
    with connections.borrow() as sender:
        try:
            with awake.fail_after(total_s):
                with silence:
                    answer = await sender.send(asked)
                complete = await read_body(answer, body)
        except CAUGHT as error:
            if answer is None:
                return no_reply(error, secret, sender.heard)
        finally:
            if answer is not None:
                await answer.aclose()
    return _reply(answer, bytes(body), complete, asked.address, secret)


def _silence(seconds: float | None) -> AbstractContextManager[None]:
    """Return the bound of the wait for a reply's head; it begins when it is entered."""
    return nullcontext() if seconds is None else awake.fail_after(seconds, httpx.ReadTimeout)


def _reply(answer: Incoming, body: bytes, complete: bool, url: str, secret: Secret) -> Reply:
    headers = headers_of(answer, secret)
    body = unpacked(body, headers.get("content-encoding"))
    # New ids are taken from a 2xx only, so any other body is cleaned as words: an id in it is
    # only compared with ours, and an address that is harmed gives way to the content route.
    is_success = 200 <= answer.status < 300
    cleaned = secret.clean if is_success else secret.clean_words
    return Reply(answer.status, headers, cleaned(body), complete, url)


async def uncut(answer: Incoming, secret: Secret) -> AsyncIterator[bytes]:
    """Yield the bytes of a body. Raises Cut."""
    try:
        async for piece in answer.body:
            yield piece
    except CAUGHT as error:
        raise Cut(no_reply(error, secret).reason) from error
