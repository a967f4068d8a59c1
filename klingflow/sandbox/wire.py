"""Replies as bytes that go wrong: dropped, reset, cut short, hung, or not the gateway's at all.

Each is real at the level of TCP. The protocol class puts the connection's transport into the
request's state; the replies here close the transport, or let the kernel send a reset.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any, cast

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

# The honest reply and the fault's seconds → what is sent in its place.
Wire = Callable[[Response, float], Response]

HTML = "text/html; charset=utf-8"
JSON = "application/json"


class OpenProtocol(H11Protocol):
    """uvicorn's HTTP/1.1, with the transport within reach of a request."""

    def connection_made(  # type: ignore[override]  # as uvicorn's own
        self, transport: asyncio.Transport
    ) -> None:
        self.app_state: dict[str, Any] = {**self.app_state, "transport": transport}
        super().connection_made(transport)


async def _closed(receive: Receive) -> None:
    """Wait until uvicorn knows that the connection is gone; otherwise it would miss a reply."""
    message: Message = {"type": ""}
    while message["type"] != "http.disconnect":
        message = await receive()


async def _close(scope: Scope, receive: Receive, after_s: float) -> None:
    """Close the connection after so many seconds, except if the client closes it before."""
    if after_s:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(_closed(receive), after_s)
            return
    _transport(scope).close()
    await _closed(receive)


def _transport(scope: Scope) -> asyncio.Transport:
    return cast(asyncio.Transport, scope["state"]["transport"])


async def _start(send: Send, honest: Response) -> None:
    status, headers = honest.status_code, honest.raw_headers
    await send({"type": "http.response.start", "status": status, "headers": headers})


class Dropped(Response):
    """No reply: the connection is closed after `after_s` seconds, or by the client before."""

    def __init__(self, after_s: float) -> None:
        super().__init__()
        self._after_s = after_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _close(scope, receive, self._after_s)


# `linger` is two shorts on Windows, two ints elsewhere.
_AT_ONCE = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


class Reset(Response):
    """No reply: a TCP reset."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        transport = _transport(scope)
        raw: Any = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        transport.abort()
        await _closed(receive)


class Cut(Response):
    """The whole length and half of the body; then, after `after_s` seconds, a closed connection."""

    def __init__(self, honest: Response, after_s: float) -> None:
        super().__init__()
        self._honest, self._after_s = honest, after_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = bytes(self._honest.body)
        await _start(send, self._honest)
        await send(
            {"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True}
        )
        await _close(scope, receive, self._after_s)


class Chunked(Response):
    """Half of the body as a chunked reply that ends in good order: nothing shows the cut."""

    def __init__(self, honest: Response) -> None:
        super().__init__()
        self._honest = honest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = bytes(self._honest.body)
        del self._honest.headers["content-length"]
        await _start(send, self._honest)
        await send({"type": "http.response.body", "body": body[: len(body) // 2]})


class Slow(Response):
    """The honest reply: nothing for half of `over_s` seconds, the body in pieces in the rest."""

    def __init__(self, honest: Response, over_s: float) -> None:
        super().__init__()
        self._honest, self._over_s = honest, over_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(self._over_s / 2)
        body, pieces = bytes(self._honest.body), 10
        size = max(1, -(-len(body) // pieces))
        await _start(send, self._honest)
        for start in range(0, len(body), size):
            piece = body[start : start + size]
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await asyncio.sleep(self._over_s / 2 / pieces)
        await send({"type": "http.response.body", "body": b""})


class Elsewhere(Response):
    """A redirect to the same file at another origin, which counts the keys it is sent."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        task_id = scope["path_params"]["name"].removesuffix(".mp4")
        self.status_code = 307
        self.headers["location"] = f"{scope['app'].state.away}/away/{task_id}.mp4"
        await super().__call__(scope, receive, send)


def drop(honest: Response, seconds: float) -> Response:
    """Close the connection without a reply, at once or after `seconds`."""
    return Dropped(seconds)


def reset(honest: Response, seconds: float) -> Response:
    """Reset the connection."""
    return Reset()


def cut(honest: Response, seconds: float) -> Response:
    """Break off in the middle, at once or after `seconds` of silence; the length shows it."""
    return Cut(honest, seconds)


def cut_chunked(honest: Response, seconds: float) -> Response:
    """Break off in the middle; nothing shows it."""
    return Chunked(honest)


def slow(honest: Response, seconds: float) -> Response:
    """Send the honest reply late."""
    return Slow(honest, seconds)


def elsewhere(honest: Response, seconds: float) -> Response:
    """Redirect to another origin."""
    return Elsewhere()


def trailing(honest: Response, seconds: float) -> Response:
    """Send the body with an HTML error page glued to its end."""
    headers = {"content-type": honest.headers.get("content-type", JSON)}
    return Response(bytes(honest.body) + _page("504 Gateway Time-out"), honest.status_code, headers)


def cut_json(honest: Response, seconds: float) -> Response:
    """Send JSON that stops before the id is whole, in a reply whose length is right."""
    return Response(bytes(honest.body)[:20], honest.status_code, media_type=JSON)


def failure_as(status: int) -> Wire:
    """Return a Wire that tells a failed task with another HTTP status."""

    def play(honest: Response, seconds: float) -> Response:
        is_failed = json.loads(bytes(honest.body)).get("status") == "failed"
        return Response(bytes(honest.body), status, media_type=JSON) if is_failed else honest

    return play


def answer(status: int, content: object = b"", content_type: str = JSON, **headers: str) -> Wire:
    """Return a Wire that always sends the same reply.

    `content` is bytes as they are, a text that becomes the title of an HTML page, or a document.
    """

    def play(honest: Response, seconds: float) -> Response:
        if isinstance(content, bytes):
            body, media_type = content, content_type
        elif isinstance(content, str):
            body, media_type = _page(content), HTML
        else:
            body, media_type = json.dumps(content, ensure_ascii=False).encode(), JSON
        sent = {
            name.replace("_", "-"): value.format(seconds=int(seconds))
            for name, value in headers.items()
        }
        return Response(body, status, sent, media_type)

    return play


def _page(title: str) -> bytes:
    lines = (
        "<html>",
        f"<head><title>{title}</title></head>",
        "<body>",
        f"<center><h1>{title}</h1></center>",
        "<hr><center>nginx</center>",
        "</body>",
        "</html>",
        "",
    )
    return "\r\n".join(lines).encode()
