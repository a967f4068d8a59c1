"""PURE. Folds: forms of a text that are equal if two names count as one, for people or for a file
system.

invisible.py knows how a text looks.
"""

from __future__ import annotations

import unicodedata


def letters(text: str) -> str:
    """Return the letters and digits of a text, without case and width."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text))).casefold()


def half_width(text: str) -> str:
    """Return a text in half-width characters, without the blanks around it."""
    return unicodedata.normalize("NFKC", text).strip()


def same_file(name: str) -> str:
    """Return a form that is equal for names that some file system takes for one: without case, and
    with accents composed.
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
