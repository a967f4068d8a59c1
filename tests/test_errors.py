"""What a mistake says of itself: in one line, whatever the author wrote."""

from __future__ import annotations

import pytest

from klingflow.errors import Diagnostic, Mark


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("a\nb", r"a\nb"),
        ("\x1b[2J", r"\x1b[2J"),
        ("\u2028", r"\u2028"),
        ("雨\u3000夜", r"雨\u3000夜"),
        ("雨夜 🎬", "雨夜 🎬"),
    ],
)
def test_what_is_invisible_in_a_message_is_escaped(written: str, shown: str) -> None:
    """A message quotes what was written, and stays one line that no terminal obeys."""
    found = Diagnostic(Mark("film.yaml", 1, 2), "odd", f"'{written}' is odd", subject=written)

    assert found.text == f"{shown}: '{shown}' is odd"
    assert str(found) == f"film.yaml:1:2: error[odd]: {shown}: '{shown}' is odd"
