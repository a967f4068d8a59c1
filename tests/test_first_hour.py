"""The transcript of a first hour: thirty natural mistakes and more, each answered with its place,
the word to change, and what to write.
"""

from __future__ import annotations

import re

import pytest

from tests.first_hour import DATA, FILM, STEPS, TRANSCRIPT, Step, said, transcript

# A message tells what to write by one of these words, or by the values that are possible.
_ADVICE = re.compile(
    r"\b(write|did you mean|delete|say|name|save|give|set|quote|put|close|indent|align|begins|split"
    r"|must be|makes|takes spaces only|needs|missing|there are|columns are)\b"
)
_WITH_A_PLACE = re.compile(r"^(\S+):(\d+):(\d+): (error|warning)\[([a-z0-9-]+)\]: (.+)$", re.M)


def test_the_transcript_is_what_is_said_today() -> None:
    """After a message has changed: `python -m tests.first_hour`, and look at the difference."""
    assert transcript() == TRANSCRIPT.read_text("utf-8")


def test_the_hour_has_thirty_mistakes_in_a_storyboard_of_thirty_shots() -> None:
    """What the hour is about; without its mistakes nothing is said of the storyboard."""
    assert len(STEPS) >= 30
    assert said(Step("none")) == f"{FILM}: no problems, 30 shots\n"


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.title)
def test_each_mistake_is_told_with_its_place_and_what_to_write(step: Step) -> None:
    """As many messages as there are mistakes, none without advice, no secret in any; a place in the
    storyboard is shown with a caret.
    """
    told = said(step)
    placed = [found.groups() for found in _WITH_A_PLACE.finditer(told)]
    unplaced = re.findall(r"^(?:klingflow: error|Error): (.+)$", told, re.M)
    messages = [*(groups[-1] for groups in placed), *unplaced]
    assert len(messages) == step.mistakes
    assert [message for message in messages if not _ADVICE.search(message)] == []
    assert told.count("^\n") >= sum(groups[0] == FILM for groups in placed)
    assert "secret" not in told


def test_the_data_of_the_hour_are_used() -> None:
    """No file lies there that no step reads."""
    names = {"film.yaml", "prices.yaml", "products.csv", "transcript.txt"}
    assert {path.name for path in DATA.iterdir()} == names
