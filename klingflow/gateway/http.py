"""The gateway over HTTP: three routes, and every failure of the network as a value. No other module
uses httpx.

What a reply means is decided elsewhere (`klingflow.gateway.replies`); this module says truthfully
what came back and whether anything was sent. Promises:

- A create goes out once, on a connection of its own. On a kept connection that the server has just
  closed, the bytes would be gone and nobody could say whether the server read them. A create is
  never redirected and never repeated.
- The key goes to the base URL's own origin only, and not in clear to a proxy. It is in no
  representation, exception, reply or debug log: everything that leaves this module, except a
  video's bytes, has been through `Secret`.
- A gateway elsewhere cannot have us fetch from this machine or its link.
- Every reply is bounded in bytes and time, so that a server that drips for ever cannot hold a
  purchase.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import (
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
    nullcontext,
)
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple, Self
from urllib.parse import quote, urljoin

import anyio
import h11
import httpcore
import httpx

from klingflow.errors import UsageError
from klingflow.gateway import awake
from klingflow.gateway.environment import proxy_for, proxy_variable, tls
from klingflow.gateway.http11 import Connection, Seconds
from klingflow.gateway.origin import is_plain, names_this_machine, normal_base
from klingflow.gateway.outcomes import Answer, NoReply, Reply
from klingflow.gateway.payload import clean
from klingflow.gateway.reading import Cut, Incoming, Stream, headers_of, read_body, unpacked
from klingflow.gateway.secret import Secret
from klingflow.gateway.tcp import connect
from klingflow.gateway.unlogged import Unlogged
from klingflow.words import _

MAX_REDIRECTS = 5
_REQUESTS_KEPT = 256
MAX_CLIENT_REQUEST_ID = 512  # as OpenAI's API, from which the header is
# Shorter than the 60–75 s after which common servers close a quiet connection.
KEPT_S = 20.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# What a server may read as a step to another folder, or as its end.
_ESCAPED_STEPS = re.compile(rb"(?i)%2e|%2f|%5c|%25|%00|\\|//|/\.")

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
_CAUGHT = (*FAILURES, *_OF_HTTPX)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. The totals bound whole exchanges, `download_read_s` each wait for more bytes."""

    connect_s: float = 10.0
    create_read_s: float = 120.0
    create_total_s: float = 150.0
    query_total_s: float = 30.0
    download_read_s: float = 60.0


class _Asked(NamedTuple):
    """A request: its address, the server that it goes to (only the origin of `server` counts), its
    form on the wire, and the seconds that its steps may take.

    httpx's own form is made for a proxy only: it takes longer to make than to send.
    """

    address: str
    server: httpx.URL
    head: h11.Request
    body: bytes
    limits: Seconds

    def __repr__(self) -> str:
        """Leave out the headers, which may hold the key."""
        return f"_Asked({self.head.method!r}, {self.address!r})"


def _asked(
    method: str,
    url: httpx.URL,
    headers: Mapping[str, str],
    body: bytes = b"",
    limits: Seconds | None = None,
    below: str = "",
) -> _Asked:
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
    return _Asked(f"{url}{below}", url, head, body, limits or {})


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

    async def send(self, asked: _Asked) -> Incoming:
        """Send a request, on the kept connection if there is one. Raises httpcore's exceptions."""
        connection = self._connection
        if connection is None or not connection.is_as_new:
            connection = await self._new(asked.server, asked.limits.get("connect"))
        return await connection.send(asked.head, asked.body, asked.limits)

    async def _new(self, url: httpx.URL, seconds: float | None) -> Connection:
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

    async def send(self, asked: _Asked) -> Incoming:
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


class _Connections:
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
        sender = self._idle.pop() if self._idle else self._sender()
        try:
            yield sender
        finally:
            self._idle.append(sender)

    async def aclose(self) -> None:
        for sender in self._idle:
            await sender.aclose()


class Gateway:
    """The three routes under `base_url`, with `key`. How many requests go on at once is the
    caller's concern.

    Raises UsageError for an address or a key that cannot be used. Close it with `async with` or
    `aclose()`.
    """

    def __init__(
        self,
        base_url: str,
        key: str,
        *,
        user_agent: str = "klingflow",
        timeouts: Timeouts | None = None,
    ) -> None:
        self.base: str = normal_base(base_url)
        self._videos = f"{self.base}/v1/videos"
        self._url = httpx.URL(self._videos)
        self._secret = Secret(_checked_key(key))
        self._timeouts = timeouts or Timeouts()
        plain = {"accept": "*/*", "accept-encoding": "identity", "user-agent": user_agent}
        own = {"host": self._url.netloc.decode(), "authorization": f"Bearer {key}", **plain}
        self._plain, self._own = plain, own
        self._json = {**own, "content-type": "application/json"}
        self._context = tls(self.base, httpx.create_ssl_context)
        proxy = proxy_for(self.base)
        if proxy and self._url.scheme == "http":  # over https it is only asked for a tunnel
            raise UsageError(
                _(
                    "the proxy that the environment names would see the key: give the gateway's"
                    " address"
                    " as https://, or name its host in no_proxy"
                )
            )
        self._single = _Connections(proxy, self._context, kept=False)
        self._queries = _Connections(proxy, self._context, kept=True)
        self._downloads: dict[str | None, _Connections] = {}
        self._unlogged = Unlogged(self._secret)
        # A task is asked for several times, and making a request takes longer than the rest.
        self._query_of = lru_cache(_REQUESTS_KEPT)(self._new_query)

    def __repr__(self) -> str:
        return f"Gateway({self.base!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection."""
        self._unlogged.end()
        for connections in (self._single, self._queries, *self._downloads.values()):
            await connections.aclose()

    async def create(self, body: bytes, client_request_id: str) -> Answer:
        """POST a JSON body, once. This costs money; the caller has written down its intention.

        `client_request_id` is sent as `X-Client-Request-Id`, by which a gateway's operator can find
        a purchase whose reply was lost.
        """
        # No limit of the library's on reading: it counts the time in which we are stopped, too.
        limits = {"connect": self._timeouts.connect_s, "read": None, "write": 30.0}
        name = quote(client_request_id, safe="@#/")[:MAX_CLIENT_REQUEST_ID]
        headers = {**self._json, "x-client-request-id": name}
        asked = _asked("POST", self._url, headers, body, limits)
        limit = self._timeouts
        return await self._exchange(self._single, asked, limit.create_total_s, limit.create_read_s)

    async def query(self, task_id: str, *, apart: bool = False) -> Answer:
        """GET the state of a task. `apart` asks on a new connection, which cannot hold the reply to
        another request.
        """
        connections = self._single if apart else self._queries
        return await self._exchange(
            connections, self._query_of(task_id), self._timeouts.query_total_s
        )

    async def look(self) -> Answer:
        """GET the route of creates, which takes a POST only: it buys nothing."""
        asked = _asked("GET", self._url, self._own)
        return await self._exchange(self._single, asked, self._timeouts.query_total_s)

    def _new_query(self, task_id: str) -> _Asked:
        return _asked("GET", self._url, self._own, below=f"/{quote(task_id, safe='')}")

    def content_url(self, task_id: str) -> str:
        """Return the address at which the gateway itself serves a task's video."""
        return f"{self._videos}/{quote(task_id, safe='')}/content"

    @asynccontextmanager
    async def open(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        method: Literal["GET", "HEAD"] = "GET",
    ) -> AsyncIterator[Stream | NoReply]:
        """Ask for a video, and follow up to five redirects. The key is sent to our own origin
        only.
        """
        async with AsyncExitStack() as held:
            yield await self._follow(method, url, headers or {}, held)

    async def _follow(
        self, method: str, url: str, headers: Mapping[str, str], held: AsyncExitStack
    ) -> Stream | NoReply:
        for _unused in range(MAX_REDIRECTS + 1):
            try:
                asked = self._download_request(method, url, headers)
                sender = held.enter_context(self._connections_for(url).borrow())
                answer = await sender.send(asked)
                held.push_async_callback(answer.aclose)
                location = httpx.Headers(answer.headers).get("location")
                if answer.status not in _REDIRECTS or location is None:
                    return Stream(url, answer, self._uncut(answer), self._secret)
                url = urljoin(url, location)
                if self._secret.clean_text(url) != url:
                    return NoReply(
                        True, _("a redirect to an address that holds the key is not followed")
                    )
            except UsageError as error:  # of a proxy for this address alone
                return NoReply(False, str(error))
            except _CAUGHT as error:
                return _no_reply(error, self._secret)
        return NoReply(True, _("more than {max_redirects} redirects", max_redirects=MAX_REDIRECTS))

    async def _exchange(
        self,
        connections: _Connections,
        asked: _Asked,
        total_s: float,
        silent_s: float | None = None,
    ) -> Answer:
        """Send one request and read its whole reply, or as much as came of one that breaks off.

        `silent_s` bounds the wait for the reply's head.
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
            except _CAUGHT as error:
                if answer is None:
                    return _no_reply(error, self._secret, sender.heard)
            finally:
                if answer is not None:
                    await answer.aclose()
        return self._reply(answer, bytes(body), complete, asked.address)

    async def _uncut(self, answer: Incoming) -> AsyncIterator[bytes]:
        """Yield the bytes of a body. Raises Cut."""
        try:
            async for piece in answer.body:
                yield piece
        except _CAUGHT as error:
            raise Cut(_no_reply(error, self._secret).reason) from error

    def _reply(self, answer: Incoming, body: bytes, complete: bool, url: str) -> Reply:
        headers = headers_of(answer, self._secret)
        body = unpacked(body, headers.get("content-encoding"))
        # New ids are taken from a 2xx only, so any other body is cleaned as words: an id in it is
        # only compared with ours, and an address that is harmed gives way to the content route.
        is_success = 200 <= answer.status < 300
        clean = self._secret.clean if is_success else self._secret.clean_words
        return Reply(answer.status, headers, clean(body), complete, url)

    def _download_request(self, method: str, url: str, headers: Mapping[str, str]) -> _Asked:
        limits = {
            "connect": self._timeouts.connect_s,
            "read": self._timeouts.download_read_s,
            "write": 30.0,
        }
        target = httpx.URL(url)
        if target.scheme not in ("http", "https") or not target.raw_host:
            raise httpx.UnsupportedProtocol(_("a video's address must be http(s)"))
        if _is_here(target) and not _is_here(self._url):
            raise httpx.InvalidURL(_("a gateway elsewhere has no video on this machine"))
        # Both are compared as httpx understands them, because that is where the request goes.
        ours = _origin(target) == _origin(self._url) and self._is_a_route(target)
        base = {**(self._own if ours else self._plain), "host": target.netloc.decode(), **headers}
        return _asked(method, target, base, limits=limits)

    def _is_a_route(self, target: httpx.URL) -> bool:
        """True for an address below our own route of videos, however it is written. Another path of
        the same host may be anybody's: its log would have the key.
        """
        path = target.raw_path.partition(b"?")[0]
        is_plain = not _ESCAPED_STEPS.search(path)
        return is_plain and path.startswith(self._url.raw_path + b"/")

    def _connections_for(self, url: str) -> _Connections:
        proxy = proxy_for(url)
        if proxy not in self._downloads:
            # A second reply on a kept connection would pass for the next task's video, and nothing
            # in it would say so.
            self._downloads[proxy] = _Connections(proxy, self._context, kept=False)
        return self._downloads[proxy]


async def post(url: str, body: bytes, total_s: float) -> Answer:
    """POST JSON once to an address of the user's own, within `total_s`, without the key. Follows no
    redirect. Neither an exception nor what is returned has the address. Raises UsageError as
    `Gateway` does.
    """
    connections = _Connections(proxy_for(url), tls(url, httpx.create_ssl_context), kept=False)
    secret = Secret(url)
    unlogged, answer, data = Unlogged(secret), None, bytearray()
    try:
        headers = {"content-type": "application/json", "accept-encoding": "identity"}
        target = httpx.URL(url)
        asked = _asked("POST", target, {"host": target.netloc.decode(), **headers}, body)
        with awake.fail_after(total_s), connections.borrow() as sender:
            answer = await sender.send(asked)
            complete = await read_body(answer, data)
        return Reply(answer.status, headers_of(answer, secret), bytes(data), complete)
    except _CAUGHT as error:
        return NoReply(*_reason(error))  # an exception's own text may have the address
    finally:
        unlogged.end()
        with anyio.CancelScope(shield=True):
            await connections.aclose()


def _silence(seconds: float | None) -> AbstractContextManager[None]:
    """Return the bound of the wait for a reply's head; it begins when it is entered."""
    return nullcontext() if seconds is None else awake.fail_after(seconds, httpx.ReadTimeout)


def _origin(url: httpx.URL) -> tuple[str, bytes, int | None]:
    return url.scheme, url.raw_host.lower(), url.port or {"http": 80, "https": 443}.get(url.scheme)


def _is_here(url: httpx.URL) -> bool:
    return names_this_machine(url.raw_host.decode("ascii", "replace"))


def _reason(error: Exception) -> tuple[bool, str]:
    """Return the row of FAILURES of an exception of the network."""
    kind = _OF_HTTPX.get(type(error), type(error))
    return next(FAILURES[c] for c in kind.__mro__ if c in FAILURES)


def _no_reply(error: Exception, secret: Secret, heard: bytes = b"") -> NoReply:
    """Return an exception of the network as a value, after so much was `heard`. Its own text may
    quote the server, which may quote the key.
    """
    sent, reason = _reason(error)
    detail = clean(secret.clean_text(str(error)), 200)
    said = _("{reason} ({detail})", reason=reason, detail=detail) if detail else reason
    return NoReply(sent, said, secret.clean_words(heard))


def _checked_key(key: str) -> str:
    """Return the key; raise UsageError where it cannot stand in a header."""
    if not key or not is_plain(key):
        raise UsageError(
            _("the key must be printable ASCII without spaces; check KLINGFLOW_API_KEY")
        )
    return key
