"""The activities: what a workflow has this host's hand do. Each may be done again, on any host.

Knows when a task is polled, and that nothing which a gateway said may reach an engine: of an error
only its kind is told there, its words are this host's own.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import anyio
from temporalio import activity
from temporalio.exceptions import ApplicationError

from klingflow.cluster import accounts, bringing, hands, supplies
from klingflow.cluster.bringing import Brought, Seen
from klingflow.cluster.hand import Hand
from klingflow.cluster.orders import OrdersDamaged, Terms
from klingflow.cluster.queued import Order
from klingflow.cluster.reports import Bought
from klingflow.cluster.store import told_of
from klingflow.cluster.temporal.flows import Stage, account_of
from klingflow.cluster.temporal.minding import Minding
from klingflow.cluster.temporal.telling import Telling
from klingflow.decide.pace import BURST, Gcra
from klingflow.decide.polling import Durations
from klingflow.errors import LedgerBroken
from klingflow.model import Limits
from klingflow.words import _

T = TypeVar("T")

_BEAT_S: Final = 2.0
# So many polls in a row that were refused for the key's sake are told to the desk.
_BLIND: Final = 3
_LONGEST_PAUSE_S: Final = 60.0
# Between two tries to bring a video, at least.
_LEAST_PAUSE_S: Final = 1.0
# What has ended so long before a server died may have been on its way to it; and of so many shots.
_JUST_NOW_S: Final = 120.0
_JUST_NOW: Final = 1000
# Between two tries to do a shot once more.
_REPEAT_S: Final = 10.0


@dataclass(slots=True)
class _Errand:
    """An order that was granted for the moment `at`, which this host's clock shows as `turn_at`, by
    the desk of an account that had `heard` so many words of persons; whether an earlier execution
    has told that it `was_bought`; and what this host is at with it.
    """

    order: Order
    at: float
    turn_at: float
    account: str
    heard: int
    was_bought: bool
    stage: Stage = "buy"


class Steps:
    """The activities of one process. What becomes of orders is told to the desk by `telling`.
    `told` gets a line for the person who looks after this host; `broke` is called where it must buy
    nothing more. Downloads go to the folder `scratch` first. No more creates than `at_once` are
    made together, and no more downloads.
    """

    def __init__(
        self,
        hand: Hand,
        telling: Telling,
        scratch: Path,
        told: Callable[[str], None],
        broke: Callable[[LedgerBroken], None],
        *,
        at_once: int,
    ) -> None:
        self._hand = hand
        self._telling = telling
        self._scratch = scratch
        self._told = told
        self._broke = broke
        self.minding: Minding = Minding(hand, telling, told)
        self._polls = Gcra(Limits().poll, BURST)
        self._durations = Durations()
        self._creates = asyncio.Semaphore(at_once)
        self._downloads = asyncio.Semaphore(at_once)
        self._buying: set[asyncio.Task[Any]] = set()
        self._left: set[anyio.CancelScope] = set()
        self._ended: deque[tuple[float, _Errand]] = deque(maxlen=_JUST_NOW)
        self._repeating: set[asyncio.Task[None]] = set()
        self._is_leaving = False

    def leave(self) -> None:
        """Let other hosts go on with all that can be broken off."""
        self._is_leaving = True
        for scope in self._left:
            scope.cancel()

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

    @activity.defn(name="shot")
    async def shot(self, order: dict[str, Any], at: float, heard: int = 0) -> str:
        """Buy an order at its granted moment, wait for its task, and bring its video. Return the
        last that became known: an outcome of a create, a state of a task, or whether its video is
        in the store.

        Nothing is claimed for an account that a person has stopped, whatever its desk remembers,
        unless that has `heard` a later word. The moment is by the server's clock, and so is the one
        at which this step was begun: the clocks of hosts do not matter. Whatever an earlier
        execution has done is found done.
        """
        info = activity.info()
        turn_at = self._hand.clock() + at - info.started_time.timestamp()
        account, said = account_of(info.task_queue), [*info.heartbeat_details, "buy"][0]
        was_bought = said != "buy"
        errand = _Errand(Order.from_json(order), at, turn_at, account, heard, was_bought)
        try:
            end = await self._done(self._shot(errand), errand)
        finally:  # a host that goes on for weeks does not remember every shot
            self._hand.answers.pop(errand.order.uid, None)
        self._ended.append((self._hand.clock(), errand))
        return end

    def repeat(self, away_s: float) -> None:
        """Do once more what ended here while the server was away or just before, and buy nothing.

        A server that comes back from a backup has lost what the desk was told, and yet believes an
        end that was on its way to it: nobody else would say it again, or bring the video again.
        """
        since = self._hand.clock() - away_s - _JUST_NOW_S
        for ended_at, errand in self._ended:
            if ended_at >= since:
                work = asyncio.create_task(self._repeated(errand))
                self._repeating.add(work)
                work.add_done_callback(self._repeating.discard)
        self._ended.clear()

    async def _repeated(self, errand: _Errand) -> None:
        errand.was_bought, errand.turn_at = False, -math.inf  # so it buys nothing
        while not self._is_leaving:
            errand.stage = "buy"
            with suppress(ApplicationError):
                await self._worded(self._shot(errand), errand)
                break
            await asyncio.sleep(_REPEAT_S)
        self._hand.answers.pop(errand.order.uid, None)

    # --------

    async def _page(self, account: str, batch: str, number: int) -> dict[str, Any]:
        page = await hands.page(self._hand, batch, number)
        asks = list(page.asks())
        claims = await self._claims([ask.uid for ask in asks])
        counts = {uid: one.number for uid, one in claims.items()}
        said = await self._hand.patiently(partial(accounts.last_said, self._hand.store, account))
        return {
            "asks": [(ask.as_json(), counts.get(ask.uid, 0)) for ask in asks],
            "ends": {u: one.has_come for u, one in claims.items() if one.has_come is not None},
            "said": said and (said.number, said.as_json()),
        }

    async def _claims(self, uids: Sequence[str]) -> dict[str, supplies.Claims]:
        """Return what the claims of these orders come to; orders that nobody has claimed are left
        out.
        """
        names = [told_of(uid, "intent") for uid in uids]
        intents = await asyncio.gather(*map(self._hand.get, names))
        claimed = [uid for uid, intent in zip(uids, intents, strict=True) if intent is not None]
        found = await asyncio.gather(*(supplies.claims_of(self._hand, uid) for uid in claimed))
        return dict(zip(claimed, found, strict=True))

    async def _shot(self, errand: _Errand) -> str:
        is_new = False
        if not errand.was_bought:
            bought = await self._buy(errand)
            if bought.outcome != "submitted":
                return bought.outcome
            is_new = bought.sent
        errand.stage = "watch"
        with self._unless_leaving():
            seen = await self._watch(errand, is_new=is_new)
        end: str = seen.state
        if seen.state == "succeeded":
            errand.stage = "bring"
            end = await self._bring(errand, seen)
        await bringing.check_told(self._hand, errand.order.uid, end)
        return end

    async def _buy(self, errand: _Errand) -> Bought:
        lost = await self.minding.look(errand.account)
        stopped = await self._stopped(errand.account, errand.heard)
        try:
            bought = await self._bought(errand, is_stopped=bool(stopped or lost))
        except OrdersDamaged:
            bought = Bought(errand.order.uid, "stale", reason=_("its order is damaged"))
        bought = replace(bought, stopped=stopped)
        await self._telling.tell("bought", bought.as_json(), errand.at)
        return bought

    async def _stopped(self, account: str, heard: int) -> int:
        """Return the number of the word in the store by which nothing is bought for this account; 0
        where there is none, or its desk has heard a later one.
        """
        said = await self._hand.patiently(partial(accounts.last_said, self._hand.store, account))
        if said is None or not said.settings.stopped or said.number < heard:
            return 0
        return said.number

    async def _bought(self, errand: _Errand, *, is_stopped: bool) -> Bought:
        """Buy in one of this host's places, and finish what was begun also if the engine has lost
        patience meanwhile. What has missed its turn is only looked for, which needs no place.
        """
        if is_stopped or self._wait_s(errand) < -hands.LATE_S:
            return await self._tried(errand, too_late=True)
        async with self._creates:
            self._stay()
            too_late = self._wait_s(errand) < -hands.LATE_S
            buying = asyncio.create_task(self._tried(errand, too_late=too_late))
            self._buying.add(buying)
            buying.add_done_callback(self._buying.discard)
            return await asyncio.shield(buying)

    async def _tried(self, errand: _Errand, *, too_late: bool) -> Bought:
        order = errand.order
        return await hands.buy(
            self._hand,
            order.ask.ref,
            try_=order.try_,
            retry=order.retry,
            wait_s=max(0.0, self._wait_s(errand)),
            too_late=too_late,
        )

    def _wait_s(self, errand: _Errand) -> float:
        return errand.turn_at - self._hand.clock()

    async def _watch(self, errand: _Errand, *, is_new: bool) -> Seen:
        """Poll a task until it is over. `is_new`: this execution has bought it."""
        order = errand.order
        try:
            seen = await self._seen(order, is_new=is_new)
        except OrdersDamaged:
            await self._unless_lost(errand.account)
            seen = await bringing.given_up(self._hand, order.uid)
        if seen.again:
            await self._telling.tell("again", order.as_json(), seen.again, seen.is_claimed)
        else:
            await self._telling.tell("over", order.uid, seen.state == "succeeded")
        return seen

    async def _seen(self, order: Order, *, is_new: bool) -> Seen:
        """Poll a task until it is over. One that is not new is asked after at once: nobody knows
        when it was polled last. Raises ApplicationError to have another host do it.
        """
        ref, uid, tier = order.ask.ref, order.uid, order.ask.tier
        terms = (await hands.page(self._hand, ref.batch, ref.page)).terms
        seen, blind, is_due = Seen(), 0, not is_new
        while not seen.is_final:
            if blind >= _BLIND:
                why = _(
                    "the gateway refuses the key or the balance of host {host} on every route, so"
                    " nobody there can ask after tasks: correct its key and start it again, or add"
                    " to the balance",
                    host=self._hand.host,
                )
                await self._telling.tell("blinded", why)
                raise ApplicationError(why, type="Blind")
            await self._pause(0.0 if is_due else self._until_next(terms, tier, seen, blind))
            is_due = False
            seen = await bringing.look(self._hand, ref, uid, seen)
            blind = blind + 1 if seen.state == "blind" else 0
        if seen.state == "succeeded" and (is_new or seen.unfinished_s):
            self._durations.learn(tier, seen.unfinished_s, seen.age_s, ())
        return seen

    async def _bring(self, errand: _Errand, seen: Seen) -> str:
        """Bring a video, as often as it takes."""
        brought = await self._brought(errand, seen, None)
        while brought.state == "again":
            with self._unless_leaving():
                await asyncio.sleep(max(_LEAST_PAUSE_S, brought.pause_s))
            brought = await self._brought(errand, seen, brought)
        await self._telling.tell("delivered", errand.order.uid, brought.state == "done")
        return brought.state

    async def _brought(self, errand: _Errand, seen: Seen, last: Brought | None) -> Brought:
        async with self._downloads:
            self._stay()
            try:
                return await bringing.bring(self._hand, errand.order.uid, seen, self._scratch, last)
            except OrdersDamaged:
                await self._unless_lost(errand.account)
                return Brought("undelivered")

    async def _unless_lost(self, account: str) -> None:
        """Raise ApplicationError where the store has lost what it had: hosts and locks give that
        back, and a person says when all have. Until then nothing is given up for want of it.
        """
        if await self.minding.look(account):
            raise ApplicationError(_("the store has lost what it had"), type="StoreLost")

    def _until_next(self, terms: Terms, tier: str, seen: Seen, blind: int) -> float:
        """Seconds until a task is asked after."""
        if blind:
            return min(_LONGEST_PAUSE_S, terms.poll_floor_s * 2.0**blind)
        delay_s = self._durations.next_delay_s(
            tier, seen.age_s, floor_s=terms.poll_floor_s, u=random.random()
        )
        return max(delay_s, seen.retry_after_s or 0.0)

    async def _pause(self, seconds: float) -> None:
        """Wait, and then for this host's turn to poll."""
        await asyncio.sleep(seconds)
        while (delay_s := self._polls.delay_s(time.monotonic())) > 0:  # noqa: ASYNC110 (only time)
            await asyncio.sleep(delay_s)
        self._polls.take(time.monotonic())

    def _stay(self) -> None:
        """Raise ApplicationError where this host is leaving: another one goes on."""
        if self._is_leaving:
            raise ApplicationError(_("this host is leaving"), type="Leaving")

    @contextmanager
    def _unless_leaving(self) -> Iterator[None]:
        """Break off what is done in here when this host leaves, and raise as `_stay`."""
        self._stay()
        with anyio.CancelScope() as scope:
            self._left.add(scope)
            try:
                yield
            finally:
                self._left.discard(scope)
        if scope.cancelled_caught:
            self._stay()

    async def _done(self, work: Coroutine[Any, Any, T], errand: _Errand | None = None) -> T:
        """Do it as `_worded`, and say meanwhile that this host is alive, and what it is at."""
        async with _beating(errand):
            return await self._worded(work, errand)

    async def _worded(self, work: Coroutine[Any, Any, T], errand: _Errand | None) -> T:
        """Do it. Raises ApplicationError, in which only the kind of an error is told."""
        try:
            return await work
        except ApplicationError:
            raise
        except LedgerBroken as error:
            self._broke(error)
            kind = type(error).__name__
        except hands.PageMissing as error:  # which this host has said
            await self._telling.tell("missing", error.batch, str(error))
            kind = type(error).__name__
        except Exception as error:
            kind = type(error).__name__
            what = errand.stage if errand else activity.info().activity_type
            self._told(_("{what}: {kind}: {error}", what=what, kind=kind, error=error))
        raise ApplicationError(_("{kind} on this host", kind=kind), type=kind)


@asynccontextmanager
async def _beating(errand: _Errand | None) -> AsyncIterator[None]:
    async def beat() -> None:
        while True:  # not at once: a server writes down each beat, and most steps are short
            await asyncio.sleep(_BEAT_S)
            activity.heartbeat(*([errand.stage] if errand else []))

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
