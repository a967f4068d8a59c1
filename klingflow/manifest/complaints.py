"""PURE. What Python says of an operation on data, in the words of the language: "a number" and
"text" in place of int and str.
"""

from __future__ import annotations

import re
from typing import Final

_KINDS: Final = {
    "int": "a number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "dict": "a map",
    "NoneType": "null",
    "slice": "a slice",
}
NO_SLICE: Final = "a map has no slices; name one of its keys"
_TYPE = "'?([A-Za-z]+)'?"
# In each sentence the names of types become kinds.
_SENTENCES: Final = (
    (
        rf"'(\S+)' not supported between instances of {_TYPE} and {_TYPE}",
        "'{}' cannot compare {} with {}",
    ),
    (
        rf"argument of type {_TYPE} is not (?:iterable|a container or iterable)",
        "'in' looks into text, a list or a map, not into {}",
    ),
    (rf"'in <string>' requires string as left operand, not {_TYPE}", "a text holds text, not {}"),
    (rf"{_TYPE} object is not subscriptable", "{} has no parts to take a slice of"),
    (r"unhashable type: 'slice'", NO_SLICE),
    (rf"unhashable type: {_TYPE}", "{} cannot be the key of a map"),
    (rf"cannot use {_TYPE} as a dict key.*", "{} cannot be the key of a map"),
    (r"slice indices must be integers.*", "a slice takes whole numbers"),
)
_PATTERNS: Final = tuple((re.compile(pattern), words) for pattern, words in _SENTENCES)


def in_words(error: Exception) -> str:
    """Return what is wrong; Python's own text where no sentence of ours fits."""
    said = str(error)
    for pattern, words in _PATTERNS:
        if found := pattern.fullmatch(said):
            return words.format(*(_KINDS.get(part, part) for part in found.groups()))
    return said
