"""klingflow as a client of aimock, a mock server that knows OpenAI's video routes; its journal is
the judge.

aimock answers a create by a fixture that matches the prompt, with that fixture's id, status and
address, and a query with the same again: a task that is not finished at once never is. There is no
billed tier and no /content: a video without an address is not delivered. It rolls its own dice for
faults, alike for every route.
"""

from __future__ import annotations

import json
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai
import pytest

from klingflow.cluster.temporal.server import free_port
from klingflow.sandbox.child import start
from klingflow.sandbox.options import Options
from tests.harness import Pipeline, pipeline_at
from tests.peers.conftest import serving

pytestmark = pytest.mark.peers

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Aimock:
    """A running aimock."""

    def __init__(self, url: str) -> None:
        self.url = url

    def journal(self) -> list[tuple[str, int]]:
        """Every create: its prompt and the status it was answered with."""
        with _DIRECT.open(f"{self.url}/v1/_requests") as reply:
            entries = json.load(reply)
        return [
            (entry["body"]["messages"][0]["content"], entry["response"]["status"])
            for entry in entries
            if (entry["method"], entry["path"]) == ("POST", "/v1/videos")
        ]

    def chaos(self, **rates: float) -> None:
        """Share of requests, of every route, that meet each fault."""
        request = urllib.request.Request(
            f"{self.url}/__aimock/chaos",
            json.dumps(rates).encode(),
            {"content-type": "application/json"},
        )
        with _DIRECT.open(request) as reply:
            reply.read()


@pytest.fixture(scope="module")
def clip() -> Iterator[str]:
    """The address of a video, as at a CDN."""
    with start(Options(task_time="0s", plain_clips=True)) as sandbox:
        with openai.OpenAI(
            base_url=f"{sandbox.base_url}/v1", api_key="any", max_retries=0
        ) as client:
            reply = client.post(
                "/videos", body={"model": "kling-2.5", "prompt": "x"}, cast_to=object
            )
        assert isinstance(reply, dict)
        yield f"{sandbox.base_url}/files/{reply['id']}.mp4"


@contextmanager
def mocked(
    cli: Path, folder: Path, videos: dict[str, dict[str, Any]]
) -> Iterator[tuple[Pipeline, Aimock]]:
    """A pipeline whose gateway is an aimock that answers the prompts of `videos` with these."""
    fixtures = [
        {"match": {"userMessage": prompt, "endpoint": "video"}, "response": {"video": video}}
        for prompt, video in videos.items()
    ]
    server = folder / "aimock"
    server.mkdir()
    (server / "videos.json").write_text(json.dumps({"fixtures": fixtures}))
    url = f"http://127.0.0.1:{(port := free_port())}"
    command: list[str | Path] = [
        "node",
        cli,
        "-p",
        str(port),
        "-f",
        "videos.json",
        "--journal-max",
        "0",
    ]
    with serving(command, server, f"{url}/health"):
        yield pipeline_at(folder / "film", url), Aimock(url)


def finished(clip: str, count: int) -> dict[str, dict[str, Any]]:
    """A finished video of its own for each of Pipeline.write's plain shots."""
    return {
        f"number {n}.": {"id": f"vid-{n}", "status": "completed", "url": clip}
        for n in range(1, count + 1)
    }


def shots(count: int) -> dict[str, Any]:
    return {f"shot{n}": {"prompt": f"a street, number {n}."} for n in range(1, count + 1)}


def test_a_batch_is_bought_once_and_brought_home(aimock: Path, tmp_path: Path, clip: str) -> None:
    """One POST for each shot, also over two runs."""
    with mocked(aimock, tmp_path, finished(clip, 3)) as (film, mock):
        film.write(shots(3))
        film.do("run", "film.yaml", "-y")
        film.do("run", "film.yaml", "-y")
        assert sorted(mock.journal()) == [(f"a street, number {n}.", 200) for n in (1, 2, 3)]
    assert [p["state"] for p in film.purchases()] == ["done"] * 3
    assert len(film.videos()) == 3


def test_what_is_not_finished_never_is(aimock: Path, tmp_path: Path, clip: str) -> None:
    """A task in progress is parked at its deadline, one that failed is told, and neither is bought
    again.
    """
    videos = {
        "number 1.": {"id": "vid-1", "status": "processing"},
        "number 2.": {"id": "vid-2", "status": "failed"},
    }
    with mocked(aimock, tmp_path, videos) as (film, mock):
        film.write(shots(2), run={"deadline": "2s"})
        film.do("run", "film.yaml", "-y", code=4)
        film.do("run", "film.yaml", "-y", code=4)
        assert len(mock.journal()) == 2
    assert [p["state"] for p in film.purchases()] == ["parked", "failed"]


def test_what_it_does_not_know_is_refused(aimock: Path, tmp_path: Path, clip: str) -> None:
    """404 `no_fixture_match` is a definite refusal; the other shots go on."""
    with mocked(aimock, tmp_path, finished(clip, 1)) as (film, mock):
        film.write(shots(2))
        film.do("run", "film.yaml", "-y", code=3)
        assert sorted(status for _, status in mock.journal()) == [200, 404]
    assert [p["state"] for p in film.purchases()] == ["done", "rejected"]


def test_one_id_for_two_shots_is_a_doubt(aimock: Path, tmp_path: Path, clip: str) -> None:
    """A fixture that matches both gives both the same task: one has it, the other one is held."""
    video = {"id": "vid-1", "status": "completed", "url": clip}
    with mocked(aimock, tmp_path, {"a street": video}) as (film, mock):
        film.write(shots(2))
        film.do("run", "film.yaml", "-y", code=4)
        film.do("run", "film.yaml", "-y", code=4)
        assert len(mock.journal()) == 2
    assert sorted(p["state"] for p in film.purchases()) == ["done", "in_doubt"]


@pytest.mark.parametrize("fault", ["dropRate", "malformedRate", "disconnectRate"])
def test_its_faults_are_doubts(aimock: Path, tmp_path: Path, clip: str, fault: str) -> None:
    """A 500, a body that is no JSON, a broken connection: one POST, whatever happens afterwards."""
    with mocked(aimock, tmp_path, finished(clip, 1)) as (film, mock):
        film.write(shots(1))
        mock.chaos(**{fault: 1})
        film.do("run", "film.yaml", "-y", code=4)
        mock.chaos()
        film.do("run", "film.yaml", "-y", code=4)
        assert len(mock.journal()) == 1
    assert [p["state"] for p in film.purchases()] == ["in_doubt"]


def test_whatever_its_dice_say_no_shot_is_sent_twice(
    aimock: Path, tmp_path: Path, clip: str
) -> None:
    """Faults of every kind on every route, by chance of its own: only a 429 is followed by another
    POST.
    """
    count = 20
    with mocked(aimock, tmp_path, finished(clip, count)) as (film, mock):
        film.write(shots(count))
        mock.chaos(dropRate=0.1, malformedRate=0.1, rateLimitRate=0.1, disconnectRate=0.1)
        process = film.start("run", "film.yaml", "-y", "-q")
        process.communicate(timeout=240)
        assert process.returncode in (0, 4)
        journal = mock.journal()
    per_shot = Counter(prompt for prompt, status in journal if status != 429)
    assert {prompt: n for prompt, n in per_shot.items() if n > 1} == {}
    done = {p["shot"] for p in film.purchases() if p["state"] == "done"}
    doubted = {p["shot"] for p in film.purchases() if p["state"] == "in_doubt"}
    assert done | doubted == set(shots(count)) and not done & doubted
