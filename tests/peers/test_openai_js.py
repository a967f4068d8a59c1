"""OpenAI's SDK for JavaScript as a client of the sandbox."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.harness import charges, sandboxed

pytestmark = pytest.mark.peers


@pytest.mark.parametrize("faults", [[], ["create:drop_after=first:1"]])
def test_it_creates_polls_and_downloads(openai_js: Path, tmp_path: Path, faults: list[str]) -> None:
    """One video comes home; if the first reply is lost, the SDK's retry buys a second video."""
    script = (
        openai_js / "openai_sdk.mjs"
    )  # beside its node_modules, where node looks for what it imports
    shutil.copy(Path(__file__).with_name(script.name), script)
    with sandboxed(tmp_path, *faults, task_time="300ms") as (film, sandbox):
        done = subprocess.run(
            ["node", script, f"{sandbox.base_url}/v1", "a river"],
            env=dict(film.environ),
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        charged = [c["task_id"] for c in charges(sandbox)]
        assert json.loads(done.stdout) == {"id": charged[-1], "status": "completed", "box": "ftyp"}
        assert len(charged) == 1 + len(faults)
