"""What why and render print, and the problems of a ledger."""

from __future__ import annotations

import json

import pytest
import yaml

from klingflow.model import (
    Pending,
    Reference,
)
from klingflow.terminal import views

Capture = pytest.CaptureFixture[str]
ROWS = [{"id": "a", "body": {"prompt": "街道"}}, {"id": "b", "body": {}}]


def said(capsys: Capture) -> list[str]:
    """The lines on stdout."""
    return capsys.readouterr().out.splitlines()


def test_rendered_rows_are_one_document_or_lines(capsys: Capture) -> None:
    """The same data in each form, with Chinese as it is."""
    views.dump_answers([{"shots": ROWS}], "json")
    whole = capsys.readouterr().out
    views.dump_answers([{"shots": ROWS}], "jsonl")
    lines = said(capsys)
    views.dump_answers([{"shots": ROWS}], "yaml")
    text = capsys.readouterr().out
    assert json.loads(whole) == yaml.safe_load(text) == {"shots": ROWS}
    assert [json.loads(line) for line in lines] == ROWS
    assert all("街道" in form for form in (whole, lines[0], text))


def test_text_that_is_not_final_is_plain_text_in_yaml(capsys: Capture) -> None:
    """And what a terminal would obey is escaped there."""
    pending = Pending([Reference("chase", "video_url")])
    views.dump_answers([{"shots": [{"url": pending, "prompt": "\u202e"}]}], "yaml")
    text = capsys.readouterr().out
    assert yaml.safe_load(text) == {"shots": [{"url": str(pending), "prompt": "\u202e"}]}
    assert "\u202e" not in text


def test_why_shows_each_value_old_and_new(capsys: Capture) -> None:
    """With the place that sets it; a side where it is absent says so."""
    changes = [
        {"field": "prompt", "old": "x", "new": "街道", "where": "film.yaml:3:5"},
        {"field": "seconds", "old": 5},
    ]
    views.show_why({"says": "a has changed.", "changes": changes})
    assert said(capsys) == [
        "a has changed.",
        '  prompt: "x" → "街道"   film.yaml:3:5',
        "  seconds: 5 → (not there)",
    ]


def test_why_breaks_long_values_and_drops_no_blank(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal each value stands below the other, where both do not fit in a line."""
    monkeypatch.setattr(views, "room", lambda: 30)
    old, new = "街道  " * 5, "街道 " * 3
    change = {"field": "prompt", "old": old, "new": new, "where": "film.yaml:3:5"}
    views.show_why({"says": "a has changed.", "changes": [change]})
    assert said(capsys)[1:] == [
        "  prompt:   film.yaml:3:5",
        '      "街道  街道  街道  街道 ',
        '       街道  "',
        '    → "街道 街道 街道 "',
    ]


def test_why_shows_a_field_of_two_places_once(capsys: Capture) -> None:
    """The gateway takes the length as text and as a number; its author wrote one value."""
    where = "film.yaml:3:5"
    as_text = {"field": "seconds", "old": "5", "new": "6", "where": where}
    as_number = {"field": "seconds", "old": 5, "new": 6, "where": where}
    views.show_why({"says": "a has changed.", "changes": [as_text, as_number]})
    assert said(capsys) == ["a has changed.", f'  seconds: "5" → "6"   {where}']


def test_problems_go_to_stderr(capsys: Capture) -> None:
    views.show_worded(["x"])
    assert capsys.readouterr() == ("", "ledger: x\n")
