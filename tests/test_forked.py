"""Forked processes end, speak and are placed as started ones are."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import httpx
import pytest

from klingflow.sandbox.options import Options
from tests import forked
from tests.harness import PATIENCE_S, Pipeline, on_a_terminal, pipeline_at, sandboxed

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
        (["run", "--help"], {"KLINGFLOW_LANG": "zh", "COLUMNS": "60"}),
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


def test_a_forked_process_has_a_terminal_as_a_started_one_has(tmp_path: Path) -> None:
    """It asks there, reads what is typed, and shows everything."""
    with sandboxed(tmp_path) as (film, _):
        film.write(2)
        command = partial(on_a_terminal, film, "run", "film.yaml", typed="n\n")
        found = command()
        assert "[y/N]" in found.text
        assert found == command(PYTHONHASHSEED="1")  # which needs a start
    assert not forked.can_have({**film.environ, "PYTHONHASHSEED": "1"})


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


# A process that begins by this ends by saying which modules of klingflow it has imported.
_TELLING = """
import os, sys
known, leave = {*sys.modules}, os._exit
def end(code):
    late = sorted(name for name in {*sys.modules} - known if name.startswith("klingflow."))
    print(*late, file=sys.stderr, flush=True)
    leave(code)
os._exit = end
"""


@pytest.mark.parametrize("command", [["run", "film.yaml", "-y", "-q"], ["plan", "film.yaml"]])
def test_a_forked_process_imports_nothing_more(tmp_path: Path, command: list[str]) -> None:
    """What it would import, each process would import again."""
    with sandboxed(tmp_path / "film") as (film, _):
        film.write(2)
        process = forked.begin(command, film.folder, film.environ, before=_TELLING)
        _, said = process.communicate()
    assert (process.returncode, said) == (0, "\n")


def test_a_process_goes_on_beside_its_test(tmp_path: Path) -> None:
    """It is read line by line, has not ended meanwhile, and ends by a signal."""
    with sandboxed(tmp_path / "film", task_time="1h") as (film, _):
        film.write(1)
        process = forked.begin(["run", "film.yaml", "-y"], film.folder, film.environ)
        assert process.stdout is not None
        for words in ("Gateway: ", "shot001"):
            assert words in process.stdout.readline()
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.0)
        process.terminate()
        process.communicate(timeout=PATIENCE_S)
        assert (process.wait(), process.poll()) == (130, 130)


def test_a_killed_process_has_the_code_of_its_signal(film: Pipeline) -> None:
    """As a Popen tells it, also to who asks again; a signal to what has ended goes nowhere."""
    if sys.platform == "win32":  # for the types
        return
    process = forked.begin(["plan", "film.yaml"], film.folder, film.environ, held=True)
    process.kill()
    assert [process.wait(PATIENCE_S), process.poll()] == [-signal.SIGKILL] * 2
    process.kill()
    assert process.communicate() == ("", "")


def test_a_held_process_begins_when_it_is_released(film: Pipeline) -> None:
    """And does what it would have done."""
    process = forked.begin(["plan", "film.yaml"], film.folder, film.environ, held=True)
    assert process.poll() is None
    process.release()
    assert process.communicate(timeout=PATIENCE_S)[0] == film.do("plan", "film.yaml")


def test_a_process_apart_has_a_session_and_a_log(film: Pipeline, tmp_path: Path) -> None:
    """A signal to its group meets nobody else, from the moment on that it is known."""
    if sys.platform == "win32":  # for the types
        return
    with (tmp_path / "log").open("w+b") as log:
        before = "print('before', flush=True); import time; time.sleep(3600)"
        process = forked.begin_apart(["plan"], film.folder, film.environ, before, log)
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait(PATIENCE_S) == -signal.SIGKILL
        assert (tmp_path / "log").read_text(encoding="utf-8") in ("before\n", "")
        process = forked.begin_apart(["plan", "film.yaml"], film.folder, film.environ, "", log)
        assert process.wait(PATIENCE_S) == 0
        said = (tmp_path / "log").read_text(encoding="utf-8")
        assert said.endswith(film.do("plan", "film.yaml"))


def test_a_sandbox_ends_with_its_test() -> None:
    """Nobody listens at its address any more."""
    with forked.sandbox_with(Options(plain_clips=True)) as sandbox:
        assert sandbox.ledger()["charges"] == []
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{sandbox.base_url}/sandbox/ledger", trust_env=False)
