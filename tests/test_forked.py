"""Forked processes end, speak and are placed as started ones are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from klingflow.sandbox.options import Options
from tests import forked
from tests.harness import PATIENCE_S, Pipeline, pipeline_at

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks on Linux alone")


@pytest.fixture
def film(tmp_path: Path) -> Pipeline:
    """A film that nobody has bought."""
    film = pipeline_at(tmp_path / "film")
    film.write(2)
    return film


def started(film: Pipeline, *arguments: str, **environ: str) -> tuple[int, str, str]:
    """What comes of a process that is started."""
    with film.start(*arguments, **environ) as process:
        out, err = process.communicate(timeout=PATIENCE_S)
    return process.returncode, out, err


@pytest.mark.parametrize(
    ("arguments", "environ"),
    [
        (["plan", "film.yaml"], {}),
        (["plan", "film.yaml", "--check"], {}),
        (["plan", "film.yaml"], {"KLINGFLOW_LANG": "zh"}),
        (["validate", "no-such.yaml"], {}),
        (["--no-such-option"], {}),
        (["render", "film.yaml", "--format", "jsonl"], {}),
    ],
)
def test_a_forked_process_does_what_a_started_one_does(
    film: Pipeline, arguments: list[str], environ: dict[str, str]
) -> None:
    """The same exit code, the same words on the same stream, in the folder and with the environment
    that are given.
    """
    env = {**film.environ, **environ}
    assert forked.can_have(env)
    done = forked.run(arguments, film.folder, env, PATIENCE_S)
    found = (done.returncode, done.stdout, done.stderr)
    assert found == started(film, *arguments, **environ)


@pytest.mark.parametrize("name", ["PYTHONPATH", "PYTHONIOENCODING", "LD_PRELOAD", "LC_ALL", "TZ"])
def test_what_is_read_before_the_program_begins_needs_a_start(film: Pipeline, name: str) -> None:
    """A fork would not have noticed it."""
    assert not forked.can_have({**film.environ, name: "another"})


def test_nothing_of_one_process_is_left_for_the_next(film: Pipeline) -> None:
    """Neither an environment nor a language."""
    before = film.do("plan", "film.yaml")
    film.do("plan", "film.yaml", KLINGFLOW_LANG="zh", COLUMNS="40")
    assert film.do("plan", "film.yaml") == before


def test_a_process_that_takes_too_long_is_killed(film: Pipeline) -> None:
    """It has ended before whoever waited is told."""
    with pytest.raises(subprocess.TimeoutExpired):
        forked.run(["sandbox"], film.folder, film.environ, 0.0)


def test_a_sandbox_ends_with_its_test() -> None:
    """Nobody listens at its address any more."""
    with forked.sandbox_with(Options(plain_clips=True)) as sandbox:
        assert sandbox.ledger()["charges"] == []
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{sandbox.base_url}/sandbox/ledger", trust_env=False)
