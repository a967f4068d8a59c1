"""Colours: where they are shown, and that they can be read on any ground."""

from __future__ import annotations

import io
from typing import get_args

import pytest

from klingflow.decide.verbs import Label
from klingflow.model import State
from klingflow.terminal import paint


class Stream(io.StringIO):
    """A stream that is a terminal, or not."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.mark.parametrize(
    ("environment", "terminal", "pipe"),
    [
        ({}, True, False),
        ({"TERM": "xterm-256color"}, True, False),
        ({"TERM": "dumb"}, False, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": ""}, True, False),
        ({"FORCE_COLOR": "1"}, True, True),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, True, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
    ],
)
def test_colours_are_where_a_terminal_has_them(
    environment: dict[str, str], terminal: bool, pipe: bool
) -> None:
    """None under NO_COLOR, TERM=dumb or in a pipe; FORCE_COLOR is honoured."""
    shown = [paint.has_colour(Stream(terminal), environment) for terminal in (True, False)]
    assert shown == [terminal, pipe]


def test_no_colour_vanishes_on_paper() -> None:
    """Neither yellow nor white, nor a bright one."""
    colours = {code["fg"] for code in paint.CODES.values() if "fg" in code}
    assert colours <= {"red", "green", "magenta", "cyan", "blue"}


def test_every_label_and_every_state_has_its_colour() -> None:
    """None is a choice too."""
    assert set(paint.OF_LABEL) == set(get_args(Label))
    assert set(paint.OF_STATE) == set(get_args(State))
