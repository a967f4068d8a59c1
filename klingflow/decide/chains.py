"""PURE. The longest chain of takes that each take of a run begins: a batch cannot end before it.

How long one task takes is handed in; the schedule buys by what is found here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from klingflow.decide.picks import sources
from klingflow.decide.plan import buys
from klingflow.model import Action, Plan


class Chain(NamedTuple):
    """A take and the longest chain of takes that wait for it: how long all of them take one after
    the other, and how many they are.
    """

    length: float = 1.0
    links: int = 1


ALONE: Final = Chain()  # a take for which none waits, where nothing is known


def chains(plan: Plan, expected: Callable[[str], float]) -> Mapping[str, Chain]:
    """Return the longest chain that each take to be bought begins, by key.

    `expected` gives the length of one task of a tier. What caps leave out belongs to no chain.
    """
    bought = {action.key: action for action in buys(plan)}
    behind: defaultdict[str, Chain] = defaultdict(lambda: Chain(0.0, 0))
    found: dict[str, Chain] = {}
    for key in reversed([*plan.by_key]):  # dependants come first
        if (action := bought.get(key)) is not None:
            rest = behind[key]
            chain = Chain(expected(_tier(action)) + rest.length, 1 + rest.links)
            found[key] = chain
            for source in sources(action.shot, plan.by_key, plan.terms) if action.shot else ():
                behind[source.key] = max(behind[source.key], chain)
    return found


def _tier(action: Action) -> str:
    assert action.request is not None, "what is bought has a request"
    return action.request.predicted_tier
