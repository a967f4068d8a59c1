"""PURE. Which shots of one plan wait for others, and what a finished shot releases.

What a released shot then needs is decided by `take.decide`, as at the start of the run.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import replace

from klingflow.decide.moves import is_rejected, is_spare
from klingflow.decide.needs import is_delivered
from klingflow.decide.picks import sources
from klingflow.decide.schedule import Wanted
from klingflow.decide.take import decide
from klingflow.ledger.book import Book
from klingflow.model import Action, Plan, Purchase
from klingflow.words import _, filled


class Waiting:
    """The takes of one plan that wait, each until all that it needs is there."""

    def __init__(self, plan: Plan) -> None:
        self._terms = plan.terms
        self._decided: dict[str, Action] = dict(plan.by_key)
        self._waiting: dict[str, Wanted] = {}  # by key
        self._waiting_for: defaultdict[str, list[str]] = defaultdict(list)  # key → keys

    def add(self, wanted: Wanted) -> None:
        """Let a take wait for what its shot needs."""
        shot = wanted.action.shot
        assert shot is not None, "only shots of the manifest wait"
        self._waiting[shot.key] = wanted
        for source in sources(shot, self._decided, self._terms):
            self._waiting_for[source.key].append(shot.key)

    def finished(self, key: str, book: Book) -> list[Wanted]:
        """Return the takes that wait for nothing more, now that the take `key` is finished at the
        gateway.

        Each has the action that `book` calls for now, and knows of no other purchases than before:
        what has come into the ledger meanwhile has to be met by the buyer's last look. A take that
        turns out to be bought already is finished, too, and releases others.
        """
        released: list[Wanted] = []
        finished = deque([key])
        while finished:
            for dependant in self._waiting_for.get(finished.popleft(), ()):
                wanted = self._released(dependant, book)
                if wanted is None:
                    continue
                released.append(wanted)
                if is_delivered(wanted.action):
                    finished.append(dependant)
        return released

    def _released(self, key: str, book: Book) -> Wanted | None:
        """Return the take, decided on again, unless it still waits or has been released before."""
        wanted = self._waiting.get(key)
        if wanted is None:
            return None
        shot, request = wanted.action.shot, wanted.action.request
        assert shot is not None and request is not None, "as when it was added"
        action = decide(shot, request, self._decided, book, self._terms)
        if action.verb == "waits":
            return None
        if action.verb == "create" and (paid := self._paid_already(action, book)):
            action = replace(
                action, verb="held", reason=filled(_PAID, {"task": paid.key}), purchase=paid
            )
        del self._waiting[key]
        self._decided[key] = action
        return replace(wanted, action=action)

    def _paid_already(self, action: Action, book: Book) -> Purchase | None:
        """Return a purchase of the body that stands for no other take. Its move is for the next
        plan.
        """
        fingerprint = action.request.fingerprint if action.request else None
        if fingerprint is None or action.key in self._terms.again:
            return None
        alike = book.bought_as(fingerprint)
        spare = (p for p in alike if is_spare(p, self._decided, self._terms.origin))
        return next((p for p in spare if not is_rejected(p, self._terms.picks)), None)


_PAID = _("its body is paid for, as {task}: run again to take that over")
