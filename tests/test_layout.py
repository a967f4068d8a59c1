"""Lines that fit a terminal: widths, escapes, what is shortened and where a line is broken."""

from __future__ import annotations

import io
import sys

import pytest

from klingflow.terminal import layout
from klingflow.terminal.paint import text_of

CHINESE = "银发女侦探走进窄巷,回头一瞥。雨一直下"


@pytest.mark.parametrize(("text", "columns"), [("", 0), ("ab", 2), ("街道", 4), ("e\u0301", 1)])
def test_width_is_in_columns(text: str, columns: int) -> None:
    """Chinese characters take two, an accent none."""
    assert layout.width(text) == columns
    assert layout.pad(text, 5) == text + " " * (5 - columns)
    assert layout.pad(text, 5, right=True) == " " * (5 - columns) + text
    assert layout.pad(text, 0) == text


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("utf-8", "雨夜 é ↻ 🎬"),
        ("gbk", "雨夜 é \\u21bb \\U0001f3ac"),
        ("cp1252", "\\u96e8\\u591c é \\u21bb \\U0001f3ac"),
        ("latin-1", "\\u96e8\\u591c é \\u21bb \\U0001f3ac"),
        ("ascii", "\\u96e8\\u591c \\xe9 \\u21bb \\U0001f3ac"),
    ],
)
def test_what_the_encoding_lacks_is_escaped(
    encoding: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before columns are counted, so that tables stay aligned."""
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    assert layout.showable("雨夜 é ↻ 🎬") == shown
    assert layout.can_show("雨夜 é ↻ 🎬") == (encoding == "utf-8")
    assert layout.is_unicode(sys.stdout) == (encoding == "utf-8")


@pytest.mark.parametrize(
    ("text", "columns", "shown"),
    [
        ("opening", 7, "opening"),
        ("postcard@16x9-dawn", 11, "postc…-dawn"),
        ("明信片@16x9-上海-黎明", 11, "明信…-黎明"),
        ("明信片@16x9-上海-黎明", 12, "明信片…-黎明"),
    ],
)
def test_a_long_id_keeps_its_ends(text: str, columns: int, shown: str) -> None:
    """They tell the cells of a matrix apart; a Chinese character is not cut in half."""
    assert layout.shortened(text, columns) == shown
    assert layout.width(shown) <= columns


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one two three", ["> one two", "  three"]),
        ("outputs/film/opening.mp4 is gone", ["> outputs/film/opening.mp4", "  is gone"]),
        ("run `klingflow status a` now", ["> run", "  `klingflow status a`", "  now"]),
        ("巷口的雨,一直下", ["> 巷口的雨,", "  一直下"]),
        ("他说。。雨停了", ["> 他说。。雨", "  停了"]),
        ("ab, 上海重: c", ["> ab, 上海", "  重: c"]),
        ("街@上海街道.mp4", ["> 街@上海街", "  道.mp4"]),
        ("", ["> "]),
    ],
)
def test_a_line_is_broken_between_words(text: str, lines: list[str]) -> None:
    """Chinese between characters; a path and a command that is to be pasted stay whole."""
    assert layout.wrapped(text, 12, "> ", "  ") == lines
    assert layout.wrapped(text, float("inf"), "> ") == [f"> {text}"]


def test_no_line_of_a_table_is_too_long() -> None:
    """A last cell that does not fit stands below its row, broken where it is still too long."""
    rows = [["+", "a", "1234"], ["+", "街", "12345"], ["=", "b", CHINESE], ["=", "c", ""]]
    lines = ["".join(map(text_of, line)) for line in layout.columns(rows, 13)]
    assert lines[:4] == ["  +  a   1234", "  +  街", "        12345", "  =  b"]
    assert "".join(line.strip() for line in lines[4:-1]) == CHINESE
    assert lines[-1] == "  =  c"
    assert max(map(layout.width, lines)) <= 20


def test_a_stream_that_is_no_terminal_has_no_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lines are whole."""
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert layout.room() == float("inf")
