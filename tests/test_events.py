"""The events of a run: one row for each, whole, and the runner tells no others."""

from __future__ import annotations

import ast
import json
import string
from pathlib import Path
from typing import get_args

import pytest

from klingflow.decide.verbs import VERBS, Label
from klingflow.runner.events import EVENTS, EventName, EventRow, Volume
from klingflow.terminal.live import STYLES
from klingflow.terminal.progress import FACTS
from tests.harness import sandboxed
from tests.runs import LOG

RUNNER = Path(__file__).parent.parent / "klingflow" / "runner"
FOLLOWING = [RUNNER.parent / "api" / name for name in ("following.py", "hearing.py")]

# label, volume, flight, spends
ROWS: dict[EventName, tuple[Label | None, Volume, str | None, bool]] = {
    "intent": ("buying", "chatty", None, False),
    "submitted": ("running", "plain", "begins", True),
    "spared": (None, "plain", None, False),
    "limited": ("to buy", "plain", None, False),
    "unsent": ("to buy", "plain", None, False),
    "rejected": ("failed", "loud", None, False),
    "in_doubt": ("in doubt", "loud", None, True),
    "poll": (None, "chatty", None, False),
    "blind": (None, "loud", None, False),
    "succeeded": ("downloading", "chatty", "ends", False),
    "failed": ("failed", "loud", "ends", False),
    "parked": ("parked", "loud", "ends", False),
    "downloading": (None, "chatty", None, False),
    "download_retry": (None, "plain", None, False),
    "done": ("done", "plain", None, False),
    "undelivered": ("failed", "loud", None, False),
    "remarked": (None, "loud", None, False),
    "looking": (None, "loud", None, False),
    "uploading": (None, "chatty", None, False),
    "uploaded": (None, "plain", None, False),
    "unsendable": ("failed", "loud", None, False),
    "stopped": (None, "loud", None, False),
    "leaving": (None, "loud", None, False),
    "handed_over": (None, "plain", None, False),
    "away": (None, "loud", None, False),
    "halted": (None, "urgent", None, False),
    "silent": (None, "loud", None, False),
    "given_back": (None, "loud", None, False),
    "end": (None, "chatty", None, False),
}


def test_every_event_has_a_row_and_every_row_an_event() -> None:
    """A name without a row would end the showing of a run in a KeyError."""
    assert list(EVENTS) == list(get_args(EventName))


@pytest.mark.parametrize(("event", "row"), EVENTS.items())
def test_what_an_event_means(event: EventName, row: EventRow) -> None:
    """What its shot is afterwards, how loud it is, and what it counts for."""
    assert (row.label, row.volume, row.flight, row.spends) == ROWS[event]


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
    """Whether it comes from a verb, from an event, or is what caps and budget leave out."""
    assert list(STYLES) == list(get_args(Label))
    used = {row.label for row in VERBS.values()} | {row.label for row in EVENTS.values()}
    assert (used - {None}) | {"left out"} == set(STYLES)


def told() -> set[object]:
    """The names of events in the code of who tells them: what these are called with first."""
    paths = [*RUNNER.glob("*.py"), *FOLLOWING]
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in paths]
    calls = [n for tree in trees for n in ast.walk(tree) if isinstance(n, ast.Call) and n.args]
    names = ("tell", "inform", "_inform", "_emit")
    tells = [call for call in calls if getattr(call.func, "attr", "") in names]
    return {call.args[0].value for call in tells if isinstance(call.args[0], ast.Constant)}


def test_the_runner_tells_the_events_of_the_table() -> None:
    """No other, and each of them somewhere."""
    assert told() == set(EVENTS)


def test_a_log_tells_a_run_from_the_intent_to_the_exit_code(tmp_path: Path) -> None:
    """Every line has the published form; the purchase's id leads to the ledger, and the end has
    exit code and money.
    """
    with sandboxed(tmp_path, "query:fail_input=first:1") as (film, _):
        film.write(2, price_list={"failed_tasks": "refunded"})
        film.do("run", "film.yaml", "-y", "--log", "run.jsonl", code=3)
        lines = (film.folder / "run.jsonl").read_text(encoding="utf-8").splitlines()
        told = [json.loads(line) for line in lines]
        assert [event for event in told if not LOG.is_valid(event)] == []
        bought = {e["uid"]: e["task_id"] for e in told if e["event"] == "submitted"}
        assert bought == {p["uid"]: p["task_id"] for p in film.purchases()}
        share = {"purchases": 1, "amounts": {"CNY": "2"}, "unpriced": 0}
        assert told[-1] == {
            "at": told[-1]["at"],
            "event": "end",
            "exit_code": 3,
            "bought": 2,
            "seconds": 10,
            "money": {"spent": share, "refunded": share},
        }
