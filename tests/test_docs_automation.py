"""The examples of docs/automation.md: what they start runs, and spends nothing unasked."""

from __future__ import annotations

import configparser
import fnmatch
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from klingflow.api.schemas import NAMES
from tests import pages
from tests.harness import pipeline_at, sandboxed
from tests.test_help import parses

WORKFLOW: dict[Any, Any] = yaml.safe_load(pages.labelled("en", "workflow"))
STEPS: list[dict[str, Any]] = WORKFLOW["jobs"]["plan"]["steps"]
PROGRAM = Path(sys.executable).with_name("klingflow")

on_posix = pytest.mark.skipif(
    shutil.which("bash") is None or not PROGRAM.is_file(), reason="written for a shell of POSIX"
)


def unit(name: str) -> configparser.ConfigParser:
    """A unit of systemd."""
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    parser.read_string(pages.labelled("en", f"unit: {name}"))
    return parser


def starts(night: str) -> list[str]:
    """The arguments of klingflow in the example `night`."""
    if night == "systemd":
        line = unit("film.service")["Service"]["ExecStart"]
    else:
        line = pages.labelled("en", night).split(maxsplit=5)[5]
    (arguments,) = pages.calls(line, "klingflow")
    return arguments


@pytest.mark.parametrize("night", ["systemd", "crontab"])
def test_a_night_starts_one_run_with_a_cap(night: str) -> None:
    """Its line parses; the cap is the consent, and the key is not on the line."""
    arguments = starts(night)
    parses(arguments)
    assert arguments == starts("systemd")
    assert arguments[:2] == ["run", "film.yaml"]
    assert "--max-spend" in arguments


def test_a_timer_starts_no_night_that_was_missed() -> None:
    """And a service no second run, which would have a cap of its own."""
    service, timer = unit("film.service"), unit("film.timer")
    assert dict(timer["Timer"]) == {"oncalendar": "*-*-* 01:30:00"}
    assert service["Service"]["type"] == "oneshot"
    assert "restart" not in service["Service"]


@pytest.mark.parametrize("language", pages.LANGUAGES)
def test_no_service_starts_a_run_again_for_its_exit_code(language: str) -> None:
    """8 says that a cap is reached, and the next start would have a cap of its own."""
    assert "on-failure" not in pages.all_text(language)


@on_posix
def test_the_line_of_cron_buys_the_film(tmp_path: Path) -> None:
    """In cron's shell, with key and address from the file beside it, without a question."""
    (home := tmp_path / "home").mkdir()
    with sandboxed(home / "my-film") as (film, _):
        film.write(1)
        (home / ".local/bin").mkdir(parents=True)
        (home / ".local/bin/klingflow").symlink_to(PROGRAM)
        (home / ".config/klingflow").mkdir(parents=True)
        names = pages.labelled("en", "night.env").replace("=", "\n").splitlines()[::2]
        words = [f"{name}={film.environ[name]}\n" for name in names if "NOTIFY" not in name]
        (home / ".config/klingflow/night.env").write_text("".join(words), encoding="utf-8")
        kept = ("KLINGFLOW_STATE_DIR", "PYTHONUTF8")
        done = subprocess.run(
            ["sh", "-c", pages.labelled("en", "crontab").split(maxsplit=5)[5]],
            env={"HOME": str(home), "PATH": "/usr/bin:/bin", **{n: film.environ[n] for n in kept}},
            stdin=subprocess.DEVNULL,
            timeout=120,
            check=False,
        )
        said = (film.folder / "night.txt").read_text(encoding="utf-8")
        assert done.returncode == 0, said
        assert [line["state"] for line in film.purchases()] == ["done"]


@on_posix
def test_the_workflow_plans_without_a_key(tmp_path: Path) -> None:
    """Its steps between installing and commenting, as GitHub runs them, in a folder of `init`."""
    film = pipeline_at(tmp_path)
    film.do("init", ".")
    program = tmp_path / "bin"
    program.mkdir()
    (program / "klingflow").symlink_to(PROGRAM)
    summary = tmp_path / "summary.md"
    for step in (step for step in STEPS if "klingflow " in step.get("run", "")[:10]):
        done = subprocess.run(
            ["bash", "-e", "-c", step["run"]],
            cwd=tmp_path,
            env={
                **film.environ,
                "PATH": f"{program}:/usr/bin:/bin",
                "RUNNER_TEMP": str(tmp_path),
                "GITHUB_STEP_SUMMARY": str(summary),
            },
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, step
    plan = (tmp_path / "plan.md").read_text(encoding="utf-8")
    assert summary.read_text(encoding="utf-8") == plan
    assert "    Plan: 5 to buy.\n" in plan
    assert [line for line in plan.splitlines() if not line.startswith("    ")] == []


def test_the_workflow_knows_no_secret_and_no_run() -> None:
    """Somebody else's text is read with the rights to read and to comment, and nothing more."""
    text = pages.labelled("en", "workflow")
    assert WORKFLOW[True] == "pull_request"  # YAML 1.1, which GitHub does not speak, reads `on`
    assert WORKFLOW["permissions"] == {"contents": "read", "pull-requests": "write"}
    assert "secrets" not in text
    assert "KLINGFLOW_" not in text
    scripts = "\n".join(step.get("run", "") for step in STEPS)
    commands = [call for line in scripts.splitlines() for call in pages.calls(line, "klingflow")]
    for arguments in commands:
        parses(arguments)
    assert [arguments[0] for arguments in commands] == ["validate", "plan"]


@pytest.mark.parametrize(
    ("file", "schema"),
    [
        ("film.yaml", "manifest"),
        ("films/night.yaml", "manifest"),
        ("film.picks.yaml", "picks"),
        ("films/prices.yaml", "prices"),
        (".github/workflows/film.yaml", None),
    ],
)
def test_an_editor_knows_each_file_by_one_schema(file: str, schema: str | None) -> None:
    """The last pattern that matches says it, as in the server behind VS Code."""
    found = []
    for path, patterns in json.loads(pages.labelled("en", "settings"))["yaml.schemas"].items():
        name = Path(path).name.removesuffix(".schema.json")
        assert name in NAMES
        matching = [p for p in patterns if fnmatch.fnmatch(f"/{file}", f"*/{p.lstrip('!')}")]
        if matching and not matching[-1].startswith("!"):
            found.append(name)
    assert found == ([schema] if schema else [])


@pytest.mark.parametrize("language", pages.LANGUAGES)
def test_no_example_holds_a_key(language: str) -> None:
    """Where a key would stand, there is a mark that no gateway takes for one."""
    lines = pages.labelled(language, "night.env").splitlines()
    assert [line for line in lines if "KEY" in line] == ["KLINGFLOW_API_KEY=…"]
