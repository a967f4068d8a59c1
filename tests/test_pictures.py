"""What a file is by its bytes."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klingflow.assets.pictures import Picture, picture
from tests.pictures import jpeg, mp4, png


def seen(data: bytes) -> Picture:
    return picture(lambda at, count: data[at : at + count])


def webp(form: bytes, data: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", 100) + b"WEBP" + form + struct.pack("<I", 50) + data


VP8 = b"\x30\x01\x00\x9d\x01\x2a" + struct.pack("<HH", 640, 360 | 0x4000)
VP8L = b"\x2f" + struct.pack("<I", 639 | 359 << 14) + bytes(20)
VP8X = bytes(4) + (639).to_bytes(3, "little") + (359).to_bytes(3, "little") + bytes(20)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (png(640, 360), Picture("png", 640, 360)),
        (jpeg(640, 360), Picture("jpg", 640, 360)),
        (jpeg(640, 360, before=0), Picture("jpg", 640, 360)),
        (webp(b"VP8 ", VP8), Picture("webp", 640, 360)),
        (webp(b"VP8L", VP8L), Picture("webp", 640, 360)),
        (webp(b"VP8X", VP8X), Picture("webp", 640, 360)),
        (mp4(), Picture("mp4")),
        (mp4(b"qt  "), Picture("mov")),
        (b"\0\0\0\x08wide" + bytes(40), Picture("mov")),
        (mp4(b"heic"), Picture()),
        (mp4(b"avif"), Picture()),
        (b"GIF89a" + bytes(40), Picture()),
        (b"<html>" + bytes(40), Picture()),
        (b"", Picture()),
        (png()[:20], Picture("png")),
        (jpeg()[:2000], Picture("jpg")),
        (webp(b"VP9 ", bytes(40)), Picture("webp")),
    ],
)
def test_a_file_is_what_its_bytes_say(data: bytes, what: Picture) -> None:
    """Its name says nothing. A picture that is cut off has no sides."""
    assert seen(data) == what


def test_libraries_pictures_are_read_as_they_meant_them(tmp_path: Path) -> None:
    """Pillow writes each kind as other programs do."""
    image = pytest.importorskip("PIL.Image").new("RGB", (641, 359), "red")
    for form, suffix in (("PNG", "png"), ("JPEG", "jpg"), ("WEBP", "webp")):
        for options in ({}, {"lossless": True}) if form == "WEBP" else ({}, {"progressive": True}):
            out = io.BytesIO()
            image.save(out, form, **options)
            assert seen(out.getvalue()) == Picture(suffix, 641, 359)


@given(st.sampled_from([png(), jpeg(), mp4(), webp(b"VP8X", VP8X)]), st.binary(max_size=64))
def test_no_bytes_are_a_crash(data: bytes, harm: bytes) -> None:
    """Whatever stands behind the first bytes, a file is of one of the kinds, or of none."""
    found = seen(data[:8] + harm + data[8 + len(harm) :])
    assert found.suffix in ("", "png", "jpg", "webp", "mp4", "mov")
    assert min(found.width, found.height) >= 0
