"""Ordering: diagnostics as people read them."""

from __future__ import annotations

from klingflow.errors import Diagnostic, Mark
from klingflow.manifest.ordering import ordered

TEXTS = {"a.yaml": "x: 1\ny: 2\n", "b.yaml": "z: 3\n"}


def found(file: str, line: int, code: str = "wrong-type", subject: str = "") -> Diagnostic:
    return Diagnostic(Mark(file, line, 1), code, "a message", subject=subject)


def test_diagnostics_are_in_the_order_of_the_files_and_of_their_lines() -> None:
    """Files are in the order in which they were read; an unknown one, such as --var, is last."""
    flag, b, a2, a1 = found("--var", 1), found("b.yaml", 1), found("a.yaml", 2), found("a.yaml", 1)
    assert ordered([flag, b, a2, a1], ["a.yaml", "b.yaml"], TEXTS, ()) == [a1, a2, b, flag]


def test_one_mistake_is_told_once_whoever_uses_it() -> None:
    """A preset's mistake is found for every shot that uses it, and shown for the first."""
    first, again = found("a.yaml", 1, subject="shot 'p'"), found("a.yaml", 1, subject="shot 'q'")
    assert ordered([first, again], ["a.yaml"], TEXTS, ()) == [first]


def test_what_only_follows_from_a_broken_text_is_left_out() -> None:
    """Where a text is not YAML, nothing is missing for sure, and its place has one mistake."""
    broken, follows = found("a.yaml", 1, "empty-value"), found("a.yaml", 1, "wrong-value")
    missing, other = found("a.yaml", 2, "missing-field"), found("a.yaml", 2, "unknown-field")
    shown = ordered([broken, follows, missing, other], ["a.yaml"], TEXTS, {broken.mark})
    assert shown == [broken, other]


def test_chinese_punctuation_is_told_in_place_of_what_it_caused() -> None:
    """The cause is shown instead of the parser's complaint about it."""
    complaint = found("c.yaml", 1, "wrong-type")
    (shown,) = ordered([complaint], ["c.yaml"], {"c.yaml": "prompt：雨夜\n"}, ())
    assert (shown.code, shown.mark) == ("chinese-punctuation", Mark("c.yaml", 1, 7))
