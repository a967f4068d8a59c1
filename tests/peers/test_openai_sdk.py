"""OpenAI's own SDK as a client of the sandbox: what it can do, what it raises, and what its retries
cost.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from klingflow.sandbox.child import Sandbox, start
from klingflow.sandbox.options import Options
from tests.harness import charges, sandboxed

pytestmark = [
    pytest.mark.peers,
    # The SDK says with every call that OpenAI's own video model goes away.
    pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"),
]
KEY = "sk-peers-0123456789"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with start(Options(key=KEY, task_time="0s", plain_clips=True)) as running:
        yield running


@pytest.fixture(autouse=True)
def plain(sandbox: Sandbox) -> None:
    """No option of the test before is left."""
    sandbox.set(faults=[], task_time="0s")


def sdk(sandbox: Sandbox, key: str = KEY, *, retries: int = 0) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{sandbox.base_url}/v1", api_key=key, max_retries=retries)


def test_it_creates_polls_and_downloads(sandbox: Sandbox, tmp_path: Path) -> None:
    """create_and_poll sees the task queued and comes back when it is done; the content can be read
    and streamed.
    """
    sandbox.set(task_time="1s")
    before = len(charges(sandbox))
    with sdk(sandbox) as client:
        video = client.videos.create_and_poll(
            model="kling-2.5", prompt="a river", poll_interval_ms=200
        )
        assert (video.status, video.seconds, video.size) == ("completed", "5", "1280x720")
        whole = client.videos.download_content(video.id).read()
        assert whole[4:8] == b"ftyp"
        with client.videos.with_streaming_response.download_content(video.id) as stream:
            stream.stream_to_file(tmp_path / "river.mp4")
    assert (tmp_path / "river.mp4").read_bytes() == whole
    assert [c["task_id"] for c in charges(sandbox)[before:]] == [video.id]


def test_it_sends_the_gateways_own_fields(sandbox: Sandbox) -> None:
    """They go into extra_body; the SDK makes a form of all, and the sandbox bills what is meant."""
    config = {"resolution": "1080P", "duration": 5, "aspect_ratio": "9:16", "media_name": "开场"}
    files = [
        {
            "type": "Url",
            "category": "Image",
            "url": "https://example.com/a.png",
            "usage": "Reference",
        }
    ]
    with sdk(sandbox) as client:
        video = client.videos.create(
            model="kling-3.0-omni",
            prompt="雨夜",
            seconds="5",  # type: ignore[arg-type]  # OpenAI's own lengths are others
            extra_body={"metadata": {"output_config": config, "file_infos": files}},
        )
        assert str(video.model) == "kling-3.0-omni-1080p-ref-mute"
        assert client.videos.retrieve(video.id).status == "completed"
    assert charges(sandbox)[-1]["media_name"] == "开场"


def test_it_may_not_upload_a_picture(sandbox: Sandbox) -> None:
    """The document knows pictures by URL only."""
    with sdk(sandbox) as client, pytest.raises(openai.BadRequestError, match="not a file"):
        client.videos.create(
            model="kling-2.5", prompt="x", input_reference=("a.png", b"\x89PNG", "image/png")
        )


def test_it_is_told_how_a_task_failed(sandbox: Sandbox) -> None:
    """A failed task is no exception: its status and error say so."""
    sandbox.set(faults=["query:fail_moderation"])
    with sdk(sandbox) as client:
        video = client.videos.create_and_poll(model="kling-2.5", prompt="x", poll_interval_ms=20)
    assert video.status == "failed"
    assert video.error and video.error.code and video.error.message


def test_refusals_are_its_own_exceptions(sandbox: Sandbox) -> None:
    """A wrong key, a limit, an empty account and a wrong field cost nothing and have each their
    class.
    """
    before = len(charges(sandbox))
    with sdk(sandbox, "sk-wrong") as client, pytest.raises(openai.AuthenticationError):
        client.videos.create(model="kling-2.5", prompt="x")
    with sdk(sandbox) as client:
        with pytest.raises(openai.BadRequestError):
            client.videos.create(model="kling-2.5", prompt="x", extra_body={"metadata": "{"})
        with pytest.raises(openai.BadRequestError, match="task_not_exist"):
            client.videos.retrieve("task_of_nobody")
        sandbox.set(faults=["create:err429"])
        with pytest.raises(openai.RateLimitError) as limited:
            client.videos.create(model="kling-2.5", prompt="x")
        assert limited.value.response.headers["retry-after"] == "1"
        sandbox.set(faults=["create:err403_quota"])
        with pytest.raises(openai.PermissionDeniedError):
            client.videos.create(model="kling-2.5", prompt="x")
    assert len(charges(sandbox)) == before


LOST = ["create:drop_after=first:1", "create:html502=first:1", "create:err500_charged=first:1"]


@pytest.mark.parametrize("fault", LOST)
def test_its_retries_buy_twice_where_klingflow_doubts(tmp_path: Path, fault: str) -> None:
    """What this project is for: the same lost reply, once met by the SDK as it comes, once by
    klingflow.

    The SDK repeats the POST by itself and returns one video as if nothing had been; two were
    charged.
    """
    with sandboxed(tmp_path, fault) as (film, sandbox):
        with openai.OpenAI(base_url=f"{sandbox.base_url}/v1", api_key=KEY) as client:
            video = client.videos.create(model="kling-2.5", prompt="a river")
        twice = [c["task_id"] for c in charges(sandbox)]
        assert len(twice) == 2 and twice[1] == video.id

        sandbox.set(faults=[fault])
        film.write(1)
        film.do("run", "film.yaml", "-y", code=4)
        film.do("run", "film.yaml", "-y", code=4)
        assert len(charges(sandbox)) == len(twice) + 1
        assert [p["state"] for p in film.purchases()] == ["in_doubt"]
