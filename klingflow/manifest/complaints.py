"""PURE. What Python says of an operation on data, in the words of the language: "a number" and
"text" in place of int and str.
"""

from __future__ import annotations

import re
from typing import Final

from klingflow.words import _, filled

_KINDS: Final = {
    "int": _("a number"),
    "float": _("a number"),
    "str": _("text"),
    "bool": _("true or false"),
    "list": _("a list"),
    "tuple": _("a list"),
    "dict": _("a map"),
    "NoneType": "null",
    "slice": _("a slice"),
}
NO_SLICE: Final = _("a map has no slices; name one of its keys")
_TYPE = "'?([A-Za-z]+)'?"
# In each sentence the names of types become kinds, in these places.
_PLACES: Final = ("first", "second", "third")
_SENTENCES: Final = (
    (
        rf"'(\S+)' not supported between instances of {_TYPE} and {_TYPE}",
        _("'{first}' cannot compare {second} with {third}"),
    ),
    (
        rf"argument of type {_TYPE} is not (?:iterable|a container or iterable)",
        _("'in' looks into text, a list or a map, not into {first}"),
    ),
    (
        rf"'in <string>' requires string as left operand, not {_TYPE}",
        _("a text holds text, not {first}"),
    ),
    (rf"{_TYPE} object is not subscriptable", _("{first} has no parts to take a slice of")),
    (r"unhashable type: 'slice'", NO_SLICE),
    (rf"unhashable type: {_TYPE}", _("{first} cannot be the key of a map")),
    (rf"cannot use {_TYPE} as a dict key.*", _("{first} cannot be the key of a map")),
    (r"slice indices must be integers.*", _("a slice takes whole numbers")),
)
_PATTERNS: Final = tuple((re.compile(pattern), words) for pattern, words in _SENTENCES)


def in_words(error: Exception) -> str:
    """Return what is wrong; Python's own text where no sentence of ours fits."""
    said = str(error)
    for pattern, words in _PATTERNS:
        if found := pattern.fullmatch(said):
            kinds = (_KINDS.get(part, part) for part in found.groups())
            return filled(words, dict(zip(_PLACES, kinds, strict=False)))
    return said
