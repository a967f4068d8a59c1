"""The table of a plan in a terminal's width."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from dataclasses import replace

import pytest

from klingflow.decide.verbs import VERBS
from klingflow.model import Action, Elsewhere, LeftOut, Verb
from klingflow.terminal import layout, plan_table
from klingflow.terminal.layout import width
from klingflow.terminal.paint import text_of
from tests.plans import action
from tests.purchases import done

LONG = "changed since it was bought, and kept; --rerun changed buys it again"
HELD = Elsewhere("lost", "film.lock", "https://gateway.example.com", "klingflow lock merge a b")


def drawn(actions: Sequence[Action], room: float = float("inf")) -> list[str]:
    rows = [plan_table.row_of(a, None) for a in actions]
    return ["".join(map(text_of, line)) for line in plan_table.lines(rows, room)]


def because(verb_action: Action, reason: str) -> Action:
    return replace(verb_action, reason=reason)


def test_numbers_stand_to_the_right_and_empty_columns_are_none() -> None:
    """A plan that buys nothing has neither seconds nor prices."""
    assert drawn([action("create", "街"), action("create", "abc", price=None)]) == [
        "  +  街   kling-3.0-720p  5 s       2.00 CNY  because",
        "  +  abc  kling-3.0-720p  5 s  price unknown  because",
    ]
    assert drawn([action("changed", "a")]) == ["  ~  a  because"]
    assert drawn([]) == []


@pytest.mark.parametrize("room", [40, 60, 80, 120])
def test_a_take_is_one_line_in_any_width(room: int) -> None:
    """Numbers are never broken, and no line is too long; what does not fit stands below."""
    ids = ["opening", "一个很长的镜头名字" * 4, "postcard@16x9-shanghai-dawn-in-the-rain#2"]
    actions = [because(action("create", id), "never bought") for id in ids]
    actions.append(because(action("in_doubt", "d"), "perhaps bought (a timeout); " + LONG))
    lines = drawn(actions, room)
    assert max(map(width, lines)) <= room
    assert [line.split()[0] for line in lines[:4]] == ["+", "+", "+", "?"]
    assert ["5 s  2.00 CNY" in line for line in lines[:4]] == [True] * 3 + [False]
    assert " ".join(" ".join(lines[4:]).split()) in (
        "", f"? d: perhaps bought (a timeout); {LONG}"
    )  # fmt: skip


def test_long_ids_and_tiers_are_shortened_before_the_tier_is_left_out() -> None:
    """The numbers stay whole."""
    one = action("create", "postcard@16x9-shanghai-dawn")
    assert drawn([one], 60)[0] == "  +  postcard@16x…anghai-dawn  kling-3.0-720p  5 s  2.00 CNY"
    assert drawn([one], 58)[0] == "  +  postcard@16…nghai-dawn  kling-3.0-720p  5 s  2.00 CNY"
    assert drawn([one], 40)[0] == "  +  postcard@1…ghai-dawn  5 s  2.00 CNY"


def test_a_long_reason_that_many_takes_share_is_said_once() -> None:
    """Also where each line would have room for it; two takes, or a short reason, share nothing."""
    changed = [because(action("changed", id), LONG) for id in "abcdefgh"]
    assert drawn(changed)[:1] + drawn(changed)[-1:] == [
        "  ~  a",
        f"  ~  a, b, c, d, e and 3 more: {LONG}",
    ]
    assert drawn(changed[:2]) == [f"  ~  a  {LONG}", f"  ~  b  {LONG}"]
    short = [action("changed", id) for id in "abcd"]
    assert drawn(short) == [f"  ~  {id}  because" for id in "abcd"]


def test_shots_that_one_ledger_holds_are_said_once_with_a_command_for_all() -> None:
    """Their own reasons differ by the shot alone."""
    held = [because(replace(action("held", id), elsewhere=HELD), f"{LONG} {id}") for id in "abc"]
    assert drawn(held)[3] == (
        "  #  a, b, c: paid for in film.lock, whose manifest is gone: `klingflow lock merge a b`"
        " takes it over, --buy-again -s 'a b c' buys it again"
    )


@pytest.mark.parametrize("verb", ["create", "waits", "changed"])
def test_what_is_left_out_says_so(verb: Verb) -> None:
    """By a mark of its own, which a pipe shows too; on a terminal it is faint."""
    row = plan_table.row_of(action(verb, "a"), LeftOut("max_spend", "max_spend: 20 is spent"))
    assert row.reason == "left out, max_spend: 20 is spent"
    assert row.mark == ("x", "faint")


@pytest.mark.parametrize("encoding", ["utf-8", "gbk", "cp1252", "ascii"])
def test_a_mark_is_one_column_in_any_encoding(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An escape would put its line out of the columns."""
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    actions = [because(action(verb, "a", done("a")), "") for verb in VERBS]
    assert [line.index("a") for line in drawn(actions)] == [5] * len(VERBS)
    marks = [line[2] for line in drawn(actions)]
    assert [mark for mark in marks if not layout.can_show(mark)] == []
