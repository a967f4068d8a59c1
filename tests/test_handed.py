"""What a user hands in for the manifest's `vars`, by `--var` or by the environment."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klingflow.manifest.handed import (
    OPTION,
    Found,
    Handed,
    WrongKind,
    checked,
    from_environment,
    no_environment_in,
)
from klingflow.manifest.syntax import unfit
from klingflow.model import Json


def value(typed: Json, declared: Json) -> Json:
    """What a value handed in for `k` becomes where `declared` is what the manifest has."""
    return checked("k", Handed(typed, OPTION), lambda: declared)


def said(found: Found) -> list[str]:
    return [str(diagnostic) for diagnostic in found.diagnostics]


@pytest.mark.parametrize(
    "text", ["0123", "yes", "1e3", "  x", "null", "[1]", "${{ x }}", "", "a: b"]
)
@pytest.mark.parametrize("declared", ["Lin", "", None])
def test_a_declared_text_gets_what_was_typed(text: str, declared: Json) -> None:
    """Character by character; null declares no kind, and takes a text as well."""
    assert value(text, declared) == text


@given(st.text(max_size=20))
def test_any_text_that_a_file_may_hold_is_kept(text: str) -> None:
    """What a file may not hold is refused, never altered."""
    if unfit(text, "f"):
        with pytest.raises(WrongKind, match="'k': U\\+"):
            value(text, "x")
    else:
        assert value(text, "x") == text


@pytest.mark.parametrize(
    ("text", "declared", "expected"),
    [
        ("5", 1, 5),
        ("0.5", 1, 0.5),
        (" 7 ", 1.5, 7),
        ("true", False, True),
        ("[a, 1]", [], ["a", 1]),
        ("{a: 1}", {"b": 2}, {"a": 1}),
        ("- a\n- b", ["x"], ["a", "b"]),
    ],
)
def test_anything_else_is_read_as_yaml(text: str, declared: Json, expected: Json) -> None:
    """The kind is that of the declared value."""
    assert (value(text, declared), type(value(text, declared))) == (expected, type(expected))


@pytest.mark.parametrize(
    ("given", "declared", "wrong"),
    [
        ("five", 1, "'k' is a number in vars:, and 'five' is not"),
        ("", 1, "'k' is a number in vars:, and '' is not"),
        ("yes", True, "'k' is true or false in vars:, and 'yes' is not"),
        ("1", True, "'k' is true or false in vars:, and '1' is not"),
        ("true", 1, "'k' is a number in vars:, and 'true' is not"),
        ("a, b", ["x"], "'k' is a list in vars:, and 'a, b' is not"),
        ("[1]", {"a": 1}, "'k' is a map in vars:, and '[1]' is not"),
        (5, "x", "'k' is text in vars:, and '5' is not"),
        (
            "0123",
            1,
            "'k' is a number in vars:, and '0123' is not:"
            ' 0123 begins with 0: quote it ("0123") or drop the zero',
        ),
    ],
)
def test_a_value_of_another_kind_is_refused(given: Json, declared: Json, wrong: str) -> None:
    """The message names the variable and the kind."""
    with pytest.raises(WrongKind) as refused:
        value(given, declared)
    assert str(refused.value) == wrong


@pytest.mark.parametrize(
    ("environ", "handed"),
    [
        ({"KLINGFLOW_VAR_cdn": "x"}, {"cdn": "KLINGFLOW_VAR_cdn"}),
        ({"KLINGFLOW_VAR_CDN": "x"}, {"cdn": "KLINGFLOW_VAR_CDN"}),
        ({"klingflow_var_Cdn": "x"}, {"cdn": "klingflow_var_Cdn"}),
        ({"KLINGFLOW_VAR_CDN": "y", "KLINGFLOW_VAR_cdn": "x"}, {"cdn": "KLINGFLOW_VAR_cdn"}),
        ({"KLINGFLOW_VAR_Hero": "x"}, {"Hero": "KLINGFLOW_VAR_Hero"}),
        ({"KLINGFLOW_VAR_主角": "x"}, {"主角": "KLINGFLOW_VAR_主角"}),
        ({"cdn": "x", "KLINGFLOW_VAR": "x", "KLINGFLOW_VAR_unrelated": "x", "HOME": "/"}, {}),
    ],
)
def test_a_variable_sets_the_name_that_it_means(
    environ: dict[str, str], handed: dict[str, str]
) -> None:
    """Its case does not matter where that is unambiguous; a variable for nothing is ignored."""
    found = from_environment(environ, ["cdn", "hero", "Hero", "主角"])
    assert {name: by.source for name, by in found.handed.items()} == handed
    assert {by.value for by in found.handed.values()} <= {"x"}
    assert found.diagnostics == []


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        (
            {"KLINGFLOW_VAR_HERO": "x"},
            "KLINGFLOW_VAR_HERO:1:1: error[ambiguous-variable]: could mean hero or Hero;"
            " write one of them exactly",
        ),
        (
            {"KLINGFLOW_VAR_CDN": "x", "KLINGFLOW_VAR_Cdn": "y"},
            "KLINGFLOW_VAR_Cdn:1:1: error[ambiguous-variable]: sets 'cdn' to another value than"
            " KLINGFLOW_VAR_CDN; unset one of them",
        ),
        (
            {"KLINGFLOW_VAR_CDNS": "x"},
            "KLINGFLOW_VAR_CDNS:1:1: warning[unknown-variable]: sets nothing here;"
            " did you mean KLINGFLOW_VAR_cdn?",
        ),
    ],
)
def test_a_doubtful_variable_is_named(environ: dict[str, str], message: str) -> None:
    """An ambiguous one is an error, one that is near a declared name a warning."""
    assert said(from_environment(environ, ["cdn", "hero", "Hero"])) == [message]


@pytest.mark.parametrize(
    ("expression", "name"),
    [
        ("env.CDN", "vars.CDN "),
        ("'x' ~ env['A-B']", "vars['A-B'] "),
        ("env . CDN | upper", "vars.CDN "),
    ],
)
def test_an_expression_that_reads_the_environment_hears_how(expression: str, name: str) -> None:
    """The error has the name that the expression wanted."""
    assert name in (no_environment_in(expression) or "")


def test_a_bare_name_is_no_member_of_the_environment() -> None:
    """It may be a variable's whose namespace was forgotten, as with any other name."""
    assert no_environment_in("env | upper") is None
