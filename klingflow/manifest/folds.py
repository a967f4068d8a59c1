"""PURE. When two texts count as one: what is equal for names that mean the same to people, or to a
file system.

How a text looks is another question, which invisible.py answers.
"""

from __future__ import annotations

import unicodedata


def letters(text: str) -> str:
    """Return the letters and digits of a text, without case and width."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text))).casefold()


def same_file(name: str) -> str:
    """Return what is equal for names that some file system takes for one: case and
    accents aside.
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
