"""What an order needs of other shots, on a host: the purchases that meet its needs, and where the
gateway reads its local files, frames and videos.

Nothing here can buy. All of it may be done again, on any host, and comes to the same: what a dead
host has left half done is begun again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal, NamedTuple

import anyio

from klingflow.assets import uploading
from klingflow.assets.fitness import Kept, NotHad, faults, forbidden
from klingflow.assets.reading_back import GIVE_UP_S, read_back, why_unreadable
from klingflow.assets.stores import Store
from klingflow.cluster.hand import Hand
from klingflow.cluster.orders import (
    OrdersDamaged,
    Page,
    Terms,
    content_of,
    contents,
    is_tried_again,
)
from klingflow.cluster.store import PIECES, Chapter, told_of
from klingflow.cluster.waits import Supply, finished, supply_of, waits_of
from klingflow.errors import NotStored, UsageError
from klingflow.gateway.outcomes import NoReply
from klingflow.ledger.handed_over import bought_again
from klingflow.ledger.sums import encoded, summed, unsummed
from klingflow.ledger.uids import next_try
from klingflow.manifest.chained import exchanged, named
from klingflow.manifest.held_files import Record, replaced
from klingflow.media.kept_frames import EXTRA, Untaken, kept_frame
from klingflow.media.process import can_decode
from klingflow.model import AssetSettings, Json, Purchase
from klingflow.words import _

# How an order has ended: with a video in the store, or without one. `coming`: it has been claimed,
# and has not ended; `nobody` has claimed it.
End = Literal["done", "failed", "coming", "nobody"]
_ENDS: Final[tuple[Chapter, ...]] = ("done", "parked", "answer", "resolved", "doubt", "intent")
# A store for frames that fails is tried so often, with pauses that double.
_TRIES: Final = 5
_FIRST_PAUSE_S: Final = 1.0


class Claims(NamedTuple):
    """What the claims of an order come to: how many of its attempts cost something, or may; and
    whether its video has come, which nobody can say (None) while one may still come.
    """

    number: int
    has_come: bool | None = None


class NotComeYet(Exception):
    """What an order needs is not there: nobody can say yet what its body is."""


class Unsendable(Exception):
    """What an order needs cannot be given to the gateway; the message says why, in a sentence."""


# ---------------------------------------------------------------- purchases


async def end_of(hand: Hand, order: str) -> tuple[End, Purchase | None]:
    """Return how an order has ended, and the purchase that came of it; where its task failed and it
    is bought again, that counts. `order` is the uid of its first try. One of which nobody can read
    what the store has counts as failed.
    """
    try:
        told = await _told_of(hand, order)
    except OrdersDamaged:
        return "failed", None
    last = told[-1] if told else None
    is_passed = last is None or last.state == "rejected" or bought_again(last) is not None
    return _end(last), None if is_passed else last


async def claims_of(hand: Hand, order: str) -> Claims:
    """Return what the claims of an order come to, of which there is one at least."""
    try:
        told = await _told_of(hand, order)
    except OrdersDamaged:
        return Claims(1)
    end, attempts = _end(told[-1] if told else None), len({one.attempt for one in told})
    if end == "failed" and told[-1].state == "rejected":
        return Claims(attempts - 1, has_come=False)
    return Claims(max(1, attempts), has_come=True if end == "done" else None)


async def _told_of(hand: Hand, order: str) -> list[Purchase]:
    """Return the last that the store says of each try of an order, and of the further attempts that
    are bought for it, in turn. Raises OrdersDamaged.
    """
    told = list[Purchase]()
    uid: str | None = order
    while uid is not None and (last := await _last_of(hand, uid)) is not None:
        told.append(last)
        uid = next_try(uid) if last.state == "rejected" else bought_again(last)
    return told


def _end(last: Purchase | None) -> End:
    """Return how an order has ended of which the store says this last."""
    if last is None:
        return "nobody"
    if last.state == "done":
        return "done"
    if last.state == "rejected":
        return "coming" if is_tried_again(last) else "failed"
    is_coming = last.state in ("intent", "submitted") or bought_again(last) is not None
    return "coming" if is_coming else "failed"


async def _last_of(hand: Hand, uid: str) -> Purchase | None:
    """Return the last that the store says of one try. Raises OrdersDamaged."""
    for chapter in _ENDS:
        if (found := await hand.line(told_of(uid, chapter))) is None:
            continue
        if chapter == "answer" and found.task_id is None:  # a person's word outranks it
            return await hand.line(told_of(uid, "resolved")) or found
        return found
    return None


async def final(hand: Hand, order: Purchase) -> Purchase:
    """Return an order with its final body and fingerprint. Raises NotComeYet, Unsendable, and
    OrdersDamaged for what cannot be believed.
    """
    waits = waits_of(order)
    if waits is None:
        return order
    supplies = {need: await _supplied(hand, supply) for need, supply in waits.needs.items()}
    try:
        return finished(order, waits, supplies)
    except KeyError as error:
        raise Unsendable(
            _("needs a {text} that the gateway did not give", text=error.args[0])
        ) from error


async def _supplied(hand: Hand, supply: Supply) -> Supply:
    if not supply.order:
        return supply
    end, purchase = await end_of(hand, supply.order)
    if end != "done" or purchase is None:
        raise NotComeYet(supply.order)
    return supply_of(purchase)


# ---------------------------------------------------------------- addresses


async def addresses(
    hand: Hand, page: Page, order: Purchase, allow: Sequence[str] = ()
) -> dict[str, str]:
    """Return where the gateway reads all that a final body refers to, by `content_of`; what hosts
    have to make of videos is made. `allow` is what the shot allows of limits. Raises Unsendable.
    """
    found: dict[str, str] = {}
    for content, record in contents(order.body):
        if (known := page.addresses.get(content)) is not None:
            await _check_there(hand, known, record)
            found[content] = known
        elif content and "from" in record:
            found[content] = await _piece(hand, page.terms, content, record, allow)
        else:
            raise Unsendable(_("{what} was not uploaded", what=record.get("file") or named(record)))
    return found


async def _check_there(hand: Hand, address: str, record: Record) -> None:
    """Raise Unsendable where a server says that nothing is at an address any more: a signature
    ends, a bucket is emptied. A server that cannot be reached from here says nothing.
    """
    status = 200
    with anyio.move_on_after(GIVE_UP_S):
        async with hand.gateway.open(address, {"range": "bytes=0-0"}) as reply:
            status = 200 if isinstance(reply, NoReply) else reply.status
    if 400 <= status < 500 and status != 429:
        what = record.get("file") or named(record)
        raise Unsendable(
            _(
                "{what} is not at its address any more (HTTP {status}); run again",
                what=what,
                status=status,
            )
        )


async def _piece(
    hand: Hand, terms: Terms, content: str, record: Record, allow: Sequence[str]
) -> str:
    """Return where the gateway reads a frame or a video. One host uploads it, and others read in
    the store where it is.
    """
    async with hand.making.setdefault(content, anyio.Lock()):
        known = hand.pieces.get(content) or await _known(hand, content)
        if known and await _is_readable(hand, known):
            return known
        purchase = await hand.line(told_of(str(record["purchase"]), "done"))
        own = purchase.video_url if purchase and not record.get("frame") else None
        if own and await _is_readable(hand, own):
            return own
        address = await _made(hand, terms, purchase, record, allow)
        hand.pieces[content] = address
        told = summed(encoded({"content": content, "address": address}))
        await hand.put(_name_of(content), told)  # where there is one, it is as good
        return address


def _name_of(content: str) -> str:
    return f"{PIECES}/{hashlib.sha256(content.encode()).hexdigest()}.json"


async def _known(hand: Hand, content: str) -> str:
    """Return the address that some host has uploaded a piece to; "" where none has."""
    data = await hand.get(_name_of(content))
    try:
        told = unsummed((data or b"").rstrip(b"\n"))
    except ValueError:
        return ""
    return str(told["address"]) if told.get("content") == content else ""


async def _is_readable(hand: Hand, address: str) -> bool:
    with anyio.move_on_after(GIVE_UP_S):
        return await why_unreadable(hand.gateway, address) is None
    return False


async def _made(
    hand: Hand, terms: Terms, purchase: Purchase | None, record: Record, allow: Sequence[str]
) -> str:
    """Take a piece out of a video, and upload it. Raises Unsendable."""
    if purchase is None or not purchase.sha256:
        raise _no_video(record)
    with TemporaryDirectory(prefix="klingflow-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        video = folder / "video.mp4"
        if not await hand.copy_video(purchase.sha256, video):
            raise _no_video(record)
        piece = Kept(video, purchase.sha256)
        if record.get("frame"):
            piece = await _frame(video, record, folder / "frames")
        await _check_fit(piece, record, allow)
        return await _uploaded(hand, _assets(hand, terms), piece, named(record))


def _no_video(record: Record) -> Unsendable:
    what = named(record)
    return Unsendable(_("{what} needs its video, which is not in the store", what=what))


async def _frame(video: Path, record: Record, folder: Path) -> Kept:
    if not can_decode():
        raise Unsendable(
            _(
                "{what} needs the media extra on every host: {extra}",
                what=named(record),
                extra=EXTRA,
            )
        )
    try:
        frame = await kept_frame(video, str(record["frame"]), folder)
        return Kept(frame.path, frame.sha256)
    except Untaken as error:
        raise Unsendable(
            _("{what} cannot be taken: {error}", what=named(record), error=error)
        ) from error


async def _check_fit(piece: Kept, record: Record, allow: Sequence[str]) -> None:
    """Raise Unsendable for what the service does not take, unless its shot allows it."""
    what = named(record)
    try:
        found = await faults(piece, what, is_frame="frame" in record)
    except NotHad as error:
        raise Unsendable(_("{what} {error}", what=what, error=error)) from error
    if why := forbidden(found, allow):
        raise Unsendable(why)


def _assets(hand: Hand, terms: Terms) -> Store:
    try:
        store = hand.assets(AssetSettings(**terms.assets))
    except (TypeError, UsageError) as error:
        raise Unsendable(_("{host} cannot upload: {error}", host=hand.host, error=error)) from error
    if store is None:
        raise Unsendable(_("there is no store for frames: name one in assets:"))
    return store


async def _uploaded(hand: Hand, store: Store, piece: Kept, what: str) -> str:
    pause_s = _FIRST_PAUSE_S
    for tries_left in reversed(range(_TRIES)):
        try:
            taken = await uploading.put(store, piece.path, what, piece.sha256)
            address = store.address(taken.name)
            await read_back(hand.gateway, address, taken)
            return address
        except NotStored as error:
            if not tries_left:
                raise Unsendable(
                    _("{what} could not be uploaded: {error}", what=what, error=error)
                ) from error
        await hand.pause(pause_s)
        pause_s *= 2
    raise AssertionError("the last try returns or raises")


def sent(order: Purchase, found: Mapping[str, str]) -> Mapping[str, Json]:
    """Return the body as it is sent: with an address in the place of each record. What it returns
    is written nowhere.
    """

    def address(record: Record) -> Json:
        return found[content_of(record)]

    return exchanged(replaced(order.body, address), address)
