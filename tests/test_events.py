"""The events of a run: one row for each, whole, and the runner tells no others."""

from __future__ import annotations

import ast
import string
from pathlib import Path
from typing import get_args

import pytest

from klingflow.decide.verbs import VERBS, Label
from klingflow.runner.events import EVENTS, EventName, EventRow, Volume
from klingflow.terminal.live import STYLES
from klingflow.terminal.progress import FACTS

RUNNER = Path(__file__).parent.parent / "klingflow" / "runner"

# label, volume, flight, finishes, spends
ROWS: dict[EventName, tuple[Label | None, Volume, str | None, bool, bool]] = {
    "intent": ("buying", "chatty", None, False, False),
    "submitted": ("running", "plain", "begins", False, True),
    "spared": (None, "plain", None, False, False),
    "limited": ("to buy", "plain", None, False, False),
    "unsent": ("to buy", "plain", None, False, False),
    "rejected": ("failed", "loud", None, True, False),
    "in_doubt": ("in doubt", "loud", None, True, True),
    "poll": (None, "chatty", None, False, False),
    "blind": (None, "loud", None, False, False),
    "succeeded": ("downloading", "chatty", "ends", False, False),
    "failed": ("failed", "loud", "ends", True, False),
    "parked": ("parked", "loud", "ends", True, False),
    "downloading": (None, "chatty", None, False, False),
    "download_retry": (None, "plain", None, False, False),
    "done": ("done", "plain", None, True, False),
    "undelivered": ("failed", "loud", None, True, False),
    "stopped": (None, "loud", None, False, False),
    "leaving": (None, "loud", None, False, False),
}


def test_every_event_has_a_row_and_every_row_an_event() -> None:
    """A name without a row would end the showing of a run in a KeyError."""
    assert list(EVENTS) == list(get_args(EventName))


@pytest.mark.parametrize(("event", "row"), EVENTS.items())
def test_what_an_event_means(event: EventName, row: EventRow) -> None:
    """What its shot is afterwards, how loud it is, and what it counts for."""
    assert (row.label, row.volume, row.flight, row.finishes, row.spends) == ROWS[event]


@pytest.mark.parametrize(("event", "row"), EVENTS.items())
def test_every_event_has_words_that_can_be_filled_in(event: EventName, row: EventRow) -> None:
    """They name only facts that the terminal knows how to say."""
    names = {name for _, name, _, _ in string.Formatter().parse(row.words) if name}
    assert row.words, event
    assert names <= set(FACTS)


def test_every_fact_is_in_some_words() -> None:
    """What no event says any more is not kept."""
    words = " ".join(row.words for row in EVENTS.values())
    assert [name for name in FACTS if f"{{{name}}}" not in words] == []


def test_every_label_has_a_style() -> None:
    """Whether it comes from a verb or from an event."""
    assert list(STYLES) == list(get_args(Label))
    used = {row.label for row in VERBS.values()} | {row.label for row in EVENTS.values()}
    assert used - {None} == set(STYLES)


def told() -> set[object]:
    """The names of events in the runner's code: what `tell` and `_emit` are called with first."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in RUNNER.glob("*.py")]
    calls = [n for tree in trees for n in ast.walk(tree) if isinstance(n, ast.Call) and n.args]
    tells = [call for call in calls if getattr(call.func, "attr", "") in ("tell", "_emit")]
    return {call.args[0].value for call in tells if isinstance(call.args[0], ast.Constant)}


def test_the_runner_tells_the_events_of_the_table() -> None:
    """No other, and each of them somewhere."""
    assert told() == set(EVENTS)
