"""Purchases for tests."""

from __future__ import annotations

from decimal import Decimal
from itertools import count

from klingflow.ledger.lifecycle import advance
from klingflow.model import Price, Purchase

AT = "2026-06-08T06:52:49.123Z"
LATER = "2026-06-08T06:53:00.000Z"
ORIGIN = "https://gateway.example.com"
_numbers = count(1)


def at(minute: int) -> str:
    """A time after those above, by its minute."""
    return f"2026-06-08T07:{minute:02}:00.000Z"


def intent(
    shot: str,
    take: int = 1,
    attempt: int = 1,
    *,
    uid: str = "",
    prompt: str = "雨夜",
    fingerprint: str = "sha256:1",
) -> Purchase:
    """An attempt to buy, not sent yet."""
    return Purchase(
        uid=uid or f"20260608065249123-{next(_numbers):012x}",
        shot=shot,
        take=take,
        attempt=attempt,
        state="intent",
        fingerprint=fingerprint,
        body={"model": "kling-3.0", "prompt": prompt, "seconds": "5"},
        origin=ORIGIN,
        predicted_tier="kling-3.0-720p",
        seconds=5,
        price=Price(Decimal("3.00"), "CNY", "5 s × 0.6"),
        times={"intent": AT, "updated": AT},
        output=f"outputs/film/{shot}.mp4",
    )


def submitted(
    shot: str, take: int = 1, attempt: int = 1, *, task_id: str = "", **about: str
) -> Purchase:
    """Bought; its task is `task_<shot>` unless said otherwise."""
    purchase = intent(shot, take, attempt, **about)
    return advance(
        purchase,
        "accepted",
        AT,
        task_id=task_id or f"task_{purchase.key}",
        billed_tier="kling-3.0-720p",
    )


def succeeded(shot: str, take: int = 1, attempt: int = 1, **about: str) -> Purchase:
    """Finished at the gateway."""
    url = f"https://cdn.example.com/{shot}.mp4"
    return advance(submitted(shot, take, attempt, **about), "succeeded", AT, video_url=url)


def done(shot: str, take: int = 1, attempt: int = 1, **about: str) -> Purchase:
    """Downloaded: 10 bytes whose hash is `aa`."""
    return advance(
        succeeded(shot, take, attempt, **about), "downloaded", AT, sha256="aa", size_bytes=10
    )


def found(shot: str = "a") -> Purchase:
    """One that was in doubt from AT to LATER, and whose task turned out to be `task_x`."""
    doubt = advance(intent(shot), "doubted", LATER, evidence={"from": AT, "to": LATER})
    return advance(doubt, "found", LATER, task_id="task_x")


def doubtful(shot: str, uid: str = "") -> Purchase:
    """One that was sent from AT to LATER, and of which no answer came."""
    return advance(intent(shot, uid=uid), "doubted", AT, evidence={"from": AT, "to": LATER})
