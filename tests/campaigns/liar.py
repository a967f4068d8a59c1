"""A server on loopback that lies once per shot and route, and is honest otherwise. It counts what
it was sent.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote

from tests.boxes import film
from tests.campaigns.lies import Lie, document_of, ids_in
from tests.wire import listening

VIDEO = film(3000)
_PAUSE_S = 0.002  # between the pieces of a reply that comes in pieces
_PIECES = 60  # then the rest comes at once


@dataclass
class Script:
    """What is said about one shot: a lie for the first request of each route, `create`, `query` and
    `content`.
    """

    lies: Mapping[str, Lie]
    posts: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    told: list[str] = field(default_factory=list)  # every id that one of our replies could mean


@dataclass
class Liar:
    """The server: its address, the scripts by shot, and the paths that nobody had reason to ask
    for.
    """

    scripts: Mapping[str, Script]
    base: str = ""
    sent_to: set[str] = field(default_factory=set)  # the paths to which a download was redirected
    strays: list[str] = field(default_factory=list)
    shot_of: dict[str, str] = field(default_factory=dict)  # id → shot

    def answer(self, head: bytes) -> Lie:
        """The reply to a request, by its head."""
        method, target = head.split(b" ", 2)[:2]
        path = target.decode("latin-1")
        if method == b"POST":
            named = re.search(rb"x-client-request-id: *([^\r]*)", head, re.IGNORECASE)
            assert named, head
            return self._create(unquote(named[1].decode()).partition("/")[2])
        task_id, _, rest = path.removeprefix("/v1/videos/").partition("/")
        shot = self.shot_of.get(unquote(task_id))
        if shot is None:
            if path not in self.sent_to:
                self.strays.append(path)
            return _json(404, {"code": "task_not_exist", "message": "no such task"})
        return self._about(shot, "content" if rest else "query", unquote(task_id))

    def _create(self, shot: str) -> Lie:
        script = self.scripts[shot]
        script.posts += 1
        if script.posts == 1 and "create" in script.lies:
            lie = script.lies["create"]
            told = [*ids_in(document_of(lie.told())), *ids_in(document_of(lie.body))]
        else:
            told = [f"task_{shot}_{script.posts}"]
            lie = _json(200, {"id": told[0], "model": "kling-2.5-720p-mute", "status": "queued"})
        script.told += told
        for task_id in told:
            self.shot_of.setdefault(task_id, shot)
        return lie

    def _about(self, shot: str, route: str, task_id: str) -> Lie:
        script = self.scripts[shot]
        script.asked[route] += 1
        if script.asked[route] == 1 and route in script.lies:
            lie = script.lies[route].with_id(task_id)
            if route == "content" and 300 <= lie.status < 400:
                self.sent_to.update(
                    value.decode() for name, value in lie.headers if name == b"location"
                )
            return lie
        if route == "content":
            return Lie(200, ((b"content-type", b"video/mp4"),), VIDEO, ending="keep")
        return _json(200, {"id": task_id, "status": "completed", "model": "kling-2.5-720p-mute"})


def _json(status: int, document: object) -> Lie:
    return Lie(
        status,
        ((b"content-type", b"application/json"),),
        json.dumps(document).encode(),
        ending="keep",
    )


@asynccontextmanager
async def lying(scripts: Mapping[str, Script]) -> AsyncIterator[Liar]:
    """Serve until left."""
    liar = Liar(scripts)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await _exchange(liar, reader, writer):
            pass

    async with listening(handle) as liar.base:
        yield liar


async def _exchange(liar: Liar, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """One request and its reply; whether the connection stays."""
    head = await reader.readuntil(b"\r\n\r\n")
    lie = liar.answer(head)
    size = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
    if size and not lie.early:
        await reader.readexactly(int(size[1]))
    wire = lie.wire()
    for n in range(_PIECES if lie.pieces else 0):
        writer.write(wire[n * lie.pieces : (n + 1) * lie.pieces])
        await writer.drain()
        await asyncio.sleep(_PAUSE_S)
    writer.write(wire[_PIECES * lie.pieces :])
    if lie.ending == "again":
        writer.write(lie.wire())
    await writer.drain()
    if lie.ending == "reset":
        writer.transport.abort()
    elif lie.ending == "hang" and lie.odd_head:
        await reader.read()
    return lie.ending in ("keep", "again") and lie.cut >= 1 and not lie.early
