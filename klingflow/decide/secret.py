"""Takes the key out of what a server said, in every spelling in which an honest or a lying server may repeat it.

It works on bytes rather than on decoded values, so that a page, a header, JSON that was cut short and JSON inside
JSON are all cleaned alike, and what surrounds the key stays as it came. Not found: base64 and hashes of the key.
"""

from __future__ import annotations

import re

# The space makes whatever held the key neither a task id nor a web address, so that a purchase is in doubt rather
# than written down under an id that is not its own.
MARK = b"[the key]"
# A shorter key is found as a whole word only, or it would be taken out of ids that happen to hold it; one that is
# shorter still could be a number of seconds, and is only found behind `Bearer`.
_LONG, _SHORT = 16, 8
# Without one of these a text holds the key as it is or not at all. Escaped Chinese (\u4efb), which is common in
# replies, has none of them.
_SIGNS = (b"\\u00", b"\\x", b"\\/", b'\\"', b"\\'", b"\\\\", b"%", b"&")
# How one character may be spelt: \u0073 or \x73, %73, &#x73; or &#115;, each escaped more than once too. Any other
# backslash is left out of the comparison.
_ESCAPE = re.compile(
    rb"(?:\\{1,8}(?:u00|x)|%(?:25){0,3})([0-9a-fA-F]{2})"
    rb"|&(?:amp;){0,3}#(?:[xX]0{0,5}([0-9a-fA-F]{2})|0{0,5}(1[01][0-9]|12[0-6]|[3-9][0-9]))(?:;|(?![0-9a-fA-F]))"
    rb"|\\+"
)


class Secret:
    """The key, which this object shows to nobody."""

    def __init__(self, key: str) -> None:
        self._word = key.encode() if len(key) >= _SHORT else b"Bearer " + key.encode()
        self._as_is = _finder(self._word, whole=len(key) < _LONG)
        self._unescaped = _finder(_ESCAPE.sub(_character, self._word), whole=len(key) < _LONG)

    def clean(self, data: bytes) -> bytes:
        """`data` with MARK in place of the key. Where there is nothing to clean it costs a search or little more."""
        if self._word in data:
            data = self._as_is.sub(MARK, data)
        if not any(sign in data for sign in _SIGNS):
            return data
        found = [edge for m in self._unescaped.finditer(_ESCAPE.sub(_character, data)) for edge in m.span()]
        return _cut_out(data, found) if found else data

    def clean_text(self, text: str) -> str:
        """`text` likewise."""
        return self.clean(text.encode("utf-8", "replace")).decode("utf-8", "replace")


def _finder(word: bytes, *, whole: bool) -> re.Pattern[bytes]:
    return re.compile(rb"(?<![\w.-])%b(?![\w.-])" % re.escape(word) if whole else re.escape(word))


def _character(escape: re.Match[bytes]) -> bytes:
    """What an escape stands for; nothing in the case of a backslash."""
    hexadecimal, decimal = escape[1] or escape[2], escape[3]
    if hexadecimal is None and decimal is None:
        return b""
    character = bytes((int(hexadecimal, 16) if hexadecimal else int(decimal),))
    return b"" if character == b"\\" else character


def _cut_out(data: bytes, edges: list[int]) -> bytes:
    """`data` with MARK between each first and second edge, which are places in the unescaped text, in order."""
    places: list[int] = []
    longer = 0  # by how much `data` up to here is longer than the unescaped text
    for escape in _ESCAPE.finditer(data):
        while len(places) < len(edges) and edges[len(places)] <= escape.start() - longer:
            places.append(edges[len(places)] + longer)
        longer += len(escape[0]) - len(_character(escape))
    places += [edge + longer for edge in edges[len(places) :]]
    kept = [data[end:begin] for end, begin in zip([0, *places[1::2]], [*places[::2], len(data)], strict=True)]
    return MARK.join(kept)
