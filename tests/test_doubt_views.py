"""What status shows of a purchase in doubt."""

from __future__ import annotations

from typing import Any

import pytest

from klingflow.terminal import doubt_views

Capture = pytest.CaptureFixture[str]

DOUBT: dict[str, Any] = {
    "key": "a",
    "from": None,
    "to": None,
    "origin": None,
    "model": None,
    "predicted_tier": None,
    "most": None,
    "tag": None,
    "client_request_id": "u/a",
    "request_ids": {},
    "names": [],
    "status": None,
    "received": None,
    "commands": {"task": "klingflow resolve film.yaml a --task ID"},
}


def card(capsys: Capture, **known: Any) -> list[str]:
    doubt_views.show_card({**DOUBT, **known})
    return capsys.readouterr().out.splitlines()


def test_a_doubt_is_told_with_what_is_known(capsys: Capture) -> None:
    """What is not known has no line, except the time and the cost, which matter."""
    assert card(capsys) == [
        "",
        "a is in doubt, perhaps paid:",
        "  sent:     at an unknown time … unknown",
        "  may cost: unknown",
        "  our id:   u/a",
        "  Look it up at the gateway, then say what you found:",
        "    klingflow resolve film.yaml a --task ID",
    ]


def test_a_doubt_is_told_with_all_that_finds_it(capsys: Capture) -> None:
    """What a server said stays one line where there is no terminal: a build reads line by line."""
    known = {
        "from": "10:00",
        "to": "10:01",
        "origin": "https://gateway.example.com",
        "model": "kling-3.0",
        "predicted_tier": "x",
        "most": {"amount": "2.0", "currency": "CNY"},
        "tag": "klingflow-3f",
        "request_ids": {"x-request-id": "r1"},
        "names": ["task_1", "task_2"],
        "status": 502,
        "received": "word " * 16,
    }
    assert card(capsys, **known)[2:-2] == [
        "  sent:     10:00 … 10:01",
        "  to:       https://gateway.example.com",
        "  model:    kling-3.0",
        "  tier:     x, predicted",
        "  may cost: up to 2.00 CNY",
        "  tag:      klingflow-3f",
        "  our id:   u/a",
        "  its x-request-id: r1",
        "  names:    task_1, task_2",
        "  status:   HTTP 502",
        f"  received: {'word ' * 16}",
    ]


def test_one_moment_is_said_once(capsys: Capture) -> None:
    """Most requests that are in doubt broke within their second."""
    assert "  sent:     10:00" in card(capsys, **{"from": "10:00", "to": "10:00"})


def test_the_cards_end_with_what_each_option_means(capsys: Capture) -> None:
    """Once, not on each card; and with the command that settles several."""
    doubt_views.show_cards([], "film.yaml")
    doubt_views.show_cards([DOUBT], "film.yaml")
    doubt_views.show_cards([DOUBT, DOUBT], "film.yaml")
    lines = capsys.readouterr().out.splitlines()
    meant = [
        "",
        "  --task ID      it was bought, and ID is its task",
        "  --resubmit     it was not bought: the next run buys it",
        "  --abandon      let it go; only --rerun failed would buy it",
        "  --not-charged  let it go, and the bill shows that it cost nothing",
    ]
    assert lines[7:12] == meant
    assert lines[12 + 2 * 7 : -1] == meant
    assert lines[-1].startswith("`klingflow resolve film.yaml -s state:in_doubt --abandon`")


def test_a_tier_without_a_price_is_said(capsys: Capture) -> None:
    assert "  may cost: unknown: its tier has no price" in card(capsys, predicted_tier="x")


@pytest.mark.parametrize(
    ("known", "line"),
    [
        ({}, "perhaps paid, price unknown"),
        (
            {"from": "10:00", "most": {"amount": "2", "currency": "CNY"}, "status": 502},
            "perhaps paid, up to 2.00 CNY; sent 10:00; HTTP 502",
        ),
    ],
)
def test_a_doubt_is_one_line(known: dict[str, Any], line: str) -> None:
    """Six doubts are six lines; `-v` shows a card of each."""
    assert doubt_views.line_of({**DOUBT, **known}) == line


def test_the_way_out_is_said_once(capsys: Capture) -> None:
    """With commands that can be pasted; nothing without doubts. Several are settled at once."""
    doubt_views.show_way_out(0, "film.yaml")
    doubt_views.show_way_out(1, "film.yaml")
    doubt_views.show_way_out(2, "'my film.yaml' --sandbox")
    assert capsys.readouterr().out.splitlines() == [
        "In doubt, perhaps paid: 1. `klingflow status film.yaml -v` says what is known of each,"
        " and how to settle it.",
        "In doubt, perhaps paid: 2. `klingflow status 'my film.yaml' --sandbox -v` says what is"
        " known of each, and how to settle it."
        " `klingflow resolve 'my film.yaml' --sandbox -s state:in_doubt --abandon` (or --resubmit)"
        " settles all of them, after asking.",
    ]
