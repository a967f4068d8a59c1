"""PURE. Whose reply is this: which answers count as being about the task that was asked for.

A reply that is left over from another request bears no sign of it except its id. What a reply says
is read in klingflow.gateway.query_replies; what is done about it is the runner's part.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, replace
from typing import Final

from klingflow.gateway.outcomes import (
    Accepted,
    CreateOutcome,
    Doubtful,
    Hiccup,
    Misnamed,
    QueryOutcome,
    Running,
    Succeeded,
    TaskFailed,
)
from klingflow.model.sayings import saying
from klingflow.words import _

# The task ids of each ledger of the run.
Held = Iterable[Container[str]]

# How many answers in a row, each on a connection of its own, have to call a task by one other name.
# A mistaken answer may well come twice, and name a task that no ledger of the run knows: one that
# is in doubt, or another film's. A task is asked about more often than this while it is made.
NAMED_TIMES: Final = 5


@dataclass(frozen=True, slots=True)
class Naming:
    """What the answers about one task have called it.

    `apart`: the last answer did not bear the task's id, so the next query goes on a connection of
    its own. `other_name` is what the last `other_times` answers on such connections have called it.
    `by_its_id`: an answer has called it by the id that its create was answered with.
    """

    apart: bool = False
    other_name: str | None = None
    other_times: int = 0
    by_its_id: bool = False


class Names:
    """The other names that tasks go by in one run, and the purchase that each was first seen of."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}  # name → uid; "" where several tasks were called by it

    def believed(
        self, uid: str, naming: Naming, outcome: QueryOutcome, held: Held
    ) -> tuple[QueryOutcome, Naming]:
        """Return the outcome of a query about the purchase `uid`, and what its task is called by
        now. An answer that may be another task's becomes a Hiccup.

        A final answer without our id counts only if it came on a connection of its own. An answer
        with another id counts only if, moreover, it is the last of `NAMED_TIMES` that have borne it
        there, and no other task has it: a relay may know a task by two names, one at its creation
        and one in queries.
        Where an answer has called the task by our id, that is its name in queries, and another name
        is another task's.
        """
        if isinstance(outcome, Misnamed):
            return self._under_other_name(uid, naming, outcome, held)
        asked_apart = naming.apart
        if asked_apart:  # seldom; nearly every poll finds the naming as it should be
            naming = replace(naming, apart=False)
        if not isinstance(outcome, (Running, Succeeded, TaskFailed)):
            return outcome, naming
        if outcome.named:
            return outcome, naming if naming.by_its_id else replace(naming, by_its_id=True)
        if asked_apart or isinstance(outcome, Running):
            return outcome, naming
        doubt = Hiccup(_("a final answer that does not name the task"))
        return doubt, replace(naming, apart=True)

    def _under_other_name(
        self, uid: str, naming: Naming, outcome: Misnamed, held: Held
    ) -> tuple[QueryOutcome, Naming]:
        """Return an answer with another id than the task's; the next queries are to confirm it."""
        after = replace(naming, apart=True)
        can_be_ours = naming.apart and not naming.by_its_id
        if not can_be_ours or not self._is_free(outcome.name, uid, held):
            return outcome, after
        times = naming.other_times + 1 if outcome.name == naming.other_name else 1
        after = replace(after, other_name=outcome.name, other_times=min(times, NAMED_TIMES))
        return outcome.answer if times >= NAMED_TIMES else outcome, after

    def _is_free(self, name: str, uid: str, held: Held) -> bool:
        """True if no task except that of `uid` has been called `name`."""
        first = self._owners.setdefault(name, uid)
        if first == uid and not is_anothers(name, held):
            return True
        self._owners[name] = ""
        return False


def believed_of_create(outcome: CreateOutcome, held: Held) -> CreateOutcome:
    """Return the outcome of a create: in doubt if its reply names another purchase's task."""
    if not isinstance(outcome, Accepted) or not is_anothers(outcome.task_id, held):
        return outcome
    reason = _(
        "the gateway answered with {task_id}, which is the task of another purchase",
        task_id=outcome.task_id,
    )
    evidence = {
        **outcome.evidence,
        **saying("reason", reason),
        "answered_task_id": outcome.task_id,
    }
    return Doubtful(reason, evidence)


def is_anothers(task_id: str, held: Held) -> bool:
    """True if a ledger has a purchase whose task is `task_id`."""
    return any(task_id in task_ids for task_ids in held)
