"""What an exception of the network means, and above all if anything may have been sent."""

from __future__ import annotations

from collections.abc import Iterator

import httpx

from klingflow.gateway.secret import Secret
from klingflow.gateway.transport import FAILURES, no_reply

KEY = "sk-0123456789abcdef0123456789"


def subclasses(root: type[Exception]) -> Iterator[type[Exception]]:
    yield root
    for child in root.__subclasses__():
        yield from subclasses(child)


def test_every_exception_of_httpx_is_mapped() -> None:
    """Whatever httpx may raise has an entry of its own or inherits one on purpose."""
    roots = (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, httpx.CookieConflict)
    inherits = {
        httpx.RequestError,
        httpx.TransportError,
        httpx.NetworkError,
        httpx.ProtocolError,
        httpx.HTTPStatusError,
        httpx.LocalProtocolError,
        httpx.DecodingError,
        httpx.TooManyRedirects,
        httpx.StreamConsumed,
        httpx.StreamClosed,
        httpx.ResponseNotRead,
        httpx.RequestNotRead,
    }
    public = {getattr(httpx, name) for name in httpx.__all__}
    exceptions = {c for c in public if isinstance(c, type) and issubclass(c, Exception)}
    assert exceptions == {c for root in roots for c in subclasses(root) if c in public}
    assert exceptions == {c for c in FAILURES if c.__module__ == "httpx"} | inherits
    for exception in inherits:
        assert no_reply(Exception.__new__(exception), Secret(KEY)).sent


def test_unsent_is_only_what_made_no_connection() -> None:
    """The list of exceptions that let a create be repeated is short, and a change to it is a
    decision.
    """
    assert {c for c, (sent, _) in FAILURES.items() if not sent} == {
        httpx.ConnectError,
        httpx.ConnectTimeout,
        httpx.PoolTimeout,
        httpx.ProxyError,
        httpx.UnsupportedProtocol,
        httpx.InvalidURL,
    }
