"""PURE. What the gateway said last of a task that did not end in time.

It stands in a purchase's evidence as `last_answer`: when the gateway was asked, and its words. A
ledger may come from anywhere, so it is read with care.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from klingflow.model import Json, Purchase
from klingflow.model.sayings import said, saying

_NAME = "last_answer"


class LastAnswer(NamedTuple):
    """`at` is the time of the answer, UTC in ISO 8601; `said` the gateway's words on one line."""

    at: str
    said: str


def with_last(purchase: Purchase, answer: LastAnswer) -> dict[str, Json]:
    """Return the evidence of a purchase with this answer, in place of an earlier one."""
    return {
        **(purchase.evidence or {}),
        _NAME: {"at": answer.at, **saying("said", answer.said)},
    }


def last_answer(purchase: Purchase) -> LastAnswer | None:
    """Return what the gateway said last; None where the ledger does not say it."""
    found = (purchase.evidence or {}).get(_NAME)
    if not isinstance(found, Mapping):
        return None
    at, words = found.get("at"), said(found, "said")
    if not isinstance(at, str) or words is None:
        return None
    return LastAnswer(at, words) if (at + words).isprintable() else None
