"""A run from Python: what it comes to, and what a program must know of it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

import klingflow
from klingflow.api import loading, running, site
from tests.harness import PATIENCE_S, Pipeline, charges, pipeline_at, sandboxed
from tests.purchases import submitted
from tests.runs import ORIGIN

KEY = "sk-test-0123456789abcdef"

# A program that runs klingflow and lives on: each line that it prints begins with what it saw.
PROGRAM = """
import sys, klingflow

manifest = klingflow.load("film.yaml")
say = lambda *words: print(*words, flush=True)
try:
    klingflow.run(manifest, base_url=sys.argv[1], key="any", emit=lambda e: say(e["event"]))
except KeyboardInterrupt as interrupt:
    say("interrupted:", interrupt)
say("then", *[action.verb for action in klingflow.plan(manifest).actions])
"""


def program(film: Pipeline, base_url: str) -> subprocess.Popen[str]:
    """PROGRAM, running in the manifest's folder."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, base_url],
        cwd=film.folder,
        env=film.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(process: subprocess.Popen[str], word: str) -> None:
    """Read what the program says up to a line that is `word`."""
    assert process.stdout
    assert any(line.strip() == word for line in process.stdout)


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no such signals to one process")
@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_the_second_ctrl_c_is_an_exception_and_does_not_end_the_host(
    tmp_path: Path, second: signal.Signals
) -> None:
    """At once, without waiting for the network. The create is in doubt, the ledger is free again,
    and the program goes on.
    """
    with sandboxed(tmp_path, "create:hang=1,1h") as (film, _):
        film.write(1)
        with program(film, film.environ["KLINGFLOW_BASE_URL"]) as process:
            wait_for(process, "intent")
            process.send_signal(signal.SIGINT)
            wait_for(process, "leaving")
            process.send_signal(second)
            out, err = process.communicate(timeout=240)
        assert out.splitlines() == [
            "interrupted: left at once; run again to resume",
            "then in_doubt",
        ]
        assert (process.returncode, err) == (0, "")


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no such signals to one process")
def test_the_first_ctrl_c_returns_in_order(tmp_path: Path) -> None:
    """What is on its way is finished; no exception."""
    with sandboxed(tmp_path, task_time="1h") as (film, sandbox):
        film.write(1)
        with program(film, film.environ["KLINGFLOW_BASE_URL"]) as process:
            wait_for(process, "submitted")
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=240)
        assert (out.splitlines()[-1], err) == ("then resume", "")
        assert len(charges(sandbox)) == 1


def test_inside_a_running_event_loop_it_says_what_to_do(tmp_path: Path) -> None:
    """A notebook or a server calls it in a thread; nothing is opened before that is known."""
    film = pipeline_at(tmp_path)
    film.write(1)
    manifest = loading.load(film.manifest)

    async def main() -> None:
        with pytest.raises(klingflow.UsageError, match="in a thread: `await asyncio"):
            klingflow.run(manifest, base_url=ORIGIN, key=KEY)

    anyio.run(main)
    assert not film.lock.exists()


def test_in_a_thread_of_an_event_loop_it_runs(tmp_path: Path) -> None:
    """As the error says."""
    with sandboxed(tmp_path) as (film, sandbox):
        film.write(1)
        manifest = loading.load(film.manifest)

        async def main() -> klingflow.Result:
            return await anyio.to_thread.run_sync(
                lambda: klingflow.run(manifest, base_url=sandbox.base_url, key=KEY)
            )

        result = anyio.run(main)
        assert (result.exit_code, len(charges(sandbox))) == (klingflow.ExitCode.OK, 1)


def test_an_id_that_no_file_holds_is_noted_on_the_interrupt(tmp_path: Path) -> None:
    """The last place where it can be kept."""
    film = pipeline_at(tmp_path)
    film.write(1)
    with running.open_job(loading.load(film.manifest), site.Wish(), ORIGIN) as job:
        job.ledger.unwritten.append(submitted("shot001", task_id="task_1"))
        note = "NOT IN THE LEDGER: shot001 was bought as task_1; keep this line"
        assert running._interrupt([job]).__notes__ == [note]


def test_a_result_says_what_the_run_came_to(tmp_path: Path) -> None:
    """What was bought, what is in doubt, where the records are, what a cap forbade."""
    with sandboxed(tmp_path, "create:drop_after=first:1") as (film, sandbox):
        film.write(3, run={"max_tasks": 2, "max_running": 1})
        manifest = loading.load(film.manifest)
        result = klingflow.run(manifest, base_url=sandbox.base_url, key=KEY)
        assert [p.state for p in result.bought] == ["in_doubt", "done"]
        assert [a.verb for a in result.plans[0].actions] == ["in_doubt", "keep", "create"]
        assert [*result.capped] == [(0, "shot003")]
        assert result.exit_code is klingflow.ExitCode.UNSETTLED
        assert result.records == (tmp_path / "outputs/film/manifest.json",)
        assert result.records[0].exists()
        assert result.troubles == ()
        assert result.outcome.refused is None


def test_two_manifests_that_write_one_file_are_refused(tmp_path: Path) -> None:
    """Before anything is bought."""
    for name in ("a", "b"):
        film = Pipeline(tmp_path, pipeline_at(tmp_path).environ, name)
        film.write({"x": {"prompt": "a street", "output": "outputs/x.mp4"}})
    manifests = [loading.load(tmp_path / f"{name}.yaml") for name in ("a", "b")]
    with pytest.raises(klingflow.UsageError, match=r"both write .*x\.mp4; give one of them"):
        klingflow.run(manifests, base_url=ORIGIN, key=KEY)


def test_a_manifest_that_holds_the_key_is_refused(tmp_path: Path) -> None:
    """It would be written down, and sent."""
    film = pipeline_at(tmp_path)
    film.write({"x": {"prompt": f"a street {KEY}"}})
    with pytest.raises(klingflow.UsageError, match="holds the key") as raised:
        klingflow.run(loading.load(film.manifest), base_url=ORIGIN, key=KEY)
    assert KEY not in str(raised.value)


def test_a_shot_with_two_needs_is_bought_once(tmp_path: Path) -> None:
    """Both needs are finished within one poll of each other."""
    with sandboxed(tmp_path) as (film, sandbox):
        needs = {"a": {"prompt": "a street"}, "b": {"prompt": "a roof"}}
        shots = {**needs, "c": {"prompt": "a bridge", "after": ["a", "b"]}}
        film.write(shots, run={"max_running": 2})
        events: list[str] = []
        manifest = loading.load(film.manifest)
        klingflow.run(
            manifest,
            base_url=sandbox.base_url,
            key=KEY,
            emit=lambda e: events.append(f"{e['event']} {e.get('shot')}"),
        )
        assert events.count("intent c") == 1
        assert len(charges(sandbox)) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="limits as POSIX has them")
@pytest.mark.parametrize(("files", "code"), [(16, 2), (64, 0)])
def test_a_run_that_may_lack_open_files_is_not_begun(tmp_path: Path, files: int, code: int) -> None:
    """One line says what to do; nothing is bought, nor is anything written outside the folder. With
    the usual limits 64 are enough.
    """
    with sandboxed(tmp_path / "film") as (film, sandbox):
        film.write(20)
        command = f"ulimit -n {files}; exec {sys.executable} -m klingflow run film.yaml -y -q"
        shell = ["sh", "-c", command]
        ended = subprocess.run(
            shell, cwd=film.folder, env=film.environ, capture_output=True, text=True, check=False
        )
        assert ended.returncode == code, ended.stderr
        assert ("ulimit -n 256" in ended.stderr) is (code == 2)
        assert len(charges(sandbox)) == (0 if code else 20)
        assert Path(film.environ["KLINGFLOW_STATE_DIR"]).exists() is (code == 0)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems name files in UTF-8 always")
def test_nothing_is_bought_that_could_be_given_no_name(tmp_path: Path) -> None:
    """In a locale without UTF-8 a video with a Chinese name could not be written."""
    ascii_only = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    with sandboxed(tmp_path / "film") as (usual, sandbox):
        film = replace(usual, environ={**usual.environ, **ascii_only})
        film.write({"雨夜": {"prompt": "rain"}})
        said = film.do("run", "film.yaml", "-y", code=2)
        assert "nothing was bought" in said and "PYTHONUTF8=1" in said
        assert charges(sandbox) == []
        film.write({"rain": {"prompt": "rain"}})
        film.do("run", "film.yaml", "-y")
        assert len(charges(sandbox)) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="no folder in use can be deleted there")
def test_ids_outlive_the_folder_that_they_were_bought_in(tmp_path: Path) -> None:
    """A folder that is deleted during a run takes the ledger along: what was bought is kept in the
    temporary folder, and named.
    """
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    with sandboxed(tmp_path / "film", task_time="600s") as (film, sandbox):
        film.write(3)
        given = ("run", "film.yaml", "-y", "--no-black-box")
        with film.start(*given, TMPDIR=str(temporary)) as process:
            assert process.stdout
            bought = (line for line in process.stdout if "bought as" in line)
            for _ in range(3):
                next(bought)
            shutil.rmtree(film.folder)
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=PATIENCE_S)
        charged = charges(sandbox)
    [kept] = temporary.iterdir()
    text = kept.read_text(encoding="utf-8")
    assert process.returncode == 1 and str(kept) in said
    assert [charge["task_id"] in text for charge in charged] == [True] * 3
