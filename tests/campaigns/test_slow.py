"""A server that is slow at one stage of one route: before its first byte, in its head, in its body,
for ever.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio

from klingflow.api import loading
from klingflow.gateway.http import Timeouts
from tests.boxes import film as clip
from tests.campaigns.figures import Report
from tests.campaigns.steps import Rig
from tests.harness import pipeline_at
from tests.wire import listening

ROUTES = ("create", "query", "content")
# How slow: silent for ever after so many bytes, or all of it, a byte at a time, over so many
# seconds.
STOPS = {
    "says nothing": 0,
    "stops in the status": 9,
    "stops in the head": 60,
    "stops in the body": -3,
}
DRIPS_S = {"drips in time": 0.3, "drips too long": 7.0}
# Read timeouts longer than a drip's pauses: what drips is ended by the total, what is silent by the
# read timeout.
TIMEOUTS = Timeouts(
    connect_s=30.0, create_read_s=3.0, create_total_s=6.0, query_total_s=3.0, download_read_s=3.0
)
# A busy machine may be slow, too. A create that is late by that would be in doubt for good, so
# creates have more time where another route is slow.
PATIENT = replace(TIMEOUTS, create_read_s=120.0, create_total_s=120.0)
# It may leave also what is not slow to the next run; not as often as this.
_RUNS = 9
PIECES = 40


@dataclass
class Slow:
    """Slow in one `manner` on the first request of `route`; counts requests by route."""

    route: str
    manner: str
    asked: Counter[str] = field(default_factory=Counter)

    async def exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, one reply, and the connection's end."""
        head = await reader.readuntil(b"\r\n\r\n")
        method, path = head.split(b" ", 2)[:2]
        route = (
            "create" if method == b"POST" else "content" if path.endswith(b"/content") else "query"
        )
        self.asked[route] += 1
        reply = _reply(route)
        if (route, self.asked[route]) != (self.route, 1):
            writer.write(reply)
        elif self.manner in STOPS:
            writer.write(reply[: STOPS[self.manner]])
            await reader.read()  # until the client leaves
        else:
            await _drip(writer, reply, DRIPS_S[self.manner])
        await writer.drain()


async def _drip(writer: asyncio.StreamWriter, reply: bytes, over_s: float) -> None:
    size = -(-len(reply) // PIECES)
    for start in range(0, len(reply), size):
        writer.write(reply[start : start + size])
        await writer.drain()
        await asyncio.sleep(over_s / PIECES)


def _reply(route: str) -> bytes:
    status = {"create": "queued", "query": "completed"}.get(route)
    body = json.dumps({"id": "task_1", "status": status}).encode() if status else clip(4000)
    return (
        b"HTTP/1.1 200 OK\r\nserver: slow\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
        % len(body)
        + body
    )


async def bought(folder: Path, slow: Slow) -> str:
    """Runs until all is settled, at least two, the slow server first; what is wrong with the
    outcome, or nothing.
    """
    film = pipeline_at(folder)
    film.write(1)
    manifest = loading.load(film.manifest)
    async with listening(slow.exchange) as base:
        rig = Rig(base, TIMEOUTS if slow.route == "create" else PATIENT)
        for number in range(_RUNS):
            if number >= 2 and film.purchases()[0]["state"] in ("done", "in_doubt"):
                break
            try:
                outcome = await rig.run_manifest(manifest)
            except TimeoutError:
                return "hangs"
            if outcome.crash or outcome.broken:
                return f"crashes: {outcome.crash!r} {outcome.broken!r}"
    (purchase,) = film.purchases()
    if slow.asked["create"] != 1:
        return f"charged twice: {slow.asked}"
    if purchase["state"] == "in_doubt":
        return "" if slow.route == "create" else f"ids lost: {purchase}"
    if purchase["task_id"] != "task_1" or purchase["state"] != "done":
        return f"ids lost: {purchase}"
    late = slow.route == "create" and slow.manner in (
        "says nothing",
        "stops in the status",
        "stops in the head",
    )
    return f"ids lost: an id from no reply: {purchase}" if late else ""


def test_a_server_that_is_slow_at_one_stage(tmp_path: Path, report: Report) -> None:
    """A create is sent once, and then known or in doubt; polls and downloads are tried again."""
    cases = [Slow(route, manner) for route in ROUTES for manner in (*STOPS, *DRIPS_S)]
    found: list[str] = []

    async def play(number: int, slow: Slow) -> None:
        if wrong := await bought(tmp_path / str(number), slow):
            found.append(f"{wrong} ({slow})")

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for number, slow in enumerate(cases):
                group.start_soon(play, number, slow)

    anyio.run(main)
    kinds = ("charged twice", "ids lost", "crashes", "hangs")
    wrong = {kind: sum(what.startswith(kind) for what in found) for kind in kinds}
    requests = sum(slow.asked.total() for slow in cases)
    report.add(
        "server: slow",
        {"stages": len(cases), "requests": requests},
        wrong=wrong,
        found="\n".join(found),
    )


def test_a_server_that_takes_no_connection_is_sent_nothing(tmp_path: Path, report: Report) -> None:
    """A full queue of connections: nothing was sent, no doubt is left, and the shot can be bought
    afterwards.
    """
    film = pipeline_at(tmp_path)
    film.write(1)
    manifest = loading.load(film.manifest)
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        try:
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(address)
            rig = Rig(
                f"http://127.0.0.1:{address[1]}",
                Timeouts(connect_s=0.3),
                leave=lambda e: e["event"] == "unsent",
            )
            outcome = anyio.run(rig.run_manifest, manifest)
        finally:
            for one in waiting:
                one.close()
    states = [purchase["state"] for purchase in film.purchases()]
    assert [event["event"] for event in rig.told][:2] == ["intent", "unsent"]
    report.add(
        "server: no connection", {"creates": 1}, wrong={"crashes": int(outcome.crash is not None)}
    )
    assert states == ["rejected"]
