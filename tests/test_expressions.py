"""One expression: what it starts from, what it makes, and what its operators refuse."""

from __future__ import annotations

from typing import Any

import pytest

from klingflow.manifest.budget import Budget, ExpressionError
from klingflow.manifest.expressions import MAX_PARTS, Language, Meanings


def made(text: str, budget: float = 1_000_000, **names: Any) -> Any:
    """The value of an expression as data."""
    language = Language(Budget(budget))
    return language.to_json(language.compile(text).run(Meanings(names, language)))


@pytest.mark.parametrize(
    ("text", "roots"),
    [
        ("vars.a", {"vars"}),
        ("vars['a'].b", {"vars"}),
        ("1 + 2", set()),
        ("range(3)", set()),
        ("vars.a ~ row['b'] if matrix.c else shot.id", {"vars", "row", "matrix", "shot"}),
    ],
)
def test_an_expression_knows_the_names_it_starts_from(text: str, roots: set[str]) -> None:
    """Functions are not among them."""
    assert Language(Budget(1)).compile(text).roots == roots


@pytest.mark.parametrize("text", [" vars.a.b ", "vars['a']['b']", "(vars.a).b"])
def test_a_plain_path_and_a_compiled_one_are_the_same(text: str) -> None:
    """The short way gives what the compiler gives."""
    assert made(text, vars={"a": {"b": 5}}) == 5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("'a' + 1", "'+' cannot take text and a number; use ~ to join text"),
        ("true - 1", "'-' cannot take true or false and a number"),
        ("-'a'", "'-' takes a number, not text"),
        ("2 ** 65", "the result is too large a number"),
        ("2.0 ** 5000", "the result is too large a number"),
        ("1 < 'a'", "'<' cannot compare a number with text"),
        ("1 in 5", "'in' looks into text, a list or a map, not into a number"),
        ("1 in 'a'", "a text holds text, not a number"),
        ("{[1]: 2}", "a list cannot be the key of a map"),
        ("[1]['a':]", "a slice takes whole numbers"),
        ("{'a': 1}[1:2]", "a map has no slices; name one of its keys"),
        ("1 / 0", "division by zero"),
        ("range", "a function is not a value; call it"),
    ],
)
def test_an_operator_takes_numbers_and_says_what_it_found(text: str, said: str) -> None:
    """Before it runs, where its result would be huge."""
    with pytest.raises(ExpressionError) as refused:
        made(text)
    assert str(refused.value) == said


def test_expressions_of_two_manifests_have_budgets_of_their_own() -> None:
    """One that is used up leaves the other's whole."""
    with pytest.raises(ExpressionError) as refused:
        made("range(1000)", budget=100)
    assert refused.value.code == "budget"
    assert made("range(1000)[999]") == 999


def test_a_value_has_at_most_so_many_parts() -> None:
    """A list that holds one list twice, many times over, is short to write."""
    twice: list[Any] = []
    for _ in range(20):
        twice = [twice, twice]
    with pytest.raises(ExpressionError, match=f"over {MAX_PARTS:,} parts"):
        made("vars.twice", vars={"twice": twice})
