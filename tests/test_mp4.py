"""A film is whole when its boxes add up to the file."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from klingflow.gateway import mp4
from tests.boxes import box, film

FTYP, MOOV, MDAT = box(b"ftyp", b"isom"), box(b"moov", b"m"), box(b"mdat", b"d" * 50)
LONG_MDAT = struct.pack(">I4sQ", 1, b"mdat", 16 + 50) + b"d" * 50
OPEN_MDAT = box(b"mdat", b"d" * 50, length=0)


@pytest.mark.parametrize(
    "whole",
    [
        FTYP + MOOV + MDAT,
        FTYP + MDAT + MOOV,
        FTYP + LONG_MDAT + MOOV,
        FTYP + MOOV + OPEN_MDAT,
        FTYP + MOOV + box(b"moof") + MDAT + box(b"moof") + MDAT,
        FTYP + box(b"free") + MOOV + MDAT + box(b"free"),
    ],
    ids=["fast start", "moov last", "64 bits", "open end", "fragments", "padding"],
)
def test_a_whole_film_is_in_order(tmp_path: Path, whole: bytes) -> None:
    """Every layout that players take is taken."""
    path = tmp_path / "a.mp4"
    path.write_bytes(whole)
    assert mp4.check(path) is None


@pytest.mark.parametrize(
    ("data", "wrong"),
    [
        (b"", "the MP4 has no ftyp and no moov and no mdat"),
        (b'{"error":{"message":"no"}}', "not an MP4"),
        (MOOV + FTYP + MDAT, "not an MP4"),
        (FTYP + MDAT, "the MP4 has no moov"),
        (FTYP + MOOV, "the MP4 has no mdat"),
        (FTYP + MOOV + MDAT[:-1], "the MP4 is cut short in the box at byte 21 of 78"),
        (FTYP + MOOV + MDAT + b"\x00\x00", "the MP4 is cut short in the box at byte 79 of 81"),
        (
            FTYP + MOOV + box(b"mdat", b"", length=7),
            "the MP4 is cut short in the box at byte 21 of 29",
        ),
        (FTYP + MOOV + LONG_MDAT[:12], "the MP4 is cut short in the box at byte 21 of 33"),
        (FTYP + box(b"free") * 100_001, "the MP4 has too many boxes"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, data: bytes, wrong: str) -> None:
    """A file that is no whole film is told apart, with the place."""
    path = tmp_path / "a.mp4"
    path.write_bytes(data)
    assert mp4.check(path) == wrong


@pytest.mark.parametrize(
    ("more", "taken"),
    [
        (b"\n", True),
        (b"\r\n<html>504</html>", False),
        (box(b"mdat", b"d" * 50)[:-1], False),
        (b"\0\0\0", True),
    ],
    ids=["line", "page", "cut box", "bytes"],
)
def test_what_is_no_box_may_follow_where_all_is_here(
    tmp_path: Path, more: bytes, taken: bool
) -> None:
    """A box that was cut is one at the server, too."""
    path = tmp_path / "a.mp4"
    path.write_bytes(FTYP + MOOV + MDAT + more)
    assert (mp4.check(path, all_here=True) is None) is taken
    assert mp4.check(path) is not None


def test_a_film_cut_anywhere_is_found(tmp_path: Path) -> None:
    """No prefix of a film passes for the film."""
    path, whole = tmp_path / "a.mp4", film(300)
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        assert mp4.check(path) is not None
