"""Ledgers that share purchases: copies of one that went different ways, as Hypothesis draws
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

from hypothesis import strategies as st

from klingflow.ledger.headers import lock_header
from klingflow.ledger.lifecycle import TRANSITIONS, advance, placed
from klingflow.ledger.lines import lock_line
from klingflow.ledger.unite import Telling, United, unite
from klingflow.model import Event, Failure, Purchase
from tests.purchases import intent

_CHANGES: dict[Event, dict[str, Any]] = {
    "refused": {"error": Failure("limited", "429", "slow down")},
    "failed": {"error": Failure("moderation", "x", "no")},
    "downloaded": {"sha256": "aa", "size_bytes": 10},
}


def as_bytes(united: United) -> bytes:
    """The lock that holds it."""
    head = lock_header(united.lineage, united.serial, len(united.purchases))
    return b"".join([head, *map(lock_line, united.purchases)])


def as_telling(united: United) -> Telling:
    """One ledger again."""
    lineages = frozenset({united.lineage} - {""})
    return Telling(united.purchases, (), lineages, united.serial)


@st.composite
def lives(draw: st.DrawFn, uid: str, shot: str, take: int, attempt: int) -> list[Purchase]:
    """Accounts of one purchase as copies of its ledger may hold them. Copies that parted in doubt
    may have learned of two different tasks; what is known of one task does not depend on who asked.
    """
    clock = (f"2026-06-08T07:{n // 60:02}:{n % 60:02}.000Z" for n in count(1))
    tree = [intent(shot, take, attempt, uid=uid)]
    for _ in range(draw(st.integers(1, 6))):
        before = draw(st.sampled_from(tree))
        if draw(st.integers(0, 3)) == 0:
            where: dict[str, Any] = {
                "shot": draw(st.sampled_from("abc")),
                "take": draw(st.integers(1, 2)),
            }
            tree.append(placed(before, next(clock), **where, output=f"{next(clock)[17:19]}.mp4"))
            continue
        events = [e for (state, e) in TRANSITIONS if state == before.state]
        if not events:
            continue
        event = draw(st.sampled_from(events))
        at = next(clock)
        changes: dict[str, Any] = {**_CHANGES.get(event, {})}
        if event in ("accepted", "found"):
            task = f"task_{uid}_{draw(st.integers(1, 2))}"
            changes |= {"task_id": task, "billed_tier": f"tier of {task}"}
        if event == "succeeded":
            changes |= {"video_url": f"https://cdn.example.com/{before.task_id}.mp4"}
        if event == "doubted":
            changes |= {"evidence": {"from": before.times["intent"], "to": at}}
        tree.append(advance(before, event, at, **changes))
    refused = [p for p in tree if p.state == "rejected"]
    # What was refused cost nothing and is known by its own runner only; an intent never outlives
    # its runner.
    return refused[:1] or tree[1:]


@st.composite
def ledgers(draw: st.DrawFn, least: int = 2, most: int = 4) -> list[Telling]:
    """Several ledgers of one manifest, as each would be alone."""
    told: list[list[Purchase]] = [[] for _ in range(draw(st.integers(least, most)))]
    for number in range(draw(st.integers(0, 6))):
        place = draw(st.sampled_from("ab")), draw(st.integers(1, 2)), draw(st.integers(1, 2))
        for account in draw(lives(f"20260608-{number}", *place)):
            told[draw(st.integers(0, len(told) - 1))].append(account)
    made = []
    for accounts in told:
        lineage = draw(st.sampled_from(["", "aaaa", "bbbb", "cccc"]))
        serial = draw(st.integers(1, 9)) if lineage else 0
        made.append(as_telling(unite([Telling(accounts, (), frozenset({lineage} - {""}), serial)])))
    return made


def ids(accounts: Sequence[Purchase]) -> set[str]:
    """The task ids they name."""
    return {p.task_id for p in accounts if p.task_id}
