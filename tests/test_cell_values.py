"""What a cell of a shot list says."""

from __future__ import annotations

import pytest

from klingflow.manifest.cell_values import are_addresses, names_in, value_of
from klingflow.manifest.columns import Feeds
from klingflow.model import Json

WEB = "https://a.example/x.png?d=1,2;3"


@pytest.mark.parametrize(
    ("feeds", "cells", "value"),
    [
        ("seconds", ["5", "5秒", "5 s", "５", "5.0", "00:05", "0:05", "00:00:05", "5″", '5"'], 5),
        ("seconds", ["1:05"], 65),
        ("seconds", ["三五秒", "3-5秒", "5.5", "0", "00:00", "约5秒", "=A1"], None),
        ("aspect_ratio", ["9:16", "9：16", "竖屏", "９：１６", "1080x1920", "Portrait"], "9:16"),
        ("aspect_ratio", ["竖屏 9:16", "竖屏（9：16）"], "9:16"),
        ("aspect_ratio", ["4:3", "2.35:1", "横屏 9:16", "16:9 / 9:16"], None),
        ("resolution", ["1080P", "1080p", "全高清"], "1080P"),
        ("resolution", ["4K"], None),
        ("audio", ["有", "是", "yes"], True),
        ("audio", ["无", "静音", "no"], False),
        ("audio", ["雨声"], None),
        ("takes", ["3", "3条", "×3", "x 3", "3 takes"], 3),
        ("takes", ["若干", "0"], None),
        ("model", ["可灵3.0 Omni", "kling-3.0-omni"], "kling-3.0-omni"),
        ("model", [" my-model "], "my-model"),
        ("kind", ["数字人"], "avatar"),
        ("tags", ["夜 戏、雨", "夜 戏，雨"], ["夜 戏", "雨"]),
        ("images", ["a.png\nb.jpg", "a.png、b.jpg", "a.png；b.jpg"], ["a.png", "b.jpg"]),
        ("images", ["a.png,b.jpg", "a.png;b.jpg", "a.png, b.jpg"], ["a.png", "b.jpg"]),
        ("images", [f"{WEB}\nrefs/林 夏.png"], [WEB, "refs/林 夏.png"]),
        ("images", ["见附件", "/etc/a.png", "C:\\a.png", "a.png、见附件"], None),
        ("first_frame", [WEB], WEB),
        ("first_frame", [f"{WEB}\n{WEB}2.png"], None),
        ("prompt", [" 雨夜，#霓虹 "], " 雨夜，#霓虹 "),
    ],
)  # fmt: skip
def test_a_cell_says_a_value_plainly_or_none(feeds: Feeds, cells: list[str], value: Json) -> None:
    """A text stays as it is; nothing is guessed."""
    assert {cell: value_of(feeds, cell) for cell in cells} == dict.fromkeys(cells, value)


def test_names_are_listed_with_any_mark() -> None:
    """Each once, with the blanks that a name has."""
    assert names_in("林夏、Old  Wang\n林夏/小满；,") == ["林夏", "Old Wang", "小满"]


def test_addresses_are_told_from_names() -> None:
    """By a suffix, or by http."""
    assert [are_addresses(t) for t in ("林夏", "a.png", "https://a.example/1")] == [
        False,
        True,
        True,
    ]
