"""A run under every fault, and one against a server that repeats the key wherever it can: is it
anywhere afterwards?

The search knows nothing of how the key is taken out: it undoes every encoding by itself.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

import anyio
import pytest

from klingflow.sandbox.faults import CATALOGUE
from tests.boxes import film as film_bytes
from tests.campaigns.figures import Report
from tests.harness import Pipeline, pipeline_at, sandboxed
from tests.test_secret import spellings
from tests.wire import http, serve

KEY = "sk-live/0aB1cD2eF3gH4iJ5+kL6mN7oP8qR9="
PLACES = 12  # of an echo in a reply to a create, the last four with a good id
HALF = len(KEY) // 2 + 1


def echoes() -> list[str]:
    """How a server may repeat the key."""
    packed = base64.b64encode(f"Bearer {KEY}".encode()).decode()
    more = [
        packed,
        packed.replace("+", "-").replace("/", "_"),
        KEY.encode().hex(),
        KEY.encode().hex().upper(),
    ]
    return [
        *spellings(KEY),
        *more,
        f"{KEY[:15]}\n{KEY[15:]}",
        f"{KEY[:15]}\\r\\n  {KEY[15:]}",
        quote(packed),
    ]


def unpacked(data: bytes) -> Iterator[bytes]:
    """`data`, and what becomes of it when the encodings in it are undone."""
    yield data
    plain = data
    for _ in range(4):
        plain = re.sub(
            rb"\\+(?:u00|x)([0-9a-fA-F]{2})", lambda found: binascii.unhexlify(found[1]), plain
        )
        plain = html.unescape(unquote_to_bytes(plain).decode("latin-1")).encode("utf-8")
    plain = re.sub(rb"\\+[rn]|\s+|\\", b"", plain)
    yield plain
    for text in (re.sub(rb"\\+[rn]|\s+|\\", b"", data), plain):
        for run in re.findall(rb"[A-Za-z0-9+/_-]{24,}", text):
            for at in range(4):
                piece = run[at : len(run) - (len(run) - at) % 4]
                yield base64.b64decode(piece.replace(b"-", b"+").replace(b"_", b"/"))
        for run in re.findall(rb"[0-9a-fA-F]{32,}", text):
            for at in range(2):
                yield binascii.unhexlify(run[at : len(run) - (len(run) - at) % 2])


def leaks(data: bytes) -> list[str]:
    """The pieces of more than half of the key that stand in `data`, however they are spelt."""
    windows = [KEY[at : at + HALF].encode() for at in range(len(KEY) - HALF + 1)]
    return [w.decode() for text in unpacked(data) for w in windows if w in text]


@pytest.mark.parametrize("echo", echoes(), ids=range(len(echoes())))
def test_the_search_finds_what_a_leak_looks_like(echo: str) -> None:
    """In a log, in a line of a ledger, in between."""
    for said in (echo, json.dumps({"message": f"bad token {echo}, sorry"}), f"x{echo}"):
        assert leaks(said.encode())


def test_the_search_finds_half_a_key_and_nothing_in_its_absence() -> None:
    assert leaks(f"bad token {KEY[5 : 5 + HALF]}".encode())
    assert not leaks(f"bad token {KEY[: HALF - 1]}, task_{'a1B2' * 20}".encode())


class Search:
    """What has been searched, and what was found in it."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.bytes = self.files = 0

    def text(self, name: str, data: bytes) -> None:
        self.bytes += len(data)
        self.found += [f"{name}: {piece}" for piece in leaks(data)[:3]]

    def folder(self, folder: Path) -> None:
        for path in folder.rglob("*"):
            self.text("a file's name", path.name.encode())
            if path.is_file() and path.suffix != ".mp4":
                self.files += 1
                self.text(path.name, path.read_bytes())


def everything_said(film: Pipeline, search: Search) -> None:
    """A run with all it can say, then every command that looks at what came of it."""
    command = ("run", "film.yaml", "-y", "-v", "--log", "run.jsonl")
    done = film.done(*command, KLINGFLOW_TRACEBACK="1")
    assert done.returncode in (0, 3, 4, 7), done
    search.text("run", (done.stdout + done.stderr).encode())
    for looking in (
        ["status"],
        ["status", "--format", "json"],
        ["plan", "--format", "json"],
        ["doctor"],
    ):
        looked = film.done(looking[0], "film.yaml", *looking[1:])
        search.text(looking[0], (looked.stdout + looked.stderr).encode())
    search.folder(film.folder)


def test_no_fault_brings_the_key_to_light(tmp_path: Path, long: bool, report: Report) -> None:
    """All of the sandbox's faults at once; in the long form each by itself, too."""
    search = Search()
    per_stage = Counter(fault.stage for fault in CATALOGUE)
    alone = [(f"{f.stage}:{f.name}=first:2,100ms",) for f in CATALOGUE] if long else []
    stop = (
        "err401", "err403_quota", "err429_endless", "err429_pack", "err400_pack", "stuck",
        "dead502", "gone",
    )  # fmt: skip
    together = tuple(
        f"{f.stage}:{f.name}={0.5 / per_stage[f.stage]:.4f},50ms"
        for f in CATALOGUE
        if f.name not in stop
    )
    for number, faults in enumerate([together, *alone]):
        with sandboxed(tmp_path / str(number), *faults, seed=number) as (film, sandbox):
            film = pipeline_at(film.folder, sandbox.base_url, KEY)
            film.write(40 if number == 0 else 2, run={"deadline": "10s"})
            everything_said(film, search)
    tried = {"runs": 1 + len(alone), "files": search.files, "bytes": search.bytes}
    report.add("leaks under faults", tried, wrong={"leaks": len(search.found)}, found=search.found)


class Parrot:
    """A gateway that repeats the key: the n-th request of a route gets the n-th spelling, in the
    n-th place.
    """

    def __init__(self) -> None:
        self.echoes = echoes()
        self.counts: Counter[str] = Counter()
        self.echoed = 0

    def __call__(self, request: bytes) -> bytes:
        method, path, _ = request.decode("latin-1").split(" ", 2)
        route = (
            "create" if method == "POST" else "content" if path.endswith("/content") else "query"
        )
        count = self.counts[route if route == "create" else path]
        self.counts[route if route == "create" else path] += 1
        if route == "content" and count:
            return http(200, film_bytes(2000))
        self.echoed += 1
        # Whoever comes first, the places and the spellings meet in the same pairs.
        met = self.counts[route] if route != "create" else count + count // PLACES
        self.counts[route] += route != "create"
        echo = self.echoes[met % len(self.echoes)]
        return getattr(self, route)(echo, count, path.split("/")[3:4])  # type: ignore[no-any-return]

    def create(self, echo: str, count: int, _: list[str]) -> bytes:
        good = {"id": f"task_{count:05}", "status": "queued", "model": "kling-2.5"}
        header = re.sub(r"\s", " ", f"x-request-id: {echo}")
        error = json.dumps(
            {"error": {"code": echo, "message": f"bad token: Bearer {echo}"}}
        ).encode()
        answers = [
            http(400, error, header),
            http(500, f"<html>{echo}</html>".encode(), header),
            http(200, json.dumps({**good, "id": f"task_{echo}"}).encode(), header),
            http(200, json.dumps({**good, "model": f"kling-{echo}"}).encode(), header),
            http(500, error)[: -(len(error) - 70)],
            http(400, json.dumps({"message": f"token {KEY[: HALF + count % 8]}"}).encode()),
            f"HTTP/1.1 200 {echo}\r\n{echo}\r\n\r\n".encode(),
            http(307, b"", re.sub(r"\s", "", f"location: /v1/videos?{echo}")),
        ]
        plain = [http(200, json.dumps(good).encode(), header)] * 4
        return (answers + plain)[count % PLACES]

    def query(self, echo: str, count: int, names: list[str]) -> bytes:
        task = {"id": names[0] if names else "", "model": f"kling-{echo}"}
        replies = [
            http(500, json.dumps({"code": echo, "message": echo}).encode()),
            http(200, json.dumps({**task, "status": echo, "progress": echo}).encode()),
            http(200, json.dumps({**task, "status": "completed",
                                  "video_url": f"https://cdn.invalid/?key={echo}"}).encode()),
        ]  # fmt: skip
        if count == 2 and int(task["id"][-1:] or 0) % 2:
            failed = {"status": "failed", "error": {"code": echo, "message": f"prompt and {echo}"}}
            return http(200, json.dumps({**task, **failed}).encode())
        return replies[min(count, 2)]

    def content(self, echo: str, count: int, _: list[str]) -> bytes:
        return http(
            200,
            json.dumps({"error": {"message": echo}}).encode(),
            f"content-type: text/{quote(echo)}",
        )


@pytest.mark.anyio
async def test_a_server_that_repeats_the_key_gets_it_nowhere(
    tmp_path: Path, long: bool, report: Report, anyio_backend: str
) -> None:
    """In every spelling, in ids, tiers, addresses, messages, headers and heads that are no HTTP."""
    search, parrot, shots = Search(), Parrot(), 600 if long else 48
    async with serve(parrot) as wire:
        film = pipeline_at(tmp_path, wire.base, KEY)
        film.write(shots)
        await anyio.to_thread.run_sync(partial(everything_said, film, search))
    states = Counter(purchase["state"] for purchase in film.purchases())
    assert {"done", "failed", "rejected", "in_doubt"} <= states.keys(), states
    tried = {"shots": shots, "echoes": parrot.echoed, "files": search.files, "bytes": search.bytes}
    report.add(
        "leaks from a parrot", tried, wrong={"leaks": len(search.found)}, found=search.found[:20]
    )
