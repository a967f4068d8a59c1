"""What the sandbox charged, held against what the ledger says."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from klingflow.sandbox.child import Sandbox
from tests.harness import Pipeline, charges


@dataclass(frozen=True)
class Verdict:
    """`lost` are task ids that were charged and that neither the ledger nor a doubt about their
    shot accounts for.
    """

    charged: int
    twice: list[str]
    lost: list[str]
    in_doubt: int

    @property
    def wrong(self) -> dict[str, int]:
        """For `Report.add`."""
        return {"charged twice": len(self.twice), "ids lost": len(self.lost)}

    def __str__(self) -> str:
        bad = f"twice: {self.twice}, lost: {self.lost}"
        return f"{self.charged} charges, {bad}, {self.in_doubt} in doubt"


def judge(film: Pipeline, sandbox: Sandbox, of: str = "") -> Verdict:
    """Every charge is one shot's, told by its prompt, which no two shots of a campaign share.

    Where several pipelines share the sandbox, the prompts of this one begin with `of`.
    """
    purchases = film.purchases()
    shot_of = {p["body"]["prompt"]: p["shot"] for p in purchases}
    known = {p["task_id"] for p in purchases if p.get("task_id")}
    doubted = {p["shot"] for p in purchases if p["state"] == "in_doubt"}
    charged = [c for c in charges(sandbox) if c["prompt"].startswith(of)]
    per_shot = Counter(shot_of.get(c["prompt"], c["prompt"]) for c in charged)
    lost = [
        c["task_id"]
        for c in charged
        if c["task_id"] not in known and shot_of.get(c["prompt"]) not in doubted
    ]
    return Verdict(
        len(charged), [shot for shot, n in per_shot.items() if n > 1], lost, len(doubted)
    )
