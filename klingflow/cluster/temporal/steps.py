"""The activities: what a workflow has this host's hand do. Each may be done again, on any host.

Knows when a task is polled, and that nothing which a gateway said may reach an engine: of an error
only its kind is told there, its words are this host's own.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from temporalio import activity
from temporalio.exceptions import ApplicationError

from klingflow.cluster import accounts, bringing, hands, supplies
from klingflow.cluster.brief import brief
from klingflow.cluster.bringing import Brought, Seen
from klingflow.cluster.giving_back import forgotten
from klingflow.cluster.hand import Hand
from klingflow.cluster.orders import OrdersDamaged, Terms
from klingflow.cluster.queued import Order
from klingflow.cluster.reports import Bought
from klingflow.cluster.store import told_of
from klingflow.cluster.temporal.flows import account_of
from klingflow.cluster.temporal.telling import Telling
from klingflow.decide.pace import BURST, Gcra
from klingflow.decide.polling import Durations
from klingflow.errors import LedgerBroken, UsageError
from klingflow.model import Limits
from klingflow.words import _

T = TypeVar("T")

_BEAT_S: Final = 2.0
# So many polls in a row that were refused for the key's sake are told to the desk.
_BLIND: Final = 3
_LONGEST_PAUSE_S: Final = 60.0
# How often a host looks whether the store is what it was.
_MIND_S: Final = 5.0


class Steps:
    """The activities of one process. What becomes of orders is told to the desk by `telling`.
    `told` gets a line for the person who looks after this host; `broke` is called where it must buy
    nothing more. Downloads go to the folder `scratch` first.
    """

    def __init__(
        self,
        hand: Hand,
        telling: Telling,
        scratch: Path,
        told: Callable[[str], None],
        broke: Callable[[LedgerBroken], None],
    ) -> None:
        self._hand = hand
        self._telling = telling
        self._scratch = scratch
        self._told = told
        self._broke = broke
        self._polls = Gcra(Limits().poll, BURST)
        self._durations = Durations()
        self._buying: set[asyncio.Task[Any]] = set()
        self._leaving = asyncio.Event()

    def leave(self) -> None:
        """Let polls go to other hosts."""
        self._leaving.set()

    async def finished(self, seconds: float) -> None:
        """Wait for the creates that are on their way."""
        if self._buying:
            await asyncio.wait(self._buying, timeout=seconds)

    @activity.defn(name="page")
    async def page(self, account: str, batch: str, number: int) -> dict[str, Any]:
        """Return what the desk needs to know of a page: how many attempts of each order are
        claimed, and which orders have ended, with a video or without; and what was said last of
        the account, with its number.
        """
        return await self._done(self._page(account, batch, number))

    @activity.defn(name="end")
    async def end(self, order: str) -> str:
        """Return how an order has ended, as `supplies.End`."""
        found, _ = await self._done(supplies.end_of(self._hand, order))
        return found

    @activity.defn(name="buy")
    async def buy(self, order: dict[str, Any], at: float, heard: int = 0) -> str:
        """Try to buy an order at its granted moment. Return the outcome. Nothing is claimed for an
        account that a person has stopped, whatever its desk remembers, unless that has `heard` a
        later word.

        The moment is by the server's clock, and so is the one at which this step was begun: the
        clocks of hosts do not matter.
        """
        began = time.monotonic()
        began_at = activity.info().started_time.timestamp()
        wait_s = at - began_at - (time.monotonic() - began)
        return await self._done(self._buy(Order.from_json(order), at, wait_s, heard))

    @activity.defn(name="watch")
    async def watch(self, order: dict[str, Any], since: float) -> dict[str, Any]:
        """Poll a task until it is over. `since` is when it was bought, by the server's clock."""
        age_s = activity.info().started_time.timestamp() - since
        return await self._done(self._watch(Order.from_json(order), max(0.0, age_s)))

    @activity.defn(name="bring")
    async def bring(
        self, uid: str, seen: dict[str, Any], last: dict[str, Any] | None
    ) -> dict[str, Any]:
        """Try once to bring a video."""
        return await self._done(self._bring(uid, Seen.from_json(seen), last))

    async def mind_store(self, account: str) -> str:
        """Return why nothing may be bought at the store, as `forgotten`; the desk is told, too."""
        why = await forgotten(self._hand, account)
        if why:
            await self._telling.tell("blinded", why)
        return why

    async def mind_store_always(self, account: str) -> None:
        """Look at the store again and again, also while nothing is bought. Never returns."""
        known = ""
        while True:
            await asyncio.sleep(_MIND_S)
            try:
                why = await forgotten(self._hand, account)
            except (UsageError, OSError) as error:
                why = str(error)
            if why and why != known:
                self._told(_("{now} {why}", now=_now(), why=why))
                await self._telling.tell("blinded", why)
            known = why

    # --------

    async def _page(self, account: str, batch: str, number: int) -> dict[str, Any]:
        page = await hands.page(self._hand, batch, number)
        asks = list(page.asks())
        names = [told_of(ask.uid, "intent") for ask in asks]
        claims = await asyncio.gather(*map(self._hand.get, names))
        claimed = [ask.uid for ask, claim in zip(asks, claims, strict=True) if claim is not None]
        found = await asyncio.gather(*(supplies.claims_of(self._hand, uid) for uid in claimed))
        ends = {uid: one.has_come for uid, one in zip(claimed, found, strict=True)}
        counts = {uid: one.number for uid, one in zip(claimed, found, strict=True)}
        said = await self._hand.patiently(partial(accounts.last_said, self._hand.store, account))
        return {
            "asks": [(ask.as_json(), counts.get(ask.uid, 0)) for ask in asks],
            "ends": {uid: has_come for uid, has_come in ends.items() if has_come is not None},
            "said": said and (said.number, said.as_json()),
        }

    async def _buy(self, order: Order, at: float, wait_s: float, heard: int) -> str:
        account = account_of(activity.info().task_queue)
        lost = await self.mind_store(account)
        stopped = await self._stopped(account, heard)
        try:
            bought = await self._bought(order, wait_s, is_stopped=bool(stopped or lost))
        except OrdersDamaged:
            bought = Bought(order.uid, "stale", reason=_("its order is damaged"))
        await self._telling.tell("bought", replace(bought, stopped=stopped).as_json(), at)
        return bought.outcome

    async def _stopped(self, account: str, heard: int) -> int:
        """Return the number of the word in the store by which nothing is bought for this account; 0
        where there is none, or its desk has heard a later one.
        """
        said = await self._hand.patiently(partial(accounts.last_said, self._hand.store, account))
        if said is None or not said.settings.stopped or said.number < heard:
            return 0
        return said.number

    async def _bought(self, order: Order, wait_s: float, *, is_stopped: bool) -> Bought:
        """Buy, and finish what was begun also if the engine has lost patience meanwhile."""
        buying = asyncio.create_task(
            hands.buy(
                self._hand,
                order.ask.ref,
                try_=order.try_,
                retry=order.retry,
                wait_s=max(0.0, wait_s),
                too_late=is_stopped or wait_s < -hands.LATE_S,
            )
        )
        self._buying.add(buying)
        buying.add_done_callback(self._buying.discard)
        return await asyncio.shield(buying)

    async def _watch(self, order: Order, age_s: float) -> dict[str, Any]:
        try:
            seen = await self._seen(order, Seen(age_s=age_s), at_once=activity.info().attempt > 1)
        except OrdersDamaged:  # nobody can say how long to wait
            seen = Seen("damaged")
        if seen.again:
            again = (order.as_json(), seen.again, seen.is_claimed)
            await self._telling.tell("again", *again)
        else:
            await self._telling.tell("over", order.uid, seen.state == "succeeded")
        return seen.as_json()

    async def _seen(self, order: Order, seen: Seen, *, at_once: bool) -> Seen:
        """Poll a task until it is over. `at_once`: nobody knows when it was polled last, because
        the host that did is dead. Raises ApplicationError to have another host do it.
        """
        ref, uid, tier = order.ask.ref, order.uid, order.ask.tier
        terms = (await hands.page(self._hand, ref.batch, ref.page)).terms
        blind, first = 0, at_once
        while not seen.is_final:
            if blind >= _BLIND:
                why = _("the key or the balance is refused on every route")
                await self._telling.tell("blinded", why)
                raise ApplicationError(why, type="Blind")
            await self._pause(0.0 if first else self._until_next(terms, tier, seen, blind))
            first = False
            seen = await bringing.look(self._hand, ref, uid, seen)
            blind = blind + 1 if seen.state == "blind" else 0
        if seen.state == "succeeded":
            self._durations.learn(tier, seen.unfinished_s, seen.age_s, ())
        return seen

    async def _bring(self, uid: str, seen: Seen, last: dict[str, Any] | None) -> dict[str, Any]:
        before = Brought.from_json(last) if last else None
        try:
            brought = await bringing.bring(self._hand, uid, seen, self._scratch, before)
        except OrdersDamaged:
            brought = Brought("undelivered")
        if brought.state != "again":
            await self._telling.tell("delivered", uid, brought.state == "done")
        return brief(brought)

    def _until_next(self, terms: Terms, tier: str, seen: Seen, blind: int) -> float:
        """Seconds until a task is asked after."""
        if blind:
            return min(_LONGEST_PAUSE_S, terms.poll_floor_s * 2.0**blind)
        delay_s = self._durations.next_delay_s(
            tier, seen.age_s, floor_s=terms.poll_floor_s, u=random.random()
        )
        return max(delay_s, seen.retry_after_s or 0.0)

    async def _pause(self, seconds: float) -> None:
        """Wait, and then for this host's turn to poll. Raises ApplicationError to go elsewhere."""
        until = time.monotonic() + seconds
        while (left_s := until - time.monotonic()) > 0 or self._polls_delay_s() > 0:
            await self._unless_leaving(max(left_s, self._polls_delay_s()))
        self._polls.take(time.monotonic())

    def _polls_delay_s(self) -> float:
        return self._polls.delay_s(time.monotonic())

    async def _unless_leaving(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._leaving.wait(), seconds)
        except TimeoutError:
            return
        raise ApplicationError(_("this host is leaving"), type="Leaving")

    async def _done(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it, and say meanwhile that this host is alive. Only the kind of an error is told."""
        async with _beating():
            try:
                return await work
            except ApplicationError:
                raise
            except LedgerBroken as error:
                self._broke(error)
                kind = type(error).__name__
            except Exception as error:
                kind = type(error).__name__
                self._told(
                    _(
                        "{now} {activity_type}: {kind}: {error}",
                        now=_now(),
                        activity_type=activity.info().activity_type,
                        kind=kind,
                        error=error,
                    )
                )
        raise ApplicationError(_("{kind} on this host", kind=kind), type=kind)


@asynccontextmanager
async def _beating() -> AsyncIterator[None]:
    async def beat() -> None:
        while True:  # not at once: a server writes down each beat, and most steps are short
            await asyncio.sleep(_BEAT_S)
            activity.heartbeat()

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
