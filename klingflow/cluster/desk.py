"""PURE. Who may send a create, and when: one rate, one number of running tasks and one budget for
all hosts of one gateway account.

Knows orders by their `Ask`, never by a body; which there are, and what the caps have room for, is
intake.py's part. The time (seconds that only go on) and chance (`u` in
[0, 1)) are handed in. Everything goes into plain JSON and back, because an engine starts a desk
again from what it was told last.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import Final, Self

from klingflow.cluster import versions
from klingflow.cluster.account import Account, Settings
from klingflow.cluster.ends import Ends
from klingflow.cluster.intake import Intake
from klingflow.cluster.queued import Batch, Grant, Order, attempt_or_uid
from klingflow.cluster.reports import Bought
from klingflow.cluster.standing import Standing
from klingflow.ledger.uids import next_try
from klingflow.model import Json, LeftOut
from klingflow.words import _

# So far ahead creates are granted: an engine's timers are up to a second late.
AHEAD_S: Final = 2.0
# A host may die with a create, so others wait no longer than this for its end.
_ALONE_S: Final = 10.0
# Hosts that have bought, and are remembered.
_KEPT: Final = 50
_STATE: Final = _("the state of a desk")


class Desk(Intake):
    """The desk of one account. Whoever is granted a create reports `bought`, `over` when its task
    holds no place at the gateway any more, and `delivered` when its video is in the store, or does
    not come. A report may be heard twice.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        super().__init__(settings)
        self.standing: Standing = Standing()
        self._granted: dict[str, Grant] = {}  # creates that nobody has reported on, by uid
        self._hosts: dict[str, int] = {}  # how many creates each has sent

    @property
    def running(self) -> int:
        """Creates on their way and unfinished tasks."""
        return sum(len(batch.live) for batch in self.batches.values())

    @property
    def halted(self) -> str:
        """Why nothing is granted until a person says so; "" while creates are granted."""
        return self.standing.why or self.account.halted

    @property
    def way_out(self) -> str:
        """The command that lets it grant again."""
        return "klingflow desk --resume" if self.standing.why else self.account.way_out

    # -------- what persons say

    def halt(self, reason: str) -> None:
        """Grant nothing more until `go_on`; the first reason counts."""
        self.standing.halt(reason)

    def go_on(self) -> None:
        """Grant again, and forget what went wrong."""
        self.standing.go_on()
        self.account.go_on()

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
        batches = self.batches.values()
        is_waited_for = any(batch.waiting and not self._unknown(batch) for batch in batches)
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
        most = self.account.tempo.in_time.limit if self.standing.is_reached else 1
        sent = sorted((g.at for g in self._granted.values() if not g.order.claimed), reverse=True)
        return sent[most - 1] + _ALONE_S if len(sent) >= most else 0.0

    def _may_grant(self, now: float) -> bool:
        has_place = self.running < self.account.tempo.places.limit
        return not self.halted and has_place and self._turn_at() <= now

    def _next(self, now: float, until: float) -> Grant | None:
        for batch in list(self.batches.values()):
            order = self._next_of(batch)
            if order is None:
                continue
            if order.claimed:
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
            self._learn(grant, told, now, u)
        self.standing.heard(told)
        if told.stopped:
            self.account.stop(told.stopped)
        match told.outcome:
            case "submitted":
                pass  # its task holds the place
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

    def _learn(self, grant: Grant, told: Bought, now: float, u: float) -> None:
        """Note what only the host knows that sent the POST itself: who has bought, how fast."""
        self._count(told.host)
        if told.lost:
            self._lost(grant, now, u)
        if told.outcome == "submitted":
            self.account.tempo.accepted(now, grant.at)
        if grant.order.counted and told.outcome in ("submitted", "in_doubt"):
            self.account.caps.enter(grant.order.ask.request)  # what was counted was an earlier try

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

    def lost(self, uid: str) -> None:
        """Nobody can find any more what was bought: it holds no place, unless it is granted."""
        if uid not in self._granted:
            self.over(uid)

    def delivered(self, uid: str, *, well: bool) -> None:
        """A video that was on its way is in the store, or nobody at the cluster brings it. Where it
        is there, its task is over: a server from a backup may have forgotten that it was told so.
        """
        if well:
            self.over(uid, comes=True)
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

    def missed(self, host: str, why: str) -> None:
        """A host misses what was in the store, or, where `why` is "", goes on with it."""
        self.standing.missed(host, why)

    def _again(self, grant: Grant, told: Bought, now: float, u: float) -> None:
        """Let an order be tried once more. One that was refused with the account comes after the
        others of its batch: if it is refused again, it does not hold them up.
        """
        order = grant.order
        batch = self.batches[order.ask.ref.batch]
        del batch.live[order.uid]
        self._slow_down(grant, told, now, u)
        uid = order.uid if told.outcome == "late" else next_try(order.uid)
        if uid is None or batch.stopped:
            self._release(order)
            self.ended(order.attempt, well=False)
            return self._close(batch)
        try_ = order.try_ + (uid != order.uid)
        enter = batch.waiting.append if told.stops else batch.waiting.appendleft
        enter(replace(order, uid=uid, try_=try_, claimed=False))

    def _slow_down(self, grant: Grant, told: Bought, now: float, u: float) -> None:
        """Learn from a try that bought nothing. A refusal of the account says nothing of limits."""
        tempo = self.account.tempo
        if told.outcome == "limited" and told.sent and not told.stops:
            tempo.limited(now, grant.at, told.retry_after_s, u, self.running)
        elif told.outcome == "late" and not told.stopped:
            tempo.in_time.refused(now, grant.at, len(self._granted))
        elif told.outcome == "unsent" and told.host:  # not of a host that died before it had sent
            self._lost(grant, now, u)

    def _lost(self, grant: Grant, now: float, u: float) -> None:
        last = max((g.at for g in self._granted.values() if not g.order.claimed), default=grant.at)
        self.standing.lost(grant.at, last, now, u)

    def _end(self, order: Order) -> None:
        batch = self.batches[order.ask.ref.batch]
        del batch.live[order.uid]
        batch.settled += 1
        self.ended(order.attempt, well=False)
        self._close(batch)

    # -------- for people, and for the next desk

    def status(self, now: float) -> dict[str, Json]:
        """Return what a person is told."""
        return {
            "per_minute": round(60 * self.account.tempo.pace.per_s, 3),
            "places": self.account.tempo.places.limit,
            "running": self.running,
            "creating": len(self._granted),
            "halted": self.halted,
            "way_out": self.way_out,
            "pause_s": round(max(0.0, self._free_at(now) - now), 3),
            "spend": str(self.account.caps.spend),
            "max_spend": self.account.settings.as_json()["max_spend"],
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
        """Return the desk that `state` was made of; a new one of `{}`. Raises UsageError for one
        of another version: what only that knows may be a limit.
        """
        if not state:
            return cls()
        with versions.reading(_STATE):
            return cls._from_state(state)

    @classmethod
    def _from_state(cls, state: Mapping[str, Json]) -> Self:
        desk = cls()
        versions.check_names(state, frozenset(desk.state()), _STATE)
        desk.account = Account.from_state(state["account"])
        desk.batches = {told["id"]: Batch.from_state(told) for told in state["batches"]}
        grants = [Grant(Order.from_json(order), at) for order, at in state["granted"]]
        desk._granted = {grant.order.uid: grant for grant in grants}
        desk.standing = versions.read(Standing, state["standing"], _STATE, exact=True)
        desk.ends = Ends.from_state(state["ends"])
        over = [
            (batch, cap and versions.read(LeftOut, cap, _STATE)) for batch, cap in state["over"]
        ]
        desk._over = dict(over)
        desk._hosts = dict(versions.listed(state["hosts"]))
        return desk
