"""What a server or a file says is shown, and not obeyed: by a terminal, by a build's log, by
whoever parses it.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from dataclasses import replace
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from klingflow.errors import Diagnostic, Mark, UsageError
from klingflow.ledger.headers import lock_header
from klingflow.ledger.lifecycle import advance
from klingflow.ledger.lines import lock_line
from klingflow.model import Failure, Price
from klingflow.terminal import console, progress, views
from tests.harness import pipeline_at
from tests.purchases import AT, done, doubtful, submitted

# Colours, a title, the clipboard, a link, the C1 forms of these, directions, a line that hides
# another.
ATTACKS = [
    "\x1b[2J", "\x1b]0;title\x07", "\x1b]52;c;cm0gLXJm\x07",
    "\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\", "\x9b2J", "\x9d52;c;eA==\x9c",
    "\x7f", "\x08\x08\x08", "a\rb", "\u202egpj.4pm", "\u2066x\u2069", "\u200f", "\ufeff",
    "a\n::error::pwn", "a\r\n\tb", "a\u2028b", "a\u2029b", "a\x85b", "a\x0bb\x0cc",
]  # fmt: skip
OBEYED = ("Cc", "Cf", "Zl", "Zp", "Cs")


def obeyed(text: str) -> list[str]:
    """The characters in it that do something instead of being shown."""
    return [c for c in text if unicodedata.category(c) in OBEYED and c not in "\n\t"]


@pytest.mark.parametrize("attack", ATTACKS, ids=repr)
def test_a_line_obeys_nobody(attack: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In messages, in errors, and in the lines of a run."""
    console.say(attack)
    console.warn(attack)
    shown = capsys.readouterr()
    event = {"event": "in_doubt", "reason": attack, "path": attack, "shot": attack}
    line = progress.shown(event, {attack: f"{attack}/"})
    assert obeyed(shown.out + shown.err + line) == []
    assert [len(text.splitlines()) for text in (shown.out, shown.err, line)] == [1, 1, 1]


def test_an_error_has_the_lines_of_its_author(capsys: pytest.CaptureFixture[str]) -> None:
    """What it quotes begins none."""
    console.error(UsageError("a\n::error::pwn is stale:", "  b\n::error::pwn"))
    shown = capsys.readouterr().err
    assert shown == "klingflow: error: a ::error::pwn is stale:\n  b ::error::pwn\n"


@pytest.mark.parametrize("command", ["status", "status -v", "plan -v", "lock check"])
def test_a_lock_from_elsewhere_begins_no_line(tmp_path: Path, command: str) -> None:
    """Whatever its fields hold: the log of a build is read line by line."""
    said = f"x{chr(10)}::error::{'pwn ' * 30}"
    failed = advance(submitted("a"), "failed", AT, error=Failure("moderation", said, said))
    doubt = replace(doubtful(f"b{said}"), evidence={"from": AT, "to": said, "received": said})
    paid = replace(done("c"), price=Price(Decimal(1), said, said), task_id=said)
    lines = (lock_line(purchase) for purchase in (failed, doubt, paid))
    film = pipeline_at(tmp_path)
    film.write(1)
    film.lock.write_bytes(b"".join([lock_header("0" * 16, 1, 3), *lines]))
    looked = film.done(*command.split(), "film.yaml")
    shown = looked.stdout + looked.stderr
    assert "::error::pwn" in shown
    assert [line for line in shown.splitlines() if line.lstrip().startswith("::")] == []


@pytest.mark.parametrize("attack", ATTACKS, ids=repr)
@pytest.mark.parametrize("form", ["json", "jsonl", "yaml"])
def test_data_obeys_nobody_and_is_the_same_data(
    attack: str, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """JSON lets more through than it escapes; a prompt comes out as it was, and no terminal acts on
    it.
    """
    row = {"prompt": f"银发 {attack}", attack: [attack]}
    views.dump_answers([{"shots": [row]}], form)
    shown = capsys.readouterr().out
    assert obeyed(shown) == []
    read = yaml.safe_load(shown) if form == "yaml" else json.loads(shown)
    assert (read if form == "jsonl" else read["shots"][0]) == row


@given(st.text())
@example("\x7f")  # of ASCII, and not escaped by JSON
def test_any_json_is_shown_and_means_the_same(text: str) -> None:
    shown = console.as_json({text: text})
    assert [c for c in obeyed(shown) if c <= "\uffff"] == []
    assert json.loads(shown) == {text: text}


@pytest.mark.parametrize(
    "text", ["x\n::error::pwn", "x\r\n::add-mask::pwn", "%0A::error::pwn", "a,file=b::c"]
)
def test_an_annotation_is_one_command(text: str) -> None:
    """However its message, its file or its code is written."""
    diagnostic = Diagnostic(Mark(text, 1, 1), text, text)
    shown = console.github(diagnostic)
    assert "\n" not in shown and "\r" not in shown
    head, _, message = shown.removeprefix("::").partition("::")
    assert head.count(",") == 3
    assert head.count("::") == 0
    assert "%0A" not in message.replace("%250A", "").replace("%0A::", "", 1) or "\n" in text


def test_a_message_in_text_is_no_command_of_a_build(tmp_path: Path) -> None:
    """A value with a line end in it begins no line of its own, where a build would read `::` as a
    command.
    """
    film = pipeline_at(tmp_path)
    shot = {"prompt": "x", "model": "x\n::error::pwn", "resolution": "y\n::add-mask::pwn"}
    film.write({"a": shot}, gateway={"base_url": "z\n::warning::pwn"})
    said = film.do("validate", "film.yaml", code=2)
    assert "pwn" in said
    assert not [line for line in said.splitlines() if line.lstrip().startswith("::")]


class Terminal(StringIO):
    """What a program that asks takes for one."""

    def isatty(self) -> bool:
        return True


def test_a_live_view_reads_no_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a server says is no colour, no link and no picture there, and moves no cursor."""
    said = "[red]x[/red] [link=https://evil.example]y[/link] :skull: \x1b]52;c;eA==\x07"
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    with progress.watching([], log=None, quiet=False, verbose=True, plain=False) as watch:
        watch.emit({"event": "failed", "reason": said, "path": "m.yaml", "shot": "a"})
    shown = terminal.getvalue()
    assert (
        "[red]x[/red] [link=https://evil.example]y[/link] :skull: \ufffd]52;c;eA==\ufffd" in shown
    )
    assert "\x1b]" not in shown
