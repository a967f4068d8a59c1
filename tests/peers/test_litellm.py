"""klingflow as a client of LiteLLM's proxy, with the sandbox as the gateway behind it, whose ledger
is the judge.

Two ways lead through that proxy, and both keep `metadata` for themselves, in which the gateway's
own fields are: what a shot says by `size`, `seconds`, `images` arrives, what it says by
`resolution`, `audio` or `cuts` does not. Otherwise its pass-through (`pass_through_endpoints`)
hands on what comes. Its own video route, `POST /v1/videos`, also drops the billed tier and
`video_url` from replies, names a task otherwise in queries than at its creation, and repeats a
create by itself, twice, unless told not to.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from klingflow.cluster.temporal.server import free_port
from klingflow.sandbox.child import Sandbox, start
from klingflow.sandbox.options import Options
from tests import pages
from tests.harness import Pipeline, charges, pipeline_at
from tests.peers.conftest import serving

pytestmark = pytest.mark.peers

KEY, UPSTREAM_KEY = "sk-litellm-0123456789", "sk-upstream-0123456789"
# LiteLLM's word for a request that it shall send once.
ONCE = {"extra": {"num_retries": 0}}
TEXT = {"model": "kling-2.5"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with start(Options(key=UPSTREAM_KEY, task_time="0s", plain_clips=True)) as running:
        yield running


@pytest.fixture(autouse=True)
def plain(sandbox: Sandbox) -> None:
    """No option of the test before is left."""
    sandbox.set(faults=[], task_time="0s")


@pytest.fixture(scope="module")
def proxy(
    litellm: Path, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """LiteLLM's proxy without a database, as the readme shows it, and one model besides."""
    folder = tmp_path_factory.mktemp("litellm")
    shown = pages.labelled("en", "litellm").replace("https://gateway.example.com", sandbox.base_url)
    gateway = {
        "model": "openai/kling-2.5",
        "api_base": f"{sandbox.base_url}/v1",
        "api_key": UPSTREAM_KEY,
    }
    config = {
        **yaml.safe_load(shown),
        "model_list": [{"model_name": "kling-2.5", "litellm_params": gateway}],
    }
    (folder / "config.yaml").write_text(json.dumps(config))
    url = f"http://127.0.0.1:{(port := free_port())}"
    command: list[str | Path] = [
        litellm,
        "--config",
        "config.yaml",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    environ = {
        "LITELLM_MASTER_KEY": KEY,
        "GATEWAY_KEY": UPSTREAM_KEY,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }
    with serving(command, folder, f"{url}/health/liveliness", **environ):
        yield url


@pytest.fixture
def through(proxy: str, tmp_path: Path) -> Pipeline:
    return pipeline_at(tmp_path, f"{proxy}/kling", KEY)


@pytest.fixture
def native(proxy: str, tmp_path: Path) -> Pipeline:
    return pipeline_at(tmp_path, proxy, KEY)


class Charged:
    """What the sandbox has charged since this was made."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox, self._before = sandbox, len(charges(sandbox))

    def __call__(self) -> list[dict[str, Any]]:
        return charges(self._sandbox)[self._before :]


# The way straight through


def test_a_batch_passes_straight_through(through: Pipeline, sandbox: Sandbox) -> None:
    """Sizes and images arrive, tiers and ids come back as they are, each take is charged once."""
    charged = Charged(sandbox)
    picture = {"prompt": "a roof", "images": ["https://example.com/a.png"]}
    omni = {"model": "kling-3.0-omni", "size": "1920x1080"}
    through.write({"river": {"prompt": "雨夜", "takes": 2}, "roof": picture}, defaults=omni)
    through.do("run", "film.yaml", "-y")
    through.do("run", "film.yaml", "-y")
    bought = {p["task_id"]: p["billed_tier"] for p in through.purchases()}
    assert bought == {c["task_id"]: c["tier"] for c in charged()}
    plain, ref = "kling-3.0-omni-1080p-noref-mute", "kling-3.0-omni-1080p-ref-mute"
    assert sorted(bought.values()) == [plain, plain, ref]
    assert len(charged()) == len(through.videos()) == 3
    assert {c["client_request_id"].partition("/")[2] for c in charged()} == {
        "river",
        "river#2",
        "roof",
    }


def test_what_it_keeps_for_itself_shows_in_the_tier(through: Pipeline) -> None:
    """An observation: 1080P in `metadata` is bought as 720P, and the record says so."""
    through.write(1, defaults={**TEXT, "resolution": "1080P"})
    through.do("run", "film.yaml", "-y")
    (purchase,) = through.purchases()
    assert purchase["predicted_tier"] == "kling-2.5-1080p-mute"
    assert purchase["billed_tier"] == "kling-2.5-720p-mute"
    assert [d["predicted"] for d in through.record()["totals"]["differences"]] == [
        "kling-2.5-1080p-mute"
    ]


def test_the_content_passes_through(through: Pipeline, sandbox: Sandbox) -> None:
    """Where the gateway gives no address, the proxy's own /content is asked, and a broken download
    goes on there.
    """
    sandbox.set(faults=["query:url_none", "content:cut=first:1"])
    through.write(1, defaults=TEXT)
    through.do("run", "film.yaml", "-y")
    assert [p["state"] for p in through.purchases()] == ["done"]


LOST = ["drop_after", "reset", "cut", "html502", "err500_charged", "empty200", "no_id"]


def doubt_each(film: Pipeline, sandbox: Sandbox, faults: Sequence[str], **defaults: Any) -> None:
    """One more shot for each fault: it is charged once and held, and so are those of the faults
    before.
    """
    charged = Charged(sandbox)
    for number, fault in enumerate(faults, 1):
        sandbox.set(faults=[f"create:{fault}"])
        film.write(number, defaults={**TEXT, **defaults})
        film.do("run", "film.yaml", "-y", code=4)
        assert len(charged()) == number, fault
    sandbox.set(faults=[])
    film.do("run", "film.yaml", "-y", code=4)
    assert len(charged()) == len(faults)
    assert {p["state"] for p in film.purchases()} == {"in_doubt"}


def test_a_lost_reply_is_a_doubt_behind_the_proxy(through: Pipeline, sandbox: Sandbox) -> None:
    """Whatever the proxy makes of it: charged once, held in doubt, not bought by the next run."""
    doubt_each(through, sandbox, LOST)


@pytest.mark.parametrize(
    ("fault", "code"), [("err401", 7), ("err403_quota", 7), ("err400_nested", 3)]
)
def test_a_refusal_stays_one_behind_the_proxy(
    through: Pipeline, sandbox: Sandbox, fault: str, code: int
) -> None:
    """The key, the quota, and a wrong field: nothing is charged, nothing is in doubt."""
    charged = Charged(sandbox)
    sandbox.set(faults=[f"create:{fault}"])
    through.write(1, defaults=TEXT)
    through.do("run", "film.yaml", "-y", code=code)
    assert charged() == []
    assert [p["state"] for p in through.purchases()] == ["rejected"]


def test_a_limit_is_waited_for_behind_the_proxy(through: Pipeline, sandbox: Sandbox) -> None:
    """429 comes through with its Retry-After; then each shot is bought, once."""
    charged = Charged(sandbox)
    sandbox.set(faults=["create:err429=first:2"])
    through.write(2, defaults=TEXT)
    through.do("run", "film.yaml", "-y")
    assert len(charged()) == len(through.videos()) == 2


# LiteLLM's own video route


def test_its_own_route_sells_plain_shots(native: Pipeline, sandbox: Sandbox) -> None:
    """Bought once, though each task has two names, and brought home by /content; the tier that
    comes back is the proxy's name for the model.
    """
    charged = Charged(sandbox)
    native.write(2, defaults={**TEXT, **ONCE, "size": "1920x1080"})
    native.do("run", "film.yaml", "-y")
    native.do("run", "film.yaml", "-y")
    assert len(charged()) == len(native.videos()) == 2
    assert all(
        p["state"] == "done" and p["task_id"].startswith("video_") for p in native.purchases()
    )
    assert {c["tier"] for c in charged()} == {"kling-2.5-1080p-mute"}
    assert {p["billed_tier"] for p in native.purchases()} == {"kling-2.5"}


def test_a_lost_reply_is_a_doubt_behind_its_own_route(native: Pipeline, sandbox: Sandbox) -> None:
    """As above. After a reset LiteLLM sends the create again, without its body: the complaint about
    that is none.
    """
    faults = [f"{name}=first:1" if name == "reset" else name for name in (*LOST, "number_id")]
    doubt_each(native, sandbox, faults, **ONCE)


def test_its_own_route_buys_twice_by_itself(native: Pipeline, sandbox: Sandbox) -> None:
    """An observation, and why it has to be told not to: one POST of ours, one lost reply, two
    charges behind it.
    """
    charged = Charged(sandbox)
    sandbox.set(faults=["create:drop_after=first:1"])
    native.write(1, defaults=TEXT)
    native.do("run", "film.yaml", "-y")
    assert len(native.purchases()) == 1
    assert len(charged()) == 2
