"""How far an export is: lines in a pipe, nothing for what is short or quiet."""

from __future__ import annotations

import io
import sys
import threading
from itertools import repeat

import pytest

from klingflow.terminal import bars, language

PATIENCE_S = 60.0


class Heard(io.StringIO):
    """A stream that is no terminal, and says when a line with these words has come."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self.words, self.came = words, threading.Event()

    def write(self, text: str) -> int:
        written = super().write(text)
        if self.words in self.getvalue():
            self.came.set()
        return written


@pytest.mark.parametrize(
    ("done", "of", "said"),
    [
        (0, 0, "08:00:00  writing a.mp4 …"),
        (0, 7, "08:00:00  writing a.mp4: 0 %"),
        (6, 7, "08:00:00  writing a.mp4: 85 %"),
        (7, 7, "08:00:00  writing a.mp4: 100 %"),
    ],
)
def test_a_line_says_how_much_is_done(done: int, of: int, said: str) -> None:
    """Before anybody knows of how much, it says only what is being done."""
    assert bars.line_of("08:00:00", "writing a.mp4", done, of) == said


def test_long_work_is_not_silent_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines come while a step takes long, and follow what was told."""
    begun, half = Heard("looking …"), Heard("looking: 50 %")
    monkeypatch.setattr(sys, "stderr", begun)
    with bars.lines("looking", repeat(0.01)) as tell:
        assert begun.came.wait(PATIENCE_S)
        monkeypatch.setattr(sys, "stderr", half)
        tell(1, 2)
        assert half.came.wait(PATIENCE_S)


def test_nothing_is_written_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short work says nothing; nor does work that was asked to be quiet."""
    heard = Heard("looking")
    monkeypatch.setattr(sys, "stderr", heard)
    with bars.lines("looking", repeat(PATIENCE_S)) as tell:
        tell(1, 1)
    with bars.bar("looking", quiet=True) as tell:
        tell(1, 2)
    assert heard.getvalue() == ""


def test_what_is_being_done_is_said_in_the_readers_language() -> None:
    """The words of the line and those in it."""
    language.speak_by(lambda template: f"⟦{template}⟧")
    try:
        said = language.spoken(bars.line_of("08:00:00", "writing a.mp4", 1, 2))
    finally:
        language.speak_by(None)
    assert said == "⟦08:00:00  writing a.mp4: 50 %⟧"
