"""PURE. How a run ended: which videos it delivered, and its exit code, from what ended it, from
what a plan made after it still wants, and from the caps.

What each verb of that plan means is in klingflow.decide.verbs; which code counts where several
apply, in klingflow.errors.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from klingflow.decide.verbs import VERBS
from klingflow.errors import PRECEDENCE, ExitCode
from klingflow.model import Action, Plan, Verb

Place = tuple[int, str]  # manifest number, shot key


@dataclass(frozen=True, slots=True)
class Ending:
    """What ended a run before all was done. `broken` means the ledger or klingflow itself."""

    interrupted: bool = False
    broken: bool = False
    refused: bool = False  # the gateway refuses us, not one shot
    stale: bool = False  # another copy of the film has bought other bodies than were ordered


def delivered(before: Sequence[Plan], after: Sequence[Plan]) -> set[Place]:
    """Return the takes whose video the run brought: bought by it, or by an earlier run that was
    broken off. `before` are the plans that it executed, `after` those made when it had ended.
    """
    found: set[Place] = set()
    for number, (then, now) in enumerate(zip(before, after, strict=True)):
        begun = {action.key: action for action in then.actions}
        for action in now.actions:
            first = begun.get(action.key)
            if first is not None and _has_come(first, action):
                found.add((number, action.key))
    return found


def _has_come(first: Action, last: Action) -> bool:
    """Return True if `last` keeps a video that was not here when `first` was planned."""
    begun, ended, purchase = VERBS[first.verb], VERBS[last.verb], last.purchase
    if begun.work is None or ended.work is not None:
        return False
    if purchase is None or purchase.state != "done":
        return False
    is_new = first.purchase is None or first.purchase.uid != purchase.uid
    return begun.is_at_the_gateway or is_new


def exit_code(
    plans: Sequence[Plan], ending: Ending, capped: Collection[Place], *, buying: bool
) -> ExitCode:
    """Return the exit code of a run after which `plans` would be made.

    `capped` are the shots that a cap kept from being bought. Without `buying`, a shot that is still
    to be bought is as it was meant to be.
    """
    verbs = _verbs_left(plans, capped, buying=buying)
    codes = {VERBS[verb].verdict for verb in verbs}
    applies = {
        ExitCode.INTERRUPTED: ending.interrupted,
        ExitCode.INTERNAL: ending.broken,
        ExitCode.REFUSED: ending.refused,
        ExitCode.CAPPED: bool(capped),
        ExitCode.UNSETTLED: ending.stale,
    }
    codes.update(code for code, holds in applies.items() if holds)
    for code in PRECEDENCE:
        if code in codes:
            return code
    waits_for_what_was_not_selected = buying and "waits" in verbs
    return ExitCode.FAILED if waits_for_what_was_not_selected else ExitCode.OK


def _verbs_left(plans: Sequence[Plan], capped: Collection[Place], *, buying: bool) -> set[Verb]:
    """Return the verbs of all actions, without what a run was not to buy."""
    verbs: set[Verb] = set()
    for number, plan in enumerate(plans):
        for action in plan.actions:
            was_to_be_bought = buying and (number, action.key) not in capped
            if action.verb != "create" or was_to_be_bought:
                verbs.add(action.verb)
    return verbs
