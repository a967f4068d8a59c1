"""Cards and subtitles as pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from klingflow.media.cards import _lines, card, subtitle
from klingflow.results.timeline import Clip

CLIP = Clip("a", "a", 5.0, title="开场", prompt="雨夜" * 400, missing="never bought")


@pytest.mark.parametrize("size", [(640, 360), (360, 640), (64, 36), (1, 1)])
def test_a_card_has_the_size_of_the_film_however_long_its_words(size: tuple[int, int]) -> None:
    """What does not fit is left out."""
    picture = card(CLIP, *size)
    assert (picture.mode, picture.size) == ("RGB", size)


def test_a_card_shows_something() -> None:
    """There are light words on a dark ground."""
    low, high = card(CLIP, 640, 360).convert("L").getextrema()
    assert low < 40 and high > 200


def test_a_reference_fills_its_card_without_being_bent(tmp_path: Path) -> None:
    """An upright image in a wide film has bars at its sides."""
    Image.new("RGB", (90, 160), (250, 0, 0)).save(tmp_path / "a.png")
    picture = card(CLIP, 640, 360, tmp_path / "a.png")
    assert picture.getpixel((320, 300)) == (250, 0, 0)
    assert picture.getpixel((10, 300)) != (250, 0, 0)


@pytest.mark.parametrize("data", [b"", b"no image", b"\x89PNG\r\n\x1a\n" + bytes(20)])
def test_a_reference_that_cannot_be_shown_leaves_the_words(tmp_path: Path, data: bytes) -> None:
    """So does one that is not there."""
    (tmp_path / "a.png").write_bytes(data)
    plain = card(CLIP, 640, 360).tobytes()
    assert card(CLIP, 640, 360, tmp_path / "a.png").tobytes() == plain
    assert card(CLIP, 640, 360, tmp_path / "none.png").tobytes() == plain


def test_a_subtitle_is_transparent_but_for_its_words() -> None:
    """They stand at the lower edge."""
    picture = subtitle("你好", 640, 360)
    left, top, right, bottom = picture.getbbox()
    assert top > 240 and bottom <= 360
    assert abs((left + right) / 2 - 320) < 4


def test_no_line_begins_with_what_closes_another() -> None:
    """Whatever the width: the character before goes along."""
    for width in range(120, 400, 7):
        lines = [*_lines("黄昏到深夜，江面薄雾，柔和颗粒；（电影感）。", 30, width)]
        assert "".join(lines) == "黄昏到深夜，江面薄雾，柔和颗粒；（电影感）。"
        assert [line for line in lines if line[0] in "，；）。" and len(line) > 1] == []
