"""What an expression may call: checked and counted, with complaints in our words."""

from __future__ import annotations

from typing import Any

import pytest

from klingflow.manifest.budget import UNLIMITED, Budget, ExpressionError, Missing
from klingflow.manifest.functions import FILTERS, FUNCTIONS, TESTS, bounded

CALLS = {
    **bounded(FILTERS, UNLIMITED),
    **bounded(FUNCTIONS, UNLIMITED),
    **bounded(TESTS, UNLIMITED),
}


@pytest.mark.parametrize(
    ("name", "arguments", "made"),
    [
        ("int", ["7.0"], 7),
        ("int", [2.0], 2),
        ("int", ["9223372036854775807"], 2**63 - 1),
        ("round", [2.5, 0, "ceil"], 3),
        ("round", [2.345, 2, "floor"], 2.34),
        ("slug", ["Ａ b_C!"], "a-b-c"),
        ("unique", [[1, True, 1.5, "1", 1]], [1, True, 1.5, "1"]),
        ("pad", [7, 3], "007"),
        ("range", [3, 0, -1], [3, 2, 1]),
        ("min", [3, 2], 2),
        ("max", [[1, 4]], 4),
        ("default", [Missing(), "d"], "d"),
        ("default", ["", "d"], ""),
        ("default", ["", "d", True], "d"),
        ("defined", [Missing()], False),
        ("undefined", [Missing()], True),
        ("number", [True], False),
        ("in", ["a", ["a", "b"]], True),
    ],
)
def test_a_call_makes_plain_data(name: str, arguments: list[Any], made: Any) -> None:
    """A whole number stays whole, true is not 1."""
    found = CALLS[name](*arguments)
    assert found == made and type(found) is type(made)


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("int", ["1_000"], "int: cannot read '1_000' as a whole number"),
        ("int", [2.5], "int: cannot read '2.5' as a whole number"),
        ("float", ["inf"], "float: cannot read 'inf' as a number"),
        ("round", [1, 16], "round: takes digits (0 to 15) and 'common', 'ceil' or 'floor'"),
        ("split", ["a", ""], "split: wants a text to split at"),
        ("range", [10_001], "range: makes over 10,000 numbers"),
        ("zip", [[1], [1, 2]], "zip: the lists have 1, 2 items; make them as long"),
        ("min", [[]], "min: the list is empty"),
        ("pad", ["x", 2, "ab"], "pad: wants one character to fill with"),
        ("lower", [5], "lower: wants text, not a number"),
        ("length", [None], "length: wants text, a list or a map, not null"),
    ],
)
def test_a_complaint_begins_with_the_calls_name(name: str, arguments: list[Any], said: str) -> None:
    """And says what it wants."""
    with pytest.raises(ExpressionError) as refused:
        CALLS[name](*arguments)
    assert str(refused.value) == said


@pytest.mark.parametrize("name", sorted(CALLS.keys() - {"default", "defined", "undefined"}))
def test_only_three_calls_may_look_at_what_is_missing(name: str) -> None:
    """All others say what is missing."""
    with pytest.raises(ExpressionError, match="not there") as refused:
        CALLS[name](Missing(hint="not there"))
    assert refused.value.code == "undefined"


def test_what_a_call_takes_and_makes_is_counted() -> None:
    """Ten items and their list go in, and as many come out."""
    budget = Budget(100)
    bounded(FILTERS, budget)["sort"](list(range(10)))
    assert budget.left == 100 - 2 * 11


def test_a_text_too_long_is_refused_before_it_is_made() -> None:
    """The size of what `replace` makes is known from its arguments."""
    with pytest.raises(ExpressionError, match="over 100,000 characters"):
        CALLS["replace"]("a" * 90_000, "a", "b" * 90_000)
