"""What is left after a fault: the ledger as it lies there, what a next run makes of it, and what it
leaves behind.
"""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from klingflow.gateway.mp4 import check
from klingflow.ledger.places import ledger_paths
from klingflow.ledger.store import read
from klingflow.sandbox.child import Sandbox
from tests.campaigns.judge import judge
from tests.harness import PROGRAM, Pipeline, Process, charges

PATIENCE_S = 240
# Files of one moment, which no run that ends well leaves lying about. (`.damaged` is kept: what a
# torn line was.)
_PASSING = (".tmp", ".part", ".folded", ".emergency.jsonl", ".bak", ".moving")


@dataclass
class Found:
    """What a campaign's trials came to. `complaints` are the details of all that was wrong."""

    doubts: int = 0
    wrong: Counter[str] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)

    def blame(self, kind: str, where: object, what: str) -> None:
        """Count something wrong, of one of `figures.WRONGS`."""
        self.wrong[kind] += 1
        self.complaints.append(f"{where}: {what}")

    def counts(self) -> dict[str, int]:
        """For `Report.add`."""
        return {
            kind: self.wrong[kind] for kind in ("charged twice", "ids lost", "crashes", "hangs")
        }


def examine(film: Pipeline, sandbox: Sandbox, of: str, where: object, found: Found) -> None:
    """Look at the ledger as a fault left it, let a next run end the batch, and look again."""
    account(film, sandbox, of, where, found)
    code, said = ends(film, "run", "film.yaml", "-y", "-q")
    if code is None:
        return found.blame("hangs", where, said)
    verdict = judge(film, sandbox, of)
    found.doubts += verdict.in_doubt
    for kind, number in verdict.wrong.items():
        if number:
            found.blame(kind, where, f"after the next run {verdict}")
    wanted = 4 if verdict.in_doubt else 0
    if code != wanted:
        found.blame("crashes", where, f"the next run ended with exit {code}, not {wanted}: {said}")
    shots = len({p["shot"] for p in film.purchases()})
    if len(film.videos()) != shots - verdict.in_doubt or any(map(check, film.videos())):
        found.blame(
            "crashes", where, f"{len(film.videos())} videos of {shots} shots, or some are not whole"
        )
    if left := left_behind(film):
        found.blame("crashes", where, f"left behind: {left}")


def account(
    film: Pipeline, sandbox: Sandbox, of: str, where: object, found: Found, printed: str = ""
) -> None:
    """Every charged task must be in the ledger's files (its black box set aside), its shot in
    doubt, or `printed`.
    """
    book = read(ledger_paths(film.manifest))
    doubted = {p.body["prompt"] for p in book.purchases.values() if p.state == "in_doubt"}
    charged = [
        c for c in charges(sandbox) if c["prompt"].startswith(of) and c["prompt"] not in doubted
    ]
    lost = [
        c["task_id"]
        for c in charged
        if not (c["task_id"] in book.task_ids or c["task_id"] in printed)
    ]
    if lost:
        found.blame("ids lost", where, f"what the fault left knows nothing of {lost}")


def ends(
    film: Pipeline, *arguments: str, python: Sequence[str] = PROGRAM
) -> tuple[int | None, str]:
    """The exit code and the words of a klingflow process; no code if it had to be killed for
    hanging.
    """
    try:
        done = film.done(*arguments, python=python)
    except subprocess.TimeoutExpired as late:
        return None, f"{' '.join(arguments)} hung: {late.stdout!r} {late.stderr!r}"
    return done.returncode, done.stdout + done.stderr


def left_behind(film: Pipeline) -> list[str]:
    """Files of one moment that are still there, also in the black box."""
    places = (film.folder, Path(film.environ["KLINGFLOW_STATE_DIR"]))
    return sorted(str(p) for place in places for p in place.rglob("*") if p.name.endswith(_PASSING))


def begun(process: Process, log: Path, event: str = "") -> None:
    """Wait for the first event of a run, or the first of this name; or for the run's end."""
    until = time.monotonic() + PATIENCE_S
    sign = f'"event": "{event}"' if event else "\n"
    while not (log.exists() and sign in log.read_text("utf-8")) and process.poll() is None:
        assert time.monotonic() < until, "it hangs"
        time.sleep(0.01)
