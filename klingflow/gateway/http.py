"""The gateway over HTTP: its three routes, and where the key may go.

How a request goes over the wire is for transport.py; what a reply means is for create_replies.py
and query_replies.py. Promises:

- A create goes out once, on a connection of its own. On a kept connection that the server has just
  closed, the bytes would be gone and nobody could say whether the server read them. A create is
  never redirected and never repeated.
- The key goes to the base URL's own origin only, and not in clear to a proxy. It is in no
  representation, exception, reply or debug log.
- A gateway elsewhere cannot have us fetch from this machine or its link.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Self
from urllib.parse import quote, urljoin

import anyio

from klingflow.errors import UsageError
from klingflow.gateway import awake
from klingflow.gateway.environment import proxy_for
from klingflow.gateway.origin import is_plain, normal_base
from klingflow.gateway.outcomes import Answer, NoReply, Reply
from klingflow.gateway.reading import Stream, headers_of, read_body
from klingflow.gateway.secret import Secret
from klingflow.gateway.transport import (
    CAUGHT,
    Address,
    Asked,
    Connections,
    asking,
    certificates,
    exchange,
    location_of,
    no_reply,
    origin_of,
    reason_of,
    uncut,
    video_at,
)
from klingflow.gateway.unlogged import Unlogged
from klingflow.words import _

MAX_REDIRECTS = 5
_REQUESTS_KEPT = 256
MAX_CLIENT_REQUEST_ID = 512  # as OpenAI's API, from which the header is
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# What a server may read as a step to another folder, or as its end.
_ESCAPED_STEPS = re.compile(rb"(?i)%2e|%2f|%5c|%25|%00|\\|//|/\.")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. The totals bound whole exchanges, `download_read_s` each wait for more bytes."""

    connect_s: float = 10.0
    create_read_s: float = 120.0
    create_total_s: float = 150.0
    query_total_s: float = 30.0
    download_read_s: float = 60.0


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
        self._url = Address(self._videos)
        self._secret = Secret(_checked_key(key))
        self._timeouts = timeouts or Timeouts()
        plain = {"accept": "*/*", "accept-encoding": "identity", "user-agent": user_agent}
        own = {"host": self._url.netloc.decode(), "authorization": f"Bearer {key}", **plain}
        self._plain, self._own = plain, own
        self._json = {**own, "content-type": "application/json"}
        self._context = certificates(self.base)
        proxy = proxy_for(self.base)
        if proxy and self._url.scheme == "http":  # over https it is only asked for a tunnel
            raise UsageError(
                _(
                    "the proxy that the environment names would see the key: give the gateway's"
                    " address as https://, or name its host in no_proxy"
                )
            )
        self._single = Connections(proxy, self._context, kept=False)
        self._queries = Connections(proxy, self._context, kept=True)
        self._downloads: dict[str | None, Connections] = {}
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
        create = asking("POST", self._url, headers, body, limits)
        total_s, silent_s = self._timeouts.create_total_s, self._timeouts.create_read_s
        return await exchange(self._single, create, self._secret, total_s, silent_s)

    async def query(self, task_id: str, *, apart: bool = False) -> Answer:
        """GET the state of a task. `apart` asks on a new connection, which cannot hold the reply to
        another request.
        """
        connections = self._single if apart else self._queries
        query, total_s = self._query_of(task_id), self._timeouts.query_total_s
        return await exchange(connections, query, self._secret, total_s)

    async def look(self) -> Answer:
        """GET the route of creates, which takes a POST only: it buys nothing."""
        request = asking("GET", self._url, self._own)
        return await exchange(self._single, request, self._secret, self._timeouts.query_total_s)

    def _new_query(self, task_id: str) -> Asked:
        return asking("GET", self._url, self._own, below=f"/{quote(task_id, safe='')}")

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
                request = self._download_request(method, url, headers)
                sender = held.enter_context(self._connections_for(url).borrow())
                answer = await sender.send(request)
                held.push_async_callback(answer.aclose)
                location = location_of(answer)
                if answer.status not in _REDIRECTS or location is None:
                    return Stream(url, answer, uncut(answer, self._secret), self._secret)
                url = urljoin(url, location)
                if self._secret.clean_text(url) != url:
                    return NoReply(
                        True, _("a redirect to an address that holds the key is not followed")
                    )
            except UsageError as error:  # of a proxy for this address alone
                return NoReply(False, str(error))
            except CAUGHT as error:
                return no_reply(error, self._secret)
        return NoReply(True, _("more than {max_redirects} redirects", max_redirects=MAX_REDIRECTS))

    def _download_request(self, method: str, url: str, headers: Mapping[str, str]) -> Asked:
        limits = {
            "connect": self._timeouts.connect_s,
            "read": self._timeouts.download_read_s,
            "write": 30.0,
        }
        target = video_at(url, self._url)
        ours = origin_of(target) == origin_of(self._url) and self._is_a_route(target)
        base = {**(self._own if ours else self._plain), "host": target.netloc.decode(), **headers}
        return asking(method, target, base, limits=limits)

    def _is_a_route(self, target: Address) -> bool:
        """True for an address below our own route of videos, however it is written. Another path of
        the same host may be anybody's: its log would have the key.
        """
        path = target.raw_path.partition(b"?")[0]
        is_plain = not _ESCAPED_STEPS.search(path)
        return is_plain and path.startswith(self._url.raw_path + b"/")

    def _connections_for(self, url: str) -> Connections:
        proxy = proxy_for(url)
        if proxy not in self._downloads:
            # A second reply on a kept connection would pass for the next task's video, and nothing
            # in it would say so.
            self._downloads[proxy] = Connections(proxy, self._context, kept=False)
        return self._downloads[proxy]


async def post(url: str, body: bytes, total_s: float) -> Answer:
    """POST JSON once to an address of the user's own, within `total_s`, without the key. Follows no
    redirect. Neither an exception nor what is returned has the address. Raises UsageError as
    `Gateway` does.
    """
    connections = Connections(proxy_for(url), certificates(url), kept=False)
    secret = Secret(url)
    unlogged, answer, data = Unlogged(secret), None, bytearray()
    try:
        headers = {"content-type": "application/json", "accept-encoding": "identity"}
        target = Address(url)
        request = asking("POST", target, {"host": target.netloc.decode(), **headers}, body)
        with awake.fail_after(total_s), connections.borrow() as sender:
            answer = await sender.send(request)
            complete = await read_body(answer, data)
        return Reply(answer.status, headers_of(answer, secret), bytes(data), complete)
    except CAUGHT as error:
        return NoReply(*reason_of(error))  # an exception's own text may have the address
    finally:
        unlogged.end()
        with anyio.CancelScope(shield=True):
            await connections.aclose()


def _checked_key(key: str) -> str:
    """Return the key; raise UsageError where it cannot stand in a header."""
    if not key or not is_plain(key):
        raise UsageError(
            _("the key must be printable ASCII without spaces; check KLINGFLOW_API_KEY")
        )
    return key
