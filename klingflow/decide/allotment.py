"""PURE. Which shots of a run's plans the caps and the budgets leave out, found before the run by
reserving in the manifest's order.

The run buys nothing that is left out here. What it buys reserves its caps once more (schedule.py),
in an order of its own: what fits together fits in any order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from klingflow.decide.caps import Caps, Purse
from klingflow.decide.picks import sources
from klingflow.decide.plan import buys
from klingflow.decide.spending import counted
from klingflow.model import Action, LeftOut, Limits, Plan
from klingflow.words import _


def caps_of(plans: Sequence[Plan], limits: Limits, *, zero_is_unknown: bool = False) -> Caps:
    """Return the caps of a run of these plans, with nothing reserved.

    `zero_is_unknown`: under `max_spend`, a price of 0 is an unknown one.
    """
    caps = Caps(limits.max_spend, limits.max_tasks, limits.max_seconds, zero_is_unknown)
    for number, plan in enumerate(plans):
        manifest = plan.manifest
        prices = manifest.prices.file if manifest.prices else None
        caps.purses[number] = Purse(manifest.budget, prices, counted(plan.spending))
    return caps


def allotted(plans: Sequence[Plan], limits: Limits, *, zero_is_unknown: bool = False) -> list[Plan]:
    """Return the plans of one run, each with what the caps and its budget leave out."""
    caps = caps_of(plans, limits, zero_is_unknown=zero_is_unknown)
    whole = [replace(plan, left_out={}) for plan in plans]
    if not caps.has_limits:
        return whole
    left: list[dict[str, LeftOut]] = [{} for _ in plans]
    for number, action in _in_order(whole):
        plan = whole[number]
        refusal = _without_its_needs(action, plan, left[number])
        refusal = refusal or _reserved(caps, number, action)
        if refusal is not None:
            left[number][action.key] = refusal
    return [replace(plan, left_out=out) for plan, out in zip(whole, left, strict=True)]


def _in_order(plans: Sequence[Plan]) -> Iterator[tuple[int, Action]]:
    """Yield what a run would buy: first what waits for nothing, in the manifest's order, then every
    shot after those that it needs.
    """
    waiting: list[tuple[int, Action]] = []
    for number, plan in enumerate(plans):
        wanted = buys(plan)
        yield from ((number, action) for action in wanted if action.verb == "create")
        later = {action.key: action for action in wanted if action.verb != "create"}
        waiting += [(number, later[key]) for key in plan.by_key if key in later]
    yield from waiting


def _without_its_needs(action: Action, plan: Plan, left: Mapping[str, LeftOut]) -> LeftOut | None:
    """Return why a shot cannot come: one that it needs is left out."""
    needs = sources(action.shot, plan.by_key, plan.terms) if action.shot and left else ()
    need = next((need.key for need in needs if need.key in left), None)
    if need is None:
        return None
    cap, again = left[need].cap, left[need].again
    return LeftOut(cap, _("{cap}: waits for {need}, which is left out", cap=cap, need=need), again)


def _reserved(caps: Caps, number: int, action: Action) -> LeftOut | None:
    assert action.request is not None, "what is bought has a request"
    return caps.reserve(action.request, number)
