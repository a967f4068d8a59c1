"""The page, served on loopback: its files, the film's data, videos with ranges, changes as they
come, and the picks that people make there.

Every web page that a browser has open can send requests to loopback. So whatever says something of
the film, or changes something, needs the session's word, which other pages cannot read; and Host
and Origin have to be this server's own, or a name of somebody else that leads to 127.0.0.1 would
do.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from importlib import resources
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from klingflow.errors import KlingflowError, UsageError
from klingflow.pages.posters import Posters
from klingflow.pages.sessions import Sessions
from klingflow.pages.watching import Watch
from klingflow.words import _, cause

HOST = "127.0.0.1"
STYLES = ("page.css", "icon.svg")
SCRIPTS = ("words.js", "start.js", "cards.js", "detail.js", "sums.js", "night.js", "page.js")
_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_LOOK_EVERY_S = 1.0
_ALIVE_EVERY_S = 10.0
_MAX_BODY = 64 * 1024
_SESSION = "x-klingflow-session"

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self';"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}

# What a pick, a rejection or a note does to the picks file: verb, take, purchase that was seen,
# note.
Pick = Callable[[str, str, str, str], None]


class Page:
    """The routes of one film's page. `tell` is called once a page was closed: its address is used
    up.
    """

    def __init__(self, watch: Watch, posters: Posters, pick: Pick, tell: Callable[[], None]):
        self.sessions = Sessions()
        self._watch = watch
        self._posters = posters
        self._pick = pick
        self._tell = tell
        self._changed = asyncio.Event()
        self._looking = asyncio.Lock()

    def app(self) -> Starlette:
        """Return the page as an ASGI app."""
        return Starlette(
            routes=[
                Route("/", _static("page.html")),
                *(Route(f"/{name}", _static(name)) for name in (*SCRIPTS, *STYLES)),
                Route("/session", self.begin, methods=["POST"]),
                Route("/data", self.data),
                Route("/changes", self.changes),
                Route("/picks", self.pick, methods=["POST"]),
                Route("/media/{word}/{uid}.mp4", self.video),
                Route("/posters/{word}/{uid}.jpg", self.poster),
                Route("/stills/{word}/{sha256}", self.still),
            ],
            exception_handlers={_Refused: _refusal},
        )

    async def begin(self, request: Request) -> Response:
        """Begin the session of a ticket."""
        said = await _json(request)
        if not self.sessions.begin(str(said.get("ticket", "")), time.monotonic()):
            raise _Refused(403, "this address was used already; the terminal shows a new one")
        return _said({"session": self.sessions.token})

    async def data(self, request: Request) -> Response:
        """Return the film as the page shows it."""
        self._check(request)
        return _said(self._data())

    def _data(self) -> dict[str, object]:
        watch, word = self._watch, self.sessions.media
        return {
            **watch.gallery.data,
            "version": watch.version,
            "trouble": watch.trouble,
            "may_write": True,
            "videos": {uid: f"media/{word}/{uid}.mp4" for uid in watch.gallery.videos},
            "posters": {uid: f"posters/{word}/{uid}.jpg" for uid in watch.gallery.videos},
            "stills": {s: f"stills/{word}/{s}" for s in watch.gallery.stills},
        }

    async def changes(self, request: Request) -> Response:
        """Server-sent events: the version of the data, whenever it is another one."""
        self._check(request)
        return StreamingResponse(
            self._versions(self.sessions.token), media_type="text/event-stream"
        )

    async def _versions(self, token: str) -> AsyncIterator[str]:
        told = 0
        self.sessions.opened()
        try:
            while self.sessions.may_ask(token):
                if self._watch.version != told:
                    told = self._watch.version
                    yield f"data: {told}\n\n"
                else:
                    yield ": alive\n\n"  # a connection that is gone is noticed by writing
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), _ALIVE_EVERY_S)
        finally:
            self.sessions.closed(token, time.monotonic())

    async def pick(self, request: Request) -> Response:
        """Write what a person says of a take into the picks file."""
        self._check(request)
        said = await _json(request)
        verb, key, uid, note = (str(said.get(name, "")) for name in ("verb", "key", "uid", "note"))
        if verb not in ("pick", "reject", "unpick"):
            raise _Refused(400, "verb is pick, reject or unpick")
        try:
            await asyncio.to_thread(self._pick, verb, key, uid, note)
        except KlingflowError as error:
            raise _Refused(409, str(error)) from error
        await self._look(self._watch.now)
        return _said({"version": self._watch.version})

    async def video(self, request: Request) -> Response:
        """One video, with ranges."""
        video = self._watch.gallery.videos.get(request.path_params["uid"])
        return self._file(request, video and video.path, "video/mp4")

    async def poster(self, request: Request) -> Response:
        """One picture out of a video."""
        self._check_media(request)
        video = self._watch.gallery.videos.get(request.path_params["uid"])
        poster = video and await self._posters.of(video)
        if not poster:
            raise _Refused(404, "there is no picture of this video")
        return Response(poster, media_type="image/jpeg")

    async def still(self, request: Request) -> Response:
        """One local reference, if it is a picture."""
        path = self._watch.gallery.stills.get(request.path_params["sha256"])
        kinds = {".png": "image/png", ".webp": "image/webp"}
        return self._file(request, path, kinds.get(path.suffix if path else "", "image/jpeg"))

    def _file(self, request: Request, path: Path | None, kind: str) -> Response:
        self._check_media(request)
        if path is None or not path.is_file():
            raise _Refused(404, "there is no such file")
        return FileResponse(path, media_type=kind)

    def _check(self, request: Request) -> None:
        if not self.sessions.may_ask(request.headers.get(_SESSION, "")):
            raise _Refused(403, "this page has ended; the terminal shows a new address")

    def _check_media(self, request: Request) -> None:
        if not self.sessions.may_see(request.path_params["word"]):
            raise _Refused(403, "this page has ended")

    async def watch(self) -> None:
        """Look for changes and for the end of sessions, until it is cancelled."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            if self.sessions.over(time.monotonic()):
                self._changed_now()
                self._tell()
            if self.sessions.token:
                await self._look(self._watch.again)

    async def _look(self, look: Callable[[], bool]) -> None:
        async with self._looking:  # the older of two readings would else stay
            if await asyncio.to_thread(look):
                self._changed_now()

    def _changed_now(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


class _Refused(Exception):
    """A request that gets a status and a sentence instead of an answer."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


async def _refusal(_request: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, _Refused) else 500
    return _said({"error": str(error)}, status)


def _said(value: Mapping[str, object], status: int = 200) -> Response:
    """Return a value as JSON, in ASCII: a file's name may hold bytes that are no UTF-8."""
    return Response(json.dumps(value), status, media_type="application/json")


async def _json(request: Request) -> Mapping[str, object]:
    """Return the body of a request, a small JSON object. Raises _Refused."""
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise _Refused(415, "send application/json")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY:
            raise _Refused(413, "too long")
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _Refused(400, "no JSON") from error
    if not isinstance(said, dict):
        raise _Refused(400, "no JSON object")
    return said


def static(name: str) -> bytes:
    """Return one of the page's own files."""
    return resources.files("klingflow.pages").joinpath("static", name).read_bytes()


def _static(name: str) -> Callable[[Request], Awaitable[Response]]:
    kind = _TYPES[Path(name).suffix]

    async def answer(_request: Request) -> Response:
        return Response(static(name), media_type=kind)

    return answer


class Guard:
    """Lets only what this server's own pages ask through, and says in every reply what a browser
    may do with it.
    """

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._hosts = {f"{HOST}:{port}", f"localhost:{port}"}
        self._origins = {f"http://{host}" for host in self._hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        headers = Headers(scope=scope)
        if self._is_ours(scope["method"], headers):
            await self._app(scope, receive, guarded)
        else:
            answer = _said({"error": "only the page itself may ask this"}, 403)
            await answer(scope, receive, guarded)

    def _is_ours(self, method: str, headers: Headers) -> bool:
        if headers.get("host") not in self._hosts:
            return False
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return False
        origin = headers.get("origin")
        # A browser names the origin of every request that may change something.
        return origin in self._origins if origin is not None else method in ("GET", "HEAD")


def serve(
    watch: Watch,
    posters: Posters,
    pick: Pick,
    port: int,
    on_ready: Callable[[str], None],
    on_new_address: Callable[[str], None],
) -> None:
    """Serve the page on 127.0.0.1 until SIGINT or SIGTERM. Port 0 is any free one.

    `on_ready` gets the address to open, `on_new_address` the next one after a page was closed.
    Raises UsageError for a taken port.
    """
    listener = _listen(port)
    taken = listener.getsockname()[1]
    page = Page(watch, posters, pick, lambda: on_new_address(address()))

    def address() -> str:
        # Behind the #, which a browser sends to nobody.
        return f"http://{HOST}:{taken}/#ticket={page.sessions.ticket}"

    config = uvicorn.Config(
        Guard(page.app(), taken),
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    with suppress(KeyboardInterrupt):  # uvicorn raises the signal again once it has shut down
        asyncio.run(_serve(config, listener, page, partial(on_ready, address())))


async def _serve(
    config: uvicorn.Config, listener: socket.socket, page: Page, on_ready: Callable[[], None]
) -> None:
    server = uvicorn.Server(config)
    watching = asyncio.create_task(page.watch())
    listener.listen()
    on_ready()
    try:
        await server.serve(sockets=[listener])
    finally:
        watching.cancel()


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if sys.platform != "win32":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise UsageError(
            _(
                "port {port} on {host} cannot be used: {strerror}",
                port=port,
                host=HOST,
                strerror=cause(error),
            )
        ) from error
    return listener
