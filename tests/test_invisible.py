"""Characters that decide something without being seen."""

from __future__ import annotations

import pytest

from klingflow.manifest.invisible import difference, hidden, named, plainly, shown


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("alley", None),
        ("雨夜，霓虹　街头", None),
        ("al\u200bley", 2),
        ("\ufeffalley", 0),
        ("alley\u00ad", 5),
        ("a\u3164", 1),
        ("a\u202eb", 1),
        ("a\ufe0f", 1),
        ("❤️", None),
        ("👩\u200d🚀", None),
        ("a\u200d", 1),
        ("हिन्दी", None),
    ],
)
def test_a_character_that_shows_nothing_is_found(text: str, at: int | None) -> None:
    """Blanks are seen, and what joins an emoji belongs to it."""
    assert hidden(text) == at


@pytest.mark.parametrize(
    ("character", "name"),
    [
        ("\u200b", "U+200B ZERO WIDTH SPACE"),
        ("\u3000", "U+3000 IDEOGRAPHIC SPACE"),
        ("\u0001", "U+0001"),
    ],
)
def test_a_character_is_named_by_number_and_name(character: str, name: str) -> None:
    assert named(character) == shown(character) == name


def test_a_character_that_is_seen_is_quoted() -> None:
    assert [shown(c) for c in "/雨"] == ["'/'", "'雨'"]


@pytest.mark.parametrize(
    "text",
    ["prompt", "рrоmрt", "ρrompt", "ｐｒｏｍｐｔ", "\u3000\u3000prompt", "pro\u200bmpt\ufeff"],
)
def test_texts_that_look_alike_look_plainly_the_same(text: str) -> None:
    """Cyrillic, Greek and full-width letters, blanks and what shows nothing."""
    assert plainly(text) == "prompt"


@pytest.mark.parametrize(
    ("text", "meant", "odd"),
    [
        ("mоdel", "model", "U+043E CYRILLIC SMALL LETTER O"),
        ("\u00a0model", "model", "U+00A0 NO-BREAK SPACE"),
        ("model", "model", None),
        ("modal", "model", None),
        ("model", "mоdel", None),
    ],
)
def test_two_names_that_look_the_same_are_told_apart(
    text: str, meant: str, odd: str | None
) -> None:
    """By the character in the first that the second does not have."""
    assert difference(text, meant) == odd
