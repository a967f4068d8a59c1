"""PURE. Who may send a create, and when: one rate, one number of running tasks and one budget for
all hosts of one gateway account.

Knows orders by their `Ask`, never by a body. The time (seconds that only go on) and chance (`u` in
[0, 1)) are handed in. Everything goes into plain JSON and back, because an engine starts a desk
again from what it was told last.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from itertools import filterfalse
from typing import Final, Self

from klingflow.cluster.account import Account, Settings
from klingflow.cluster.ends import Ends
from klingflow.cluster.orders import Ask
from klingflow.cluster.queued import Batch, Grant, Order, attempt_or_uid
from klingflow.cluster.reports import Bought
from klingflow.cluster.standing import Standing
from klingflow.decide.caps import Caps
from klingflow.ledger.uids import next_try
from klingflow.model import Json, LeftOut
from klingflow.words import _

# So far ahead creates are granted: an engine's timers are up to a second late.
AHEAD_S: Final = 2.0
# A host may die with a create, so others wait no longer than this for its end.
_ALONE_S: Final = 10.0
# Fewer orders than these wait: the next page is read.
_FEW: Final = 20
# Batches that are over, and hosts that have bought, and are remembered.
_KEPT: Final = 50
# So many orders of a batch may wait for others before its next page is read.
_HELD: Final = 100


class Desk:
    """The desk of one account. Whoever is granted a create reports `bought`, `over` when its task
    holds no place at the gateway any more, and `delivered` when its video is in the store, or does
    not come. A report may be heard twice.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.account: Account = Account(settings or Settings())
        self.batches: dict[str, Batch] = {}
        self.standing: Standing = Standing()
        self.ends: Ends = Ends()
        self._granted: dict[str, Grant] = {}  # creates that nobody has reported on, by uid
        self._over: dict[str, LeftOut | None] = {}  # and the cap that left orders out
        self._hosts: dict[str, int] = {}  # how many creates each has sent

    @property
    def running(self) -> int:
        """Creates on their way and unfinished tasks."""
        return sum(len(batch.live) for batch in self.batches.values())

    @property
    def halted(self) -> str:
        """Why nothing is granted until a person says so; "" while creates are granted."""
        return self.standing.halted or self.account.halted

    @property
    def way_out(self) -> str:
        """The command that lets it grant again."""
        return "klingflow desk --resume" if self.standing.halted else self.account.way_out

    # -------- what persons say

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
        """Grant nothing more of a batch."""
        if found := self.batches.get(batch):
            found.stopped = True
            for order in found.waiting:
                self._release(order)
            found.waiting.clear()
            found.held.clear()
            self._close(found)

    def halt(self, reason: str) -> None:
        """Grant nothing more until `go_on`; the first reason counts."""
        self.standing.halt(reason)

    def go_on(self) -> None:
        """Grant again, and forget what went wrong."""
        self.standing.go_on()
        self.account.go_on()

    # -------- pages

    def wanted_pages(self) -> Iterator[tuple[str, int]]:
        """Yield the pages to be read now, each by batch and number."""
        for batch in self.batches.values():
            if batch.has_unread and len(batch.waiting) < _FEW and len(batch.held) < _HELD:
                yield batch.id, batch.page

    def read(
        self,
        batch: str,
        page: int,
        asks: Iterable[tuple[Ask, bool]],
        there: Container[str] = frozenset(),
    ) -> None:
        """Take the orders of a page: each with True if its first try is claimed already. `there`
        are the uids of those whose videos are in the store, so that nothing is left to be done.
        """
        found = self.batches.get(batch)
        if found is None or found.page != page or found.stopped:
            return
        for ask, claimed in asks:
            counted = claimed and found.again
            needs = () if claimed else ask.needs
            order = Order(ask, ask.uid, claimed=claimed, counted=counted, needs=needs)
            if ask.uid in there:
                self._reserve(found, order)
                found.settled += 1
                self.ended(ask.uid, well=True)
            else:
                self._enter(found, order)
        found.page += 1  # last: a batch whose first orders are left out is not over
        waited_for = (need for order in found.held.values() for need in order.needs)
        self.ends.unsure |= dict.fromkeys(filterfalse(self._works_on, waited_for), True)
        self._close(found)

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

    def ended(self, uid: str, *, well: bool) -> None:
        """An order has come to its video, or to none: what waits for it goes on, before the rest;
        or it is left out, with all that waits for it in turn. `uid` is that of any try.
        """
        ends = deque([(self.ends.order_of(uid), well)])
        while ends:
            attempt, well = ends.popleft()
            self.ends.note(attempt, well=well)
            for batch in self.batches.values():
                ends += [(one, False) for one in batch.freed(attempt, well=well)]
        for batch in list(self.batches.values()):
            self._close(batch)

    def unreadable(self, batch: str, page: int, why: str) -> None:
        """Leave a batch: a page of it cannot be believed."""
        if found := self.batches.get(batch):
            found.why, found.stopped = why, True
            self._close(found)

    # -------- grants

    def grants(self, now: float) -> Iterator[Grant]:
        """Yield what may be tried within the next seconds, a create each; batches take turns.

        None while enough are granted: those of about a second are begun in one step of an engine.
        """
        until = now + AHEAD_S if self._free_at(now) <= now + AHEAD_S / 2 else now
        while grant := self._next(now, until):
            self._granted[grant.order.uid] = grant
            yield grant

    def wake_at(self, now: float) -> float | None:
        """Return when to ask for grants again; None while only a report can bring more."""
        is_waited_for = any(batch.waiting for batch in self.batches.values())
        if self.halted or not is_waited_for or self.running >= self.account.tempo.places.limit:
            return None
        return max(now, self._free_at(now) - AHEAD_S / 2, self._turn_at())

    def _free_at(self, now: float) -> float:
        return max(now + self.account.tempo.pace.delay_s(now), self.standing.paused_until)

    def _turn_at(self) -> float:
        """Return from when on a create may go although others are on their way.

        While nobody knows whether the gateway takes any, they go one by one. Later so many go at
        once as hosts come to in time.
        """
        most = self.account.tempo.in_time.limit if self.standing.proven else 1
        sent = sorted((g.at for g in self._granted.values() if not g.order.claimed), reverse=True)
        return sent[most - 1] + _ALONE_S if len(sent) >= most else 0.0

    def _may_grant(self, now: float) -> bool:
        has_place = self.running < self.account.tempo.places.limit
        return not self.halted and has_place and self._turn_at() <= now

    def _next(self, now: float, until: float) -> Grant | None:
        for batch in list(self.batches.values()):
            self._leave_out(batch)
            if not batch.waiting:
                continue
            if batch.waiting[0].claimed:
                return self._take(batch, now)
            at = self._free_at(now)
            if self._may_grant(now) and at <= until:
                self.account.tempo.pace.take(at)
                return self._take(batch, at)
        return None

    def _take(self, batch: Batch, at: float) -> Grant:
        order = batch.waiting.popleft()
        batch.live[order.uid] = True
        self.batches[batch.id] = self.batches.pop(batch.id)  # the others are next
        return Grant(order, at)

    def _leave_out(self, batch: Batch) -> None:
        """Make the first that waits one whose cost is reserved; drop what is on its way already,
        and what the caps have no room for. What is claimed was paid for, and is counted anyway.
        """
        while batch.waiting:
            order = batch.waiting[0]
            refusal = None if order.reserved else self._reserve(batch, order)
            is_live = any(order.uid in other.live for other in self.batches.values())
            if not refusal and not is_live:
                batch.waiting[0] = replace(order, reserved=True)
                return
            batch.waiting.popleft()
            if is_live and not refusal:
                self._release(replace(order, reserved=True))
            if refusal:
                batch.refused(refusal)
                self.ended(order.attempt, well=False)
        self._close(batch)

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
        for caps in self._caps_of(order) if order.reserved else ():
            caps.release(order.ask.request)

    def _caps_of(self, order: Order) -> Iterator[Caps]:
        """Yield the caps under which the cost of an order is reserved."""
        yield self.batches[order.ask.ref.batch].caps
        if not order.counted:
            yield self.account.caps

    # -------- reports

    def awaits(self, uid: str, at: float) -> bool:
        """True if nobody has reported on the grant of this moment: a report may be heard twice,
        and the order may have been granted again meanwhile.
        """
        grant = self._granted.get(uid)
        return grant is not None and grant.at == at

    def bought(self, told: Bought, now: float, u: float) -> None:
        """A try is over. Unless it was submitted, it holds no place any more."""
        grant = self._granted.pop(told.uid, None)
        if grant is None:
            return  # told twice, or of a desk before this one
        if told.sent:
            self._count(told.host)
            if grant.order.counted and told.outcome in ("submitted", "in_doubt"):
                self.account.caps.enter(
                    grant.order.ask.request
                )  # what was counted was an earlier try
        self.standing.heard(told)
        if told.stopped:
            self.account.stop(told.stopped)
        match told.outcome:
            case "submitted":
                if told.sent:
                    self.account.tempo.accepted(now, grant.at)
            case "limited" | "unsent" | "late":
                self._again(grant, told, now, u)
            case "in_doubt":
                self._end(grant.order)
            case _:
                self._release(grant.order)
                self._end(grant.order)
        self.standing.judge(told)
        if self.account.tempo.pace.exhausted(now) and not self.running:
            self.halt(
                _("the gateway refuses every create for want of room, and no task is running")
            )

    def _count(self, host: str) -> None:
        self._hosts[host] = self._hosts.pop(host, 0) + 1
        while len(self._hosts) > _KEPT:
            del self._hosts[next(iter(self._hosts))]

    def over(self, uid: str, *, comes: bool = False) -> None:
        """A task is finished, failed or parked: it holds no place at the gateway any more. `comes`:
        its video is on its way to the store; otherwise none comes. Heard twice, it counts once.
        """
        if not any(uid in batch.live for batch in self.batches.values()):
            return
        if comes:
            self.ends.comes(uid)
        else:
            self.ended(uid, well=False)
        for batch in list(self.batches.values()):
            if batch.live.pop(uid, None):
                batch.settled += 1
                self._granted.pop(uid, None)
                self._close(batch)

    def delivered(self, uid: str, *, well: bool) -> None:
        """A video that was on its way is in the store, or nobody at the cluster brings it."""
        if self.ends.coming.get(self.ends.order_of(uid)) == attempt_or_uid(uid):
            self.ended(uid, well=well)

    def again(self, failed: Order, uid: str, *, claimed: bool) -> None:
        """A task has failed, and its film buys the take again, as `uid`: the order waits for
        another grant, before the others. `claimed`: some host has claimed it before.
        """
        batch = self.batches.get(failed.ask.ref.batch)
        if batch is None or batch.live.pop(failed.uid, None) is None:
            return  # told twice, or of a desk before this one
        self._granted.pop(failed.uid, None)
        if batch.stopped:
            batch.settled += 1
            return self.ended(failed.uid, well=False)
        self.ends.again(uid, failed.attempt)
        batch.waiting.appendleft(failed.as_retry(uid, claimed=claimed))

    def blinded(self, reason: str) -> None:
        """Polls are refused for the key's or the balance's sake."""
        self.halt(reason)

    def _again(self, grant: Grant, told: Bought, now: float, u: float) -> None:
        order, running = grant.order, self.running - 1
        batch = self.batches[order.ask.ref.batch]
        del batch.live[order.uid]
        if told.outcome == "limited" and told.sent:
            self.account.tempo.limited(now, grant.at, told.retry_after_s, u, running)
        elif told.outcome == "late" and not told.stopped:
            self.account.tempo.in_time.refused(now, grant.at, len(self._granted))
        elif told.outcome == "unsent" and told.host:  # not of a host that died before it had sent
            self.standing.not_sent(now, u)
        uid = order.uid if told.outcome == "late" else next_try(order.uid)
        if uid is None or batch.stopped:
            self._release(order)
            self.ended(order.attempt, well=False)
            return self._close(batch)
        try_ = order.try_ + (uid != order.uid)
        batch.waiting.appendleft(replace(order, uid=uid, try_=try_, claimed=False))

    def _end(self, order: Order) -> None:
        batch = self.batches[order.ask.ref.batch]
        del batch.live[order.uid]
        batch.settled += 1
        self.ended(order.attempt, well=False)
        self._close(batch)

    def _close(self, batch: Batch) -> None:
        if batch.is_over and batch.id in self.batches:
            del self.batches[batch.id]
            self._over[batch.id] = batch.cap
            while len(self._over) > _KEPT:
                del self._over[next(iter(self._over))]

    # -------- for people, and for the next desk

    def status(self, now: float) -> dict[str, Json]:
        """Return what a person is told."""
        return {
            "settings": self.account.settings.as_json(),
            "per_minute": round(60 * self.account.tempo.pace.per_s, 3),
            "places": self.account.tempo.places.limit,
            "running": self.running,
            "creating": len(self._granted),
            "halted": self.halted,
            "way_out": self.way_out,
            "pause_s": round(max(0.0, self._free_at(now) - now), 3),
            "spend": str(self.account.caps.spend),
            "currency": self.account.caps.currency,
            "batches": [batch.told() for batch in self.batches.values()],
            "over": list(self._over),
            "capped": {batch: asdict(cap) for batch, cap in self._over.items() if cap},
            "coming": list(self.ends.coming.values()),
            "hosts": dict(self._hosts),
        }

    def state(self) -> dict[str, Json]:
        """Return all of it as JSON."""
        granted = [[g.order.as_json(), g.at] for g in self._granted.values()]
        return {
            "account": self.account.state(),
            "batches": [batch.state() for batch in self.batches.values()],
            "granted": granted,
            "standing": asdict(self.standing),
            "ends": self.ends.state(),
            "over": [[batch, cap and asdict(cap)] for batch, cap in self._over.items()],
            "hosts": [[*one] for one in self._hosts.items()],
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Json]) -> Self:
        """Return the desk that `state` was made of; a new one of `{}`."""
        if not state:
            return cls()
        desk = cls()
        desk.account = Account.from_state(state["account"])
        desk.batches = {told["id"]: Batch.from_state(told) for told in state["batches"]}
        grants = [Grant(Order.from_json(order), at) for order, at in state["granted"]]
        desk._granted = {grant.order.uid: grant for grant in grants}
        desk.standing = Standing(**state["standing"])
        desk.ends = Ends.from_state(state["ends"])
        desk._over = {batch: LeftOut(**cap) if cap else None for batch, cap in state["over"]}
        desk._hosts = dict(state["hosts"])
        return desk
