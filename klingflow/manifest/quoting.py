"""PURE. A text as a YAML scalar that is read back as this very text: plain if nobody can take it
for anything else, as a block if it has several lines, otherwise in quotes.
"""

from __future__ import annotations

import re
from typing import Final

from klingflow.manifest.pieces import BEGIN
from klingflow.manifest.scalars import ScalarError, plain

# What YAML takes for text in any place of a line, if it is no number or other word of YAML.
_ANYWHERE: Final = re.compile(r"[^\W_][\w.@-]*")
# The same behind `key: `, to the end of the line. Neither a comment nor a key can begin in it.
_TO_THE_END: Final = re.compile(r"[^\W_](?:[^#:]|:(?=[^\s:]))*")
_WIDE_BLANK: Final = "\u3000"  # Chinese authors indent and separate with it


def in_flow(text: str) -> str:
    """Return a text as it stands anywhere, inside `{…}` and `[…]` too."""
    if _ANYWHERE.fullmatch(text) and text.isprintable() and _is_text(text):
        return text
    return _quoted(text)


def in_block(text: str, indent: int) -> str:
    """Return a text as it stands behind `key: ` to the end of the line. Several lines become a
    block, which is indented by `indent` blanks.
    """
    if "\n" in text and _fits_a_block(text):
        return _block(text, " " * indent)
    if not _TO_THE_END.fullmatch(text) or not _is_seen(text) or text[-1].isspace():
        return _quoted(text)
    return text if _is_text(text) else _quoted(text)


def _block(text: str, margin: str) -> str:
    made = ["|" if text.endswith("\n") else "|-"]
    for line in text.removesuffix("\n").split("\n"):
        made.append(margin + line if line else "")
    return "\n".join(made)


def literally(text: str) -> str:
    """Return a text in which no expression of the manifest's language begins."""
    return text.replace(BEGIN, f"${BEGIN}")


def _fits_a_block(text: str) -> bool:
    """Return True if YAML and editors keep each line as it is: no blanks at an end, none before the
    first.
    """
    lines = text.removesuffix("\n").split("\n")
    if not lines[0] or not lines[-1] or lines[0][0].isspace():
        return False
    ends_well = not any(line[-1:].isspace() for line in lines)
    return ends_well and all(map(_is_seen, lines))


def _is_seen(text: str) -> bool:
    return text.replace(_WIDE_BLANK, "").isprintable()


def _is_text(text: str) -> bool:
    try:
        return isinstance(plain(text), str)
    except ScalarError:
        return False


def _quoted(text: str) -> str:
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character == "\n":
        return "\\n"
    if character.isprintable() or character == _WIDE_BLANK:
        return character
    number = ord(character)
    return f"\\U{number:08x}" if number > 0xFFFF else f"\\u{number:04x}"
