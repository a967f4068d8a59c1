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
from klingflow.model import Plan

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
    placed = [((number, a.key), a) for number, made in enumerate(plans) for a in made.actions]
    wanted = [a for place, a in placed if a.verb != "create" or (buying and place not in capped)]
    codes = {VERBS[action.verb].verdict for action in wanted}
    codes |= {ExitCode.CAPPED} if capped else set()
    codes |= {code for code, is_so in _of(ending) if is_so}
    waits = any(action.verb == "waits" for action in wanted)
    if waits and buying and codes == {None}:
        return ExitCode.FAILED  # it waits for a shot that was not selected
    return next((code for code in PRECEDENCE if code in codes), ExitCode.OK)


def _of(ending: Ending) -> tuple[tuple[ExitCode, bool], ...]:
    return (
        (ExitCode.INTERRUPTED, ending.interrupted),
        (ExitCode.INTERNAL, ending.broken),
        (ExitCode.REFUSED, ending.refused),
    )
