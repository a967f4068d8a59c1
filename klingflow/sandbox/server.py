"""The sandbox's routes, and the server that serves them on loopback."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import hashlib
import hmac
import json
import math
import re
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from klingflow.errors import UsageError
from klingflow.sandbox import clips, forms, shapes, wire
from klingflow.sandbox.billing import Spec
from klingflow.sandbox.faults import CATALOGUE, Chance, Dice
from klingflow.sandbox.options import (
    Options,
    options_from,
    parse_duration,
    parse_rate,
    parse_task_time,
)
from klingflow.sandbox.rules import Refusal, check
from klingflow.sandbox.tasks import Book, Task, ledger, phase, sample_s, seen_at

HOSTS = ("127.0.0.1", "localhost")
MOST_BODY = 10 * 2**20
TUNABLE = frozenset({"faults", "seed", "task_time", "rate", "max_running", "refresh"})
_CLIPS_KEPT = 128
_EDITS_BY_FATE = {(f.stage, f.name): f.edit for f in CATALOGUE if f.moment == "task" and f.edit}
_REQUESTS = ("create", "refused", "limited", "query", "content", "away", "away_with_key")


def _json(document: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "replace"
    )
    return Response(body, status, headers, wire.JSON)


class Service:
    """One sandbox: its book, its dice, and what each route answers."""

    def __init__(self, options: Options) -> None:
        self._key = options.key
        self._drawn = clips.can_draw() and not options.plain_clips
        self._recent: collections.deque[float] = collections.deque()
        self._counts = dict.fromkeys(_REQUESTS, 0)
        self._fallen: collections.Counter[str] = collections.Counter()
        self._fell_on: dict[
            str, list[str]
        ] = {}  # by task id: the faults of the request that bought it
        self._kept: collections.OrderedDict[str, bytes] = collections.OrderedDict()
        self._painter = ThreadPoolExecutor(1, "clips")
        # Wall time for people, never going back for the book.
        self._offset = time.time() - time.monotonic()
        self.book = Book(options.state)
        self._tune(options)

    def _tune(self, options: Options) -> None:
        """Take on the options that may change while it runs."""
        dice = Dice(options.faults, options.seed)
        self._rate = parse_rate(options.rate) if options.rate else None
        self._refresh_s = parse_duration(options.refresh)
        self._task_time = parse_task_time(options.task_time)
        self._options, self._dice, self._max_running = options, dice, options.max_running

    def now(self) -> float:
        """Unix time, in seconds."""
        return self._offset + time.monotonic()

    def _drawn_for(self, stage: str) -> list[Chance]:
        chances = self._dice.of_request(stage)
        self._fallen.update(f"{stage}:{chance.fault.name}" for chance in chances)
        return chances

    # create

    async def create(self, request: Request) -> Response:
        """POST /v1/videos."""
        self._counts["create"] += 1
        chances = self._drawn_for("create")
        # Read even where it is refused: a reply amid the sending of a request is another fault than
        # the one meant.
        raw = await _read(request)
        answer = _instead(chances, "before") or self._unauthorized(request)
        if answer is None:
            try:
                spec = await _spec(request, raw)
                # Nothing is awaited from the limits to the charge, so that the limits are exact.
                named = unquote(request.headers.get("x-client-request-id", ""))
                answer = self._limited(chances) or self._buy(spec, raw, chances, named)
            except Refusal as refusal:
                answer = _refused(refusal)
        self._counts["refused"] += 400 <= answer.status_code < 500
        self._counts["limited"] += answer.status_code == 429
        return answer

    def _buy(self, spec: Spec, raw: bytes, chances: list[Chance], named: str) -> Response:
        now, another, number = self.now(), self.book.last, len(self.book.tasks) + 1
        fates = self._dice.of_task(number)
        takes_s = sample_s(self._task_time, self._options.seed, number)
        if self._is_full():
            fates["fail_capacity"] = 0.0
        try:
            task = self.book.charge(
                spec, hashlib.sha256(raw).hexdigest(), fates, now, takes_s, named
            )
        except OSError as error:
            return _json(
                shapes.nested_error("state_file", f"the state file: {error.strerror}"), 500
            )
        if chances:
            self._fell_on[task.id] = [chance.fault.name for chance in chances]
        return _edited("create", chances, shapes.created(task), task, (another or task).id)

    def _is_full(self) -> bool:
        return self._max_running is not None and self.book.running(self.now()) >= self._max_running

    def _limited(self, chances: list[Chance]) -> Response | None:
        names = {chance.fault.name for chance in chances}
        full = self._is_full() and "limit_as_failure" not in names
        wait_s = 1.0 if full else self._over_rate()
        if wait_s is None:
            return None
        if "limit_bare" in names:
            return Response(b"", 429)
        error = shapes.nested_error("rate_limit_exceeded", "请求过于频繁,请稍后再试 (rate limit)")
        return _json(error, 429, {"retry-after": str(max(1, math.ceil(wait_s)))})

    def _over_rate(self) -> float | None:
        """Seconds until a create fits into the rate again; None if this one does, and then it
        counts.
        """
        if self._rate is None:
            return None
        now = self.now()
        while self._recent and self._recent[0] <= now - self._rate.period_s:
            self._recent.popleft()
        if len(self._recent) >= self._rate.count:
            return self._recent[0] + self._rate.period_s - now
        self._recent.append(now)
        return None

    def _unauthorized(self, request: Request) -> Response | None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        key = key.strip()
        known = (
            hmac.compare_digest(key.encode("latin-1"), self._key.encode())
            if self._key
            else bool(key)
        )
        if scheme.lower() == "bearer" and known:
            return None
        return _json(shapes.nested_error("invalid_token", "无效的令牌 (invalid token)"), 401)

    # query

    async def query(self, request: Request) -> Response:
        """GET /v1/videos/{id}."""
        self._counts["query"] += 1
        chances = self._drawn_for("query")
        answer = _instead(chances, "before") or self._unauthorized(request)
        if answer:
            return answer
        now, task = self.now(), self.book.tasks.get(request.path_params["name"])
        if task is None or now < task.created + task.fates.get("not_found_first", -1):
            return _json(shapes.flat_error("task_not_exist", "任务不存在 (task_not_exist)"), 400)
        if now < task.created + task.fates.get("not_found_404", -1):
            return _json(shapes.nested_error("task_not_found", "任务不存在 (task not found)"), 404)
        url = f"{_origin(request)}/files/{task.id}.mp4"
        document = shapes.queried(task, phase(task, seen_at(now, self._refresh_s)), url)
        return _edited("query", chances, document, task, task.upstream_id)

    # content

    async def content(self, request: Request) -> Response:
        """GET /v1/videos/{id}/content, with the key."""
        return await self._file(request, self._unauthorized(request))

    async def file(self, request: Request) -> Response:
        """GET /files/{id}.mp4, for anyone, as from a CDN."""
        return await self._file(request, None)

    async def away(self, request: Request) -> Response:
        """GET /away/{id}.mp4: the other origin's file. It notes whether somebody sent it a key."""
        self._counts["away"] += 1
        self._counts["away_with_key"] += "authorization" in request.headers
        return await self._served(request, ranges=True)

    async def _file(self, request: Request, unauthorized: Response | None) -> Response:
        self._counts["content"] += 1
        chances = self._drawn_for("content")
        answer = _instead(chances, "before") or unauthorized
        if answer:
            return answer
        honest = await self._served(
            request, all(chance.fault.name != "no_range" for chance in chances)
        )
        return _broken(chances, honest) if honest.status_code in (200, 206) else honest

    async def _served(self, request: Request, ranges: bool) -> Response:
        now, task = (
            self.now(),
            self.book.tasks.get(request.path_params["name"].removesuffix(".mp4")),
        )
        if task is None or "gone" in task.fates:
            return _json(shapes.flat_error("task_not_exist", "视频不存在 (no such video)"), 404)
        status = phase(task, now).status
        if status == "failed" or ("stuck" in task.fates and now >= task.ends):
            return _json(shapes.flat_error("task_failed", "task status: FAILURE"), 400)
        if status != "completed" or now < task.ends + task.fates.get("not_ready", 0):
            return _json(
                shapes.flat_error("video_not_ready", "视频尚未就绪 (the video is not ready)"), 400
            )
        if "dead502" in task.fates:
            return wire.answer(502, "502 Bad Gateway")(Response(), 0)
        return _video(await self._clip(task), request.headers if ranges else {})

    async def _clip(self, task: Task) -> bytes:
        if not self._drawn:
            return clips.plain(task.id)
        clip = self._kept.get(task.id)
        if clip is None:
            # A client's name for its request is often an id and what it is about.
            name = task.media_name or task.client_request_id.rpartition("/")[2]
            shot = clips.Shown(task.id, name, task.prompt, task.width, task.height, task.clip_s)
            clip = await asyncio.get_running_loop().run_in_executor(self._painter, clips.draw, shot)
            self._kept[task.id] = clip
            while len(self._kept) > _CLIPS_KEPT:
                self._kept.popitem(last=False)
        return clip

    # the sandbox's own

    async def show_ledger(self, request: Request) -> Response:
        """GET /sandbox/ledger: charges, refunds, totals, how many requests there were, and the
        faults that fell.

        `faults` counts by `STAGE:NAME`; a charge's own are those that fell on its create. They end
        with the process.
        """
        book = ledger(self.book, self.now())
        for charge in book["charges"]:
            charge["faults"] = self._fell_on.get(charge["task_id"], [])
        return _json({**book, "requests": self._counts, "faults": self._fallen})

    async def set_options(self, request: Request) -> Response:
        """PUT /sandbox/options: change some of TUNABLE while it runs; counts of `first:N` start
        anew.
        """
        try:
            values = json.loads(await request.body())
            if not isinstance(values, dict) or not values.keys() <= TUNABLE:
                raise UsageError(f"send a JSON object with any of {', '.join(sorted(TUNABLE))}")
            self._tune(options_from({**dataclasses.asdict(self._options), **values}))
        except (UsageError, ValueError, TypeError) as error:
            return _json(shapes.flat_error("invalid_options", str(error)), 400)
        return _json({name: getattr(self._options, name) for name in sorted(TUNABLE)})

    def close(self) -> None:
        """Close the state file and stop drawing."""
        self._painter.shutdown(wait=False, cancel_futures=True)
        self.book.close()


# Faults at their moments


def _instead(chances: list[Chance], moment: str, honest: Response | None = None) -> Response | None:
    """What the first fault of that moment sends in place of the honest reply."""
    for chance in chances:
        if chance.fault.moment == moment and chance.fault.wire:
            return chance.fault.wire(honest or Response(), chance.seconds)
    return None


def _broken(chances: list[Chance], honest: Response) -> Response:
    return _instead(chances, "after", honest) or honest


def _edited(
    stage: str, chances: list[Chance], document: shapes.Document, task: Task, another: str
) -> Response:
    edits = [_EDITS_BY_FATE.get((stage, name)) for name in task.fates]
    edits += [chance.fault.edit for chance in chances]
    for edit in edits:
        if edit:
            document = edit(document, task, another)
    return _broken(chances, _json(document))


# Requests and replies


async def _read(request: Request) -> bytes:
    """The body; no more than MOST_BODY of it is kept."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        parts.append(part if size <= MOST_BODY else b"")
    return b"".join(parts) if size <= MOST_BODY else b"\0" * (MOST_BODY + 1)


async def _spec(request: Request, raw: bytes) -> Spec:
    if len(raw) > MOST_BODY:
        raise Refusal(413, "request_too_large", "请求体过大 (the body is too large)")
    kind = request.headers.get("content-type", "")
    try:
        body = (
            await _form(request, raw) if kind.startswith("multipart/form-data") else json.loads(raw)
        )
    except (ValueError, RecursionError, HTTPException) as error:
        message = f"参数错误:请求体无法解析 (the body cannot be read: {error})"
        raise Refusal(400, "invalid_request", message) from error
    return check(body)


async def _form(request: Request, raw: bytes) -> dict[str, Any]:
    async def again() -> dict[str, Any]:
        return {"type": "http.request", "body": raw, "more_body": False}

    fields = []
    async with Request(request.scope, again).form() as form:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                raise ValueError(
                    f"{name} 仅支持 http(s) 链接, {name} must be an http(s) URL, not a file"
                )
            fields.append((name, value))
    return forms.body_of(fields)


def _origin(request: Request) -> str:
    return f"http://{request.headers.get('host', '127.0.0.1')}"


def _refused(refusal: Refusal) -> Response:
    shape = shapes.nested_error if refusal.status == 503 else shapes.flat_error
    return _json(shape(refusal.code, refusal.message), refusal.status)


def _video(clip: bytes, headers: Any) -> Response:
    """The clip, or the one range of it that was asked for."""
    tag = f'"{hashlib.sha256(clip).hexdigest()[:16]}"'
    sent = {"etag": tag, "accept-ranges": "bytes"}
    wanted = headers.get("range", "") if headers.get("if-range", tag) == tag else ""
    span = re.fullmatch(r"bytes=(\d*)-(\d*)", wanted.strip())
    if span is None or not (span[1] or span[2]):
        return Response(clip, 200, sent, "video/mp4")
    start = int(span[1]) if span[1] else max(0, len(clip) - int(span[2]))
    end = min(int(span[2]), len(clip) - 1) if span[1] and span[2] else len(clip) - 1
    if start > end:
        return Response(b"", 416, {"content-range": f"bytes */{len(clip)}"})
    sent["content-range"] = f"bytes {start}-{end}/{len(clip)}"
    return Response(clip[start : end + 1], 206, sent, "video/mp4")


async def _unknown(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    message = f"Invalid URL ({request.method} {request.url.path})"
    return _json(shapes.nested_error("invalid_request_error", message), status)


def create_app(options: Options) -> Starlette:
    """The sandbox as an ASGI app. `serve` gives its faults what they need: the transport, another
    origin.
    """
    service = Service(options)
    app = Starlette(
        routes=[
            Route("/v1/videos", service.create, methods=["POST"]),
            Route("/v1/videos/{name}", service.query),
            Route("/v1/videos/{name}/content", service.content),
            Route("/files/{name}", service.file),
            Route("/away/{name}", service.away),
            Route("/sandbox/ledger", service.show_ledger),
            Route("/sandbox/options", service.set_options, methods=["PUT"]),
        ],
        exception_handlers={HTTPException: _unknown},
        # A web page's own name may be made to mean 127.0.0.1: the browser would let that page
        # change the options.
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=list(HOSTS), www_redirect=False)
        ],
    )
    app.router.redirect_slashes = False
    app.state.service = service
    app.state.away = ""
    return app


class _Server(uvicorn.Server):
    """uvicorn, saying when it listens."""

    on_ready: Callable[[], None]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.on_ready()


def serve(options: Options, on_ready: Callable[[str], None]) -> None:
    """Serve on 127.0.0.1 until SIGINT or SIGTERM. `on_ready` gets the address, like
    `http://127.0.0.1:8765`.

    Raises UsageError when the port is taken or an option is wrong.
    """
    app = create_app(options)
    main, away = _listen(options.port), _listen(0)
    config = uvicorn.Config(
        app,
        http=wire.OpenProtocol,
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )
    app.state.away = _address(away)
    server = _Server(config)
    server.on_ready = lambda: on_ready(_address(main))
    try:
        server.run(sockets=[main, away])
    except KeyboardInterrupt:
        pass  # uvicorn raises the signal again once it has shut down
    finally:
        app.state.service.close()


def _listen(port: int) -> socket.socket:
    # The protocol is named because asyncio turns Nagle's algorithm off only where it is: 40 ms per
    # reply.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        raise UsageError(f"port {port} on 127.0.0.1 cannot be used: {error.strerror}") from error
    return listener


def _address(listener: socket.socket) -> str:
    return "http://{}:{}".format(*listener.getsockname())
