"""PURE. The columns of a shot list: which field each feeds, by its name in English or Chinese.

foreign_names.py has most of the names. shotlist.py reads what is in the cells.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, Literal, NamedTuple, get_args

from klingflow.manifest.fields import SHOT
from klingflow.manifest.folds import letters
from klingflow.manifest.foreign_names import CAMERA, ID, PROMPT, VISUAL, row_of

# What a column feeds: a field of a shot, or one of the first three.
Feeds = Literal[
    "id",
    "character",
    "camera",
    "prompt",
    "visual",
    "style",
    "scene",
    "title",
    "dialogue",
    "note",
    "model",
    "kind",
    "seconds",
    "resolution",
    "aspect_ratio",
    "audio",
    "takes",
    "tags",
    "image",
    "images",
    "first_frame",
    "last_frame",
    "motion_video",
    "motion_level",
    "video",
]
FEEDS: Final[tuple[Feeds, ...]] = get_args(Feeds)
_BY_ROW: Final[dict[object, Feeds]] = {
    PROMPT: "prompt",
    VISUAL: "visual",
    CAMERA: "camera",
    ID: "id",
}
# Names that mean something else in a table than in a manifest.
_IN_A_TABLE: Final[dict[Feeds, str]] = {
    "id": "shot shots cut cutno shotnumber # 镜 镜头 镜次 分镜 分镜号 镜头序号 镜头编号",
    "character": "character characters cast actor actors talent who 角色 人物 角色名 人物角色 出镜"
    " 演员 出场人物 出场角色 出镜人物 出镜角色 主角",
    "camera": "shottype shotsize framing size props wardrobe costume mood cameramove 拍摄角度"
    " 拍摄手法 机位角度 镜头语言",
    "visual": "action picture whathappens 画面动作 画面描写 剧情 情节",
    "dialogue": "文案 文案字幕 字幕文案 文案旁白 解说词 配音 配音文案 subtitles",
    "seconds": "dur durs estimated 预计时长",
    "scene": "scenes sc 场地 场景号 所属场次 所属场景",
    "images": "参考素材",
    "takes": "生成条数",
}
_NAMES: Final[dict[str, Feeds]] = {
    letters(word) or word: feeds for feeds, words in _IN_A_TABLE.items() for word in words.split()
}
# Columns about how shots are joined, not about one shot.
_OF_THE_CUT: Final = frozenset({"transition", "transitions", "转场", "转场方式", "切换", "衔接"})
_BRACKETS: Final = re.compile(r"[(（\[【][^)）\]】]*[)）\]】]")
_BETWEEN: Final = re.compile(
    r"[/／|｜\n、,，&]|(?<=[\u3400-\u9fff])\s+(?=\w)|(?<=\w)\s+(?=[\u3400-\u9fff])"
)
# A line of a table names its columns if it names so many that are known.
_KNOWN_LEAST: Final = 2
_LOOKED_AT: Final = 30  # lines from the top


class Column(NamedTuple):
    """A column by its index from 0, its name as the author wrote it, and what it feeds; None where
    it is not known.
    """

    at: int
    name: str
    feeds: Feeds | None


def feeds_of(name: str) -> Feeds | None:
    """Return what a column of a name feeds; None for an unknown name."""
    for spelling in _spellings(name):
        if feeds := _feeds(spelling):
            return feeds
    return None


class Header(NamedTuple):
    """The rows that name the columns, from index `first` to the one before `after`, and the name of
    each column. Of two rows the lower one's name counts, if it has one.
    """

    first: int
    after: int
    names: Sequence[str]


def header_of(rows: Sequence[Sequence[str]]) -> Header | None:
    """Return the row near the top in which most names are known, together with a row beside it that
    names columns as well: a group above, or the parts of a group below. None if no row has enough
    known names.
    """
    counts = [_known(row) for row in rows[:_LOOKED_AT]]
    most = max(counts, default=0)
    if most < _KNOWN_LEAST:
        return None
    at = counts.index(most)
    names = rows[at]
    if at + 1 < len(rows) and _names_too(rows[at + 1], names):
        return Header(at, at + 2, _together(names, rows[at + 1]))
    if at and _names_too(rows[at - 1], names):
        return Header(at - 1, at + 1, _together(rows[at - 1], names))
    return Header(at, at + 1, names)


def _names_too(row: Sequence[str], header: Sequence[str]) -> bool:
    """Return True if a row beside a header names columns: most of its own words are known names,
    and it has no id of a shot.
    """
    own = []
    for cell, name in zip(row, header, strict=True):
        if not cell.strip():
            continue
        if feeds_of(name) == "id" and feeds_of(cell) != "id":
            return False
        if cell != name:
            own.append(cell)
    known = _known(own)
    return known >= _KNOWN_LEAST and 2 * known >= len(own)


def _together(upper: Sequence[str], lower: Sequence[str]) -> list[str]:
    return [below if below.strip() else above for above, below in zip(upper, lower, strict=True)]


def columns_of(header: Sequence[str]) -> list[Column]:
    """Return the columns that a header names, in order."""
    named = [(at, " ".join(name.split())) for at, name in enumerate(header)]
    return [Column(at, name, feeds_of(name)) for at, name in named if name]


def _known(row: Sequence[str]) -> int:
    return len({feeds_of(cell) for cell in row if len(cell) <= 40} - {None})


def _spellings(name: str) -> Iterator[str]:
    """Yield a name, then the name without what stands in brackets, then its parts."""
    yield name
    bare = _BRACKETS.sub("", name)
    yield bare
    yield from _BETWEEN.split(bare)


def _feeds(name: str) -> Feeds | None:
    same = letters(name) or name.strip()
    if same in _OF_THE_CUT:
        return None
    if same in _NAMES:
        return _NAMES[same]
    for field in SHOT:
        if letters(field) == same:
            return _fed(field)
    row = row_of(name)
    if row is None:
        return None
    return _BY_ROW.get(row) or _fed(row.field)


def _fed(field: str | None) -> Feeds | None:
    """Return a field as what a column feeds; None if no column feeds it."""
    for feeds in FEEDS:
        if feeds == field:
            return feeds
    return None
