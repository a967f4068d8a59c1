"""PURE. How a phrase is found in a server's words: as whole words, however they are joined.

A phrase is written in lower case, its words apart: "insufficient user quota" is found in
`insufficient_user_quota`, `InsufficientUserQuota`, `insufficientuserquota` and "Insufficient user
quota". Letters beside it make other words, so that `upstream_error` is no "stream error", except
where a `*` stands at that end of the phrase. Chinese has no blanks: its phrases are found anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_CAMEL = re.compile(r"(?<=[a-z]{2})(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z]{2})")
_JOINTS = re.compile(r"[\s_\-]+")
_CHINESE = "[\u3007\u3400-\u9fff]"
_BETWEEN_CHINESE = re.compile(f"(?<={_CHINESE}) (?={_CHINESE})")


class Phrases:
    """Phrases that mean one thing."""

    def __init__(self, phrases: Iterable[str]) -> None:
        listed = list(phrases)
        self._any = re.compile("|".join(map(_expression, listed))) if listed else None

    def are_in(self, *texts: str) -> bool:
        """True if one of the texts holds one of the phrases."""
        if self._any is None:
            return False
        return any(self._any.search(_spaced(text)) for text in texts)


def _spaced(text: str) -> str:
    """Return the text in lower case, with one blank between words, none between Chinese ones."""
    apart = _JOINTS.sub(" ", _CAMEL.sub(" ", text)).lower()
    return _BETWEEN_CHINESE.sub("", apart)


def _expression(phrase: str) -> str:
    words = phrase.strip("*")
    before = "(?<![a-z])" if _is_letter(words[0]) and not phrase.startswith("*") else ""
    after = "(?![a-z])" if _is_letter(words[-1]) and not phrase.endswith("*") else ""
    return before + " ?".join(map(re.escape, words.split(" "))) + after


def _is_letter(character: str) -> bool:
    return "a" <= character <= "z"
