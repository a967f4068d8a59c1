"""A batch under faults on every route."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from klingflow.gateway.mp4 import check
from klingflow.sandbox.faults import CATALOGUE
from tests.campaigns.figures import Report
from tests.campaigns.judge import judge
from tests.harness import charges, sandboxed

# Shares of one route's faults add up to about a tenth of its requests.
SHARE = 0.1


def test_faults_that_are_safe_to_retry(tmp_path: Path, long: bool, report: Report) -> None:
    """Every shot is charged once and plays; the billed tiers are the gateway's own; a second run
    posts nothing.
    """
    shots = 200 if long else 60
    safe = [fault for fault in CATALOGUE if fault.safe_to_retry]
    per_stage = Counter(fault.stage for fault in safe)
    faults = [f"{f.stage}:{f.name}={SHARE / per_stage[f.stage]:.4f}" for f in safe]
    faults = [
        f"{text},100ms" if "slow" in text or "hang" in text or "429" in text else text
        for text in faults
    ]
    with sandboxed(tmp_path, *faults, task_time="200ms", seed=5) as (film, sandbox):
        film.write(shots)
        film.do("run", "film.yaml", "-y")
        verdict = judge(film, sandbox)
        tried = {"shots": shots, "kinds of fault": len(faults), "in doubt": verdict.in_doubt}
        report.add("faults", tried, wrong=verdict.wrong, found=verdict)
        assert (verdict.charged, verdict.in_doubt) == (shots, 0)
        assert [check(video) for video in film.videos()] == [None] * shots
        billed = Counter(charge["tier"] for charge in charges(sandbox))
        recorded = film.record()["totals"]["by_tier"]
        assert {tier: sums["tasks"] for tier, sums in recorded.items()} == billed
        film.do("run", "film.yaml", "-y")
        lost = film.videos()[0]
        lost.unlink()
        film.do("fetch", "film.yaml")
        assert check(lost) is None
        assert len(charges(sandbox)) == shots
