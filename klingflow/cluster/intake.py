"""PURE. What a desk has taken over: batches and their pages, what is set aside for their orders
under the caps of batch and account, and how orders end.

When an order may be tried is desk.py's part. Under a cap the claims of all pages count before the
first order is read: a desk that has lost its memory would otherwise grant what its caps have no
room for.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import filterfalse
from types import MappingProxyType
from typing import Final

from klingflow.cluster.account import Account, Settings
from klingflow.cluster.ends import Ends
from klingflow.cluster.orders import Ask
from klingflow.cluster.queued import Batch, Order, attempt_or_uid
from klingflow.decide.caps import Caps
from klingflow.model import Json, LeftOut
from klingflow.words import _

# Fewer orders than these wait: the next page is read.
_FEW: Final = 20
# Batches that are over, and are remembered.
_KEPT: Final = 50
# So many orders of a batch may wait for others before its next page is read.
_HELD: Final = 100
# So many pages of a batch are read at once for their claims alone.
_AT_ONCE: Final = 8


class Intake:
    """The batches of one account, and the caps over them."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.account: Account = Account(settings or Settings())
        self.batches: dict[str, Batch] = {}
        self.ends: Ends = Ends()
        self._over: dict[str, LeftOut | None] = {}  # and the cap that left orders out

    def add(self, batch: str, film: str, pages: int, caps: Mapping[str, Json]) -> None:
        """Take over a batch, unless it is here already. One that was over begins again: what was
        claimed of it is not bought again.
        """
        if batch in self.batches:
            return
        again = batch in self._over
        self.batches[batch] = Batch(batch, film, pages, Caps.from_state(caps), again=again)
        self._over.pop(batch, None)

    def stop(self, batch: str) -> None:
        """Grant nothing more of a batch. What somebody has claimed stays set aside."""
        if found := self.batches.get(batch):
            found.stopped = True
            for order in found.waiting:
                if not order.claimed:
                    self._release(order)
            found.waiting.clear()
            found.held.clear()
            found.elsewhere.clear()
            self._close(found)

    # -------- pages

    def wanted_pages(self) -> Iterator[tuple[str, int]]:
        """Yield the pages to be read now, each by batch and number."""
        for batch in self.batches.values():
            for page in self._wanted(batch):
                yield batch.id, page

    def _wanted(self, batch: Batch) -> list[int]:
        if unknown := self._unknown(batch):
            return _after(unknown, batch.page)[:_AT_ONCE] or unknown
        has_room = len(batch.waiting) < _FEW and len(batch.held) < _HELD
        return [batch.page] if batch.has_unread and has_room else []

    def _unknown(self, batch: Batch) -> list[int]:
        """Return the pages of which a cap would have to know what is claimed, and does not."""
        if not batch.has_unread:
            return []
        has_cap = batch.caps.has_limits or self.account.caps.has_limits
        return batch.uncounted() if has_cap else []

    def read(
        self,
        batch: str,
        page: int,
        asks: Iterable[tuple[Ask, int]],
        ends: Mapping[str, bool] = MappingProxyType({}),
    ) -> None:
        """Take the orders of a page: each with how many of its attempts are claimed, and cost
        something. `ends` are those of which nothing is left to be done, by uid: True where the
        video is in the store, False where certainly nothing was bought.

        While the claims of later pages have to be known first, only those of this page count, and
        the page is wanted again.
        """
        found = self.batches.get(batch)
        if found is None or found.stopped:
            return
        found.missing = ""
        unknown = self._unknown(found)
        if page == found.page and not _after(unknown, page):
            self._take_in(found, asks, ends)
        elif page in unknown:
            found.counted[page] = [*self._counted(found, asks)]

    def _counted(self, batch: Batch, asks: Iterable[tuple[Ask, int]]) -> Iterator[int]:
        """Set aside what is claimed. Yield the number of each order on its page, once for each of
        its attempts.
        """
        for ask, claims in asks:
            if self._is_live(ask.uid):
                continue  # of another batch, which has counted it
            order = Order(ask, ask.uid, claimed=True, counted=batch.again)
            for _unused in range(claims):
                self._reserve(batch, order)
                yield ask.ref.number

    def _take_in(
        self, batch: Batch, asks: Iterable[tuple[Ask, int]], ends: Mapping[str, bool]
    ) -> None:
        known = Counter(batch.counted.pop(batch.page, ()))
        for ask, claims in asks:
            order = self._order(batch, ask, claims, known[ask.ref.number])
            if ask.uid in ends:
                batch.settled += 1
                self.ended(ask.uid, well=ends[ask.uid])
            else:
                self._enter(batch, order)
        batch.page += 1  # last: a batch whose first orders are left out is not over
        waited_for = (need for order in batch.held.values() for need in order.needs)
        self.ends.unsure |= dict.fromkeys(filterfalse(self._works_on, waited_for), True)
        self._close(batch)

    def _order(self, batch: Batch, ask: Ask, claims: int, known: int) -> Order:
        """Return an order of which so many attempts are claimed, with their cost set aside; that
        of `known` ones is already.
        """
        is_claimed = claims > 0
        counted, needs = is_claimed and batch.again, () if is_claimed else ask.needs
        order = Order(ask, ask.uid, claimed=is_claimed, counted=counted, needs=needs)
        for _unused in range(claims - known):
            self._reserve(batch, order)
        aside = max(claims, known)
        return replace(order, reserved=aside > 0, ahead=max(0, aside - 1))

    def _enter(self, batch: Batch, order: Order) -> None:
        """Let an order wait for its grant, or for what it needs. Nobody buys it if that did not
        come.
        """
        self.ends.forget(order.attempt)  # of an earlier try
        ends = [self.ends.well.get(attempt_or_uid(need)) for need in order.needs]
        if False in ends:
            batch.leave_out(_("what it waits for did not come"))
            return self.ended(order.uid, well=False)
        left = tuple(need for need, end in zip(order.needs, ends, strict=True) if not end)
        if not left:
            batch.waiting.append(replace(order, needs=()))
            return
        batch.held[order.attempt] = replace(order, needs=left)

    def _works_on(self, order: str) -> bool:
        attempt, order_of = attempt_or_uid(order), self.ends.order_of
        batches = self.batches.values()
        return attempt in self.ends.coming or any(b.knows(attempt, order_of) for b in batches)

    def _is_live(self, uid: str) -> bool:
        return any(uid in batch.live for batch in self.batches.values())

    def missing(self, batch: str, why: str) -> None:
        """A host does not find a page of a batch in its store. Others are asked for it meanwhile,
        and whoever follows is told.
        """
        if found := self.batches.get(batch):
            found.missing = why

    def unreadable(self, batch: str, page: int, why: str) -> None:
        """Leave a batch: a page of it cannot be believed."""
        if found := self.batches.get(batch):
            found.why, found.stopped = why, True
            self._close(found)

    def ended(self, uid: str, *, well: bool) -> None:
        """An order has come to its video, or to none: what waits for it goes on, before the rest;
        or it is left out, with all that waits for it in turn. `uid` is that of any try.
        """
        ends = deque([(self.ends.order_of(uid), well)])
        while ends:
            attempt, well = ends.popleft()
            self.ends.note(attempt, well=well)
            for batch in self.batches.values():
                batch.settled += batch.elsewhere.pop(attempt, False)
                ends += [(one, False) for one in batch.freed(attempt, well=well)]
        for batch in list(self.batches.values()):
            self._close(batch)

    # -------- caps

    def _next_of(self, batch: Batch) -> Order | None:
        """Return the order of a batch that is to be tried next, whose cost is set aside; None where
        there is none, or where claims have to be known first.

        What is on its way already ends with that, and what the caps have no room for is dropped.
        What is claimed was paid for, and is counted anyway.
        """
        while batch.waiting:
            order = batch.waiting[0]
            if not order.claimed and self._unknown(batch):
                batch.waiting = deque(map(self._put_back, batch.waiting))
                return None
            refusal = None if order.reserved else self._reserve(batch, order)
            reserved, is_live = replace(order, reserved=True), self._is_live(order.uid)
            if not refusal and not is_live:
                batch.waiting[0] = reserved
                return reserved
            batch.waiting.popleft()
            if refusal:
                batch.refused(refusal)
                self.ended(order.attempt, well=False)
            else:
                self._release(reserved)
                batch.elsewhere[order.attempt] = True
        self._close(batch)
        return None

    def _put_back(self, order: Order) -> Order:
        """Set nothing aside for an order while claims may take the room."""
        if order.claimed or not order.reserved:
            return order
        self._release(order)
        return replace(order, reserved=False)

    def _reserve(self, batch: Batch, order: Order) -> LeftOut | None:
        """Reserve the cost under the caps of the batch and of the account. Return why it cannot be;
        then nothing is reserved.
        """
        request = order.ask.request
        if order.claimed:
            for caps in self._caps_of(order):
                caps.enter(request)
            return None
        if refusal := batch.caps.reserve(request):
            return refusal
        if refusal := self.account.caps.reserve(request):
            batch.caps.release(request)
            said = _("of the account: {reason}", reason=refusal.reason)
            return replace(refusal, reason=said, again=False)
        return None

    def _release(self, order: Order) -> None:
        times = 1 + order.ahead if order.reserved else 0
        for caps in [*self._caps_of(order)] * times:
            caps.release(order.ask.request)

    def _caps_of(self, order: Order) -> Iterator[Caps]:
        """Yield the caps under which the cost of an order is reserved."""
        yield self.batches[order.ask.ref.batch].caps
        if not order.counted:
            yield self.account.caps

    def _close(self, batch: Batch) -> None:
        if batch.is_over and batch.id in self.batches:
            del self.batches[batch.id]
            self._over[batch.id] = batch.cap
            while len(self._over) > _KEPT:
                del self._over[next(iter(self._over))]


def _after(pages: Iterable[int], page: int) -> list[int]:
    return [one for one in pages if one > page]
