"""A shot list as a table → shots, and what of it was not taken."""

from __future__ import annotations

import pytest

from klingflow.manifest.grids import Grid
from klingflow.manifest.shotlist import Left, ShotList, read_list
from klingflow.model import Json


def listed(*rows: str, faults: dict[tuple[int, int], str] | None = None) -> ShotList:
    """The list of a table, whose cells are separated by bars."""
    cells = [row.split("|") for row in rows]
    width = max(map(len, cells))
    return read_list(Grid([row + [""] * (width - len(row)) for row in cells], faults or {}))


def shots(found: ShotList) -> list[tuple[str, dict[str, Json]]]:
    return [(entry.id, entry.fields) for entry in found.shots]


def test_a_row_is_a_shot_with_what_its_cells_say() -> None:
    """Each field knows the cells that it came from."""
    found = listed(
        "镜号|景别|画面|时长|角色|台词|参考图", "1|特写|雨落下|5秒|林夏、小满|走。|a.png\nb.png"
    )
    (entry,) = found.shots
    assert (entry.id, entry.names) == ("1", ["林夏", "小满"])
    assert entry.fields == {
        "prompt": "雨落下，特写",
        "seconds": 5,
        "dialogue": "走。",
        "images": ["a.png", "b.png"],
    }
    assert entry.at["prompt"] == "C2、B2" and not found.left


@pytest.mark.parametrize(
    ("header", "row", "prompt"),
    [
        ("Shot|Camera|Description", "1|Wide|Rain falls", "Rain falls, Wide"),
        ("Shot|Camera|Description", "1|Wide|Rain falls.", "Rain falls. Wide"),
        ("镜号|运镜|画面", "1|推|雨落下。", "雨落下。推"),
        ("镜号|运镜|画面", "1||雨 #落下: {x}", "雨 #落下: {x}"),
        ("镜号|运镜|画面", "1|　推|雨  落下 ", "雨  落下，推"),
        ("镜号|运镜|画面|提示词", "1|推|雨|rain, dolly in", "rain, dolly in"),
    ],
)
def test_a_prompt_is_what_is_shown_and_how_or_its_own_column(
    header: str, row: str, prompt: str
) -> None:
    """The author's words stay as they are."""
    assert listed(header, row).shots[0].fields["prompt"] == prompt


def test_columns_that_feed_nothing_are_listed() -> None:
    """With the reason."""
    found = listed(
        "镜号|画面|提示词|负责人|时长|秒数|音效||", "1|雨|rain|阿杰|5|6|雨声||", "2|巷|lane|||||x|"
    )
    assert found.left == [
        Left("B", "画面", "", "own-prompt", "visual"),
        Left("D", "负责人", "", "unknown"),
        Left("F", "秒数", "", "second", "seconds"),
        Left("G", "音效", "", "no-value", "audio"),
        Left("H3", "", "x", "unnamed"),
    ]


def test_cells_that_say_nothing_plainly_are_listed_by_address() -> None:
    """And their shots are kept."""
    rows = "镜号|画面|时长", "1|雨|三五秒", "2|巷|5", "3|门|"
    found = listed(*rows, faults={(3, 2): "#REF!"})
    assert found.left == [
        Left("C2", "时长", "三五秒", "value", "seconds"),
        Left("C4", "时长", "#REF!", "formula"),
    ]
    assert [entry.fields.get("seconds") for entry in found.shots] == [None, 5, None]


def test_words_for_nothing_are_nothing_and_as_above_is_listed() -> None:
    """Nobody is called 无, and no line of the film says it."""
    found = listed(
        "镜号|画面|角色|台词|时长|运镜|声音",
        "1|无|无|—|-|/|无",
        "2|雨|林夏|走。|5|推|有",
        "3|巷|同上|||同上|",
    )
    assert [(entry.names, entry.fields) for entry in found.shots] == [
        ([], {"prompt": "无", "audio": False}),
        (["林夏"], {"prompt": "雨，推", "dialogue": "走。", "seconds": 5, "audio": True}),
        ([], {"prompt": "巷"}),
    ]
    assert [(left.at, left.text) for left in found.left] == [("C4", "同上"), ("F4", "同上")]


def test_rows_without_a_picture_are_no_shots() -> None:
    """A title and a total are listed; empty rows, repeated headers and bare numbers are not."""
    found = listed("分镜表", "镜号|画面|时长", "1|雨|5", "", "镜号|画面|时长", "2||", "合计||5分钟")
    assert shots(found) == [("1", {"prompt": "雨", "seconds": 5})]
    assert found.left == [
        Left("A1", "", "分镜表", "above"),
        Left("A7", "", "合计 | 5分钟", "nothing-to-show"),
    ]


def test_how_something_is_shown_is_no_picture_alone() -> None:
    """`特写` beside an empty 画面 is listed; beside an image it says how that one moves."""
    found = listed("镜号|画面|景别|参考图", "1|雨|全景|", "2|同上|特写|", "3||推|a.png")
    assert [entry.id for entry in found.shots] == ["1", "3"]
    assert found.left == [Left("A3", "", "2 | 同上 | 特写", "nothing-to-show")]
    assert [entry.id for entry in listed("镜号|景别", "1|特写").shots] == ["1"]


@pytest.mark.parametrize(
    "rows",
    [
        ("场景|镜号|画面", "一 街|1|雨", "|2|巷", "二 家|3|门"),
        ("镜号|画面", "一 街", "1|雨", "2|巷", "二 家", "3|门"),
        ("场景|镜号|画面", "一 街||", "|1|雨", "|2|巷", "二 家|3|门"),
    ],
)
def test_a_scene_holds_until_the_next_one(rows: tuple[str, ...]) -> None:
    """Written once in its column, or in a line of its own above its shots."""
    found = listed(*rows)
    assert [entry.fields["scene"] for entry in found.shots] == ["一 街", "一 街", "二 家"]


@pytest.mark.parametrize(
    ("rows", "ids"),
    [
        (("镜号|画面", "#1|a", "1A|b", "S01-02|c", "镜头 3|d"), ["1", "1A", "S01-02", "镜头-3"]),
        (("画面|时长", "a|5", "b|5"), ["s01", "s02"]),
        (("镜号|画面", "1|a", "|b", "s02|c"), ["1", "s02-2", "s02"]),
        (("镜号|画面", "1|a", "1|b", "1-2|c"), ["1", "1-2", "1-2-2"]),
        (("场次|镜号|画面", "1|1|a", "|2|b", "2|1|c"), ["1-1", "1-2", "2-1"]),
        (("场景|镜号|画面", "老街 夜|1|a", "家 日|1|b"), ["老街-夜-1", "家-日-1"]),
        (("场景|镜号|画面", "某条很长很长的老街|1|a", "家|1|b"), ["S1-1", "S2-1"]),
    ],
)  # fmt: skip
def test_ids_are_the_author_s_numbers(rows: tuple[str, ...], ids: list[str]) -> None:
    """With the scene where numbers begin again in each, otherwise with a number behind a double."""
    assert [entry.id for entry in listed(*rows).shots] == ids


def test_a_double_number_is_listed() -> None:
    """With the id that its shot has got."""
    assert listed("镜号|画面", "1|a", "1|b").left == [Left("A3", "", "1", "double", "1-2")]


@pytest.mark.parametrize(
    ("rows", "ids"),
    [
        (("镜号|画面|条数", "1|a|2", "1|b|1"), ["1", "1-3"]),
        (("镜号|画面|条数", "1|a|3", "1-2|b|1"), ["1", "1-2-2"]),
        (("镜号|画面|条数", "1-2|a|1", "1|b|3"), ["1-2", "1-3"]),
    ],
)
def test_no_shot_has_the_id_of_another_one_s_take(rows: tuple[str, ...], ids: list[str]) -> None:
    """Otherwise both would have one file, and the list would lose a shot."""
    assert [entry.id for entry in listed(*rows).shots] == ids


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (("a|b", "1|2"), "no line of it names columns such as 画面, 时长 or Description, Duration"),
        (("镜号|画面", "1|"), "no row of it says what a shot shows"),
    ],
)
def test_what_is_no_shot_list_is_refused(rows: tuple[str, ...], why: str) -> None:
    """In a sentence that completes the file's name."""
    with pytest.raises(ValueError) as error:
        listed(*rows)
    assert str(error.value) == why
