"""The three functions that programs call."""

from __future__ import annotations

from pathlib import Path

import pytest

import klingflow
from tests.harness import charges, sandboxed


def test_load_plan_run_from_python(tmp_path: Path) -> None:
    """A program gets the manifest, the plan, and a result with the exit code that the command would
    give.
    """
    with sandboxed(tmp_path) as (film, sandbox):
        film.write(2)
        manifest = klingflow.load(film.manifest)
        assert [a.verb for a in klingflow.plan(manifest).actions] == ["create", "create"]
        events: list[str] = []
        result = klingflow.run(
            [manifest],
            base_url=sandbox.base_url,
            key="any",
            emit=lambda event: events.append(event["event"]),
        )
        assert result.exit_code is klingflow.ExitCode.OK
        assert [a.verb for a in klingflow.plan(manifest).actions] == ["keep", "keep"]
        assert (events.count("submitted"), len(charges(sandbox))) == (2, 2)
        assert len(result.bought) == 2


def test_a_wish_selects(tmp_path: Path) -> None:
    """What is not selected is not planned; a selection without shots is an error of its own."""
    with sandboxed(tmp_path) as (film, _):
        film.write(3)
        manifest = klingflow.load(film.manifest)
        chosen = klingflow.plan(manifest, klingflow.Wish(select=["shot001 shot003"]))
        assert [a.key for a in chosen.actions] == ["shot001", "shot003"]
        with pytest.raises(klingflow.NothingSelected):
            klingflow.plan(manifest, klingflow.Wish(select=["tag:nobody"]))


def test_load_raises_every_mistake(tmp_path: Path) -> None:
    """A ManifestError carries all diagnostics."""
    bad = tmp_path / "bad.yaml"
    bad.write_text("version: 1\nshots:\n  a: {promt: x}\n  b: {seconds: many}\n", encoding="utf-8")
    with pytest.raises(klingflow.ManifestError) as raised:
        klingflow.load(bad)
    assert {d.mark.line for d in raised.value.diagnostics} == {3, 4}
