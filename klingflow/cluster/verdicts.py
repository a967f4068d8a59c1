"""What a person says of a purchase that hosts know too. The store has the word before the ledger,
so that no host acts against it, and every copy of the ledger takes it in.

An order that nobody has claimed is claimed by the word itself, in one object. Where another has the
claim, its answer or doubt comes first. A word about a doubt is `.resolved`, a word that changes it
`.resolved-2`. A word that the ledger does not know is another person's: then nothing is written.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Final

import anyio
import anyio.to_thread

from klingflow.cluster.exclusive import answered, claim
from klingflow.cluster.follow import is_late
from klingflow.cluster.hand import Waits, line_in
from klingflow.cluster.orders import OrdersDamaged
from klingflow.cluster.store import PutOnce, told_of
from klingflow.errors import StoreAway, UsageError
from klingflow.ledger.book import fold
from klingflow.ledger.handed_over import claimant
from klingflow.ledger.lines import journal_line
from klingflow.model import Purchase, State, task_named
from klingflow.words import _, word

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody at a terminal, who waits for hosts but not for the store: all raise StoreAway."""

    store: PutOnce
    now: Callable[[], str]
    waits: Waits = field(default_factory=Waits)
    clock: Callable[[], float] = time.monotonic

    async def put(self, name: str, data: bytes) -> bool:
        """Put an object. Return False where there is one."""
        return await anyio.to_thread.run_sync(partial(self.store.put, name, data))

    async def line(self, name: str) -> Purchase | None:
        """Get the purchase that an object holds; None where there is none. Raises OrdersDamaged."""
        data = await anyio.to_thread.run_sync(self.store.get, name)
        return None if data is None else line_in(data, name)

    async def pause(self, seconds: float) -> None:
        """Sleep."""
        await anyio.sleep(seconds)


async def take_back(person: Person, order: Purchase, claimed: Purchase, tell: Tell) -> bool:
    """Claim an order by `claimed`, which says that nobody is to buy it, or that it was bought
    elsewhere. Return False where another has the claim; then the store has what became of it.

    `tell` gets a line before a wait of minutes. Raises UsageError for another person's word.
    """
    try:
        pause = partial(person.pause, person.waits.look_s)
        theirs = await claim(person.store, claimed, away=_raised, pause=pause)
    except OrdersDamaged:  # somebody has claimed it, nobody can read who
        theirs = order
    if theirs is None:
        return True
    if theirs.state != "intent":
        raise _disputed(theirs)
    # An order's own time says nothing of when somebody claimed it.
    too_old = theirs is not order and is_late(theirs, person.now())
    if not too_old:
        tell(_waited_for(theirs, person.waits))
    await answered(person, theirs, 0.0 if too_old else None)
    return False


def _raised(error: StoreAway) -> None:
    raise error


def _waited_for(claim: Purchase, waits: Waits) -> str:
    who = claimant(claim)
    return _(
        "{key}: {host} may be buying it now; waiting for its answer, at most {minutes:.0f} minutes"
        " (Ctrl-C: nothing is changed)",
        key=claim.key,
        host=who[0] if who else _("a host"),
        minutes=waits.answer_s / 60,
    )


async def say(person: Person, known: Purchase, said: Purchase) -> None:
    """Tell the store a person's word about what the ledger knows as `known`. Raises UsageError
    where another person has said something that the ledger does not know.
    """
    line = journal_line(said)
    for name in _names(said.uid):
        if await person.put(name, line):
            return
        try:
            there = await person.line(name)
        except OrdersDamaged:
            continue  # nobody knows what it said
        if there is not None and _says_more(there, known):
            raise _disputed(there)


async def answer(person: Person, found: Purchase) -> None:
    """Tell the store the task of a purchase that a person has found. Raises UsageError where it
    knows another one.
    """
    name = told_of(found.uid, "answer")
    if await person.put(name, journal_line(found)):
        return
    try:
        there = await person.line(name)
    except OrdersDamaged as error:
        raise UsageError(
            _("{key}: the store's answer cannot be read: {error}", key=found.key, error=error)
        ) from error
    if there is not None and there.task_id != found.task_id:
        raise _disputed(there)


def _names(uid: str) -> Iterator[str]:
    """The names of a person's words, in the order in which they are said."""
    first = told_of(uid, "resolved")
    return (first if number == 1 else f"{first}-{number}" for number in count(1))


def _says_more(there: Purchase, known: Purchase) -> bool:
    (merged, *_), contradicted = fold([known, there])
    return bool(contradicted) or merged != known


_SAID: Final[dict[State, str]] = {
    "rejected": _("withdrawn: the next run buys it"),
    "abandoned": _("given up"),
}


def _disputed(there: Purchase) -> UsageError:
    said = word(_SAID.get(there.state, there.state))
    if there.task_id:
        said = _("bought as {task}", task=task_named(there.task_id))
    return UsageError(
        _(
            "{key}: the store has another word on it, of {at}: {said}. Nothing was changed; look"
            " again, and say it once more if you still mean it",
            key=there.key,
            at=there.times.get("updated", ""),
            said=said,
        )
    )
