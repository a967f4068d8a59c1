"""A pipeline in a folder, the command line as a process, and a sandbox as its gateway: what a user
has.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from klingflow.sandbox.child import Sandbox
from klingflow.sandbox.options import Options
from tests import forked

PATIENCE_S = 240.0
PROGRAM = ("-m", "klingflow")  # as Python is told to start it

# No waiting in tests: every limit of a run is far away, and polls may follow each other closely.
FAST = {
    "max_running": 50,
    "submit": "6000/1s",
    "poll": "6000/1s",
    "poll_floor": "20ms",
    "downloads": 4,
    "connections": 16,
}


# A process of klingflow that goes on beside a test.
Process = subprocess.Popen[str] | forked.Running


@dataclass(frozen=True)
class Pipeline:
    """A manifest in a folder of its own, and the environment its commands run in."""

    folder: Path
    environ: Mapping[str, str]
    name: str = "film"

    @property
    def manifest(self) -> Path:
        return self.folder / f"{self.name}.yaml"

    @property
    def lock(self) -> Path:
        return self.folder / f"{self.name}.lock"

    def write(
        self,
        shots: Mapping[str, Any] | int,
        *,
        run: Mapping[str, Any] | None = None,
        price_list: Mapping[str, Any] | None = None,
        **top: Any,
    ) -> None:
        """Write the manifest: shots by name, or so many plain ones. `price_list` is laid over the
        usual prices, by which every shot costs 2 CNY.
        """
        if isinstance(shots, int):
            shots = {
                f"shot{n:03}": {"prompt": f"a quiet street, number {n}"}
                for n in range(1, shots + 1)
            }
        document = {
            "version": 1,
            "run": {**FAST, **(run or {})},
            "prices": "prices.yaml",
            "defaults": {"model": "kling-2.5", "resolution": "720P"},
            **top,
            "shots": shots,
        }
        self.manifest.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
        prices = {"currency": "CNY", "as_of": "2026-01-01", "tiers": {"*": {"per_request": 2}}}
        prices |= price_list or {}
        (self.folder / "prices.yaml").write_text(json.dumps(prices), encoding="utf-8")

    def start(
        self, *arguments: str, python: Sequence[str] = PROGRAM, **environ: str
    ) -> subprocess.Popen[str]:
        """A klingflow process, its output piped. `python` is how Python is told to start it."""
        env = {**self.environ, **environ}
        return subprocess.Popen(
            [sys.executable, *python, *arguments],
            cwd=self.folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding=env.get("PYTHONIOENCODING", "utf-8"),
        )

    def begin(self, *arguments: str, **environ: str) -> Process:
        """A klingflow process that goes on beside the test, as from `start`. Where it is forked,
        its imports are behind it: nothing meets it before its first line.
        """
        env = {**self.environ, **environ}
        if forked.can_have(env):
            return forked.begin(arguments, self.folder, env)
        return self.start(*arguments, **environ)

    def do(self, *arguments: str, code: int = 0, **environ: str) -> str:
        """Run klingflow to its end; its exit code must be `code`. Returns stdout and stderr
        together.
        """
        done = self.done(*arguments, **environ)
        said = done.stdout + done.stderr
        assert done.returncode == code, f"exit {done.returncode}, not {code}\n{said}"
        return said

    def done(
        self, *arguments: str, python: Sequence[str] = PROGRAM, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Run klingflow to its end, however it ends. It is killed, with TimeoutExpired, if that
        takes too long.
        """
        env = {**self.environ, **environ}
        if python == PROGRAM and forked.can_have(env):
            return forked.run(arguments, self.folder, env, PATIENCE_S)
        with self.start(*arguments, python=python, **environ) as process:
            try:
                out, err = process.communicate(timeout=PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def data(self, *arguments: str) -> Any:
        """What a command with --format json prints."""
        done = self.done(*arguments, "--format", "json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def purchases(self) -> list[dict[str, Any]]:
        """The ledger's lines, without its header."""
        lines = self.lock.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines[1:]]

    def record(self) -> Any:
        """The run manifest."""
        return json.loads(
            (self.folder / "outputs" / self.name / "manifest.json").read_text(encoding="utf-8")
        )

    def videos(self) -> list[Path]:
        """The videos in the outputs folder."""
        return sorted((self.folder / "outputs").rglob("*.mp4"))


def pipeline_at(
    folder: Path, gateway: str | None = None, key: str = "sk-test-0123456789abcdef"
) -> Pipeline:
    """A Pipeline whose gateway is at `gateway`, in an environment with nothing of this machine's
    own.
    """
    environ = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith("KLINGFLOW_") and "proxy" not in k.lower()
    }
    state = (
        folder.absolute().parent / f"{folder.name}.state"
    )  # beside it: `git clean` does not reach it
    environ |= {"PYTHONUTF8": "1", "NO_COLOR": "1", "KLINGFLOW_STATE_DIR": str(state)}
    if gateway:
        environ |= {"KLINGFLOW_BASE_URL": gateway, "KLINGFLOW_API_KEY": key}
    folder.mkdir(parents=True, exist_ok=True)
    return Pipeline(folder, environ)


@contextmanager
def sandboxed(
    folder: Path, *faults: str, task_time: str = "0s", **options: Any
) -> Iterator[tuple[Pipeline, Sandbox]]:
    """A pipeline in `folder` and a sandbox with `faults` as its gateway."""
    given = Options(faults=faults, task_time=task_time, plain_clips=True, **options)
    with forked.sandbox_with(given) as sandbox:
        yield pipeline_at(folder, sandbox.base_url), sandbox


def charges(sandbox: Sandbox) -> list[dict[str, Any]]:
    """What the sandbox charged, refunds included."""
    found: list[dict[str, Any]] = sandbox.ledger()["charges"]
    return found


@dataclass(frozen=True)
class Screen:
    """What came of a command on a terminal: its exit code, and what the terminal showed."""

    code: int
    text: str


def on_a_terminal(film: Pipeline, *arguments: str, typed: str = "", **environ: str) -> Screen:
    """Run klingflow to its end on a terminal of its own, where `typed` is what the user types."""
    if sys.platform == "win32":
        raise NotImplementedError("Windows has no such terminal")
    import pty  # here: Windows has none

    ours, theirs = pty.openpty()
    process = _begun_on(theirs, film, arguments, {**film.environ, "TERM": "dumb", **environ})
    os.close(theirs)
    os.write(ours, typed.encode())
    shown = b""
    with suppress(OSError):  # so a terminal says that nobody writes to it any more
        while piece := os.read(ours, 65_536):
            shown += piece
    os.close(ours)
    return Screen(process.wait(timeout=240), shown.decode("utf-8", "replace"))


def _begun_on(
    terminal: int, film: Pipeline, arguments: Sequence[str], env: Mapping[str, str]
) -> Process:
    if forked.can_have(env):
        return forked.begin_on(terminal, arguments, film.folder, env)
    return subprocess.Popen(
        [sys.executable, *PROGRAM, *arguments],
        cwd=film.folder,
        env=env,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        encoding="utf-8",
    )
