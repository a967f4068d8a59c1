"""PURE. Characters that decide something without being seen: those that show nothing, blanks that
YAML does not know, and letters of other alphabets that look like Latin ones.

This module finds and names them. Callers say what is wrong with one at its place.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# Characters of no width: Unicode's "default ignorable" ones, except those that change how the
# character before them looks (U+FE00 to U+FE0F, U+200D in an emoji, the tags of flags). Written as
# Python and JavaScript both take them in a pattern.
NOTHING: Final = (
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b\u200c\u200e\u200f"
    r"\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
)
# Blanks that YAML, addresses and CSV take for letters.
BLANKS: Final = r"\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
_UNSEEN: Final = re.compile(f"[{NOTHING}{BLANKS}]")
# Joins several emoji to one. It shows nothing only if it does not follow an emoji.
_JOINER: Final = "(?<![\u2000-\u3300\ufe0f\U0001f000-\U0001faff])[\u200d\ufe00-\ufe0f]"
_HIDDEN: Final = re.compile(f"[{NOTHING}]|{_JOINER}")

# Letters of Cyrillic and Greek as Latin ones that look the same in most fonts.
_LATIN: Final = str.maketrans(
    "аеорсухіјѕһԁԛԝѵгАВЕКМНОРСТУХІЈЅԌοαινρτυχκΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
    "aeopcyxijshdqwvrABEKMHOPCTYXIJSGoaivptuxkABEZHIKMNOPTYX",
)


def named(character: str) -> str:
    """Return what a character is called: `U+200B ZERO WIDTH SPACE`."""
    name = unicodedata.name(character, "")
    return f"U+{ord(character):04X} {name}".rstrip()


def shown(character: str) -> str:
    """Return a character as a message quotes it: in quotes, or by its name if nothing of it would
    be seen.
    """
    if not character.isprintable() or _UNSEEN.match(character) or hidden(character) is not None:
        return named(character)
    return f"'{character}'"


def hidden(text: str) -> int | None:
    """Return the offset of the first character that shows nothing; None if there is none.

    A character that joins emoji is part of them.
    """
    if text.isascii():
        return None
    found = _HIDDEN.search(text)
    return found.start() if found else None


def plainly(text: str) -> str:
    """Return a text as it looks: without characters that show nothing, and with Latin letters where
    others look the same. Two names that look alike give one text.
    """
    if text.isascii():
        return text
    seen = _UNSEEN.sub("", _HIDDEN.sub("", text))
    return unicodedata.normalize("NFKC", seen).translate(_LATIN)


def difference(text: str, meant: str) -> str | None:
    """Return the name of the character by which a text that looks like `meant` differs from it;
    None if it looks otherwise, or is the same.
    """
    if text == meant or plainly(text) != plainly(meant):
        return None
    for character in text:
        if not character.isascii() and character not in meant:
            return named(character)
    return None
