"""A run at a cluster: hands its shots over, folds what hosts have written into the ledger, and
tells of it, until nothing more comes.

Buys nothing itself. Whoever follows, or nobody, changes nothing in what the hosts do.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.to_thread

from klingflow.api.connecting import reader
from klingflow.api.hearing import Hearing
from klingflow.api.settling import settle
from klingflow.api.site import now
from klingflow.cluster import batches
from klingflow.cluster.giving_back import give_back_of
from klingflow.cluster.orders import Terms
from klingflow.cluster.reading import Reader
from klingflow.cluster.references import Uploading
from klingflow.cluster.status import Status
from klingflow.cluster.store import PutOnce
from klingflow.decide.plan import buys
from klingflow.errors import ClusterAway, StoreAway
from klingflow.ledger.handed_over import UNSENDABLE, bought_again, claimant
from klingflow.ledger.lifecycle import UNFINISHED
from klingflow.ledger.uids import attempt_of
from klingflow.model import LeftOut, Limits, Purchase, State
from klingflow.runner import signals
from klingflow.runner.context import Job, Outcome, as_data
from klingflow.runner.events import Emit, EventName
from klingflow.words import _, many

if TYPE_CHECKING:
    from klingflow.cluster.temporal.client import DeskClient

_LOOK_EVERY_S: Final = 2.0
# Looks in a row that found server or store away, after which a person is told; a worker that starts
# takes some seconds.
_AWAY: Final = 3
# Folding takes no more than a tenth of the time.
_SHARE: Final = 10
# A video that has not come so long after the last news is left to the next run, or to `fetch`.
_QUIET_S: Final = 120.0
# The states of a purchase whose video is still to come.
_COMING: Final[frozenset[State]] = UNFINISHED - {"parked"} | frozenset[State]({"succeeded"})


@dataclass(slots=True)
class Follower:
    """One manifest's run at a cluster. `open` are the batches of which something may still come,
    by their ids; `bought` what hosts bought for it, by uid; `agreed` are the takes that its first
    plan buys: the user has agreed to no other; `otherwise` are takes of which other
    copies of the film have ordered, or bought, another body; `left_out` those for which a cap of
    the account, or of the run, had no room at the desk. `goes_on`: the user's word covers
    also what an earlier run began to hand over, and nobody was shown. `gives_back`: the user has
    agreed to what is done here, so the store may be told what the lock says. `coming` are the
    attempts of which the desk says that their videos are on their way to the store. `unheard` is
    why the desk was not told of a batch at once.
    """

    job: Job
    desk: DeskClient
    store: PutOnce
    limits: Limits
    emit: Emit
    goes_on: bool = True
    gives_back: bool = True
    clock: Callable[[], float] = time.monotonic
    open: dict[str, Terms] = field(default_factory=dict)
    agreed: set[str] = field(init=False)
    handed: set[str] = field(default_factory=set)
    bought: dict[str, Purchase] = field(default_factory=dict)
    otherwise: set[str] = field(default_factory=set)
    coming: frozenset[str] = frozenset()
    left_out: dict[str, LeftOut] = field(default_factory=dict)
    unheard: ClusterAway | None = None
    outcome: Outcome = field(default_factory=Outcome)
    reader: Reader = field(init=False)
    hearing: Hearing = field(init=False)
    _told: set[tuple[str, str]] = field(init=False)  # earlier runs told of what was bought then
    _news_at: float = field(init=False)
    _fold_s: float = 0.0
    _away: int = 0

    def __post_init__(self) -> None:
        self.agreed = {action.key for action in buys(self.job.plan)}
        known = self.job.ledger.book.purchases
        self._told = {(uid, "submitted") for uid, one in known.items() if one.task_id}
        self.reader = Reader(self.store, self.job.ledger.book.lineage)
        self.hearing = Hearing(self.desk, self.emit, self.clock)
        self._news_at = self.clock()

    async def hand_over(self) -> bool:
        """Hand over what the plan buys, each shot once in a run. Return False for nothing. Raises
        StoreAway.
        """
        if self.outcome.interrupted:
            return False
        uploading = Uploading(self.job, self.store, reader, self.inform, self.limits.downloads)
        handed = await batches.hand_over(
            self.job,
            self.store,
            self.limits,
            now(),
            uploading,
            self._is_wanted,
            goes_on=self.goes_on,
        )
        for key, reason in handed.unsendable.items():
            self._about(key, "unsendable", reason=reason)
        self.handed |= {order.key for order in handed.orders} | handed.unsendable.keys()
        await self.take_up()
        if handed.orders:
            self.inform("handed_over", takes=len(handed.orders))
        return bool(handed.orders)

    def _is_wanted(self, key: str) -> bool:
        return key in self.agreed and key not in self.handed

    async def take_up(self) -> None:
        """Follow every batch of which orders are open, also those of earlier runs."""
        for terms in await batches.open_batches(self.job, self.store):
            if terms.batch not in self.open:
                await self._add(terms)

    async def take_up_bought(self) -> None:
        """Follow also the batches of which all is bought, and some is still to come. A desk that
        has lost them is told of them when it is asked.
        """
        with suppress(StoreAway):
            for terms in await batches.open_batches(self.job, self.store, _COMING):
                self.open.setdefault(terms.batch, terms)

    async def _add(self, terms: Terms) -> None:
        self.open[terms.batch] = terms
        self._news_at = self.clock()
        try:
            await self._tell_desk(terms)
        except ClusterAway as error:  # it is told again while it is away
            self.unheard = error

    async def _tell_desk(self, terms: Terms) -> None:
        """Tell the desk of a batch, unless the user has said by now that nothing more is bought.
        Who says so in this very moment may have been heard first: the desk is told again then.
        """
        if not self.outcome.interrupted:
            await self.desk.hand_over(terms.batch, terms.film, terms.pages, terms.caps)
        if self.outcome.interrupted:
            await self.desk.stop(terms.batch)

    async def bring_home(self) -> None:
        """Bring home what came while nobody followed. Where the store is away, the next run does.
        Raises LedgerBroken.
        """
        with suppress(StoreAway):
            await batches.bring_home(self.job, self.store, now())

    async def run(self) -> None:
        """Follow until nothing more comes of any batch. Raises LedgerBroken."""
        while True:
            await self._look()
            if self._is_quiet() and not await self._next():
                return
            await anyio.sleep(max(_LOOK_EVERY_S, _SHARE * self._fold_s))

    async def _look(self) -> None:
        """Fold, and see what the desk has still to do. Who is away is asked again. A desk without
        hosts answers nobody: what is withdrawn then, no host can claim later.
        """
        try:
            await self._fold()
            if await self.hearing.listen():
                await self.give_back(self.reader.names)
            if self.hearing.heard or self.outcome.interrupted:
                await self._compare(await self.desk.status() if self.hearing.heard else None)
            self._away = 0
        except (StoreAway, ClusterAway) as error:
            self._away += 1
            if self._away == _AWAY:
                self.inform("away", reason=str(error))

    async def _compare(self, status: Status | None) -> None:
        """End the batches that the desk is through with, and give it again what it has lost; after
        Ctrl-C, these are over, too.
        """
        status = status or Status((), ())  # one that has lost its memory
        here, over = {told.id for told in status.batches}, set(status.over)
        self.coming = status.coming
        self._warn(status)
        for batch, terms in list(self.open.items()):
            is_lost = batch not in here and batch not in over
            if is_lost and not self.outcome.interrupted:
                await self._tell_desk(terms)
            elif is_lost or batch in over:
                await self._withdraw(batch, status.capped.get(batch))
                del self.open[batch]

    def _warn(self, status: Status) -> None:
        """Say for what a person is needed."""
        if halted := status.halted:
            self._say("halted", _("{halted} ({way_out})", halted=halted, way_out=status.way_out))
        for told in status.batches:
            if told.missing and told.id in self.open:
                self._say("halted", told.missing)

    async def _withdraw(self, batch: str, cap: LeftOut | None) -> None:
        """Take back what the desk has not granted of a batch, and why, where a cap held it."""
        why = cap.reason if cap else ""
        taken = await batches.withdraw_rest(self.job, self.store, batch, now(), why)
        if cap:
            self.left_out |= {purchase.key: cap for purchase in taken}
        await self._fold()

    async def give_back(self, names: Collection[str] | None = None) -> None:
        """Give the store the claims that the lock knows and it has lost. `names` are the objects of
        this film that the store had a moment ago: who has just read them asks for no others. Raises
        StoreAway.
        """
        if not self.gives_back:
            return
        book, store = self.job.ledger.book, self.store
        lost = await anyio.to_thread.run_sync(give_back_of, book, store, names)
        if lost:
            told = many(lost, "{number} purchase", "{number} purchases")
            reason = _(
                "{told} of this lock are in it again; was it put back from a backup?", told=told
            )
            self.inform("given_back", reason=reason)

    def _is_quiet(self) -> bool:
        """True if no batch is open and no video is on its way, or none has come for long."""
        known = self.job.ledger.book.purchases.values()
        coming = any(p.state in _COMING and attempt_of(p.uid) in self.coming for p in known)
        is_late = self.clock() - self._news_at > _QUIET_S
        return not self.open and (not coming or is_late)

    async def _next(self) -> bool:
        """Hand over what became possible: shots that waited for others. What came until the desk
        said that no more comes is taken in first. Return False for nothing; where the store is
        away, that is not known yet.
        """
        try:
            await self._fold()
            left_out = self.job.plan.left_out  # what the caps have no room for stays out
            self.job.plan = replace(self.job.plan_again(), left_out=left_out)
            return await self.hand_over()
        except StoreAway:
            return True

    async def _fold(self) -> None:
        began, ordered = self.clock(), batches.ordered_bodies(self.job)
        folded = await batches.fold_in(self.job, self.reader, now())
        self._fold_s = self.clock() - began
        for purchase in folded:
            if ordered.get(purchase.uid, "") not in ("", purchase.fingerprint):
                self.otherwise.add(purchase.key)
            self._news_at = self.clock()
            if purchase.state != "rejected":
                self.bought[purchase.uid] = purchase
            self._tell(purchase)

    async def stop(self) -> None:
        """Let the desk grant nothing more of these batches."""
        self.outcome.interrupted = True
        self._say("leaving", _("interrupted; the cluster finishes what is on its way"))
        for batch in [*self.open]:  # batches end meanwhile
            with suppress(ClusterAway):
                await self.desk.stop(batch)

    # -------- events

    def _tell(self, purchase: Purchase) -> None:
        """Tell what a purchase has come to; what comes between is told first."""
        if purchase.task_id:
            facts: dict[str, Any] = {"task_id": purchase.task_id, "tier": purchase.billed_tier}
            facts |= {"predicted_tier": purchase.predicted_tier}
            self._once(purchase, "submitted", **facts)
        if purchase.state == "done":
            bounds = purchase.finished_after_s or (0.0, 0.0)
            self._once(purchase, "succeeded", tier=purchase.billed_tier, after_s=bounds[1])
            facts = {"file": purchase.output or "", "size_bytes": purchase.size_bytes or 0}
            self._once(purchase, "done", **facts)
        elif missing := _why_it_did_not_come(purchase):
            event, facts = missing
            self._once(purchase, event, **facts)

    def _once(self, purchase: Purchase, event: EventName, **facts: Any) -> None:
        if (purchase.uid, event) in self._told:
            return
        self._told.add((purchase.uid, event))
        if event != "unsendable":
            who = claimant(purchase)
            facts |= {"uid": purchase.uid, **({"host": who[0]} if who else {})}
        self._about(purchase.key, event, **facts)

    def _about(self, key: str, event: EventName, **facts: Any) -> None:
        manifest = self.job.plan.manifest
        about = {"manifest": manifest.name, "path": manifest.path, "shot": key}
        self.emit({"at": now(), "event": event, **about, **facts})

    def inform(self, event: EventName, **facts: Any) -> None:
        """Emit an event that is about no shot."""
        self.emit({"at": now(), "event": event, **facts})

    def _say(self, event: EventName, reason: str) -> None:
        """Emit an event that is about no shot, once for each reason."""
        if ("", reason) not in self._told:
            self._told.add(("", reason))
            self.inform(event, reason=reason)


def _why_it_did_not_come(purchase: Purchase) -> tuple[EventName, dict[str, Any]] | None:
    """Return the event of a purchase that has brought no video, and its facts; None for one that
    may still bring it. What was never sent is ordered again.
    """
    failure = as_data(purchase.error) if purchase.error else {}
    match purchase.state:
        case "failed":
            again = bought_again(purchase) is not None
            return "failed", {"failure": failure, "retry": again, "refunded": False}
        case "parked":
            return "parked", {"failure": failure}
        case "in_doubt":
            said = purchase.error.message if purchase.error else _("its host died with it")
            return "in_doubt", {"reason": said}
        case "rejected" if failure.get("code") == UNSENDABLE:
            return "unsendable", {"reason": failure["message"]}
        case "rejected" if failure.get("kind") != "not_sent":
            return "rejected", {"failure": failure}
    return None


async def followed(follower: Follower, abort: Callable[[], None], *, detach: bool) -> list[str]:
    """Hand over and follow. `detach`: only hand over. Return what went wrong with files.

    Raises LedgerBroken, StoreAway; with `detach` also ClusterAway where the desk did not hear.
    """
    troubles = await settle(follower.job)
    await follower.give_back()
    await follower.hand_over()
    if detach:
        if follower.unheard is not None:  # nobody tells it again
            raise follower.unheard
        return troubles
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_listen, follower, abort, group.cancel_scope)
            await follower.take_up_bought()
            await follower.bring_home()
            await follower.run()
            group.cancel_scope.cancel()
    except ExceptionGroup as several:  # a group wraps also a single one
        raise several.exceptions[0] from None
    return troubles


async def _listen(follower: Follower, abort: Callable[[], None], scope: anyio.CancelScope) -> None:
    """Ctrl-C once: this batch buys nothing more. Twice: leave; the cluster goes on."""
    with signals.heard() as received:
        async for number in received:
            if follower.outcome.interrupted or number != signal.SIGINT:
                follower.outcome.interrupted = True
                abort()
                scope.cancel()
                return
            await follower.stop()
