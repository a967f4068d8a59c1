"""Whatever is fed to klingflow's readers, they give a value or refuse it at a place: no crash, no
hang, no flood.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.campaigns.figures import Report
from tests.campaigns.fuzz import run
from tests.campaigns.inputs import ROOT, TARGETS

# How many texts a target gets in the short form; the long one has twenty times as many.
COUNT = {"manifest": 150, "yaml": 200, "lock": 1500, "journal": 1500}
SEED = 1


def _fed(target: str, count: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.campaigns.fuzz", target, str(SEED), str(count)]
    fed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert fed.returncode == 0, f"{target}: the reader died\n{fed.stderr[-3000:]}"
    said: dict[str, Any] = json.loads(fed.stdout)
    return said


def test_changed_inputs(long: bool, report: Report) -> None:
    """Texts that mean something, changed at random."""
    counts = {target: COUNT.get(target, 300) * (20 if long else 1) for target in TARGETS}
    with ThreadPoolExecutor(2) as pool:
        told = dict(zip(counts, pool.map(_fed, counts, counts.values()), strict=True))
    wrong = {kind: sum(len(t[kind]) for t in told.values()) for kind in ("crashes", "hangs")}
    found = "\n".join(
        f"--- {target}: {text!r}\n{trace}"
        for target, t in told.items()
        for text, trace in (t["crashes"] + t["hangs"])[:3]
    )
    tried = {
        "texts": sum(t["tried"] for t in told.values()),
        "readers": len(TARGETS),
        "ms for the slowest": round(1000 * max(t["slowest_s"] for t in told.values())),
    }
    report.add("input", tried, wrong=wrong, found=found)


@pytest.mark.skipif(
    not find_spec("atheris"), reason="atheris is not installed: pip install 'klingflow[fuzz]'"
)
def test_inputs_found_by_coverage(tmp_path: Path, long: bool, report: Report) -> None:
    """Texts that atheris finds by the lines of klingflow they reach."""
    if not long:
        pytest.skip("in the long form only")
    tried, crashes, found = 0, 0, ""
    for target in TARGETS:
        folder = tmp_path / target
        folder.mkdir()
        command = [
            sys.executable,
            "-m",
            "tests.campaigns.fuzz",
            target,
            str(SEED),
            "25",
            "--guided",
            str(folder),
        ]
        said = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False
        ).stderr
        units = re.search(r"number_of_executed_units: (\d+)", said)
        tried += int(units[1]) if units else 0
        artifacts = [p.read_bytes() for p in folder.glob("found-*")]
        crashes += len(artifacts) or not units
        found += f"--- {target}: {artifacts}\n{said[-3000:]}\n" if artifacts or not units else ""
    report.add(
        "input, by coverage",
        {"texts": tried, "readers": len(TARGETS)},
        wrong={"crashes": crashes},
        found=found,
    )


def test_a_reader_that_crashes_or_hangs_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The campaign can fail."""

    def breaks(text: str) -> None:
        raise KeyError(text)

    def hangs(_text: str) -> None:
        while True:
            pass

    for sown, kind in ((breaks, "crashes"), (hangs, "hangs")):
        monkeypatch.setitem(TARGETS, "sown", (sown, ["x"]))
        said: dict[str, Any] = run("sown", SEED, 1)
        assert len(said[kind]) == 1
