"""Texts that count as one: names without case and width, and names of one file."""

from __future__ import annotations

import pytest

from klingflow.manifest.folds import letters, same_file


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Aspect Ratio", "aspectratio"),
        ("aspect_ratio", "aspectratio"),
        ("７２０Ｐ", "720p"),
        ("时 长：", "时长"),
        ("ＳＴＲＡẞＥ", "strasse"),
        ("--", ""),
    ],
)
def test_a_word_is_its_letters_and_digits(text: str, folded: str) -> None:
    """Case, width, blanks and signs between them do not count."""
    assert letters(text) == folded


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Alley", "aLLEY", True),
        ("caf\u00e9", "cafe\u0301", True),
        ("stra\u00dfe", "STRASSE", True),
        ("a b", "ab", False),
        ("ａ", "a", False),
    ],
)
def test_some_file_systems_take_two_names_for_one(one: str, other: str, same: bool) -> None:
    """They know no case, or store accents otherwise; width and blanks count everywhere."""
    assert (same_file(one) == same_file(other)) == same
