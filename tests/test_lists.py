"""Subtitles, the table of shots and the list for players."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace

from klingflow.edit.lists import COLUMNS, as_csv, as_m3u, as_srt
from klingflow.results.timeline import Clip, cut_of
from tests.cuts import FILE, cut

A_CUE = re.compile(
    r"(\d+)\n(\d\d:\d\d:\d\d,\d{3}) --> (\d\d:\d\d:\d\d,\d{3})\n(.+?)(?:\n\n|\n\Z)", re.S
)


def test_subtitles_are_read_by_the_rules_of_srt() -> None:
    """A number, two times and the words."""
    assert A_CUE.findall(as_srt(cut())) == [
        ("1", "00:00:00,000", "00:00:02,017", "你好"),
        ("2", "00:00:02,017", "00:00:05,042", "再见了"),
    ]


def test_no_words_end_a_subtitle_or_begin_a_time() -> None:
    """An empty line and an arrow are part of the format."""
    said = Clip("a", "a", 5.0, dialogue=("一\n\n2\n00:00:01,000 --> 00:00:02,000\n二",))
    (cue,) = A_CUE.findall(as_srt(cut_of("film", [said], {})))
    assert cue[3] == "一\n2\n00:00:01,000 → 00:00:02,000\n二"


def test_a_film_without_dialogue_has_no_subtitles() -> None:
    """Who exports it is told."""
    assert as_srt(cut_of("film", [Clip("a", "a", 5.0)], {})) == ""


def test_the_table_has_a_row_for_each_shot() -> None:
    """Missing ones too, with why."""
    rows = list(csv.DictReader(io.StringIO(as_csv(cut(), str))))
    assert tuple(rows[0]) == COLUMNS
    assert [(r["number"], r["take"], r["start"], r["file"], r["missing"]) for r in rows] == [
        ("1", "opening#2", "00:00:00.000", FILE, ""),
        ("2", "alley", "00:00:05.042", "", "never bought"),
        ("3", "door", "00:00:10.042", "outputs/霓虹 雨/door.mp4", ""),
    ]
    assert rows[0]["dialogue"] == "你好\n再见了"


def test_no_cell_is_a_formula() -> None:
    """A spreadsheet would run what an author, or a colleague, wrote as a prompt."""
    rows = list(csv.DictReader(io.StringIO(as_csv(cut(), str))))
    assert rows[1]["prompt"] == "'=1+1"


def test_players_get_the_videos_in_order() -> None:
    """A name that begins as a remark does is no remark."""
    assert as_m3u(cut(), lambda file: "#1.mp4" if file == FILE else file).splitlines() == [
        "#EXTM3U",
        "#EXTINF:5.042,opening#2 开场",
        "./#1.mp4",
        "# missing: alley: never bought",
        "#EXTINF:3.000,door",
        "outputs/霓虹 雨/door.mp4",
    ]


def test_a_title_of_two_lines_stays_on_one() -> None:
    """A line of a list is one thing."""
    two = replace(cut().clips[1], title="一\n#EXTM3U")
    assert as_m3u(cut_of("film", [two], {}), str) == (
        "#EXTM3U\n# missing: alley 一 #EXTM3U: never bought\n"
    )
