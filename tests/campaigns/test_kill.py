"""kill -9 at random moments of one batch."""

from __future__ import annotations

import random
import time
from pathlib import Path

from tests.campaigns.figures import Report
from tests.campaigns.judge import judge
from tests.harness import sandboxed


def test_kill_9_at_random_moments(tmp_path: Path, long: bool, report: Report) -> None:
    """Nothing is charged twice, and every task id is in the ledger or its shot in doubt."""
    kills, shots = (100, 200) if long else (12, 40)
    chance = random.Random(9)
    # Half the replies are late, so that kills also fall between the charge and its reply.
    with sandboxed(tmp_path, "create:slow=0.5,250ms", task_time="300ms") as (film, sandbox):
        film.write(shots, run={"submit": "8/1s", "max_running": 10})
        landed = 0
        for _ in range(kills):
            process = film.start("run", "film.yaml", "-y", "--log", "run.jsonl")
            time.sleep(chance.uniform(0.5, 1.3))  # the moment of the kill is the campaign's chance
            landed += process.poll() is None
            process.kill()
            process.communicate()
        said = film.start("run", "film.yaml", "-y")
        said.communicate(timeout=240)
        verdict = judge(film, sandbox)
        tried = {"kills": landed, "shots": shots, "in doubt": verdict.in_doubt}
        report.add("kill at random", tried, wrong=verdict.wrong, found=verdict)
        assert landed == kills
        assert said.returncode == (4 if verdict.in_doubt else 0)
        assert verdict.charged + verdict.in_doubt >= shots
        assert len(film.videos()) == shots - verdict.in_doubt
