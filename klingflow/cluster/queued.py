"""PURE. What a desk holds: orders by their `Ask`, grants, and the batches that orders wait in.

Nothing here decides; desk.py does. Everything goes into plain JSON and back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Self

from klingflow.cluster import versions
from klingflow.cluster.brief import brief
from klingflow.cluster.orders import Ask
from klingflow.decide.caps import Caps
from klingflow.ledger.uids import attempt_of
from klingflow.model import Json, LeftOut
from klingflow.words import _


def attempt_or_uid(uid: str) -> str:
    """Return what the uids of all tries of an order have in common."""
    return attempt_of(uid) or uid


@dataclass(frozen=True, slots=True)
class Order:
    """An order as the desk holds it: which try comes next, and whether its cost is reserved.

    `uid` is that of the try; `retry` counts the tasks that failed, and that it is bought again for.
    `claimed`: some host has claimed it before, so nothing is sent for it.
    `counted`: so it was when the desk had its batch before, and the account has counted what it
    came to. `needs` are the orders that it still waits for, by the uids of their first tries.
    `ahead` are further attempts that somebody has claimed: their cost is reserved as well.
    """

    ask: Ask
    uid: str
    try_: int = 1
    retry: int = 0
    reserved: bool = False
    claimed: bool = False
    counted: bool = False
    needs: tuple[str, ...] = ()
    ahead: int = 0

    @property
    def attempt(self) -> str:
        """What it is called: what all tries of its first attempt have in common."""
        return attempt_or_uid(self.ask.uid)

    def as_retry(self, uid: str, *, claimed: bool) -> Order:
        """Return it as it is bought again, as `uid`, because its task has failed."""
        return Order(
            self.ask,
            uid,
            retry=self.retry + 1,
            reserved=self.ahead > 0,
            claimed=claimed,
            counted=self.counted and claimed,
            ahead=max(0, self.ahead - 1),
        )

    def as_json(self) -> dict[str, Json]:
        """Return it as JSON."""
        told = {**brief(self), "ask": self.ask.as_json()}
        if self.uid == self.ask.uid:
            del told["uid"]
        return told

    @classmethod
    def from_json(cls, document: Mapping[str, Json]) -> Self:
        """Return what `as_json` made the document of. Raises UsageError as `Ask.from_json`."""
        what = _("what a desk says of an order")
        with versions.reading(what):
            ask = Ask.from_json(document["ask"])
            needs = tuple(versions.listed(document.get("needs", ())))
            known = {"uid": ask.uid, **document}
        return versions.read(cls, known, what, exact=True, ask=ask, needs=needs)


@dataclass(frozen=True, slots=True)
class Grant:
    """The right to try an order at the time `at`."""

    order: Order
    at: float


@dataclass(slots=True)
class Batch:
    """Orders of one film that were handed over together. `page` is the next to be read, `waiting`
    what was read and is not granted, `held` what waits for other shots, by attempt; `live` are its
    shots on their way, by uid, and `elsewhere` those that are on their way for another batch, by
    attempt. `counted` are unread pages whose claims are counted: the numbers of
    their claimed orders, once for each attempt. `again`: the desk has had it before. `cap` is what
    left orders out. `missing`: which host does not find a page of it.
    """

    id: str
    film: str
    pages: int
    caps: Caps
    page: int = 0
    waiting: deque[Order] = field(default_factory=deque)
    held: dict[str, Order] = field(default_factory=dict)
    live: dict[str, bool] = field(default_factory=dict)
    elsewhere: dict[str, bool] = field(default_factory=dict)
    counted: dict[int, list[int]] = field(default_factory=dict)
    again: bool = False
    stopped: bool = False
    settled: int = 0
    left_out: int = 0
    why: str = ""
    missing: str = ""
    cap: LeftOut | None = None

    @property
    def has_unread(self) -> bool:
        """True if there are orders that nobody has read."""
        return not self.stopped and self.page < self.pages

    def uncounted(self) -> list[int]:
        """Return the unread pages whose claims nobody has counted."""
        return [page for page in range(self.page, self.pages) if page not in self.counted]

    @property
    def is_over(self) -> bool:
        """True if nothing more will come of it."""
        here = self.live or self.waiting or self.held or self.elsewhere
        return not (here or self.has_unread)

    def leave_out(self, why: str) -> None:
        """Count an order that nobody buys."""
        self.left_out += 1
        self.why = self.why or why

    def refused(self, cap: LeftOut) -> None:
        """Count an order that a cap has no room for."""
        self.left_out += 1
        self.why, self.cap = cap.reason, cap

    def knows(self, order: str, order_of: Callable[[str], str]) -> bool:
        """True if an order has not ended here. `order_of` says which one a try is of."""
        here = (*map(order_of, self.live), *(one.attempt for one in self.waiting))
        return order in self.held or order in here

    def freed(self, attempt: str, *, well: bool) -> list[str]:
        """Let what waits for an order that has ended go on, before the rest; or leave it out, and
        return what was left out.
        """
        held = self.held.values()
        waiting = [order for order in held if attempt in map(attempt_or_uid, order.needs)]
        if not well:
            for order in waiting:
                del self.held[order.attempt]
                self.leave_out(_("what it waits for did not come"))
            return [order.attempt for order in waiting]
        for order in reversed(waiting):  # each goes to the front
            left = tuple(need for need in order.needs if attempt_or_uid(need) != attempt)
            if left:
                self.held[order.attempt] = replace(order, needs=left)
            else:
                self.waiting.appendleft(replace(self.held.pop(order.attempt), needs=()))
        return []

    def told(self) -> dict[str, Json]:
        """Return what a person is told."""
        return {
            "id": self.id,
            "film": self.film,
            "live": len(self.live),
            "waiting": len(self.waiting) + len(self.held) + len(self.elsewhere),
            "unread": self.pages - self.page,
            "settled": self.settled,
            "left_out": self.left_out,
            "why": self.why,
            "missing": self.missing,
        }

    def state(self) -> dict[str, Json]:
        """Return all of it as JSON."""
        return {
            "id": self.id,
            "film": self.film,
            "pages": self.pages,
            "caps": self.caps.state(),
            "page": self.page,
            "waiting": [order.as_json() for order in self.waiting],
            "held": [order.as_json() for order in self.held.values()],
            "live": list(self.live),
            "elsewhere": list(self.elsewhere),
            "counted": [[*one] for one in self.counted.items()],
            "again": self.again,
            "stopped": self.stopped,
            "settled": self.settled,
            "left_out": self.left_out,
            "why": self.why,
            "missing": self.missing,
            "cap": self.cap and asdict(self.cap),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Json]) -> Self:
        """Return the batch that `state` was made of. Raises UsageError as `Ask.from_json`."""
        what = _("the state of a batch")
        with versions.reading(what):
            waiting = deque(map(Order.from_json, versions.listed(state["waiting"])))
            held = {o.attempt: o for o in map(Order.from_json, versions.listed(state["held"]))}
            live = dict.fromkeys(versions.listed(state["live"]), True)
            elsewhere = dict.fromkeys(versions.listed(state.get("elsewhere", ())), True)
            caps = Caps.from_state(state["caps"])
            cap = versions.read(LeftOut, state["cap"], what) if state["cap"] else None
            known = {"caps": caps, "waiting": waiting, "held": held, "live": live, "cap": cap}
            known["elsewhere"] = elsewhere
            known["counted"] = dict(versions.listed(state.get("counted", ())))
        return versions.read(cls, state, what, exact=True, **known)
