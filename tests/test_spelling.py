"""Spelling: what a word was meant to be."""

from __future__ import annotations

import pytest

from klingflow.manifest.spelling import did_you_mean, nearest

NAMES = ("alley", "harbour", "rooftop")


@pytest.mark.parametrize(
    ("word", "meant"),
    [("aley", "alley"), ("harbor", "harbour"), ("alley", "alley"), ("zebra", None), ("", None)],
)
def test_the_nearest_name_is_what_a_word_was_meant_to_be(word: str, meant: str | None) -> None:
    """A name is near by its letters; a word that is near none gets none."""
    assert nearest(word, NAMES) == meant


def test_a_name_that_cannot_be_printed_is_never_suggested() -> None:
    """A suggestion is copied by people: an invisible character in it would mislead them."""
    assert nearest("alley", ["alle\u200by"]) is None


@pytest.mark.parametrize(("word", "hint"), [("aley", "; did you mean 'alley'?"), ("zebra", "")])
def test_a_hint_completes_a_message_or_is_empty(word: str, hint: str) -> None:
    """A hint begins with its own punctuation, so that a message without one stays whole."""
    assert did_you_mean(word, NAMES) == hint
