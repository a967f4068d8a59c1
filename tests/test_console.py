"""What reaches a terminal: cleaned, aligned, and never the reason why a command ends otherwise."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable
from typing import Any

import click
import pytest

from klingflow.errors import Diagnostic, ManifestError, Mark, UsageError
from klingflow.terminal import console, layout, paint, streams

Capture = pytest.CaptureFixture[str]
MISTAKE = Diagnostic(Mark("film.yaml", 2, 3), "unknown-field", "it is odd", subject="shot 'a'")
WARNING = MISTAKE._replace(severity="warning", related=Mark("film.yaml", 9, 1), subject="")


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("街道\n\tplain", "街道  plain"),
        ("\x1b[2J\r", "\ufffd[2J\ufffd"),
        ("a\u202eb\u200b\x9b", "a\ufffdb\ufffd\ufffd"),
    ],
)
def test_control_characters_are_replaced(text: str, clean: str) -> None:
    """Except the end of a line and a tab."""
    assert layout.clean(text) == clean


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "gbk", "utf-8"])
def test_json_is_whole_in_any_encoding(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is UTF-8, or escaped as JSON has it: GBK's own bytes would be no JSON."""
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
    console.dump_json({"prompt": "雨夜 🎬 ↻"})
    assert json.loads(written.getvalue()) == {"prompt": "雨夜 🎬 ↻"}


def test_a_table_is_aligned(capsys: Capture) -> None:
    """The last column is as wide as it is; trailing blanks are not written."""
    console.table([["+", "街道", "x"], ["=", "a", ""]])
    console.table([["alone"]])
    console.table([])
    assert capsys.readouterr().out == "  +  街道  x\n  =  a\n  alone\n"


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_part_of_a_line_is_coloured_and_cleaned(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a server says is no code; without colours the words are the same."""
    part = paint.Painted("failed\x1b[2J", "error")
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    for variable in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    console.say("a: ", part)
    monkeypatch.setenv("NO_COLOR", "1")
    console.say("a: ", part)
    coloured, plain = terminal.getvalue().splitlines()
    assert coloured == "a: \x1b[31m\x1b[1mfailed\ufffd[2J\x1b[0m"
    assert plain == "a: failed\ufffd[2J"


def test_a_question_without_an_answer_ends_its_line(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """What is said next, such as an error, stands on a line of its own."""
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(click.Abort):
        console.ask("Buy 3?")
    assert capsys.readouterr().err.rstrip(" ") in ("Buy 3? [y/N]: \n", "Buy 3? [y/N]:\n")


def test_a_long_sentence_is_broken_where_the_terminal_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And in a pipe it is one line."""
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    console.prose("one two three four five six")
    monkeypatch.setattr(sys, "stdout", pipe := io.StringIO())
    console.prose("one two three four five six")
    assert terminal.getvalue() == "one two three four\n  five six\n"
    assert pipe.getvalue() == "one two three four five six\n"


class Gone(io.StringIO):
    """A reader that has gone."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def write(self, text: str) -> int:
        raise self.error

    def flush(self) -> None:
        raise self.error


@pytest.mark.parametrize("error", [BrokenPipeError(), OSError(28, "full"), ValueError("closed")])
@pytest.mark.parametrize("write", [console.say, streams.flush])
def test_a_stream_that_takes_nothing_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, write: Callable[[], None], error: Exception
) -> None:
    """The exit code has to stand."""
    monkeypatch.setattr(sys, "stdout", Gone(error))
    write()
    monkeypatch.setattr(sys, "stdout", None)
    write()


def test_data_is_given_up_where_its_reader_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full is an error: the data is what was asked for."""
    monkeypatch.setattr(sys, "stdout", Gone(BrokenPipeError()))
    console.out("x")
    monkeypatch.setattr(sys, "stdout", Gone(OSError(28, "full")))
    with pytest.raises(OSError, match="full"):
        console.out("x")


def test_json_keeps_chinese_and_escapes_what_a_terminal_obeys() -> None:
    """It is the same data."""
    value = {"prompt": "街道 \u202e \x9b \ud800"}
    text = console.as_json(value)
    assert text == '{"prompt": "街道 \\u202e \\u009b \\ud800"}'
    assert json.loads(text) == value


def test_an_error_is_one_line_on_stderr(capsys: Capture) -> None:
    console.error(UsageError("no such file"))
    assert capsys.readouterr() == ("", "klingflow: error: no such file\n")


def test_every_mistake_of_a_manifest_is_shown(capsys: Capture) -> None:
    """Each with its source line and a caret, a second place beside it, and their number."""
    sources = {"film.yaml": "version: 1\n\tx街道\n"}
    console.error(ManifestError([MISTAKE, WARNING], sources))
    assert capsys.readouterr().err.splitlines() == [
        "film.yaml:2:3: error[unknown-field]: shot 'a': it is odd",
        "    2 |  x街道",
        "      |   ^",
        "film.yaml:2:3: warning[unknown-field]: it is odd",
        "    2 |  x街道",
        "      |   ^",
        "        see also film.yaml:9:1",
        "1 error, 1 warning",
    ]


def test_a_caret_counts_columns() -> None:
    """Chinese characters before it take two."""
    diagnostic = MISTAKE._replace(mark=Mark("film.yaml", 1, 3))
    assert console.excerpted(diagnostic, {"film.yaml": "街道x"}).splitlines()[1:] == [
        "    1 | 街道x",
        "      |     ^",
    ]


def test_only_the_ends_of_lines_count_as_such() -> None:
    """A cell of a table may hold what Unicode calls a line's end."""
    diagnostic = MISTAKE._replace(mark=Mark("rows.csv", 2, 1))
    text = "a\u2028b\x0cc\r\nx\r"
    assert console.excerpted(diagnostic, {"rows.csv": text}).splitlines()[1] == "    2 | x"


@pytest.mark.parametrize(("column", "start"), [(1, 0), (500, 439)])
def test_a_long_line_is_shown_around_the_place(column: int, start: int) -> None:
    """A pasted body can be one line of 100 KB."""
    line = "".join(chr(97 + n % 26) for n in range(1000))
    mistake = MISTAKE._replace(mark=Mark("film.yaml", 1, column))
    _, shown, caret = console.excerpted(mistake, {"film.yaml": line}).splitlines()
    assert shown[8:] == line[start : start + 120]
    assert caret.index("^") - 8 == column - 1 - start


@pytest.mark.parametrize(
    ("column", "shown", "before"),
    [(3, "雨夜里的银发女侦探走", 2), (11, "发女侦探走进窄巷", 5), (13, "侦探走进窄巷", 5)],
)
def test_a_line_fits_the_terminal(column: int, shown: str, before: int) -> None:
    """The caret stands below its character, each of which takes two columns."""
    mistake = MISTAKE._replace(mark=Mark("film.yaml", 1, column))
    said = console.excerpted(mistake, {"film.yaml": "雨夜里的银发女侦探走进窄巷"}, 28)
    assert said.splitlines()[1:] == [f"    1 | {shown}", f"      | {2 * before * ' '}^"]


def test_a_line_that_is_not_there_is_not_shown() -> None:
    """Nor one of a file that nobody read."""
    assert console.excerpted(MISTAKE, {}) == str(MISTAKE)
    assert console.excerpted(MISTAKE, {"film.yaml": "one line"}) == str(MISTAKE)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("api_key: abcdefgh12", "api_key: **********"),
        ("Authorization: 'abcdefgh'", "Authorization: '********'"),
        ("token: short", "token: short"),
        ("prompt: abcdefgh12", "prompt: abcdefgh12"),
    ],
)
def test_what_looks_like_a_key_is_masked(line: str, shown: str) -> None:
    """The log of a check may be public."""
    mistake = MISTAKE._replace(mark=Mark("film.yaml", 1, 1))
    assert console.excerpted(mistake, {"film.yaml": line}).splitlines()[1][8:] == shown


@pytest.mark.parametrize(
    ("severities", "text"),
    [
        ([], "no problems"),
        (["error"], "1 error"),
        (["warning", "error", "error"], "2 errors, 1 warning"),
        (["warning"] * 2, "2 warnings"),
    ],
)
def test_diagnostics_are_counted(severities: list[str], text: str) -> None:
    assert console.counted(MISTAKE._replace(severity=s) for s in severities) == text


def test_a_diagnostic_is_a_github_command() -> None:
    """What would end a property or a line is escaped (docs.github.com, "Workflow commands")."""
    mistake = MISTAKE._replace(mark=Mark("a,b:c.yaml", 2, 3), message="100%\nodd", subject="")
    assert console.github(mistake) == (
        "::error file=a%2Cb%3Ac.yaml,line=2,col=3,title=unknown-field::100%25\\nodd"
    )


def test_a_diagnostic_is_data() -> None:
    data: dict[str, Any] = {
        "file": "film.yaml",
        "line": 2,
        "column": 3,
        "severity": "error",
        "code": "unknown-field",
        "message": "shot 'a': it is odd",
    }
    assert console.as_data(MISTAKE) == data
    assert console.as_data(WARNING)["related"] == {"file": "film.yaml", "line": 9, "column": 1}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0s"), (0.4, "0s"), (59.4, "59s"), (59.6, "1m 00s"), (3599, "59m 59s"), (7800, "2h 10m")],
)
def test_a_duration_for_people(seconds: float, text: str) -> None:
    assert console.duration(seconds) == text


@pytest.mark.parametrize("wanted", [False, True])
def test_a_crash_shows_its_trace_on_demand_and_never_the_key(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, wanted: bool
) -> None:
    monkeypatch.setattr(console, "_hidden", {})
    monkeypatch.setitem(os.environ, "KLINGFLOW_TRACEBACK", "1" if wanted else "")
    console.hide("sk-0123456789abcdef")
    try:
        raise ValueError("with sk-0123456789abcdef in it")
    except ValueError as error:
        console.crash(error)
    said = capsys.readouterr().err
    assert said.startswith("klingflow: internal error: ValueError: with ")
    assert "sk-0123456789abcdef" not in said
    assert ("Traceback" in said, "KLINGFLOW_TRACEBACK=1" in said) == (wanted, not wanted)


@pytest.mark.parametrize(
    ("low_s", "high_s", "text"),
    [
        (1.0, 12.0, "10 s"),
        (31.0, 94.9, "30–90 s"),
        (31.0, 95.0, "1–2 min"),
        (2280.0, 2760.0, "38–46 min"),
        (2280.0, 2290.0, "38 min"),
        (5000.0, 5700.0, "1.4–1.6 h"),
    ],
)
def test_a_range_for_people(low_s: float, high_s: float, text: str) -> None:
    """In one unit, and no finer than a forecast can be."""
    assert console.between(low_s, high_s) == text


def test_a_range_is_plain_where_the_encoding_has_no_dash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert console.between(2280.0, 2760.0) == "38-46 min"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "10s"),
        (44.0, "40s"),
        (119.0, "2m"),
        (130.0, "2m"),
        (220.0, "3m 30s"),
        (2300.0, "38m"),
        (7900.0, "2h 10m"),
    ],
)
def test_a_time_left_is_said_in_steps(seconds: float, text: str) -> None:
    """Coarser where it is longer, so that it does not flicker."""
    assert console.roughly(seconds) == text


def test_a_diagnostic_fits_the_terminal(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit hangs below; the place and the code stay whole."""
    monkeypatch.setattr(console, "room", lambda _: 40)
    sources = {"film.yaml": "version: 1\n  odd: 1"}
    console.show_diagnostic(MISTAKE, sources, console.say, "of 5 shots: a, b, c, d, e")
    assert capsys.readouterr().out.splitlines() == [
        "film.yaml:2:3: error[unknown-field]:",
        "    shot 'a': it is odd",
        "    2 |   odd: 1",
        "      |   ^",
        "        of 5 shots: a, b, c, d, e",
    ]
