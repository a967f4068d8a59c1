"""The language of a person: where it is named, and what it changes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from click import formatting

from klingflow.terminal import language
from klingflow.words import _


@pytest.fixture
def _marked() -> Iterator[None]:
    language.speak_by(lambda template: f"⟦{template}⟧")
    yield
    language.speak_by(None)


@pytest.mark.parametrize(
    ("environment", "chosen"),
    [
        ({}, "en"),
        ({"LANG": "C"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LC_ALL": "C.UTF-8", "LANG": "zh_CN.UTF-8"}, "en"),
        ({"LC_MESSAGES": "zh_TW", "LANG": "C"}, "zh"),
        ({"KLINGFLOW_LANG": "en", "LANG": "zh_CN.UTF-8"}, "en"),
        ({"KLINGFLOW_LANG": "zh-Hans", "LANG": "C"}, "zh"),
        ({"KLINGFLOW_LANG": "", "LANG": "zh.UTF-8"}, "zh"),
    ],
)
def test_the_language_is_klingflows_own_or_the_locales(
    environment: dict[str, str], chosen: str
) -> None:
    """KLINGFLOW_LANG wins; what is none of our languages is English."""
    assert language.chosen(environment) == chosen


def test_english_is_shown_as_it_stands() -> None:
    """Where nobody speaks another language nothing is looked up."""
    said = _("no key")
    assert language.spoken(said) is said


@pytest.mark.usefixtures("_marked")
def test_a_sentence_is_shown_in_the_language_and_a_name_is_not() -> None:
    """What a user wrote is the same in every language."""
    assert language.spoken(_("no key")) == "⟦no key⟧"
    assert language.spoken("no key") == "no key"


def test_a_stream_that_lacks_the_characters_is_spoken_to_in_english(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Escapes in place of every character could be read by nobody."""
    import io  # the stream's only use
    import sys

    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert not language.speak("zh")


def test_click_is_known() -> None:
    """The names by which click takes its words are there to be replaced."""
    from klingflow.terminal import translated  # not at start-up in English

    assert all("_" in vars(module) for module in translated.CLICK)
    assert {"wrap_text", "term_len"} <= vars(formatting).keys()
