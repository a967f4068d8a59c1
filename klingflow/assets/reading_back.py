"""Read what was put into a store as the gateway will read it, before anything is bought with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from klingflow.assets.pictures import picture
from klingflow.assets.stores import HEAD_BYTES, Snapshot
from klingflow.errors import NotStored
from klingflow.gateway.outcomes import NoReply
from klingflow.gateway.payload import clean
from klingflow.gateway.reading import Cut, Stream, whole_size
from klingflow.words import _

if TYPE_CHECKING:
    from klingflow.gateway.http import Gateway

GIVE_UP_S = 20.0


async def read_back(gateway: Gateway, address: str, snapshot: Snapshot) -> None:
    """Compare length and first bytes of what stands at an address with a file. No key is sent.

    Raises NotStored. The address may carry a signature, so no message has what is behind its path.
    """
    shown = address.partition("?")[0]
    last = max(0, len(snapshot.head) - 1)
    try:
        with anyio.fail_after(GIVE_UP_S):
            headers = {"range": f"bytes=0-{last}"}
            async with gateway.open(address, headers) as reply:
                if isinstance(reply, NoReply):
                    raise NotStored(
                        _("{shown} cannot be read: {reason}", shown=shown, reason=reply.reason)
                    )
                await _compare(reply, shown, snapshot)
    except TimeoutError as error:
        raise NotStored(
            _("{shown} was not read within {give_up_s:.0f} s", shown=shown, give_up_s=GIVE_UP_S)
        ) from error


async def why_refused(gateway: Gateway, address: str) -> str | None:
    """Do as `why_unreadable`, after a HEAD, which costs the server less. Only what is certain is
    believed of a HEAD: an address that is signed for GET refuses it, and a server that has a route
    for GET alone may call it 404.
    """
    async with gateway.open(address, method="HEAD") as reply:
        if isinstance(reply, NoReply) and not reply.sent:
            return reply.reason
        if not isinstance(reply, NoReply) and reply.status == 410:
            return _("HTTP {status}", status=reply.status)
    return await why_unreadable(gateway, address)


async def why_unreadable(gateway: Gateway, address: str) -> str | None:
    """Return why nobody can read an image or a video at an address; None where one stands there."""
    headers = {"range": f"bytes=0-{HEAD_BYTES - 1}"}
    async with gateway.open(address, headers) as reply:
        if isinstance(reply, NoReply):
            return reply.reason
        if reply.status not in (200, 206):
            return _("HTTP {status}", status=reply.status)
        try:
            head = await reply.at_least(HEAD_BYTES)
        except Cut as error:
            return str(error)
    if picture(lambda at, count: head[at : at + count]).suffix:
        return None
    kind = clean(reply.headers.get("content-type", ""), 40)
    return _(
        "no image and no video stands there{kind}", kind=_(" ({kind})", kind=kind) if kind else ""
    )


async def _compare(reply: Stream, shown: str, snapshot: Snapshot) -> None:
    if reply.status not in (200, 206):
        closed = reply.status in (401, 403)
        advice = _(": the store must be open to everybody, or have no public_url") if closed else ""
        raise NotStored(
            _(
                "{shown} answers HTTP {status}{advice}",
                shown=shown,
                status=reply.status,
                advice=advice,
            )
        )
    try:
        head = (await reply.at_least(len(snapshot.head)))[: len(snapshot.head)]
    except Cut as error:
        raise NotStored(_("{shown} was cut off: {error}", shown=shown, error=error)) from error
    length = None if reply.is_packed else whole_size(reply)
    if head != snapshot.head or length not in (None, snapshot.size_bytes):
        kind = clean(reply.headers.get("content-type", ""), 40)
        said = _(" ({kind})", kind=kind) if kind else ""
        raise NotStored(
            _("{shown} holds something else than the file{said}", shown=shown, said=said)
        )
