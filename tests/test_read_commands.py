"""The commands that change nothing, as they are typed: several manifests, any stream, any width."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from klingflow.errors import ExitCode, ManifestError
from klingflow.ledger.handed_over import handed_over
from klingflow.ledger.headers import lock_header
from klingflow.ledger.lines import lock_line
from klingflow.terminal import layout
from klingflow.terminal.cli import cli
from tests.purchases import intent

SHOTS = {"雨夜": {"prompt": "🎬 雨夜 ↻"}, "b": {"prompt": "x"}}
TALK = {"model": "kling-2.5", "kind": "avatar", "image": "https://cdn.example.com/a.png"}
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working folder, without an environment of this machine's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    for name in ("KLINGFLOW_BASE_URL", "KLINGFLOW_API_KEY", "KLINGFLOW_PRICES"):
        monkeypatch.delenv(name, raising=False)


def film(path: str, shots: Any = None, **top: Any) -> str:
    """Write a manifest, in JSON."""
    prices = {"currency": "CNY", "as_of": "2026-01-01", "tiers": {"*": {"per_request": 2}}}
    file = Path(path)
    file.parent.mkdir(exist_ok=True)
    (file.parent / "prices.yaml").write_text(json.dumps(prices), encoding="utf-8")
    defaults = {"model": "kling-3.0", "seconds": 5, "resolution": "720P", "aspect_ratio": "16:9"}
    document = {
        "version": 1, "prices": "prices.yaml", "defaults": defaults, **top, "shots": shots or SHOTS
    }  # fmt: skip
    file.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    return path


def done(*arguments: str) -> int:
    """Run a command to its end, in this process."""
    return int(cli.main(arguments, standalone_mode=False) or 0)


def test_a_plan_of_several_manifests_is_that_of_one_run(capsys: Capture) -> None:
    """They share the strictest of their caps; JSON is a list."""
    files = film("a.yaml", run={"max_tasks": 3}), film("b.yaml")
    assert done("plan", *files) == 0
    plans = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Plan: ")]
    assert plans == ["Plan: 2 to buy.", "Plan: 1 to buy, 1 left out."]
    assert done("plan", *files, "--format", "json", "--check") == 6
    assert [one["manifest"] for one in json.loads(capsys.readouterr().out)] == [*files]


def test_the_bodies_of_several_manifests_say_whose_they_are(capsys: Capture) -> None:
    """In each form; of one manifest nothing is said."""
    files = film("a.yaml", {"s": {"prompt": "x"}}), film("b.yaml", {"s": {"prompt": "y"}})
    told = {}
    for form in ("json", "yaml", "jsonl"):
        assert done("render", *files, "--format", form) == 0
        told[form] = capsys.readouterr().out
    assert json.loads(told["json"]) == yaml.safe_load(told["yaml"])
    assert [(one["manifest"], len(one["shots"])) for one in json.loads(told["json"])] == [
        ("a.yaml", 1), ("b.yaml", 1)
    ]  # fmt: skip
    assert [json.loads(line)["manifest"] for line in told["jsonl"].splitlines()] == [*files]
    assert done("render", "a.yaml", "--format", "jsonl") == 0
    assert "manifest" not in json.loads(capsys.readouterr().out)


def test_a_status_of_several_manifests_is_one_after_the_other(capsys: Capture) -> None:
    """In the order in which they were named; JSON is a list."""
    files = film("a.yaml"), film("b.yaml")
    assert done("status", *files) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line for line in said if "(" in line] == ["a (a.yaml)", "b (b.yaml)"]
    assert done("status", *files, "--format", "json") == 0
    assert [one["manifest"] for one in json.loads(capsys.readouterr().out)] == [*files]


def test_the_mistakes_of_several_manifests_are_shown_together(capsys: Capture) -> None:
    """By `plan` as by `validate`."""
    files = film("a.yaml", {"a": {"promt": "x"}}), film("b.yaml", {"b": {"sceonds": 5}})
    with pytest.raises(ManifestError) as raised:
        done("plan", *files)
    assert {d.mark.file for d in raised.value.diagnostics} == {*files}
    assert done("validate", *files) == 2
    assert capsys.readouterr().out.splitlines()[-1].startswith("2 files: ")


@pytest.mark.parametrize(
    ("takes", "said"),
    [({}, "2 shots"), ({"takes": 3}, "2 shots, 4 takes"), ({"takes": 1}, "2 shots")],
)
def test_takes_are_not_counted_as_shots(takes: dict[str, int], said: str, capsys: Capture) -> None:
    """Who wrote two shots reads that there are two."""
    name = film("a.yaml", {"a": {"prompt": "x", **takes}, "b": {"prompt": "y"}})
    assert done("validate", name) == 0
    assert capsys.readouterr().out == f"a.yaml: no problems, {said}\n"


COMMANDS: list[Sequence[str]] = [
    ["plan", "film.yaml"],
    ["run", "-n", "film.yaml"],
    ["status", "film.yaml"],
    ["validate", "film.yaml"],
    ["render", "film.yaml", "--format", "jsonl"],
    ["why", "film.yaml", "雨夜"],
    ["lock", "check", "film.yaml"],
    ["init", "影片"],
    ["schema", "manifest"],
    ["doctor", "影片/film.yaml"],
    ["doctor", "雨夜.yaml"],
]


class Stream(io.TextIOWrapper):
    """A stream in a certain encoding, as the entry point sets it up."""

    def __init__(self, encoding: str) -> None:
        self.written = io.BytesIO()
        super().__init__(self.written, encoding=encoding, errors="backslashreplace")

    def lines(self) -> list[str]:
        self.flush()
        return self.written.getvalue().decode(self.encoding).splitlines()


def lines_in(encoding: str, arguments: Sequence[str], patch: pytest.MonkeyPatch) -> list[str]:
    """The lines on stdout, then those on stderr."""
    streams = Stream(encoding), Stream(encoding)
    with patch.context() as patched:
        patched.setattr(sys, "stdout", streams[0])
        patched.setattr(sys, "stderr", streams[1])
        assert done(*arguments) in (ExitCode.OK, ExitCode.USAGE)  # doctor finds no key
    return [line for stream in streams for line in stream.lines()]


@pytest.mark.parametrize("encoding", ["gbk", "cp1252", "latin-1", "ascii"])
@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_no_line_is_lost_in_any_encoding(
    arguments: Sequence[str], encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PYTHONIOENCODING=gbk, cp1252, latin-1, ascii: each line of both streams is there, with an
    escape for each character that is lacking. JSON has its own escapes.
    """
    film("film.yaml", {**SHOTS, "嘴": TALK})
    assert done("init", "影片") == 0
    whole = lines_in("utf-8", arguments, monkeypatch)
    narrow = lines_in(encoding, arguments, monkeypatch)
    if arguments[0] == "schema":
        assert json.loads("\n".join(narrow)) == json.loads("\n".join(whole))
        return
    if arguments[0] == "render":
        assert [json.loads(line) for line in narrow[:3]] == [json.loads(line) for line in whole[:3]]
        whole, narrow = whole[3:], narrow[3:]
    shown = [line.encode(encoding, "backslashreplace").decode(encoding) for line in whole]
    assert [line.split() for line in narrow] == [line.split() for line in shown]


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("command", [["plan"], ["run", "-n"], ["status"]], ids=" ".join)
def test_no_line_is_longer_than_the_terminal_is_wide(
    command: Sequence[str], columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In Chinese too, with long ids, a long budget line and shots that a cap leaves out."""
    long = {
        f"postcard-{n}-银发女侦探走进窄巷回头一瞥-{'long' * 5}": {"prompt": "x"} for n in range(4)
    }
    film("film.yaml", {**SHOTS, **long}, budget=6, run={"max_tasks": 4})
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    assert done(*command, "film.yaml") == 0
    lines = terminal.getvalue().splitlines()
    assert [line for line in lines if layout.width(line) > columns] == []
    assert len(lines) > 6


def test_a_status_says_what_is_at_the_cluster(capsys: Capture) -> None:
    """Nobody is to settle it: it is no doubt."""
    path = film("film.yaml")
    handed = handed_over(intent("b", uid="20260608-b"), store="s", batch="b1")
    Path("film.lock").write_bytes(lock_header("0123456789abcdef", 1, 1) + lock_line(handed))
    assert done("status", path) == 0
    said = capsys.readouterr().out
    assert "at the cluster  b" in said and "1 at the cluster" in said


def test_a_plan_that_is_saved_says_how_it_is_run(capsys: Capture) -> None:
    """Below the plan; a quiet command and JSON say nothing of it."""
    at, path = ("--gateway", "https://gw.example.com"), "my plan.json"
    assert done("plan", film("film.yaml"), *at, "-o", path) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"Saved: {path}. `klingflow run --plan 'my plan.json' --gateway https://gw.example.com`"
        " buys it, once."
    )
    assert done("plan", "film.yaml", *at, "-o", path, "-q") == 0
    assert done("plan", "film.yaml", *at, "-o", path, "--format", "json") == 0
    assert "Saved" not in capsys.readouterr().out
