"""What an expression may call: checked and counted, with complaints in our words."""

from __future__ import annotations

from typing import Any

import pytest

from klingflow.manifest.budget import UNLIMITED, Budget, ExpressionError, Missing
from klingflow.manifest.functions import FILTERS, FUNCTIONS, TESTS
from klingflow.manifest.guarded import bounded

CALLS = {
    **bounded(FILTERS, UNLIMITED),
    **bounded(FUNCTIONS, UNLIMITED),
    **bounded(TESTS, UNLIMITED),
}


_NESTED = [{"a": {"b": 1}}, {"a": {"b": 2}}]


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
        ("number", [True], True),
        ("sequence", ["text"], True),
        ("lower", [True], "true"),
        ("trim", ["xax", "x"], "a"),
        ("int", ["2.9"], 2),
        ("int", ["0x1F", 0, 16], 31),
        ("int", [None, 7], 7),
        ("int", ["1e10000", 7], 7),
        ("float", ["1e3"], 1000.0),
        ("round", [1234.5, -2], 1200),
        ("replace", ["aaa", "a", "b", 2], "bba"),
        ("join", [[{"a": 1}, {"a": "x"}], "-", "a"], "1-x"),
        ("split", ["a, b", ", "], ["a", "b"]),
        ("unique", [["b", "A", "a"]], ["b", "A"]),
        ("unique", [[[1, "a"], [2, "A"]], False, 1], [[1, "a"]]),
        ("sort", [["b", "A", "C"]], ["A", "b", "C"]),
        ("sort", [["b", "A", "C"], True, True], ["b", "C", "A"]),
        ("sort", [[{"a": {"b": 2}}, {"a": {"b": 1}}], False, False, "a.b"], _NESTED),
        ("tojson", [{"b": "<", "a": "雨"}], '{"a": "雨", "b": "<"}'),
        ("tojson", [[1], 1], "[\n 1\n]"),
        ("first", ["雨夜"], "雨"),
        ("in", ["a", ["a", "b"]], True),
    ],
)
def test_a_call_makes_plain_data(name: str, arguments: list[Any], made: Any) -> None:
    """A whole number stays whole; arguments stand in Jinja's order."""
    found = CALLS[name](*arguments)
    assert found == made and type(found) is type(made)


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("int", ["1_000"], "int: cannot read '1_000' as a whole number"),
        ("int", [None], "int: cannot read null as a whole number"),
        ("int", ["7", 0, 1], "int: takes a base from 2 to 36, or 0 for what 0x, 0o and 0b say"),
        ("float", ["inf"], "float: cannot read 'inf' as a number"),
        ("round", [1, 16], "round: takes a precision from -15 to 15"),
        ("round", [1, 2, "up"], "round: takes the method 'common', 'ceil' or 'floor'"),
        ("lower", ["a", 1], "lower: takes no arguments"),
        ("replace", ["a"], "replace: takes old, new, count=none"),
        ("int", ["a", 1, 2, 3], "int: takes default=…, base=10"),
        ("default", [1, 2, 3, 4], "default: takes default_value='', boolean=false"),
        ("join", ["a, b", "-"], "join: wants a list, not text; split(',') makes one of it"),
        ("join", [[{"a": 1}], "-", "b"], "join: 'b' is undefined"),
        ("sort", [[1, "a"]], "sort: '<' cannot compare text with a number"),
        ("join", [[1], "", ".".join("aaaaaaaaa")], "join: takes an attribute of at most 8 steps"),
        ("sort", [[1], 0, 0, ",".join("aaaaaaaaa")], "sort: takes at most 8 attributes"),
        ("tojson", [1, 17], "tojson: wants a whole number from 0 to 16"),
        ("in", [1, "a"], "in: a text holds text, not a number"),
        ("in", [1, 5], "in: wants text, a list or a map, not a number"),
        ("split", ["a", ""], "split: wants a text to split at"),
        ("range", [10_001], "range: makes over 10,000 numbers"),
        ("zip", [[1], [1, 2]], "zip: the lists have 1, 2 items; make them as long"),
        ("min", [[]], "min: the list is empty"),
        ("pad", ["x", 2, "ab"], "pad: wants one character to fill with"),
        ("lower", [None], "lower: null cannot stand inside text"),
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
    with pytest.raises(ExpressionError, match="over 100,000 characters"):
        CALLS["tojson"]([[[[list(range(5000))]]]], 16)


@pytest.mark.parametrize("path", ["__class__", "a.__class__", "items", "a.upper"])
def test_an_attribute_is_a_path_in_data(path: str) -> None:
    """Nothing of Python can be reached by it."""
    with pytest.raises(ExpressionError) as refused:
        CALLS["join"]([{"a": "x"}], ",", path)
    assert refused.value.code == "undefined"
