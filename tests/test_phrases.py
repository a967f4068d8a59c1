"""A phrase is found as whole words, however a server joins them."""

from __future__ import annotations

import pytest

from klingflow.gateway.phrases import Phrases


@pytest.mark.parametrize(
    "text",
    [
        "insufficient user quota",
        "insufficient_user_quota",
        "Insufficient-User\tQuota",
        "InsufficientUserQuota",
        "insufficientUserQuota",
        "insufficientuserquota",
        "INSUFFICIENT_USER_QUOTA",
        "错误insufficient user quota,错误",
        "(insufficient  user  quota)",
        "err:INSUFFICIENTUserQuota1",
    ],
)
def test_a_phrase_is_found_however_its_words_are_joined(text: str) -> None:
    """As a code, a name or a sentence."""
    assert Phrases(["insufficient user quota"]).are_in(text)


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        ("stream error", "upstream_error"),
        ("stream error", "upstreamerror"),
        ("epipe", "the pipeline"),
        ("epipe", "epipeline"),
        ("param*", "superparam"),
        ("required", "requirednow"),
        ("must be", "must\0be"),
        ("a b", ""),
    ],
)
def test_a_word_within_another_is_none(phrase: str, text: str) -> None:
    """Letters on either side make another word, and so does a quote in between."""
    assert not Phrases([phrase]).are_in(text)


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        ("param*", "parameters"),
        ("param*", "InvalidParameter"),
        ("*timeout*", "requesttimeouterror"),
        ("ms exceeded", "30000ms exceeded"),
        ("余额不足", "user余额不足now"),
        ("余额不足", "余额 不足"),
        ("invalid character '<'", "Invalid character '<' looking"),
        ("hang up", "Socket hang-up"),
        ("c", "b c"),
    ],
)
def test_a_star_a_digit_and_chinese_need_no_end(phrase: str, text: str) -> None:
    """A star stands for more letters; Chinese and numbers end a word."""
    assert Phrases([phrase]).are_in(text)


def test_one_of_several_in_one_of_several_is_enough() -> None:
    """A code and a message are two texts: no phrase begins in one and ends in the other."""
    phrases = Phrases(["rate limit", "too many"])
    assert phrases.are_in("x", "too many")
    assert not phrases.are_in("rate", "limit")


def test_no_phrases_are_in_nothing() -> None:
    """A kind without words is found by its status alone."""
    assert not Phrases([]).are_in("", "anything")
