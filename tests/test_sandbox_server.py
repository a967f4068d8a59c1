"""The sandbox as a server: its routes, its limits, its ledger under load, and its life as a child
process.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from klingflow.errors import KlingflowError
from klingflow.sandbox import child, clips
from klingflow.sandbox.child import Sandbox
from klingflow.sandbox.options import Options
from tests.gateway_doc import example_bodies
from tests.harness import pipeline_at

BODY = {"model": "kling-3.0-omni", "prompt": "雨夜", "seconds": "5"}
KEY = {"authorization": "Bearer any"}


def connect(sandbox: Sandbox, key: str | None = "any") -> httpx.Client:
    headers = {"authorization": f"Bearer {key}"} if key is not None else {}
    return httpx.Client(
        base_url=sandbox.base_url, headers=headers, timeout=60.0, trust_env=False, verify=False
    )


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with child.start(Options(task_time="0s", plain_clips=True)) as running:
        yield running


@pytest.fixture(scope="module")
def client(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with connect(sandbox) as opened:
        yield opened


@pytest.fixture(autouse=True)
def plain(sandbox: Sandbox) -> None:
    """No option of the test before is left."""
    sandbox.set(faults=[], max_running=None, rate=None, task_time="0s", refresh="0s")


def bought(client: httpx.Client) -> str:
    return str(client.post("/v1/videos", json=BODY).json()["id"])


# The document's routes and shapes


def test_a_create_is_answered_as_the_document_shows(client: httpx.Client) -> None:
    """Section 7, field by field."""
    document = client.post("/v1/videos", json=BODY).json()
    task_id, created = document["id"], document["created_at"]
    assert document == {
        "id": task_id,
        "task_id": task_id,
        "object": "video",
        "model": "kling-3.0-omni-720p-noref-mute",
        "status": "queued",
        "progress": 0,
        "created_at": created,
    }
    assert task_id.startswith("task_") and abs(time.time() - created) < 60


def test_a_finished_task_is_shown_as_in_the_document(
    client: httpx.Client, sandbox: Sandbox
) -> None:
    """Section 8.3, with a task_id that is not the id."""
    task_id = bought(client)
    document = client.get(f"/v1/videos/{task_id}").json()
    assert document.pop("task_id") != task_id
    created = document["created_at"]
    assert document == {
        "id": task_id,
        "object": "video",
        "model": "kling-3.0-omni-720p-noref-mute",
        "status": "completed",
        "progress": 100,
        "seconds": "5",
        "size": "1280x720",
        "created_at": created,
        "completed_at": created,
        "video_url": f"{sandbox.base_url}/files/{task_id}.mp4",
    }


def test_an_unfinished_task_has_no_result_yet(client: httpx.Client, sandbox: Sandbox) -> None:
    """Neither by query nor by download."""
    sandbox.set(task_time="1h")
    task_id = bought(client)
    document = client.get(f"/v1/videos/{task_id}").json()
    assert (document["status"], document["progress"], "video_url" in document) == (
        "queued",
        0,
        False,
    )
    assert client.get(f"/v1/videos/{task_id}/content").json()["code"] == "video_not_ready"


def test_a_query_reads_a_row_that_is_refreshed_now_and_then(
    client: httpx.Client, sandbox: Sandbox
) -> None:
    """With --refresh 1h nothing is learned until the next full hour."""
    sandbox.set(refresh="10000h")
    assert client.get(f"/v1/videos/{bought(client)}").json()["status"] == "queued"


@pytest.mark.parametrize("name", example_bodies())
def test_every_example_of_the_document_can_be_bought(client: httpx.Client, name: str) -> None:
    """As JSON, with the tier in the reply."""
    reply = client.post("/v1/videos", json=example_bodies()[name])
    assert reply.status_code == 200 and reply.json()["model"].startswith("kling-")


@pytest.mark.parametrize(
    ("method", "path", "status", "shape"),
    [
        ("GET", "/v1/videos/task_none", 400, "code"),
        ("GET", "/v1/videos/task_none/content", 404, "code"),
        ("GET", "/files/none.mp4", 404, "code"),
        ("GET", "/v1/videos", 405, "error"),
        ("GET", "/nothing/here", 404, "error"),
        ("POST", "/v1/videos/", 404, "error"),
    ],
)
def test_what_is_not_there_is_a_json_error(
    client: httpx.Client, method: str, path: str, status: int, shape: str
) -> None:
    """Never a page, never a redirect."""
    reply = client.request(method, path, json=BODY if method == "POST" else None)
    assert (reply.status_code, shape in reply.json()) == (status, True)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"model": NaN}',
        b'{"model": "kling-2.5", "seconds": 5}',
        b"null",
    ],
)
def test_a_bad_body_is_refused_and_not_charged(
    client: httpx.Client, sandbox: Sandbox, content: bytes
) -> None:
    """With the flat error shape."""
    before = sandbox.ledger()["totals"]["charges"]
    reply = client.post("/v1/videos", content=content, headers={"content-type": "application/json"})
    assert (reply.status_code, reply.json()["code"]) == (400, "invalid_request")
    assert sandbox.ledger()["totals"]["charges"] == before


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/videos", {"POST"}),
        ("PATCH", "/v1/videos", {"POST"}),
        ("POST", "/v1/videos/task_1", {"GET", "HEAD"}),
        ("DELETE", "/v1/videos/task_1/content", {"GET", "HEAD"}),
    ],
)
def test_a_method_that_is_not_there_is_answered_with_those_that_are(
    client: httpx.Client, method: str, path: str, allowed: set[str]
) -> None:
    """405 with `Allow`, and OPTIONS with `Allow` alone."""
    refused, asked = client.request(method, path), client.options(path)
    assert (refused.status_code, refused.json()["error"]["type"]) == (405, "new_api_error")
    assert (asked.status_code, asked.content) == (204, b"")
    for reply in (refused, asked):
        assert set(reply.headers["allow"].split(", ")) == allowed


def test_head_shows_a_video_without_its_bytes(client: httpx.Client) -> None:
    """Length and type are those of the video."""
    path = f"/v1/videos/{bought(client)}/content"
    head, whole = client.head(path), client.get(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.content))


def test_half_characters_break_nothing(client: httpx.Client, sandbox: Sandbox) -> None:
    """JSON can spell them in a prompt or in a model's name."""
    assert (
        client.post(
            "/v1/videos", content=rb'{"model": "kling-2.5", "prompt": "a\ud800"}'
        ).status_code
        == 200
    )
    assert (
        client.post("/v1/videos", content=rb'{"model": "\ud800", "prompt": "a"}').status_code == 503
    )
    assert sandbox.ledger()["charges"][-1]["prompt"] == "a?"


def test_a_body_that_is_too_large_is_refused(client: httpx.Client) -> None:
    """413 above ten megabytes."""
    reply = client.post("/v1/videos", content=b" " * (10 * 2**20 + 1))
    assert (reply.status_code, reply.json()["code"]) == (413, "request_too_large")


@pytest.mark.parametrize("route", ["/v1/videos/{}/content", "/files/{}.mp4"])
@pytest.mark.parametrize(
    ("asked", "status", "start", "end"),
    [
        ("bytes=0-9", 206, 0, 10),
        ("bytes=10-", 206, 10, None),
        ("bytes=-7", 206, -7, None),
        ("bytes=0-99999999", 206, 0, None),
        ("bytes=0-1,4-5", 200, 0, None),
        ("lines=1-2", 200, 0, None),
    ],
)
def test_ranges_of_a_video(
    client: httpx.Client, route: str, asked: str, status: int, start: int, end: int | None
) -> None:
    """One range at a time; anything else gives the whole."""
    url = route.format(bought(client))
    whole = client.get(url).content
    reply = client.get(url, headers={"range": asked})
    assert (reply.status_code, reply.content) == (status, whole[start:end])


def test_a_range_beyond_the_end_cannot_be_satisfied(client: httpx.Client) -> None:
    """416 with the real length."""
    url = f"/files/{bought(client)}.mp4"
    reply = client.get(url, headers={"range": "bytes=99999999-"})
    assert (reply.status_code, reply.headers["content-range"]) == (
        416,
        f"bytes */{len(client.get(url).content)}",
    )


# Keys and limits


@pytest.mark.parametrize("header", [None, "Bearer", "Basic any", "any"])
def test_a_key_is_needed_on_every_route_but_the_files(
    sandbox: Sandbox, client: httpx.Client, header: str | None
) -> None:
    """401 with the nested error shape, and nothing charged."""
    task_id, before = bought(client), sandbox.ledger()["totals"]["charges"]
    headers = {"authorization": header} if header is not None else {}
    with connect(sandbox, None) as bare:
        for method, path in (("POST", ""), ("GET", f"/{task_id}"), ("GET", f"/{task_id}/content")):
            reply = bare.request(method, f"/v1/videos{path}", headers=headers)
            assert (reply.status_code, reply.json()["error"]["code"]) == (401, "invalid_token")
        assert bare.get(f"/files/{task_id}.mp4", headers=headers).status_code == 200
    assert sandbox.ledger()["totals"]["charges"] == before


def test_one_key_alone_may_be_good() -> None:
    """With --key; it is in no argument of the child."""
    with child.start(Options(key="s3cret-密钥")) as locked:
        assert b"s3cret" not in Path(f"/proc/{locked.process.pid}/cmdline").read_bytes()
        with connect(locked) as other:
            assert other.post("/v1/videos", json=BODY).status_code == 401
            right = {"authorization": "Bearer s3cret-密钥".encode()}
            assert other.post("/v1/videos", json=BODY, headers=right).status_code == 200  # type: ignore[arg-type]


def test_creates_above_the_rate_are_refused(client: httpx.Client, sandbox: Sandbox) -> None:
    """429 with Retry-After; queries are not limited."""
    sandbox.set(rate="2/1h")
    replies = [client.post("/v1/videos", json=BODY) for _ in range(4)]
    assert [reply.status_code for reply in replies] == [200, 200, 429, 429]
    assert 3590 <= int(replies[2].headers["retry-after"]) <= 3600
    assert client.get(f"/v1/videos/{replies[0].json()['id']}").status_code == 200


def test_creates_above_the_running_tasks_are_refused() -> None:
    """429, until one of them is finished."""
    with child.start(Options(max_running=2, task_time="1h")) as full, connect(full) as client:
        bought(client)
        full.set(task_time="300ms")
        bought(client)
        full.set(task_time="1h")
        deadline = time.monotonic() + 60
        while client.post("/v1/videos", json=BODY).status_code == 429:
            assert time.monotonic() < deadline
        assert client.post("/v1/videos", json=BODY).status_code == 429


@pytest.mark.parametrize(
    "values", [{"port": 1}, [], {"faults": ["no:such"]}, {"max_running": "x"}, {"rate": 5}]
)
def test_options_that_make_no_sense_change_nothing(client: httpx.Client, values: Any) -> None:
    """400 with a reason."""
    assert client.put("/sandbox/options", json=values).json()["code"] == "invalid_options"
    assert client.post("/v1/videos", json=BODY).status_code == 200


# The ledger


def test_the_ledger_is_exact_under_concurrent_creates_with_faults(sandbox: Sandbox) -> None:
    """Every create that was done is one charge, whether or not its reply arrived."""
    before = {charge["task_id"] for charge in sandbox.ledger()["charges"]}
    sandbox.set(
        faults=[
            "create:drop_before=0.1",
            "create:drop_after=0.1",
            "create:html502=0.1",
            "create:err429=0.1",
        ]
    )
    told, lost, refused = asyncio.run(_crowd(sandbox.base_url, 300))
    charges = [c for c in sandbox.ledger()["charges"] if c["task_id"] not in before]
    assert len(told) == len(set(told)) and set(told) <= {charge["task_id"] for charge in charges}
    assert len(told) + lost + refused == 300 and refused > 0
    assert len(told) < len(charges) < len(told) + lost
    assert len({charge["body_sha256"] for charge in charges}) == len(charges)


async def _crowd(base_url: str, count: int) -> tuple[list[str], int, int]:
    """The ids told, how many replies were lost or unreadable, and how many creates were refused."""
    limits = httpx.Limits(max_connections=20)
    async with httpx.AsyncClient(
        base_url=base_url, headers=KEY, limits=limits, trust_env=False, timeout=30
    ) as client:

        async def one(number: int) -> str:
            try:
                reply = await client.post("/v1/videos", json={**BODY, "prompt": str(number)})
            except httpx.TransportError:
                return "lost"
            if reply.status_code == 200:
                return str(reply.json()["id"])
            return "refused" if reply.status_code == 429 else "lost"

        answers = await asyncio.gather(*map(one, range(count)))
    told = [answer for answer in answers if answer.startswith("task_")]
    return told, answers.count("lost"), answers.count("refused")


def test_a_sandbox_killed_and_started_again_knows_its_tasks(tmp_path: Path) -> None:
    """With a state file: the task, its charge, its video, byte for byte."""
    options = Options(task_time="0s", state=str(tmp_path / "state"), plain_clips=True)
    with child.start(options) as first, connect(first) as client:
        task_id = bought(client)
        video = client.get(f"/v1/videos/{task_id}/content").content
        charges = first.ledger()["charges"]
        first.kill()
    with child.start(options) as second, connect(second) as client:
        assert client.get(f"/v1/videos/{task_id}").json()["status"] == "completed"
        assert client.get(f"/v1/videos/{task_id}/content").content == video
        assert second.ledger()["charges"] == charges


def test_the_video_is_drawn_where_the_media_extra_is_installed() -> None:
    """In its own length; downloads at the same moment get the same bytes, and the server goes on
    answering.
    """
    pytest.importorskip("av")
    with child.start(Options(task_time="0s")) as running:
        videos = asyncio.run(_downloads(running.base_url))
    assert len(videos) == 16 and len(set(videos)) == 8


async def _downloads(base_url: str) -> list[bytes]:
    """Eight videos, each downloaded twice at once."""
    async with httpx.AsyncClient(
        base_url=base_url, headers=KEY, trust_env=False, verify=False, timeout=30
    ) as client:
        bought = await asyncio.gather(*[client.post("/v1/videos", json=BODY) for _ in range(8)])
        paths = [f"/v1/videos/{reply.json()['id']}/content" for reply in bought] * 2
        replies = await asyncio.gather(*map(client.get, paths))
    return [reply.content for reply in replies]


# Forms, which OpenAI's SDKs send (tests/peers/)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"model": "kling-2.5", "prompt": "x", "images[]": "https://example.com/a.png"}, 200),
        (
            {
                "model": "kling-2.5",
                "prompt": "x",
                "metadata": '{"output_config": {"resolution": "4K"}}',
            },
            400,
        ),
        ({"model": "kling-2.5", "prompt": "x", "metadata": "{"}, 400),
        ({"model": "kling-2.5", "prompt": "x", "a[": "1"}, 400),
        ({"model": "kling-2.5", "prompt": "x", "prompt[a]": "1"}, 400),
    ],
)
def test_forms_are_read_like_json(
    client: httpx.Client, fields: dict[str, str], status: int
) -> None:
    """The same rules hold."""
    multipart = {name: (None, value) for name, value in fields.items()}
    assert client.post("/v1/videos", files=multipart).status_code == status


def test_a_broken_form_is_refused(client: httpx.Client) -> None:
    """400, not 500."""
    headers = {"content-type": "multipart/form-data; boundary=x"}
    assert client.post("/v1/videos", content=b"--y\r\n", headers=headers).status_code == 400


# The child process


def test_a_sandbox_that_cannot_start_says_why() -> None:
    """With the reason in the exception."""
    options, said = (
        Options(faults=("create:nothing",)),
        "did not start: no fault is called 'create:nothing'",
    )
    with pytest.raises(KlingflowError, match=said), child.start(options):
        pass


def test_a_taken_port_is_named(sandbox: Sandbox) -> None:
    """Nothing is served beside another sandbox."""
    port = httpx.URL(sandbox.base_url).port or 0
    said = f"port {port} on 127.0.0.1 cannot be used"
    with pytest.raises(KlingflowError, match=said), child.start(Options(port=port)):
        pass


def test_leaving_the_block_ends_the_child() -> None:
    """At once, with its connections."""
    with child.start() as running, connect(running) as client:
        bought(client)
    assert running.process.poll() is not None


@pytest.fixture
def too_old(tmp_path: Path) -> str:
    """A folder for PYTHONPATH with a media extra that is installed and does not work."""
    (tmp_path / "old" / "PIL").mkdir(parents=True)
    (tmp_path / "old" / "PIL" / "__init__.py").write_text("raise TypeError('too old')")
    (tmp_path / "old" / "av.py").touch()
    return str(tmp_path / "old")


NOT_DRAWN = "a video could not be drawn (TypeError: too old); the plain clip is sent instead"


def test_what_the_child_has_to_say_is_told_at_the_end(
    monkeypatch: pytest.MonkeyPatch, too_old: str
) -> None:
    """Once, although two videos could not be drawn; both are there all the same."""
    monkeypatch.setenv("PYTHONPATH", too_old)
    told: list[str] = []
    with child.start(Options(task_time="0s"), told.append) as sandbox, connect(sandbox) as client:
        ids = [bought(client) for _ in range(2)]
        videos = [client.get(f"/v1/videos/{task_id}/content").content for task_id in ids]
    assert videos == [clips.plain(task_id) for task_id in ids]
    assert told == [NOT_DRAWN]


def test_a_run_in_a_sandbox_passes_its_words_on(tmp_path: Path, too_old: str) -> None:
    """As a warning, after the run."""
    film = pipeline_at(tmp_path / "film")
    film.write(1)
    said = film.do("run", "film.yaml", "--sandbox", PYTHONPATH=too_old)
    assert said.count(f"warning: {NOT_DRAWN}") == 1
    assert len(film.videos()) == 1


def test_ctrl_c_ends_it_although_a_reply_is_owed() -> None:
    """Which would come in an hour."""
    with child.start(Options(faults=("create:hang=1,1h",))) as running, connect(running) as client:
        with pytest.raises(httpx.ReadTimeout):
            client.post("/v1/videos", json=BODY, timeout=0.2)
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(60) == 0


_PARENT = """
import json, sys
from klingflow.sandbox import child, clips
with child.start() as running:
    print(json.dumps([running.process.pid, running.base_url]), flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="asks for the child as POSIX and Linux do")
@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
def test_the_child_dies_with_its_parent(name: str) -> None:
    """However that ends."""
    with subprocess.Popen(
        [sys.executable, "-c", _PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout
        pid, base_url = json.loads(parent.stdout.readline())
        assert httpx.get(f"{base_url}/sandbox/ledger", trust_env=False).status_code == 200
        parent.send_signal(signal.Signals[name])
        parent.wait(60)
        # The child's end of the pipe is closed only when it has gone.
        assert parent.stdout.read() == ""
    assert _is_gone(pid)


def _is_gone(pid: int) -> bool:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except (OSError, IndexError):
            return True
    return False


def test_references_are_served_from_the_folder_that_the_options_name(tmp_path: Path) -> None:
    """By the names of contents alone, a part of one too; without the folder there are none."""
    name = f"{'a' * 64}.png"
    (tmp_path / name).write_bytes(b"0123456789")
    (tmp_path / "key.pem").write_bytes(b"no")
    with child.start(Options(refs=str(tmp_path))) as running, connect(running, None) as client:
        part = client.get(f"/refs/{name}", headers={"range": "bytes=2-4"})
        assert (part.status_code, part.content) == (206, b"234")
        assert part.headers["content-range"] == "bytes 2-4/10"
        others = ("key.pem", "..%2Fkey.pem", f"{'b' * 64}.png")
        assert {client.get(f"/refs/{other}").status_code for other in others} == {404}
    with child.start() as running, connect(running, None) as client:
        assert client.get(f"/refs/{name}").status_code == 404
