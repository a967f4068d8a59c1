"""Grammar: what may stand inside `${{ }}`."""

from __future__ import annotations

import math

import pytest

from klingflow.manifest.budget import Budget, ExpressionError
from klingflow.manifest.expressions import Language


def refusal(text: str) -> tuple[str, str]:
    with pytest.raises(ExpressionError) as found:
        Language(Budget(math.inf)).compile(text)
    return found.value.code, str(found.value)


@pytest.mark.parametrize(
    ("text", "roots"),
    [
        ("vars.a", {"vars"}),
        ("row.n | int + matrix['k']", {"row", "matrix"}),
        ("max([shot.take, 2]) if vars.on else 'x'", {"shot", "vars"}),
    ],
)
def test_the_roots_of_an_expression_are_its_names_without_functions(
    text: str, roots: set[str]
) -> None:
    """What uses a name of a shot cannot be shared: all names are known before anything runs."""
    assert Language(Budget(math.inf)).compile(text).roots == roots


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (" ", "the expression is empty; write one such as vars.name"),
        ("vars.a vars.b", "'vars' is not expected here"),
        ("vars.a | uper", "no filter 'uper'; did you mean 'upper'?"),
        ("1 is strng", "no test 'strng'; did you mean 'string'?"),
        ("vars.f()", "only range, zip, min, max can be called; write | and a filter"),
        ("max(*vars.a)", "Call is not part of the language"),
        ("1 if vars.a", "an 'if' needs its 'else'"),
        ("vars.a[1, 2:3]", "a list takes one index or one slice"),
        ("1 +", "the expression breaks off; something is missing before its end"),
    ],
)
def test_what_is_not_in_the_language_is_refused_in_plain_words(text: str, message: str) -> None:
    """Jinja knows more than the language, and its own words name templates."""
    assert refusal(text) == ("expression-syntax", message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("vas.a", "'vas' is undefined; did you mean 'vars'?"),
        ("city", "'city' is undefined; did you mean vars.city?"),
        (
            "shots.a-b.video_url",
            "an id with '-' is written in brackets: shots['a-b'].video_url",
        ),
    ],
)
def test_a_name_that_is_no_root_says_what_was_meant(text: str, message: str) -> None:
    """A bare name is a misspelt root, a variable without its root, or the end of an id."""
    assert refusal(text) == ("undefined", message)
