"""What a run asks before it buys, where another ledger of this machine has what it would buy.

Which purchases hold a take, and what is said of each, is for klingflow.decide.elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from klingflow.api import running
from klingflow.decide.elsewhere import Question, asked_about, reason
from klingflow.decide.plan import buys
from klingflow.errors import UsageError
from klingflow.model import Action, Elsewhere, Manifest, Plan
from klingflow.terminal import console
from klingflow.terminal.options import Options
from klingflow.terminal.plan_table import named
from klingflow.words import _

if TYPE_CHECKING:
    from klingflow.runner.context import Job

_SHOWN = 5


def open_job(
    stack: ExitStack,
    manifest: Manifest,
    options: Options,
    origin: str,
    *,
    buying: bool,
    asking: bool,
) -> Job:
    """Open a manifest's ledger until `stack` ends, after `asking` about what was paid for
    elsewhere. `buying` is as for `running.open_job`.

    Raises UsageError where that has to be asked and nobody can be, and as `running.open_job`.
    """
    wish, also = options.wish, frozenset[str]()
    questions = ["same film", "buy"] if asking else []
    while True:
        with ExitStack() as opened:
            job = opened.enter_context(
                running.open_job(manifest, wish, origin, also, buying=buying)
            )
            said_yes = next((q for q in questions if _agreed(q, job, manifest.path)), None)
            if said_yes is None:
                stack.push(opened.pop_all())
                return job
            if said_yes == "buy":
                also |= {action.key for action in asked_about(job.plan, "buy")}
            else:
                wish = replace(wish, same_film=True)
            questions = questions[questions.index(said_yes) + 1 :]


def _agreed(question: str, job: Job, path: str) -> bool:
    about: Question = "buy" if question == "buy" else "same film"
    actions = asked_about(job.plan, about)
    if not actions:
        return False
    is_terminal = console.can_ask()
    if not is_terminal and about == "same film":
        return False  # they stay held, which the plan says
    if not is_terminal:
        raise UsageError(*_listed(path, actions), _("Not a terminal: nothing is bought"))
    for line in _listed(path, actions):
        console.warn(line)
    return console.ask(_ASKED[about])


def show_bought_again(plans: Sequence[Plan]) -> None:
    """Say, in a run that shows no plan, which bodies it buys that another ledger has, too."""
    for made in plans:
        again = [action for action in buys(made) if action.elsewhere is not None]
        for line in _listed(made.manifest.path, again) if again else ():
            console.warn(line)


_ASKED = {"buy": _("Buy these again?"), "same film": _("Is this that film too?")}


def _listed(path: str, actions: Sequence[Action]) -> list[str]:
    """Return one line for all that was paid for at one place, in one way."""
    keys: dict[Elsewhere, list[str]] = {}
    for action in actions:
        if action.elsewhere is not None:
            keys.setdefault(action.elsewhere, []).append(action.key)
    first, *others = [_line(one, of) for one, of in list(keys.items())[:_SHOWN]]
    more = sum(map(len, list(keys.values())[_SHOWN:]))
    others += [_("… and {more} more", more=more)] if more else []
    return [
        _("{path}: {first}", path=path, first=first),
        *(_("  {line}", line=line) for line in others),
    ]


def _line(one: Elsewhere, keys: Sequence[str]) -> str:
    return _("{keys}: {reason}", keys=named(keys), reason=reason(one, *keys))
