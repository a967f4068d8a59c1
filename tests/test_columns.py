"""What the columns of a shot list feed, by their names."""

from __future__ import annotations

import pytest

from klingflow.manifest.columns import FEEDS, Column, Header, columns_of, feeds_of, header_of
from klingflow.manifest.fields import SHOT


@pytest.mark.parametrize(
    ("names", "feeds"),
    [
        ("镜号 镜头号 Shot # Shot-No. 镜号/Shot", "id"),
        ("场景 场次 场号 所属场次 Scene 场景(内/外)", "scene"),
        ("画面 画面内容 Description 画面描述（中文） Action", "visual"),
        ("提示词 prompt AI提示词/提示词", "prompt"),
        ("景别 运镜 机位 Camera Shot-Type Lens Location", "camera"),
        ("时长 时长(秒) Duration Duration(s) Length 秒数", "seconds"),
        ("角色 人物 出镜人物 Character(s) Cast", "character"),
        ("台词 对白 旁白 台词/旁白 文案/字幕 Dialogue VO-or-Dialogue/Dialogue 画外音", "dialogue"),
        ("备注 Notes 说明", "note"),
        ("比例 画幅 Aspect-Ratio ratio", "aspect_ratio"),
        ("条数 生成条数 Takes 抽卡次数", "takes"),
        ("首帧 First-Frame 首帧图", "first_frame"),
        ("尾帧 Last-Frame", "last_frame"),
        ("参考图 参考素材 References 参考图(URL)", "images"),
        ("分辨率 清晰度", "resolution"),
        ("声音 Sound Audio", "audio"),
        ("模型 Model", "model"),
        ("转场 Transition 负责人 Status BGM use after request", None),
    ],
)
def test_a_column_is_known_by_its_name(names: str, feeds: str | None) -> None:
    """In English and Chinese, with a unit in brackets or in both languages."""
    assert {name: feeds_of(name.replace("-", " ")) for name in names.split()} == dict.fromkeys(
        names.split(), feeds
    )


def test_each_feed_is_a_field_or_is_made_into_one() -> None:
    """A field that is renamed is renamed here."""
    assert set(FEEDS) - set(SHOT) == {"id", "character", "camera", "visual"}


GROUPS = ["镜号", "场景", "画面", "画面", "声音", "声音", "时长"]
PARTS = ["", "", "内容", "景别", "台词", "音效", ""]
BOTH = ["镜号", "场景", "内容", "景别", "台词", "音效", "时长"]
ROW = ["1", "码头", "渡轮靠岸", "全景", "等一等", "汽笛", "5"]


@pytest.mark.parametrize(
    ("rows", "header"),
    [
        (
            [["《归途》分镜", ""], ["", ""], ["镜号", "画面"], ["1", "雨"]],
            Header(2, 3, ["镜号", "画面"]),
        ),
        ([["Shot", "Description"], ["1", "rain"]], Header(0, 1, ["Shot", "Description"])),
        ([GROUPS, PARTS, ROW], Header(0, 2, BOTH)),
        ([GROUPS, BOTH, ROW], Header(0, 2, BOTH)),
        ([["拍摄计划", *[""] * 6], GROUPS, PARTS, ROW], Header(1, 3, BOTH)),
        ([BOTH, ["1", "", "标题", "字幕", "", "", "3"]], Header(0, 1, BOTH)),
        ([BOTH, ["", "", "标题", "雨", "风", "雷", "3"]], Header(0, 1, BOTH)),
        ([["a", "b"], ["1", "2"]], None),
        ([["画面", "画面"]], None),
        ([], None),
    ],
)
def test_the_header_is_the_row_that_names_most_columns(
    rows: list[list[str]], header: Header | None
) -> None:
    """A title above it is none, nor one known name alone; of two rows of names the lower counts."""
    assert header_of(rows) == header


def test_columns_keep_their_places_and_names() -> None:
    """A column without a name is none."""
    assert columns_of(["镜号", "", " 画面\n内容 ", "x"]) == [
        Column(0, "镜号", "id"),
        Column(2, "画面 内容", "visual"),
        Column(3, "x", None),
    ]
