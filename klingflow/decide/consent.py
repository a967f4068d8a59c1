"""PURE. Whether a run may buy: who has said so, and what is to be asked.

Only the user's own word counts, in this very command: what a manifest, its prices or a `.env` say
is no consent.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, NamedTuple

from klingflow.model import Limits

# `given`: buy. `idle`: there is nothing to buy. `ask`: a terminal has to be asked. `missing`: there
# is nobody to ask.
Consent = Literal["given", "idle", "ask", "missing"]


class Word(NamedTuple):
    """What the user said in the command. `capped`: by a cap on what the run may buy."""

    sandbox: bool = False
    yes: bool = False
    capped: bool = False
    terminal: bool = False


def consent(wanted: int, word: Word) -> Consent:
    """Return what is to be done before `wanted` purchases, at any price, 0 included."""
    if word.sandbox or word.yes:
        return "given"
    if not wanted:
        return "idle"
    if word.terminal:
        return "ask"
    return "given" if word.capped else "missing"


def covers_uncounted(word: Word, *, saved: bool) -> bool:
    """True if a user's word covers also what an earlier run began to hand over to a cluster, and no
    plan counts. Who was asked, or has saved a plan, agreed to a number; a lock from elsewhere could
    name any orders beside it.
    """
    return not saved and (word.sandbox or word.yes or not word.terminal)


def without_purchases(limits: Limits) -> Limits:
    """Return the limits of a run in which nothing is bought, since nobody was asked: not even a
    task again that fails.
    """
    return replace(limits, retries=0, max_tasks=0)
