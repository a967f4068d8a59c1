"""What expressions may hold and make, counted by a budget that is handed in."""

from __future__ import annotations

import math

import pytest

from klingflow.manifest.budget import (
    MAX_SIZE,
    MAX_TEXT,
    UNLIMITED,
    Budget,
    ExpressionError,
    Missing,
    Opaque,
    as_text,
    checked,
    kind_of,
    number,
)
from klingflow.model import Json, Pending


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ("", 1),
        ("x" * 15, 1),
        ("x" * 16, 2),
        (5, 1),
        ([], 1),
        ([1, [2, "x" * 32]], 7),
        ({"a": 1, "b": {"c": 2}}, 4),
    ],
)
def test_each_item_is_a_part_and_every_sixteen_characters(value: Json, parts: int) -> None:
    """A map's keys cost nothing of their own."""
    budget = Budget(100)
    assert checked(value, budget) is value
    assert budget.left == 100 - parts


def test_a_budget_that_is_used_up_stays_so() -> None:
    """The first value too much ends it, and every later one, however small."""
    budget = Budget(2)
    budget.spend(2)
    for parts in (1, 0):
        with pytest.raises(ExpressionError) as refused:
            budget.spend(parts)
        assert refused.value.code == "budget"
    assert budget.left == -math.inf


def test_what_no_expression_makes_costs_nothing() -> None:
    """The budget of a value outside expressions has no end."""
    checked("x" * MAX_TEXT, UNLIMITED)
    assert UNLIMITED.left == math.inf


@pytest.mark.parametrize(
    ("value", "code", "said"),
    [
        ("x" * (MAX_TEXT + 1), "expression", "a text of over 100,000 characters"),
        ([["x" * MAX_TEXT]] * 11, "expression", f"a value of over {MAX_SIZE:,} characters"),
        ("a\ud800", "expression", "U+D800, half of a character"),
        ([Missing(hint="not there")], "undefined", "not there"),
        ([Opaque("look elsewhere")], "expression", "look elsewhere"),
        ({"a": Pending(["x"])}, "expression", "known at run time only"),
    ],
)
def test_a_value_that_is_not_plain_data_of_a_sensible_size_is_refused(
    value: Json, code: str, said: str
) -> None:
    """At every depth."""
    with pytest.raises(ExpressionError) as refused:
        checked(value, UNLIMITED)
    assert refused.value.code == code and said in str(refused.value)


@pytest.mark.parametrize("value", [2**63, -(2**63), math.inf, math.nan, 1j])
def test_a_number_is_one_that_json_can_hold(value: complex) -> None:
    """2**63 - 1 is the largest whole one."""
    assert number(2**63 - 1) == 2**63 - 1
    with pytest.raises(ExpressionError, match="too large a number"):
        number(value)


@pytest.mark.parametrize(
    ("value", "text"), [("雨", "雨"), (True, "true"), (5, "5"), (0.5, "0.5"), (1e300, "1e+300")]
)
def test_a_scalar_stands_in_text_as_json_writes_it(value: Json, text: str) -> None:
    """true and not True."""
    assert as_text(value) == text


@pytest.mark.parametrize(
    ("value", "kind"), [(None, "null"), ([], "a list"), ((), "a list"), ({}, "a map")]
)
def test_nothing_else_stands_in_text(value: Json, kind: str) -> None:
    """The message says what it is."""
    assert kind_of(value) == kind
    with pytest.raises(ExpressionError, match=f"{kind} cannot stand inside text"):
        as_text(value)
