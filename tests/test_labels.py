"""The marks of AI-made video."""

from __future__ import annotations

import struct

import pytest

from klingflow.media.labels import labels
from klingflow.model import Label
from tests.clips import boxed

NAME = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
MARK = boxed(b"uuid", NAME + b"manifest")
LONG = struct.pack(">I4sQ", 1, b"uuid", 16 + 16) + NAME
HEAD = boxed(b"ftyp", b"isom")


@pytest.mark.parametrize(
    ("video", "metadata", "found"),
    [
        (HEAD, {}, ()),
        (HEAD + MARK, {}, ("C2PA",)),
        (HEAD + boxed(b"mdat", b"x" * 99) + LONG, {}, ("C2PA",)),
        (HEAD + MARK, {"AIGC": "{}"}, ("AIGC", "C2PA")),
        (HEAD, {"aigc": "{}"}, ("AIGC",)),
        (HEAD, {"comment": '{"AIGC": {"Label": "1"}}'}, ("AIGC",)),
        (HEAD, {"comment": "AIGC"}, ()),
        (HEAD + boxed(b"uuid", b"another 16 bytes"), {}, ()),
        (HEAD + boxed(b"moov", MARK), {}, ()),  # only at the top
        (b"\0\0\0\0uuid" + NAME, {}, ("C2PA",)),  # up to the end of the file
        (b"\0\0\0\x04uuid", {}, ()),
        (b"\0\0\0\x01uuid\xff", {}, ()),
        (b"ft", {}, ()),
    ],
)
def test_marks_are_found_in_boxes_and_metadata(
    video: bytes, metadata: dict[str, str], found: tuple[Label, ...]
) -> None:
    """Whatever a box says of its length, the search ends with the file."""
    assert labels(lambda at, count: video[at : at + count], len(video), metadata) == found


def test_a_file_of_tiny_boxes_is_given_up() -> None:
    """A gigabyte of them would take minutes."""
    asked = 0

    def read(at: int, count: int) -> bytes:
        nonlocal asked
        asked += 1
        return boxed(b"free", b"")

    assert labels(read, 1 << 40, {}) == ()
    assert asked == 10_000
