"""PURE. Which shots of a film the picks of its drafts approve."""

from __future__ import annotations

from typing import NamedTuple

from klingflow.model import Plan


class Approved(NamedTuple):
    """The ids of the shots that are approved, and the keys of picked drafts that do not count."""

    shots: frozenset[str]
    left: tuple[str, ...]


def approved_in(plan: Plan) -> Approved:
    """Return what a plan of drafts approves: shots of which the picked draft is kept. A draft that
    was bought for another body, or whose file is not here, is not what anybody would look at now.
    """
    picked = [
        plan.by_key[key]
        for key, verdict in plan.verdicts.items()
        if key in plan.by_key and "picked" in (verdict.word, verdict.earlier)
    ]
    kept = [a for a in picked if a.verb == "keep" and plan.verdicts[a.key].word == "picked"]
    shots = frozenset(a.shot.id for a in kept if a.shot)
    return Approved(shots, tuple(a.key for a in picked if a.shot and a.shot.id not in shots))
