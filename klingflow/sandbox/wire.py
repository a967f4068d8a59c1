"""Replies that are not what was meant: dropped, reset, cut short, hung, or said by something else.

Each is real at the level of TCP: the protocol class puts the connection's transport into the
request's state, and the replies here close it, or have the kernel send a reset.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
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

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        self.app_state = {**self.app_state, "transport": transport}
        super().connection_made(transport)


async def _closed(receive: Receive) -> None:
    """Wait until uvicorn knows that the connection is gone; it would miss a reply otherwise."""
    message: Message = {"type": ""}
    while message["type"] != "http.disconnect":
        message = await receive()


async def _close(scope: Scope, receive: Receive, after_s: float) -> None:
    """Close the connection after so many seconds, unless the client does it first."""
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
    """No reply at all: the connection is closed, after `after_s` seconds or when the client goes
    first.
    """

    def __init__(self, after_s: float = 0.0) -> None:
        super().__init__()
        self._after_s = after_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _close(scope, receive, self._after_s)


class Reset(Response):
    """No reply at all: a TCP reset."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        transport = _transport(scope)
        raw: Any = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
        await _closed(receive)


class Cut(Response):
    """The whole length announced, half of the body sent; then the connection is closed, after
    `after_s` seconds.
    """

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
    """Half of the body as a chunked reply that ends in good order: the cut is nowhere to be seen."""

    def __init__(self, honest: Response) -> None:
        super().__init__()
        self._honest = honest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = bytes(self._honest.body)
        del self._honest.headers["content-length"]
        await _start(send, self._honest)
        await send({"type": "http.response.body", "body": body[: len(body) // 2]})


class Slow(Response):
    """The honest reply: nothing for half of `over_s` seconds, then its body in pieces over the
    other half.
    """

    def __init__(self, honest: Response, over_s: float) -> None:
        super().__init__()
        self._honest, self._over_s = honest, over_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(self._over_s / 2)
        body, pieces = bytes(self._honest.body), 10
        size = max(1, -(-len(body) // pieces))
        await _start(send, self._honest)
        for start in range(0, len(body), size):
            await send(
                {
                    "type": "http.response.body",
                    "body": body[start : start + size],
                    "more_body": True,
                }
            )
            await asyncio.sleep(self._over_s / 2 / pieces)
        await send({"type": "http.response.body", "body": b""})


class Elsewhere(Response):
    """A redirect to the same file at another origin, which notes whether a key came along."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        task_id = scope["path_params"]["name"].removesuffix(".mp4")
        self.status_code = 307
        self.headers["location"] = f"{scope['app'].state.away}/away/{task_id}.mp4"
        await super().__call__(scope, receive, send)


def drop(honest: Response, seconds: float) -> Response:
    """Closed without a word, at once or after `seconds`."""
    return Dropped(seconds)


def reset(honest: Response, seconds: float) -> Response:
    """A TCP reset."""
    return Reset()


def cut(honest: Response, seconds: float) -> Response:
    """Broken off in the middle, at once or after `seconds` of silence; the length tells."""
    return Cut(honest, seconds)


def cut_chunked(honest: Response, seconds: float) -> Response:
    """Broken off in the middle without a sign of it."""
    return Chunked(honest)


def slow(honest: Response, seconds: float) -> Response:
    """Good, but late."""
    return Slow(honest, seconds)


def elsewhere(honest: Response, seconds: float) -> Response:
    """Redirected to another origin."""
    return Elsewhere()


def trailing(honest: Response, seconds: float) -> Response:
    """The body with an HTML error page glued to its end."""
    headers = {"content-type": honest.headers.get("content-type", JSON)}
    return Response(bytes(honest.body) + _page("504 Gateway Time-out"), honest.status_code, headers)


def cut_json(honest: Response, seconds: float) -> Response:
    """JSON that stops before the id is whole, in a reply whose length is right."""
    return Response(bytes(honest.body)[:20], honest.status_code, media_type=JSON)


def answer(status: int, content: object = b"", content_type: str = JSON, **headers: str) -> Wire:
    """The same reply every time; `content` is bytes as they are, text as HTML's title, else JSON."""

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
    body = f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n"
    return (body + "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n").encode()
