"""One host's hand: what it buys and brings with, and how it waits for the store.

A store that is away is asked again until it answers: nothing follows from not knowing. Results for
an engine are plain records without any words of a gateway, because these may quote a prompt.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import anyio
import anyio.to_thread

from klingflow.assets.stores import Store
from klingflow.cluster.handbox import HandBox
from klingflow.cluster.orders import OrdersDamaged, Page
from klingflow.cluster.reports import Bought, BoughtAs
from klingflow.cluster.store import Chapter, PutOnce, copy_video, told_of, uid_of_object
from klingflow.cluster.ticks import Ticks
from klingflow.decide.belief import Names
from klingflow.errors import StoreAway
from klingflow.gateway.failures import kind_of
from klingflow.gateway.http import Gateway
from klingflow.ledger.handed_over import is_withdrawn
from klingflow.ledger.lines import parse_journal
from klingflow.model import AssetSettings, Purchase, State
from klingflow.words import _

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds. A POST goes out within `claim_s` of the first try to claim it, or not at all;
    `create_s` is the longest create, and `spare_s` what else comes between claim and answer. A page
    that a store does not have is looked for during `page_s`.
    """

    claim_s: float = 60.0
    create_s: float = 150.0
    spare_s: float = 30.0
    look_s: float = 1.0
    longest_look_s: float = 5.0
    page_s: float = 15.0

    @property
    def answer_s(self) -> float:
        """How long another's answer is waited for."""
        return self.claim_s + self.create_s + self.spare_s


class Since(NamedTuple):
    """A moment by two clocks: one stands still while a machine sleeps, the other may be set."""

    clock: float
    wall: float


@dataclass(slots=True)
class Hand:
    """`clock` gives monotonic seconds, `wall` seconds of the epoch, `now` UTC as ISO 8601, `nonce`
    a text that nobody else has. `ticks` say whether the store still is what it was. `alive` is
    called again and again while something is waited for; it must not raise. `assets` opens the
    store for frames that a batch names. `task_ids` are the tasks that this process has bought,
    `bringing` the uids whose videos it fetches now; `pieces` has where the gateway reads what this
    host has uploaded. `told` gets lines for the person who looks after this host, such as that the
    store `is_away`, or that it does not have a page: those are `missed`.
    """

    store: PutOnce
    gateway: Gateway
    origin: str
    box: HandBox
    host: str
    now: Callable[[], str]
    nonce: Callable[[], str]
    ticks: Ticks
    assets: Callable[[AssetSettings], Store | None] = lambda settings: None
    alive: Callable[[], None] = lambda: None
    told: Callable[[str], None] = lambda line: None
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    waits: Waits = field(default_factory=Waits)
    task_ids: set[str] = field(default_factory=set)
    names: Names = field(default_factory=Names)
    pages: dict[tuple[str, int], Page] = field(default_factory=dict)
    answers: dict[str, Purchase] = field(default_factory=dict)
    bringing: set[str] = field(default_factory=set)
    pieces: dict[str, str] = field(default_factory=dict)
    making: dict[str, anyio.Lock] = field(default_factory=dict)
    missed: set[str] = field(default_factory=set)
    is_away: bool = False

    def begun(self) -> Since:
        """Return this moment."""
        return Since(self.clock(), self.wall())

    def age_s(self, since: Since) -> float:
        """Return the seconds since then by the clock that has gone further."""
        return max(self.clock() - since.clock, self.wall() - since.wall)

    async def put(self, name: str, data: bytes) -> bool:
        """Put an object, however long the store is away. Return False where there is one."""
        return await self.patiently(partial(self.store.put, name, data))

    async def get(self, name: str) -> bytes | None:
        """Get an object, however long the store is away."""
        return await self.patiently(partial(self.store.get, name))

    async def line(self, name: str) -> Purchase | None:
        """Get the purchase that an object holds; None where there is none. Raises OrdersDamaged."""
        data = await self.get(name)
        return None if data is None else line_in(data, name)

    async def copy_video(self, sha256: str, path: Path) -> bool:
        """Copy a video to a new file, however long the store is away. Return False where the store
        does not have it, whole. Raises OSError for the file.
        """
        return await self.patiently(partial(self._copied, sha256, path))

    def _copied(self, sha256: str, path: Path) -> bool:
        path.unlink(missing_ok=True)  # of a copy that was broken off
        return copy_video(self.store, sha256, path)

    async def pause(self, seconds: float) -> None:
        """Sleep, and say meanwhile that this hand is alive."""
        until = self.clock() + seconds
        self.alive()
        while (left_s := until - self.clock()) > 0:
            await anyio.sleep(min(left_s, self.waits.longest_look_s))
            self.alive()

    async def patiently(self, work: Callable[[], T]) -> T:
        """Do what blocks and asks the store, however long that is away."""
        pause_s = self.waits.look_s / 2
        while True:
            try:
                done = await anyio.to_thread.run_sync(work)
            except StoreAway as error:
                self.note_away(error)
                await self.pause(pause_s)
                pause_s = min(2 * pause_s, self.waits.longest_look_s)
            else:
                self.note_back()
                return done

    def note_away(self, error: StoreAway) -> None:
        """Tell that the store is away, once for each time that it goes."""
        if not self.is_away:
            self.is_away = True
            self.told(_("nothing is bought until the store is back: {error}", error=error))

    def note_back(self) -> None:
        """Tell that the store is back."""
        if self.is_away:
            self.is_away = False
            self.told(_("the store is back"))


@dataclass(slots=True)
class Leave:
    """Says to work that is not broken off that its caller wants to leave."""

    wanted: bool = False


async def unbroken(work: Callable[[Leave], Awaitable[T]]) -> T:
    """Finish `work`, whatever cancels the caller meanwhile; only then the cancellation goes on.

    Work of its own task: an engine cancels the task that it runs, through any shield of anyio.
    """
    leave = Leave()
    task = asyncio.ensure_future(work(leave))
    with anyio.CancelScope(shield=True):
        while not task.done():
            try:
                await asyncio.shield(task)
            except asyncio.CancelledError:
                leave.wanted = True
            except Exception:
                break  # the task's own, which its result raises
    if leave.wanted:
        if not task.cancelled():
            task.exception()  # seen
        raise asyncio.CancelledError
    return task.result()


def line_in(data: bytes, name: str) -> Purchase:
    """Return the purchase that an object of the store holds. Raises OrdersDamaged, also for one
    that is of another purchase than its name says.
    """
    parsed = parse_journal(data, name)
    if len(parsed.accounts) != 1 or parsed.damaged:
        raise OrdersDamaged(_("{name} is damaged", name=name))
    (found,) = parsed.accounts
    if found.uid != uid_of_object(name):
        raise OrdersDamaged(_("{name} is of another purchase: {uid}", name=name, uid=found.uid))
    return found


def answer_name(purchase: Purchase) -> str:
    """Return the name of the object that says what became of a claim. A person's word has a name
    of its own: a task id that comes all the same finds its place free.
    """
    told: Mapping[State, Chapter] = {"in_doubt": "doubt", "abandoned": "resolved"}
    return told_of(purchase.uid, told.get(purchase.state, "answer"))


def bought(purchase: Purchase) -> Bought:
    """Return what a purchase's answer, doubt or settlement comes to."""
    failure = purchase.error
    kind = kind_of(failure) if failure else None
    return Bought(
        purchase.uid,
        outcome_of(purchase),
        purchase.task_id,
        purchase.billed_tier,
        failure.kind if failure else None,
        kind.meaning if kind else "",
        stops=bool(kind and kind.stops_buying),
    )


def outcome_of(purchase: Purchase) -> BoughtAs:
    """Return which outcome a purchase shows."""
    if purchase.task_id:
        return "submitted"
    if purchase.state in ("intent", "in_doubt"):
        return "in_doubt"
    failure = purchase.error
    if purchase.state == "abandoned" or is_withdrawn(purchase):
        return "withdrawn"
    if failure and failure.kind == "not_sent":
        return "unsent"
    return "limited" if failure and kind_of(failure).of_the_request else "rejected"
