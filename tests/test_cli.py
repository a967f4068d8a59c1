"""The entry point: every stream is written to its end, and errors become exit codes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.harness import Pipeline, pipeline_at

SHOTS = {"雨夜": {"prompt": "🎬 雨夜街头"}, "b": {"prompt": "x"}}


@pytest.fixture(params=["ascii", "gbk"])
def narrow(tmp_path: Path, request: pytest.FixtureRequest) -> Pipeline:
    """A pipeline on a terminal whose encoding lacks some characters or most."""
    film = pipeline_at(tmp_path)
    film.write(SHOTS)
    return replace(film, environ={**film.environ, "PYTHONIOENCODING": request.param})


def lines_of(film: Pipeline, *arguments: str) -> list[str]:
    process = film.start(*arguments)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    return out.splitlines()


def test_a_plan_is_whole_in_any_encoding(narrow: Pipeline) -> None:
    """A line that the terminal cannot show takes no other with it."""
    lines = lines_of(narrow, "plan", "film.yaml")
    assert [line[:4] for line in lines[1:3]] == ["  + ", "  + "]
    assert lines[3].startswith("Plan: 2 to buy.")
    assert lines[4].startswith("Cost: ")


def test_rows_are_data_in_any_encoding(narrow: Pipeline) -> None:
    """JSON Lines stay JSON, whatever has to be escaped."""
    (row, _) = map(json.loads, lines_of(narrow, "render", "film.yaml", "--format", "jsonl"))
    assert (row["id"], row["body"]["prompt"]) == ("雨夜", "🎬 雨夜街头")


def test_yaml_is_data_in_any_encoding(narrow: Pipeline) -> None:
    """YAML escapes what the terminal lacks as YAML does."""
    text = "\n".join(lines_of(narrow, "render", "film.yaml", "--format", "yaml"))
    assert "雨夜" in text or "\\u96E8\\u591C" in text


def test_a_mistake_is_told_in_any_encoding(narrow: Pipeline) -> None:
    """The line, the source and the caret are there, escaped."""
    narrow.write({"雨夜": {"promt": "x"}})
    process = narrow.start("validate", "film.yaml")
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "error[unknown-field]" in out
    assert out.splitlines()[-1].startswith("film.yaml: ")
