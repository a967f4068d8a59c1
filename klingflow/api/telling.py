"""What a person settles is told to the store of claims first, where the environment names one."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from klingflow.api.claiming import store_of
from klingflow.api.site import now
from klingflow.cluster.address import CLAIMS
from klingflow.decide.resolve import Verdict
from klingflow.errors import UsageError
from klingflow.ledger import handed_over
from klingflow.ledger.book import Book
from klingflow.ledger.places import Site
from klingflow.ledger.uids import attempt_of
from klingflow.model import Purchase
from klingflow.words import _

if TYPE_CHECKING:
    from klingflow.cluster.hand import Waits
    from klingflow.cluster.verdicts import Person


@dataclass(frozen=True, slots=True)
class Telling:
    """One `resolve` and the store. Without a store, what hosts may buy is refused, and all else is
    the ledger's own business. `tell` gets a line before a wait. All raise StoreAway.
    """

    person: Person | None
    tell: Callable[[str], None]

    def take_back(self, order: Purchase, verdict: Verdict) -> bool:
        """Let no host buy an order any more. Return False where one has claimed it; the store then
        has what became of it. Raises UsageError.
        """
        from klingflow.cluster import orders, verdicts  # for start-up

        person = self.check(order)
        made = orders.withdrawn if verdict == "resubmit" else orders.given_up
        word = made(order, host=socket.gethostname(), nonce=_nonce(), at=now())
        return anyio.run(verdicts.take_back, person, order, word, self.tell)

    def adopt(self, found: Purchase, *, is_known: bool) -> bool:
        """Tell the store a task that a person has found. `is_known`: the purchase was in doubt, so
        it has a claim. Return False where a host has claimed it meanwhile, as `take_back`.
        """
        if self.person is None:
            return True
        from klingflow.cluster import verdicts  # for start-up

        if not is_known:
            word = handed_over.claimed(found, host=socket.gethostname(), nonce=_nonce())
            if not anyio.run(verdicts.take_back, self.person, found, word, self.tell):
                return False
        if attempt_of(found.uid):
            anyio.run(verdicts.answer, self.person, found)
        return True

    def say(self, book: Book, words: Sequence[Purchase]) -> tuple[list[Purchase], list[str]]:
        """Tell the store what a person says of purchases that hosts may know. Return what the
        ledger may say as well, and what another person has said otherwise.
        """
        if self.person is None:
            return [*words], []
        from klingflow.cluster import verdicts  # for start-up

        said, disputes = [], []
        for word in words:
            try:
                if attempt_of(word.uid):
                    anyio.run(verdicts.say, self.person, book.purchases[word.uid], word)
                said.append(word)
            except UsageError as dispute:
                disputes.append(str(dispute))
        return said, disputes

    def uid(self, book: Book, shot: str, take: int, attempt: int) -> str | None:
        """Return the id that every copy of a ledger gives a purchase; None without a store."""
        if self.person is None:
            return None
        from klingflow.cluster.ordering import next_uid  # for start-up

        return next_uid(book, shot, take, attempt)

    def check(self, order: Purchase) -> Person:
        """Return who can take back an order. Raises UsageError where it is not at this store."""
        if self.person is None:
            raise UsageError(
                _(
                    "{key} is at the cluster: its hosts may be buying it now. Set {CLAIMS} to their"
                    " store, and resolve takes its order back first",
                    key=order.key,
                    CLAIMS=CLAIMS,
                )
            )
        if handed_over.store_of(order) != self.person.store.identity:
            raise UsageError(
                _(
                    "{key} is at another cluster than that of {store}: set {CLAIMS} to the store"
                    " that it was handed over at",
                    key=order.key,
                    store=self.person.store.described,
                    CLAIMS=CLAIMS,
                )
            )
        return self.person


def telling(site: Site, tell: Callable[[str], None], waits: Waits | None) -> Telling:
    """Return the way to the store that the environment names. Raises UsageError, StoreAway."""
    store = store_of(site)
    if store is None:
        return Telling(None, tell)
    from klingflow.cluster.hand import Waits as Usual  # for start-up
    from klingflow.cluster.verdicts import Person

    return Telling(Person(store, now, waits or Usual()), tell)


def _nonce() -> str:
    return secrets.token_hex(16)
