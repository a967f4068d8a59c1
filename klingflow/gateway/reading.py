"""What a reply brings: its head without the key, and its body within bounds, whole or by pieces.

How a reply comes is for transport.py, and what it means for create_replies.py and query_replies.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterable, Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from klingflow.errors import KlingflowError
from klingflow.gateway.packing import GZIP_SIGN, Broken, Unpacker, is_known, packings
from klingflow.gateway.payload import clean
from klingflow.gateway.secret import Secret
from klingflow.manifest.encodings import UTF16_MARKS
from klingflow.words import _, joined

MAX_BODY_BYTES = 4 * 1024 * 1024
# How much is read of a reply that should have been a video, to see what it says instead.
_WORDS_BYTES = 16_000
# How often one reply is unpacked at most, and how much is looked at of one that is damaged.
_MOST_LAYERS, _DAMAGED_BYTES = 2, 64 * 1024
_SIZE = re.compile(r"[0-9]{1,18}")
_RANGE = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18}|\*)")


@dataclass(frozen=True, slots=True)
class Incoming:
    """A reply whose head has come, as it was, and its body as it comes over the wire. `aclose` ends
    it: nothing more is read.
    """

    status: int
    headers: list[tuple[bytes, bytes]]
    body: AsyncIterable[bytes]
    aclose: Callable[[], Awaitable[None]]


class Cut(KlingflowError):
    """A download stopped before its end; the message says how."""


class Stream:
    """The reply to a download: its URL after redirects, status, headers in lower case, and its
    bytes by pieces, unpacked where we can. `pieces` are the bytes of the wire, and end with Cut
    where the connection breaks.
    """

    def __init__(
        self, url: str, incoming: Incoming, pieces: AsyncIterable[bytes], secret: Secret
    ) -> None:
        self.url: str = url
        self.status: int = incoming.status
        self.headers: dict[str, str] = headers_of(incoming, secret)
        self._secret = secret
        self._packed = packings(self.headers.get("content-encoding"))
        self._unpacker = Unpacker(self._packed)
        self._pieces = aiter(pieces)
        self._unpacked: Iterator[bytes] = iter(())

    @property
    def is_packed(self) -> bool:
        """True if lengths that the headers state are not those of the bytes that `read` gives. The
        first bytes may show that they are.
        """
        return not self._unpacker.is_plain

    @property
    def unknown_packing(self) -> str:
        """The name of a packing that we cannot undo, such as br; "" otherwise."""
        return "" if is_known(self._packed) else clean(joined(", ", self._packed), 40)

    async def read(self) -> bytes:
        """Return the next bytes, or none at the end; raises Cut."""
        try:
            while not (piece := next(self._unpacked, b"")):
                packed = await anext(self._pieces, b"")
                if not packed:
                    self._unpacker.end()
                    return b""
                self._unpacked = self._unpacker.feed(packed)
        except Broken as error:
            raise Cut(_("the answer cannot be unpacked ({error})", error=error)) from error
        return piece

    async def at_least(self, size: int) -> bytes:
        """Return the next `size` bytes or a little more; fewer at the end. Raises Cut."""
        data = b""
        while len(data) < size and (piece := await self.read()):
            data += piece
        return data

    async def words(self, begun: bytes = b"") -> bytes:
        """Return the words of a reply that is no video, without the key: `begun`, which has been
        read, and what follows.
        """
        return self._secret.clean_words(begun + await self.at_least(_WORDS_BYTES))


def whole_size(stream: Stream) -> int | None:
    """Return the length in bytes of the whole file that a reply brings, as its head states it; None
    where the head does not, or where the reply brings another part than the first.
    """
    if stream.status == 206:  # a relay may ask for a range by itself
        first, size = content_range(stream)
        return size if first == 0 else None
    if "transfer-encoding" in stream.headers:  # which overrides a length (RFC 9112, 6.3)
        return None
    return _size(stream.headers.get("content-length", ""))


def content_range(stream: Stream) -> tuple[int | None, int | None]:
    """Return the number of the first byte and the size of the whole file, as a Content-Range states
    them; None for each that it does not state.
    """
    found = _RANGE.fullmatch(stream.headers.get("content-range", ""))
    return (int(found[1]), _size(found[2])) if found else (None, None)


def _size(text: str) -> int | None:
    """Return a number of bytes from a header, or None. No video needs 19 digits, and Python refuses
    to read 5,000.
    """
    return int(text) if _SIZE.fullmatch(text) else None


async def read_body(incoming: Incoming, body: bytearray) -> bool:
    """Read a body into `body`. Return True if it is whole, False if it is longer than allowed.

    Raises what its connection does; `body` then has what came before.
    """
    async for piece in incoming.body:
        body += piece
        if len(body) > MAX_BODY_BYTES:
            return False
    return True


def headers_of(incoming: Incoming, secret: Secret) -> dict[str, str]:
    """Return the headers, cleaned as words: none holds an id or an address that is kept."""
    values = secret.clean_each([value for _, value in incoming.headers])
    names = (name.decode("latin-1").lower() for name, _ in incoming.headers)
    return {n: v.decode("latin-1") for n, v in zip(names, values, strict=True)}


def unpacked(body: bytes, encoding: str | None) -> bytes:
    """Return the body as UTF-8, unpacked where the server packed it although we asked for it plain:
    a task id may stand in it. One that cannot be unpacked stays as it is.

    A body may be packed twice, or packed without a word in its head; JSON may be UTF-16.
    """
    packed = packings(encoding)
    if packed and is_known(packed):
        body = _unpacked(body, packed)
    for _layer in range(_MOST_LAYERS):
        if body.startswith(GZIP_SIGN):
            body = _unpacked(body, ("gzip",))
    return _as_utf8(body)


def _as_utf8(body: bytes) -> bytes:
    encoding = json.detect_encoding(body)
    if encoding.startswith("utf-8"):
        return body
    text = body.decode(encoding, "replace")
    is_text = body.startswith(UTF16_MARKS) or text.lstrip()[:1] in ("{", "[", "<")
    return text.encode() if is_text else body


def _unpacked(body: bytes, packed: tuple[str, ...]) -> bytes:
    found = bytearray()
    try:
        for piece in Unpacker(packed).feed(body):
            found += piece
            if len(found) >= MAX_BODY_BYTES:
                return bytes(found[:MAX_BODY_BYTES])
    except Broken:
        return bytes(found) or _before_the_damage(body, packed) or body
    return bytes(found)


def _before_the_damage(body: bytes, packed: tuple[str, ...]) -> bytes:
    """What a damaged body holds up to the damage: often its sum alone is wrong, or the line's end
    behind it.
    """
    unpacker, found = Unpacker(packed), bytearray()
    with suppress(Broken):
        for at in range(min(len(body), _DAMAGED_BYTES)):
            for piece in unpacker.feed(body[at : at + 1]):
                found += piece
    return bytes(found)
