"""PURE. The text of a YAML scalar → its value, by the YAML 1.2 core schema.

A text that other readers of YAML take for something else is refused, not guessed at.
"""

from __future__ import annotations

import math
import re
from typing import Final

from klingflow.model import Json
from klingflow.words import _

# Whole numbers are below it: 64 bits with a sign, as most readers of JSON have them.
MAX_INTEGER: Final = 2**63
CORE_TAG: Final = "tag:yaml.org,2002:"

_DIGITS_MOST = 24  # no whole number below MAX_INTEGER has more; a million digits take minutes
_CONSTANTS: Final[dict[str, Json]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_TYPES: Final = {"null": type(None), "bool": bool, "int": int, "float": float}
_MAYBE_NUMBER = frozenset("+-.0123456789")
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?")


class ScalarError(Exception):
    """A scalar that cannot be taken as written: its code and what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def plain(text: str) -> Json:
    """Return the value of an untagged, unquoted scalar. Raises ScalarError."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] not in _MAYBE_NUMBER:
        return text
    if _LEADING_ZERO.fullmatch(text):
        message = _('{text} begins with 0: quote it ("{text}") or drop the zero', text=text)
        raise ScalarError("ambiguous-number", message)
    if _INTEGER.fullmatch(text):
        return _integer(text)
    if _FLOAT.fullmatch(text):
        return _finite(text)
    if _NOT_FINITE.fullmatch(text):
        message = _("{text} is not a number that JSON can hold; quote it if it is text", text=text)
        raise ScalarError("number-range", message)
    return text


def _integer(text: str) -> int:
    if text[:2] in ("0o", "0x"):
        number = int(text, 0)
    elif len(text) <= _DIGITS_MOST:
        number = int(text)
    else:
        raise _too_large(text)
    if abs(number) >= MAX_INTEGER:
        raise _too_large(text)
    return number


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _too_large(text)
    return number


def _too_large(text: str) -> ScalarError:
    message = _("{text} is too large a number; quote it if it is text", text=text[:40])
    return ScalarError("number-range", message)


def tagged(text: str, tag: str) -> Json:
    """Return the value of a scalar with one of the core tags. Raises ScalarError."""
    name = tag.removeprefix(CORE_TAG)
    if name == "str":
        return text
    wanted = _TYPES.get(name)
    if not tag.startswith(CORE_TAG) or wanted is None:
        raise ScalarError("unknown-tag", _("unknown tag {tag}; delete it", tag=shown_tag(tag)))
    value = plain(text)
    if wanted is float and type(value) is int:
        value = float(value)
    if type(value) is not wanted:
        message = _(
            "'{text}' is not what its tag {tag} says; delete the tag",
            text=text[:40],
            tag=shown_tag(tag),
        )
        raise ScalarError("unknown-tag", message)
    return value


def shown_tag(tag: str) -> str:
    """Return a tag as people write it: `!!int`."""
    return tag.replace(CORE_TAG, "!!")[:60]
