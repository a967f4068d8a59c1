"""What a film's orders refer to is uploaded before they are handed over: its local files, and what
is taken from videos that are here. The rest comes of videos that hosts bring, and is theirs to do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import anyio
import anyio.to_thread

from klingflow.assets import uploading
from klingflow.assets.fitness import Kept, NotHad, faults, forbidden
from klingflow.assets.reading_back import GIVE_UP_S, read_back, why_unreadable
from klingflow.cluster.orders import contents
from klingflow.cluster.store import PutOnce, told_of
from klingflow.cluster.waits import allowed_by, waits_of
from klingflow.decide.sending import PieceOf
from klingflow.errors import NotStored
from klingflow.gateway.http import Gateway
from klingflow.manifest.chained import named
from klingflow.manifest.held_files import Record
from klingflow.model import Purchase
from klingflow.runner.chaining import taken
from klingflow.runner.context import Job
from klingflow.runner.events import EventName
from klingflow.words import _

# Returns what reads an address, without a key.
Reader = Callable[[str], AbstractAsyncContextManager[Gateway]]


class Inform(Protocol):
    """What is told of an event that is about no shot."""

    def __call__(self, event: EventName, **facts: Any) -> None:
        """Tell it."""
        ...


@dataclass(slots=True)
class Uploaded:
    """Where the gateway reads what orders refer to, by `content_of`, and why some orders cannot be
    sent, by uid.
    """

    addresses: dict[str, str] = field(default_factory=dict)
    unsendable: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Uploading:
    """How files go to a film's store: so many `at_once`."""

    job: Job
    store: PutOnce
    reader: Reader
    inform: Inform
    at_once: int

    async def upload(self, orders: Sequence[Purchase]) -> Uploaded:
        """Upload what orders refer to, each content once, and read it back. Raises StoreAway."""
        takes: dict[str, list[tuple[Purchase, Record]]] = {}
        for order in orders:
            for content, record in contents(order.body):
                if content or "file" in record:
                    takes.setdefault(content, []).append((order, record))
        done, turn = Uploaded(), anyio.CapacityLimiter(self.at_once)
        try:
            async with anyio.create_task_group() as group:
                for content, users in takes.items():
                    group.start_soon(self._one, content, users, done, turn)
        except ExceptionGroup as several:  # a group wraps also a single one
            raise several.exceptions[0] from None
        _leave_out_dependants(orders, done.unsendable)
        return done

    async def _one(
        self,
        content: str,
        users: Sequence[tuple[Purchase, Record]],
        done: Uploaded,
        turn: anyio.CapacityLimiter,
    ) -> None:
        """Upload one content for all orders that refer to it."""
        record = users[0][1]
        what = str(record.get("file") or named(record))
        try:
            async with turn:
                if "file" in record:
                    kept = Kept(self.job.site.folder / record["file"], content)
                    done.addresses[content] = await self._put(kept, what)
                elif address := await self._of_piece(record, users, done):
                    done.addresses[content] = address
        except (NotHad, NotStored) as error:
            why = _("{what} could not be uploaded: {error}", what=what, error=error)
            if isinstance(error, NotHad):
                why = _("{what} {error}", what=what, error=error)
            done.unsendable |= {order.uid: why for order, _record in users}

    async def _of_piece(
        self, record: Record, users: Sequence[tuple[Purchase, Record]], done: Uploaded
    ) -> str:
        """Return the address of a frame or a video; "" where hosts have the video, and do it.

        Raises NotHad and NotStored.
        """
        frame, what = str(record.get("frame", "")), named(record)
        piece = PieceOf(0, str(record["purchase"]), frame, what)
        source = self.job.ledger.book.purchases.get(piece.purchase)
        own = source.video_url if source and not frame else None
        if own and await self._is_readable(own):
            return own
        try:
            kept = await taken(self.job, piece)
        except NotHad:
            if await self._is_with_hosts(piece.purchase):
                return ""
            raise
        found = await faults(kept, what, is_frame=bool(frame))
        unfit = {
            order.uid: why
            for order, _record in users
            if (why := forbidden(found, allowed_by(order)))
        }
        done.unsendable |= unfit
        return await self._put(kept, what) if len(unfit) < len(users) else ""

    async def _is_with_hosts(self, uid: str) -> bool:
        get = partial(self.store.get, told_of(uid, "done"))
        return await anyio.to_thread.run_sync(get) is not None

    async def _is_readable(self, address: str) -> bool:
        with anyio.move_on_after(GIVE_UP_S):
            async with self.reader(address) as gateway:
                return await why_unreadable(gateway, address) is None
        return False

    async def _put(self, kept: Kept, what: str) -> str:
        store = self.job.store
        if store is None:
            raise NotStored(_("there is no store for local files"), of_all=True)
        self.inform("uploading", file=what)
        snapshot = await uploading.put(store, kept.path, what, kept.sha256)
        address = store.address(snapshot.name)
        async with self.reader(address) as gateway:
            await read_back(gateway, address, snapshot)
        self.inform("uploaded", file=what, size_bytes=snapshot.size_bytes)
        return address


def _leave_out_dependants(orders: Sequence[Purchase], unsendable: dict[str, str]) -> None:
    """Add the orders that wait for one that cannot be sent; sources come before them."""
    for order in orders:
        waits = waits_of(order)
        if waits and not unsendable.keys().isdisjoint(waits.orders):
            unsendable.setdefault(order.uid, _("waits for a shot that cannot be sent"))
