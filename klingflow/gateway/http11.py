"""HTTP/1.1 on one connection: one request after the other, by h11's grammar.

httpcore's own connection is for many users at once: each request takes four locks, and each lock a
turn of the event loop. When a connection is opened, and whose request goes on it, is
transport.py's concern; its bytes are tcp.py's.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Final

import h11
import httpcore

from klingflow.gateway.reading import Incoming
from klingflow.gateway.tcp import Wire
from klingflow.words import _

_READ_BYTES: Final = 64 * 1024
# The longest head of a reply, as httpcore has it.
_HEAD_BYTES: Final = 100 * 1024
# So much is kept of what a server sends, for a person where it is no reply: the id of a task that
# was paid for may stand in it.
_HEARD_BYTES: Final = 16 * 1024
# So many heads of 1xx may come before that of the reply: one a second, as a server sends that is
# slow, for much longer than any reply is waited for. Each of them would begin the wait again.
_MOST_INTERIM: Final = 1000

_Part = h11.Event | type[h11.PAUSED]
Seconds = Mapping[str, float | None]  # "write", and "read" for each wait for more


class Connection:
    """One connection. `kept_s` is how long it is used again after a request; with 0 it is closed
    then.
    """

    def __init__(self, wire: Wire, kept_s: float) -> None:
        self._wire = wire
        self._kept_s = kept_s
        self._grammar = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_BYTES)
        self._until: float | None = None  # monotonic seconds; None while it is not idle
        self.heard: bytes = b""  # the beginning of what came since the last request

    @property
    def is_as_new(self) -> bool:
        """True if a request may go on it: the last one is over, not long ago, and since then the
        server has neither left nor sent what nobody asked for.
        """
        is_idle = self._until is not None and time.monotonic() <= self._until
        has_more = bool(self._grammar.trailing_data[0]) or self._wire.get_extra_info("is_readable")
        return is_idle and not has_more

    async def send(self, request: h11.Request, body: bytes, timeouts: Seconds) -> Incoming:
        """Send one request and wait for the head of its reply. Raises httpcore's exceptions; then
        the connection is closed.
        """
        self._until, self.heard = None, b""
        try:
            await self._write(request, body, timeouts.get("write"))
            head = await self._head(timeouts.get("read"))
        except BaseException:
            await self.aclose()
            raise
        pieces = self._body(timeouts.get("read"))
        return Incoming(head.status_code, head.headers.raw_items(), pieces, self.end)

    async def end(self) -> None:
        """Read nothing more of a reply. A connection whose reply is whole may be used again."""
        is_whole = self._grammar.our_state is h11.DONE and self._grammar.their_state is h11.DONE
        if is_whole and self._kept_s:
            self._grammar.start_next_cycle()
            self._until = time.monotonic() + self._kept_s
        elif self._until is None:
            await self.aclose()

    async def aclose(self) -> None:
        """Close the connection."""
        self._until = None
        await self._wire.aclose()

    async def _write(self, request: h11.Request, body: bytes, seconds: float | None) -> None:
        events = (
            [request, h11.Data(body), h11.EndOfMessage()] if body else [request, h11.EndOfMessage()]
        )
        try:
            parts = [self._grammar.send(event) for event in events]
        except h11.LocalProtocolError as error:
            raise httpcore.LocalProtocolError(str(error)) from error
        with suppress(httpcore.WriteError):  # a server may answer before it has read all, and close
            await self._wire.write(b"".join(filter(None, parts)), seconds)

    async def _head(self, seconds: float | None) -> h11.Response:
        await self._receive(seconds)
        for _unused in range(_MOST_INTERIM + 1):
            event = await self._next(seconds)
            if isinstance(event, h11.Response):
                return event
        raise httpcore.RemoteProtocolError("nothing but heads of 1xx, without end")

    async def _body(self, seconds: float | None) -> AsyncIterator[bytes]:
        while True:
            event = await self._next(seconds)
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            elif isinstance(event, h11.EndOfMessage) or event is h11.PAUSED:
                return

    async def _next(self, seconds: float | None) -> _Part:
        """Return the next part of the reply. Raises httpcore.RemoteProtocolError, ReadError."""
        while True:
            try:
                event = self._grammar.next_event()
            except h11.RemoteProtocolError as error:
                raise httpcore.RemoteProtocolError(str(error)) from error
            if event is not h11.NEED_DATA:
                return event  # type: ignore[return-value]  # mypy knows no sentinels
            await self._receive(seconds)

    async def _receive(self, seconds: float | None) -> None:
        """Wait for more of the reply. Raises httpcore.RemoteProtocolError, ReadError."""
        data = await self._wire.read(_READ_BYTES, seconds)
        if not data and self._grammar.their_state is h11.SEND_RESPONSE:
            raise httpcore.RemoteProtocolError(_("the server left without an answer"))
        if len(self.heard) < _HEARD_BYTES:
            self.heard += data[:_HEARD_BYTES]
        self._grammar.receive_data(data)
