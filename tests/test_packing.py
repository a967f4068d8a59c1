"""Packed bytes come out as they went in, however they come, or are told to be broken."""

from __future__ import annotations

import gzip
import random
import zlib

import pytest

from klingflow.gateway.packing import (
    MOST_WASTE_BYTES,
    STEP_BYTES,
    Broken,
    Unpacker,
    is_known,
    packings,
    unread,
)

PLAIN = bytes(random.Random(3).choices(range(64), k=200_000))


def alone(data: bytes) -> bytes:
    """Deflate without a head."""
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def unpacked(packed: bytes, *names: str, size: int = 1 << 20) -> bytes:
    """What comes out where so many bytes come at a time."""
    unpacker, out = Unpacker(names), bytearray()
    for at in range(0, len(packed), size):
        for piece in unpacker.feed(packed[at : at + size]):
            assert 0 < len(piece) <= STEP_BYTES
            out += piece
    unpacker.end()
    return bytes(out)


@pytest.mark.parametrize(
    ("header", "names", "known"),
    [
        (None, (), True),
        ("", (), True),
        ("identity", (), True),
        ("GZip", ("gzip",), True),
        (" x-gzip , identity", ("x-gzip",), True),
        ("deflate", ("deflate",), True),
        ("br", ("br",), False),
        ("zstd", ("zstd",), False),
        ("gzip, gzip", ("gzip", "gzip"), False),
    ],
)
def test_a_header_names_the_packings(
    header: str | None, names: tuple[str, ...], known: bool
) -> None:
    """In lower case; some of them are unpacked here."""
    assert packings(header) == names
    assert is_known(names) == known
    said = f"packed as {', '.join(names)}, which klingflow cannot read"
    assert unread(header) == ("" if known else said)


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
@pytest.mark.parametrize(
    ("name", "packed"),
    [
        ("gzip", gzip.compress(PLAIN)),
        ("gzip", gzip.compress(PLAIN[:70]) + gzip.compress(PLAIN[70:])),
        ("gzip", gzip.compress(PLAIN) + bytes(20)),
        ("gzip", zlib.compress(PLAIN)),
        ("deflate", zlib.compress(PLAIN)),
        ("deflate", gzip.compress(PLAIN)),
        ("deflate", alone(PLAIN)),
    ],
    ids=["gzip", "members", "zeros behind", "zlib", "deflate", "wrong name", "no head"],
)
def test_what_was_packed_comes_out(name: str, packed: bytes, size: int) -> None:
    """In pieces of any size."""
    assert unpacked(packed, name, size=size) == PLAIN


@pytest.mark.parametrize("plain", [b"\0\0\0\x18ftypisom", b"{}", b"\0\0"])
def test_what_is_not_packed_goes_through(plain: bytes) -> None:
    """Whatever its header says. So does what we cannot unpack, or what has no such header."""
    assert unpacked(plain, "gzip", size=1) == plain
    assert unpacked(plain, "br") == unpacked(plain) == plain
    assert unpacked(b"\0\0\0\x18ftypisom", "deflate") == b"\0\0\0\x18ftypisom"


def test_it_shows_whether_lengths_are_those_of_what_comes_out() -> None:
    """At once where the header settles it, otherwise by the first bytes."""
    assert [Unpacker(names).is_plain for names in ((), ("br",), ("gzip",))] == [True, True, False]
    unpacker = Unpacker(("gzip",))
    assert list(unpacker.feed(b"\0\0ab")) == [b"\0\0ab"]
    assert unpacker.is_plain


@pytest.mark.parametrize("more", [0, 1, STEP_BYTES])
def test_what_fills_a_step_exactly_is_whole(more: int) -> None:
    """zlib holds back what a step had no room for."""
    data = bytes(STEP_BYTES + more)
    assert unpacked(gzip.compress(data), "gzip") == data


# The ids are words because packed bytes hold the second in which they were made.
@pytest.mark.parametrize(
    "packed", [gzip.compress(PLAIN)[:-1], gzip.compress(b"x")[:1]], ids=["end", "head"]
)
def test_what_breaks_off_is_broken(packed: bytes) -> None:
    """The sum at the end is part of it."""
    with pytest.raises(Broken, match="what came packed was cut short"):
        unpacked(packed, "gzip")


def test_nothing_at_all_is_whole() -> None:
    """An empty body has no packing."""
    assert unpacked(b"", "gzip") == b""


def test_a_flipped_bit_is_broken() -> None:
    """gzip has a sum of what it holds."""
    packed = bytearray(gzip.compress(PLAIN))
    packed[len(packed) // 2] ^= 4
    with pytest.raises(Broken, match="what came packed is damaged"):
        unpacked(bytes(packed), "gzip")


def test_packed_bytes_that_hold_nothing_end() -> None:
    """One empty member after another could go on for ever."""
    empty = gzip.compress(b"")
    with pytest.raises(Broken, match="what came packed holds nothing"):
        unpacked(empty * (2 * MOST_WASTE_BYTES // len(empty)), "gzip")
