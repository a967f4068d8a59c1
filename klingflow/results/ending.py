"""PURE. The exit code of a run: from what ended it, from what a plan made after it still wants, and
from the caps.

What each verb of that plan means is in klingflow.decide.verbs; which code counts where several
apply, in klingflow.errors.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from klingflow.decide.verbs import VERBS
from klingflow.errors import PRECEDENCE, ExitCode
from klingflow.model import Action, Plan

Place = tuple[int, str]  # manifest number, shot key


@dataclass(frozen=True, slots=True)
class Ending:
    """What ended a run before all was done. `broken` means the ledger or klingflow itself."""

    interrupted: bool = False
    broken: bool = False
    refused: bool = False  # the gateway refuses us, not one shot


def exit_code(
    plans: Sequence[Plan], ending: Ending, capped: Collection[Place], *, buying: bool
) -> ExitCode:
    """The exit code of a run after which `plans` would be made.

    `capped` are the shots that a cap kept from being bought. Without `buying`, a shot that is still
    to be bought is as it was meant to be.
    """
    left: list[Action] = []
    for number, plan in enumerate(plans):
        excused = {key for place, key in capped if place == number}
        left += _unexcused(plan, excused, buying=buying)
    codes = {VERBS[action.verb].verdict for action in left}
    codes |= {ExitCode.CAPPED} if capped else set()
    codes |= _codes_of(ending)
    found = next((code for code in PRECEDENCE if code in codes), ExitCode.OK)
    if found == ExitCode.OK and buying and "waits" in {action.verb for action in left}:
        return ExitCode.FAILED  # it waits for a shot that was not selected
    return found


def _unexcused(plan: Plan, capped: Collection[str], *, buying: bool) -> list[Action]:
    """The actions of a plan without what a run was not to buy."""
    left = []
    for action in plan.actions:
        was_to_be_bought = buying and action.key not in capped
        if action.verb != "create" or was_to_be_bought:
            left.append(action)
    return left


def _codes_of(ending: Ending) -> set[ExitCode]:
    codes = set()
    if ending.interrupted:
        codes.add(ExitCode.INTERRUPTED)
    if ending.broken:
        codes.add(ExitCode.INTERNAL)
    if ending.refused:
        codes.add(ExitCode.REFUSED)
    return codes
