"""PURE. Several accounts of one purchase become one, in any order and grouping.

The higher rank of a state knows more (lifecycle.py). Where ranks are equal the later `updated`
counts. Of the places where the purchase stood, the one that was given last counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any

from klingflow.ledger.lifecycle import EVENTS, OF_THE_PLACE, RANK, times_in_order
from klingflow.model import Purchase

# What one account may fill in where a more certain one is silent.
_FILLED = (
    "task_id", "billed_tier", "predicted_tier", "seconds", "price", "fingerprint", "origin", "body",
    "finished_after_s", "video_url", "sha256", "size_bytes", "further",
)  # fmt: skip
# What was settled with the intent, whatever task came of it: accounts of two tasks agree in it.
_OF_THE_ATTEMPT = frozenset(
    {"predicted_tier", "seconds", "price", "fingerprint", "origin", "body", "further"}
)
# Names of times. "intent" is left by `begin`.
_TIMES_OF_THE_ATTEMPT = {"intent", *(row.time for row in EVENTS.values() if row.of_the_attempt)}
_LEARNED = {row.time for row in EVENTS.values() if row.needs_task_id}
_ONCE = {"intent", *(row.time for row in EVENTS.values() if row.once)}


def merge(accounts: Sequence[Purchase]) -> tuple[Purchase, list[Purchase]]:
    """Return one purchase out of all accounts of one uid, in any order and grouping, and the
    accounts that contradict it.

    Contradictions are another attempt, also one of another take, or another task id. Of two task
    ids the one learned first stays; what the other accounts say is about another task, so they are
    handed back whole. Where the purchase stands is said by the account that was placed last.
    """
    if all(a == accounts[0] for a in accounts[1:]):
        return accounts[0], []
    told = [a for a in accounts if not _is_witness(a)] or [*accounts]
    first = _first_with_its_task(told)
    agreeing: list[Purchase] = []
    contradicting: list[Purchase] = []
    for account in told:
        agrees = _same_purchase(account, first)
        (agreeing if agrees else contradicting).append(account)
    merged = _filled(_most_certain_first(agreeing), contradicting)
    return _standing(merged, [a for a in told if _same_attempt(a, first)]), contradicting


def _first_with_its_task(accounts: list[Purchase]) -> Purchase:
    """Return the account whose task was learned first; without a task, the most certain one."""
    with_task = [a for a in accounts if a.task_id]
    if with_task:
        return min(with_task, key=_age)
    return _most_certain_first(accounts)[0]


def _is_witness(account: Purchase) -> bool:
    """True if an account comes from a damaged line: a doubt that counts only where no other line
    reports the purchase.
    """
    damaged = "damaged" in (account.evidence or {})
    return damaged and account.state == "in_doubt" and not account.fingerprint


def _filled(accounts: Sequence[Purchase], contradicting: Sequence[Purchase]) -> Purchase:
    """Return the first account, completed by what only other accounts know."""
    best, everybody = accounts[0], [*accounts, *contradicting]
    changes: dict[str, Any] = {}
    for name in _FILLED:
        if getattr(best, name):
            continue
        others = everybody if name in _OF_THE_ATTEMPT else accounts
        known = next(filter(None, (getattr(a, name) for a in others)), None)
        if known:
            changes[name] = known
    changes |= _fullest_evidence(best, everybody)
    times = _times(accounts, contradicting)
    if times != best.times:
        changes["times"] = times_in_order(times)
    return replace(best, **changes) if changes else best


def _standing(merged: Purchase, accounts: Iterable[Purchase]) -> Purchase:
    """Return the purchase at the place that the account placed last has."""
    last = max(accounts, key=_placing)
    times = {name: at for name, at in merged.times.items() if name not in OF_THE_PLACE}
    times |= {name: last.times[name] for name in OF_THE_PLACE & last.times.keys()}
    if times == merged.times and _placing(merged) == _placing(last):
        return merged
    return replace(
        merged,
        shot=last.shot,
        take=last.take,
        was=last.was,
        output=last.output,
        times=times_in_order(times),
    )


def _placing(account: Purchase) -> tuple[str, str, int, str, str]:
    """Sort by the time of placing; what was never placed counts least."""
    times = account.times
    place = account.shot, account.take, account.output or ""
    return times.get("placed", ""), *place, times.get("moved", "")


def _fullest_evidence(best: Purchase, accounts: Iterable[Purchase]) -> dict[str, Any]:
    told = [a.evidence for a in accounts if a.evidence]
    if all(evidence == best.evidence for evidence in told):
        return {}
    return {
        "evidence": max(told, key=lambda e: (len(e), json.dumps(e, sort_keys=True, default=str)))
    }


def _times(accounts: Sequence[Purchase], contradicting: Sequence[Purchase]) -> dict[str, str]:
    """Return when each thing happened: the first time of what happens once, the last time of the
    rest.
    """
    told: list[tuple[str, str]] = []
    for account in accounts:
        told += account.times.items()
    for account in contradicting:
        told += ((n, at) for n, at in account.times.items() if n in _TIMES_OF_THE_ATTEMPT)
    times: dict[str, str] = {}
    for name, at in told:
        choose = min if name in _ONCE else max
        times[name] = choose(times.get(name, at), at)
    if "updated" in accounts[0].times:
        times["updated"] = accounts[0].times["updated"]
    return times


def _same_purchase(a: Purchase, b: Purchase) -> bool:
    same_task = a.task_id is None or b.task_id is None or a.task_id == b.task_id
    return same_task and _same_attempt(a, b)


def _same_attempt(a: Purchase, b: Purchase) -> bool:
    return (a.bought_for, a.attempt) == (b.bought_for, b.attempt)


def _most_certain_first(accounts: list[Purchase]) -> list[Purchase]:
    """Return them in a total order, so that a fold does not depend on the order of lines."""
    if len({_certainty(a) for a in accounts}) < len(accounts):
        accounts = sorted(accounts, key=_text)  # slow, so only where it decides
    return sorted(accounts, key=_certainty, reverse=True)


def _certainty(account: Purchase) -> tuple[int, str, str]:
    return RANK[account.state], account.times.get("updated", ""), account.state


def _age(account: Purchase) -> tuple[str, str | None, str, int, int]:
    """Sort by the time the task id was learned, which no later event moves."""
    attempt = *account.bought_for, account.attempt
    learned = min((t for name in _LEARNED if (t := account.times.get(name))), default="")
    return learned or account.times.get("updated", ""), account.task_id, *attempt


def _text(account: Purchase) -> str:
    """Return all that an account says, except where the purchase stands."""
    shot, take = account.bought_for
    times = {name: at for name, at in account.times.items() if name not in OF_THE_PLACE}
    told = replace(account, shot=shot, take=take, was=None, output=None, times=times)
    return json.dumps(asdict(told), sort_keys=True, default=str)
