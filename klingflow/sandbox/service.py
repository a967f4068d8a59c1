"""What each route answers: one sandbox, its book, its dice, its limits and its videos."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import json
import math
import re
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from klingflow.errors import UsageError
from klingflow.sandbox import reading, shapes, wire
from klingflow.sandbox.billing import Spec
from klingflow.sandbox.book import Book, ledger
from klingflow.sandbox.dice import Chance, Dice
from klingflow.sandbox.faults import EDITS_BY_FATE, Moment, Stage
from klingflow.sandbox.limits import WHEN_FULL_S, Limits
from klingflow.sandbox.options import (
    Options,
    options_from,
    parse_duration,
    parse_rate,
    parse_task_time,
)
from klingflow.sandbox.rules import Refusal
from klingflow.sandbox.tasks import Fate, Task, no_video, phase, seen_at
from klingflow.sandbox.videos import Videos, ranged

TUNABLE = frozenset({"faults", "seed", "task_time", "rate", "max_running", "refresh"})
_REQUESTS = ("create", "refused", "limited", "query", "content", "away", "away_with_key")
_REF = re.compile(r"[0-9a-f]{64}\.[a-z0-9]{3,4}")
_UNKNOWN_TASK = (400, shapes.flat_error("task_not_exist", "任务不存在 (task_not_exist)"))
# How a query of a task that is too young for its fate is answered.
_NOT_FOUND: dict[Fate, tuple[int, shapes.Document]] = {
    "not_found_first": _UNKNOWN_TASK,
    "not_found_404": (404, shapes.nested_error("task_not_found", "任务不存在 (task not found)")),
}


def json_reply(
    document: object, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """Return a document as a reply."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return Response(text.encode("utf-8", "replace"), status, headers, wire.JSON)


class Service:
    """One sandbox. `tell` gets a line for the person who started it."""

    def __init__(self, options: Options, tell: Callable[[str], None]) -> None:
        self._key = options.key
        self._counts = dict.fromkeys(_REQUESTS, 0)
        self._fallen: collections.Counter[str] = collections.Counter()
        # The faults of the request that bought a task, by the task's id.
        self._fell_on: dict[str, list[str]] = {}
        self._limits = Limits()
        self._videos = Videos(options.plain_clips, tell)
        # Wall time, for people, that never goes back, for the book.
        self._offset = time.time() - time.monotonic()
        self.book: Book = Book(options.state)
        self._tune(options)

    def _tune(self, options: Options) -> None:
        """Take on the options that may change while the sandbox runs. Raises UsageError."""
        self._dice = Dice(options.faults, options.seed, parse_task_time(options.task_time))
        self._limits.rate = parse_rate(options.rate) if options.rate else None
        self._limits.most_running = options.max_running
        self._refresh_s = parse_duration(options.refresh)
        self._options = options

    def now(self) -> float:
        """Return the Unix time, in seconds."""
        return self._offset + time.monotonic()

    def close(self) -> None:
        """Close the state file and stop drawing."""
        self._videos.close()
        self.book.close()

    def _fall(self, stage: Stage) -> list[Chance]:
        """Return the faults of the next request of a stage, and count them."""
        chances = self._dice.of_request(stage)
        self._fallen.update(f"{stage}:{chance.fault.name}" for chance in chances)
        return chances

    def _unauthorized(self, request: Request) -> Response | None:
        if reading.has_key(request, self._key):
            return None
        return json_reply(shapes.nested_error("invalid_token", "无效的令牌 (invalid token)"), 401)

    # create

    async def create(self, request: Request) -> Response:
        """POST /v1/videos."""
        self._counts["create"] += 1
        chances = self._fall("create")
        # The body is read even where the request is refused: a reply in the middle of a request
        # would be another fault than the one asked for.
        raw = await reading.body_of(request)
        answer = _instead(chances, "before") or self._unauthorized(request)
        if answer is None:
            answer = await self._sell(request, raw, chances)
        self._counts["refused"] += 400 <= answer.status_code < 500
        self._counts["limited"] += answer.status_code == 429
        return answer

    async def _sell(self, request: Request, raw: bytes, chances: list[Chance]) -> Response:
        try:
            spec = await reading.spec_of(request, raw)
        except Refusal as refusal:
            return _refused(refusal)
        # Nothing is awaited from the limits to the charge, so that the limits are exact.
        return self._limited(chances) or self._buy(
            spec, raw, chances, unquote(request.headers.get("x-client-request-id", ""))
        )

    def _limited(self, chances: list[Chance]) -> Response | None:
        names = {chance.fault.name for chance in chances}
        full = self._is_full() and "limit_as_failure" not in names
        wait_s = WHEN_FULL_S if full else self._limits.wait_s(self.now())
        if wait_s is None:
            return None
        if "limit_bare" in names:
            return Response(b"", 429)
        error = shapes.nested_error("rate_limit_exceeded", "请求过于频繁,请稍后再试 (rate limit)")
        return json_reply(error, 429, {"retry-after": str(max(1, math.ceil(wait_s)))})

    def _is_full(self) -> bool:
        return self._limits.is_full(self.book.running(self.now()))

    def _buy(self, spec: Spec, raw: bytes, chances: list[Chance], named: str) -> Response:
        another, number = self.book.last, len(self.book.tasks) + 1
        fates = self._dice.of_task(number)
        if self._is_full():
            fates["fail_capacity"] = 0.0
        takes_s = self._dice.takes_s(number)
        digest = hashlib.sha256(raw).hexdigest()
        try:
            task = self.book.charge(spec, digest, fates, self.now(), takes_s, named)
        except OSError as error:
            said = shapes.nested_error("state_file", f"the state file: {error.strerror}")
            return json_reply(said, 500)
        if chances:
            self._fell_on[task.id] = [chance.fault.name for chance in chances]
        return _edited("create", chances, shapes.created(task), task, (another or task).id)

    # query

    async def query(self, request: Request) -> Response:
        """GET /v1/videos/{id}."""
        self._counts["query"] += 1
        chances = self._fall("query")
        answer = _instead(chances, "before") or self._unauthorized(request)
        if answer:
            return answer
        now, task = self.now(), self.book.tasks.get(request.path_params["name"])
        if task is None:
            status, error = _UNKNOWN_TASK
            return json_reply(error, status)
        for fate, (status, error) in _NOT_FOUND.items():
            if now < task.created + task.fates.get(fate, -1):
                return json_reply(error, status)
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
        """GET /away/{id}.mp4: the other origin's file. It counts requests that carry a key."""
        self._counts["away"] += 1
        self._counts["away_with_key"] += "authorization" in request.headers
        return await self._served(request, ranges=True)

    async def _file(self, request: Request, unauthorized: Response | None) -> Response:
        self._counts["content"] += 1
        chances = self._fall("content")
        answer = _instead(chances, "before") or unauthorized
        if answer:
            return answer
        ranges = all(chance.fault.name != "no_range" for chance in chances)
        honest = await self._served(request, ranges)
        return _broken(chances, honest) if honest.status_code in (200, 206) else honest

    async def _served(self, request: Request, ranges: bool) -> Response:
        name = request.path_params["name"].removesuffix(".mp4")
        task = self.book.tasks.get(name)
        if task is None or "gone" in task.fates:
            error = shapes.flat_error("task_not_exist", "视频不存在 (no such video)")
            return json_reply(error, 404)
        if why := no_video(task, self.now()):
            return json_reply(shapes.flat_error(*why), 400)
        if "dead502" in task.fates:
            return wire.answer(502, "502 Bad Gateway")(Response(), 0)
        return ranged(await self._videos.of(task), request.headers if ranges else {})

    async def ref(self, request: Request) -> Response:
        """GET /refs/NAME: an image or a video that somebody put there for this sandbox."""
        name = request.path_params["name"]
        path = Path(self._options.refs or "") / name
        if self._options.refs is None or not _REF.fullmatch(name) or not path.is_file():
            return json_reply(shapes.nested_error("not_found", "no such file"), 404)
        return FileResponse(path)

    # the sandbox's own

    async def show_ledger(self, request: Request) -> Response:
        """GET /sandbox/ledger: charges, refunds and totals, the number of requests, the faults.

        `faults` counts by `STAGE:NAME`; a charge's own `faults` are those of its create. Both are
        forgotten when the process ends.
        """
        book = ledger(self.book, self.now())
        for charge in book["charges"]:
            charge["faults"] = self._fell_on.get(charge["task_id"], [])
        return json_reply({**book, "requests": self._counts, "faults": self._fallen})

    async def set_options(self, request: Request) -> Response:
        """PUT /sandbox/options: change some of TUNABLE; counts of `first:N` start again."""
        try:
            values = json.loads(await request.body())
            if not isinstance(values, dict) or not values.keys() <= TUNABLE:
                raise UsageError(f"send a JSON object with any of {', '.join(sorted(TUNABLE))}")
            self._tune(options_from({**dataclasses.asdict(self._options), **values}))
        except (UsageError, ValueError, TypeError) as error:
            return json_reply(shapes.flat_error("invalid_options", str(error)), 400)
        return json_reply({name: getattr(self._options, name) for name in sorted(TUNABLE)})


# Faults at their moments


def _instead(
    chances: list[Chance], moment: Moment, honest: Response | None = None
) -> Response | None:
    """Return what the first fault of that moment sends in place of the honest reply, or None."""
    for chance in chances:
        if chance.fault.moment == moment and chance.fault.wire:
            return chance.fault.wire(honest or Response(), chance.seconds)
    return None


def _broken(chances: list[Chance], honest: Response) -> Response:
    return _instead(chances, "after", honest) or honest


def _edited(
    stage: Stage, chances: list[Chance], document: shapes.Document, task: Task, another: str
) -> Response:
    edits = [EDITS_BY_FATE.get((stage, fate)) for fate in task.fates]
    edits += [chance.fault.edit for chance in chances]
    for edit in filter(None, edits):
        document = edit(document, task, another)
    return _broken(chances, json_reply(document))


def _refused(refusal: Refusal) -> Response:
    shape = shapes.nested_error if refusal.status == 503 else shapes.flat_error
    return json_reply(shape(refusal.code, refusal.message), refusal.status)


def _origin(request: Request) -> str:
    return f"http://{request.headers.get('host', '127.0.0.1')}"
