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
    picked: dict[str, str] = {}  # ids of shots, by the keys of their takes
    approved: set[str] = set()
    for key, verdict in plan.verdicts.items():
        action = plan.by_key.get(key)
        shot = action.shot if action else None
        if action is None or shot is None or "picked" not in (verdict.word, verdict.earlier):
            continue
        picked[key] = shot.id
        if verdict.word == "picked" and action.verb == "keep":
            approved.add(shot.id)
    left = tuple(key for key, shot_id in picked.items() if shot_id not in approved)
    return Approved(frozenset(approved), left)
