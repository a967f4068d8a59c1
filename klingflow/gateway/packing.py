"""PURE. What comes packed is unpacked piece by piece: `Content-Encoding` gzip and deflate.

Servers pack a video or a reply although identity was asked for (gateway.md 4). br and zstd are not
unpacked, because neither Python's own library nor a plain httpx can: whoever reads names them.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from klingflow.words import _, joined

# The most that one step brings forth, so that a small piece cannot fill the memory.
STEP_BYTES = 256 * 1024
# Packed data is hardly ever longer than what it holds. Data that is longer by so much holds
# nothing, and might go on for ever.
MOST_WASTE_BYTES = 1024 * 1024
_KNOWN = frozenset({"gzip", "x-gzip", "deflate"})
GZIP_SIGN = b"\x1f\x8b"
_SIGN_BYTES = 2
# A plain MP4 begins with the size of its first box, which is small.
_PLAIN_VIDEO = b"\0\0"
_GZIP, _ZLIB, _DEFLATE_ALONE = 31, 15, -15  # what zlib is told to expect


class Broken(Exception):
    """Packed data that is damaged or ends too early; the message says which."""


def packings(header: str | None) -> tuple[str, ...]:
    """Return how a body is packed, by its `Content-Encoding`; nothing for a plain one."""
    names = (name.strip().lower() for name in (header or "").split(","))
    return tuple(name for name in names if name not in ("", "identity"))


def is_known(packed: tuple[str, ...]) -> bool:
    """True if a body that is packed so can be unpacked. A plain one can."""
    return not packed or (len(packed) == 1 and packed[0] in _KNOWN)


def unread(header: str | None) -> str:
    """Return what to say of a body that is packed as klingflow cannot unpack; "" of others."""
    packed = packings(header)
    return (
        ""
        if is_known(packed)
        else _("packed as {packed}, which klingflow cannot read", packed=joined(", ", packed))
    )


class Unpacker:
    """Unpacks one body. A body that is not what its header says goes through as it is."""

    def __init__(self, packed: tuple[str, ...]) -> None:
        self._packed = packed
        self._is_plain = not packed or not is_known(packed)
        self._engine: zlib._Decompress | None = None
        self._first = b""  # the beginning of a sign, whose rest has still to come
        self._read = self._made = 0

    @property
    def is_plain(self) -> bool:
        """True if bytes go through as they are. The first bytes may show it."""
        return self._is_plain

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what these bytes hold, in pieces of at most STEP_BYTES. Raises Broken."""
        self._read += len(data)
        if self._engine is None and not self._is_plain:
            data = self._first + data
            if len(data) < _SIGN_BYTES:
                self._first = data
                return
            self._begin(data)
            self._first = b""
        if self._engine is None:
            yield data
            return
        is_more = True
        while is_more:
            piece, data = self._step(self._engine, data)
            if piece:
                yield piece
            is_more = bool(data) or len(piece) == STEP_BYTES  # zlib may hold the rest of a step

    def end(self) -> None:
        """Check that nothing is missing, once nothing more comes. Raises Broken if something is
        missing.
        """
        is_over = self._engine.eof if self._engine else not self._first
        if not (self._is_plain or is_over):
            raise Broken(_("what came packed was cut short"))

    def _begin(self, data: bytes) -> None:
        """Choose how to unpack, by the first bytes: some servers send deflate without a head, and
        some name a packing for what is not packed.
        """
        wbits = _ZLIB if _is_zlib(data) else _DEFLATE_ALONE
        if data.startswith(GZIP_SIGN):
            wbits = _GZIP
        elif wbits == _DEFLATE_ALONE:
            is_alone = self._packed == ("deflate",) and not data.startswith(_PLAIN_VIDEO)
            self._is_plain = not is_alone
        if not self._is_plain:
            self._engine = zlib.decompressobj(wbits)

    def _step(self, engine: zlib._Decompress, data: bytes) -> tuple[bytes, bytes]:
        """Return the next piece, and the packed bytes that are left."""
        if engine.eof:
            data = self._first + data
            if not data.startswith(GZIP_SIGN):  # bytes that belong to nothing
                self._first = data if data == GZIP_SIGN[:1] else b""
                return b"", b""
            self._first = b""
            engine = self._engine = zlib.decompressobj(_GZIP)  # `cat a.gz b.gz` makes a second one
        try:
            piece = engine.decompress(data, STEP_BYTES)
        except zlib.error as error:
            raise Broken(_("what came packed is damaged ({error})", error=error)) from error
        self._made += len(piece)
        if self._read > self._made + MOST_WASTE_BYTES:
            raise Broken(_("what came packed holds nothing"))
        return piece, engine.unused_data if engine.eof else engine.unconsumed_tail


def _is_zlib(data: bytes) -> bool:
    """True if data begins as zlib's format does (RFC 1950, 2.2)."""
    method, check = data[0] & 0x0F, int.from_bytes(data[:_SIGN_BYTES])
    return method == zlib.DEFLATED and check % 31 == 0
