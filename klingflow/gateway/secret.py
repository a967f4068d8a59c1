"""PURE. Takes the key out of what a server said, in every spelling in which an honest or a lying
server may repeat it.

It works on bytes, not on decoded values, so that a page, a header, JSON that was cut short and JSON
inside JSON are all cleaned alike, and what surrounds the key stays as it came. It finds the key as
it is, in base64 and in hexadecimal, each of them also escaped, broken over lines, or cut off by the
end of the data. It does not find a key that was encrypted, packed or hashed.
"""

from __future__ import annotations

import base64
import json
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from klingflow.model import Json, Manifest
from klingflow.words import _

# Because of the space, what held the key is no task id: a purchase is in doubt then, and is not
# written down under an id that is not its own. It is no address either (video_address.py).
MARK = b"[the key]"
# A key below `_LONG` is found as a whole word only, or it would be taken out of ids that happen to
# hold it. A key below `_SHORT` could be a number of seconds, and is found behind `Bearer` only.
_LONG, _SHORT = 16, 8
# So many characters of the key's beginning count as the key where the data ends: many keys begin
# with `sk-` or `sk-proj`.
_CUT = 8
# A text without any of these holds the key as it is, or not at all. Escaped Chinese (\u4efb), which
# is common in replies, has none of them.
_SIGNS = (
    b"\\u00",
    b"\\x",
    b"\\/",
    b'\\"',
    b"\\'",
    b"\\\\",
    b"\\n",
    b"\\r",
    b"\n",
    b"\r",
    b"%",
    b"&",
)
# How one character may be spelt: \u0073 or \x73, %73, &#x73; or &#115;, each also escaped more than
# once. Line ends, escaped or not, and any other backslash are left out of the comparison.
_ESCAPE = re.compile(
    rb"(?:\\{1,8}(?:u00|x)|%(?:25){0,3})([0-9a-fA-F]{2})"
    rb"|&(?:amp;){0,3}#"
    rb"(?:[xX]0{0,5}([0-9a-fA-F]{2})|0{0,5}(1[01][0-9]|12[0-6]|[3-9][0-9]))"
    rb"(?:;|(?![0-9a-fA-F]))"
    rb"|\\{1,8}[nr](?:\\{1,8}[nr]|[ \t])*|[\r\n][\r\n \t]*|\\+"
)
# An escape that the end of the data broke off.
_TORN = re.compile(
    rb"(?:\\+(?:u[0-9a-fA-F]{0,3}|x[0-9a-fA-F]?)?"
    rb"|%(?:25){0,3}[0-9a-fA-F]?"
    rb"|&(?:amp;?){0,3}#?\w{0,8})\Z"
)
_LONGEST_TORN = 24

Span = tuple[int, int]


class Secret:
    """The key, which this object shows to nobody."""

    def __init__(self, key: str) -> None:
        word = key.encode()
        if len(key) < _SHORT:
            word = b"Bearer " + word
        self._is_long = len(key) >= _LONG
        words = dict.fromkeys((word, *_encoded(word))) if self._is_long else {word: None}
        # Each beside its beginning: a text without it holds neither the word nor a cut one.
        self._words = [(word[:_CUT], word) for word in words]
        unescaped = [_ESCAPE.sub(_character, word) for word in words]
        self._unescaped = [(word[:_CUT], word) for word in unescaped]
        signs = (sign for sign in _SIGNS if not sign.startswith(b"\\"))
        parts = chain.from_iterable(map(self._parts, words))
        self._hints = (b"\\", *signs, *parts)

    def clean(self, data: bytes) -> bytes:
        """Return `data` with MARK in place of the key. Clean data costs a search or little more."""
        return self._cleaned(data, pieces=False)

    def clean_words(self, data: bytes) -> bytes:
        """Clean as `clean` does, and write MARK also for any piece that is more than half of the
        key, such as stands in a message that was cut to a length.

        For words that are only shown, not for an id or an address: keys may begin with an account's
        name.
        """
        return self._cleaned(data, pieces=True)

    def clean_text(self, text: str) -> str:
        """Clean a text as `clean_words` does."""
        return self.clean_words(text.encode("utf-8", "replace")).decode("utf-8", "replace")

    def clean_each(self, texts: Sequence[bytes]) -> Sequence[bytes]:
        """Clean each of several short texts as `clean_words` does."""
        if self._is_far_from(b"\0".join(texts)):
            return texts
        return [self.clean_words(text) for text in texts]

    def _parts(self, word: bytes) -> Iterator[bytes]:
        """Yield what a text must hold to hold the word, its beginning, or more than half of it."""
        yield word[:_CUT]
        if self._is_long:
            yield from (word[begin:end] for begin, end in _blocks(word))

    def _is_far_from(self, data: bytes) -> bool:
        """True if nothing in `data` can be the key, in whatever spelling. Nearly all data is so,
        and this costs a tenth of looking for each spelling.
        """
        return not any(map(data.__contains__, self._hints))

    def _cleaned(self, data: bytes, *, pieces: bool) -> bytes:
        if self._is_far_from(data):
            return data
        may_be_torn = b"\\" in data[-_LONGEST_TORN:]
        is_plain = not may_be_torn and not _is_escaped(data)
        if found := self._spans(data, self._words, pieces and is_plain):
            data = MARK.join(_outside(data, found))
        if is_plain:
            return data
        torn = _TORN.search(data, len(data) - _LONGEST_TORN)
        whole = data[: torn.start()] if torn else data
        text = _ESCAPE.sub(_character, whole)
        found = self._spans(text, self._unescaped, pieces)
        if not found:
            return data
        return MARK.join(_outside(data, _in_escaped(data, found, len(text))))

    def _spans(self, text: bytes, words: Iterable[tuple[bytes, bytes]], pieces: bool) -> list[Span]:
        """Return the places of the key in `text`, in order and apart."""
        found: list[Span] = []
        for start, word in words:
            if start in text:
                found += _places(text, word, whole=not self._is_long)
                if self._is_long:
                    found += _cut_off(text, word)
            if pieces and self._is_long:
                found += _pieces(text, word)
        return _merged(found)


def key_holder(manifest: Manifest, key: str) -> str | None:
    """Return the file or the shot that holds the key, in words, or None: such a manifest would
    write the key down. Only long keys are looked for.
    """
    if len(key) < _LONG:
        return None
    for file, text in manifest.sources.items():
        if key in text:
            return file
    word = json.dumps(key)[1:-1]
    for shot, request in manifest:
        if key in shot.id:
            return _("a shot's id")
        if word in _written(shot.key, shot.output, request.body, shot.about, shot.tags):
            return _("shot '{id}'", id=shot.id)
    return None


def _written(*values: Any) -> str:
    return json.dumps(values, default=_plain)


def _plain(value: object) -> Json:
    return dict(value) if isinstance(value, Mapping) else ""


def _encoded(word: bytes) -> Iterator[bytes]:
    """Yield the forms of `word` in base64, at any place of a longer text, and in hexadecimal."""
    for shift in range(3):
        packed = base64.b64encode(bytes(shift) + word)
        # The characters that hold the word's bits alone.
        core = packed[-(-8 * shift // 6) : 8 * (shift + len(word)) // 6]
        yield core
        yield core.replace(b"+", b"-").replace(b"/", b"_")
    yield word.hex().encode()
    yield word.hex().upper().encode()


def _is_escaped(data: bytes) -> bool:
    return any(sign in data for sign in _SIGNS)


def _places(text: bytes, word: bytes, *, whole: bool) -> list[Span]:
    pattern = rb"(?<![\w.-])%b(?![\w.-])" % re.escape(word) if whole else re.escape(word)
    return [found.span() for found in re.finditer(pattern, text)]


def _cut_off(text: bytes, word: bytes) -> Iterator[Span]:
    """Yield the place of the word's beginning, if the text ends in it."""
    at = text.find(word[:_CUT], max(0, len(text) - len(word)))
    while at >= 0:
        if word.startswith(text[at:]):
            yield at, len(text)
            return
        at = text.find(word[:_CUT], at + 1)


def _pieces(text: bytes, word: bytes) -> Iterator[Span]:
    """Runs of more than half of the word. Each holds at least one whole block of those into which
    the word is cut.
    """
    least = len(word) // 2 + 1
    for begin, end in _blocks(word):
        size = end - begin
        at = text.find(word[begin:end])
        while at >= 0:
            before = text[max(0, at - begin) : at]
            after = text[at + size : at + len(word) - begin]
            left = at - _common(before[::-1], word[:begin][::-1])
            right = at + size + _common(after, word[end:])
            if right - left >= least:
                yield left, right
            at = text.find(word[begin:end], at + 1)


def _blocks(word: bytes) -> Iterator[Span]:
    """Yield the blocks into which the word is cut, so that each run of more than half of it holds
    one.
    """
    size = (len(word) // 2 + 2) // 2
    for begin in range(0, len(word) - size + 1, size):
        yield begin, begin + size


def _common(a: bytes, b: bytes) -> int:
    """Return the length of the beginning that both have in common."""
    length = 0
    for of_a, of_b in zip(a, b, strict=False):
        if of_a != of_b:
            break
        length += 1
    return length


def _merged(spans: list[Span]) -> list[Span]:
    apart: list[Span] = []
    for begin, end in sorted(spans):
        if apart and begin <= apart[-1][1]:
            apart[-1] = (apart[-1][0], max(end, apart[-1][1]))
        else:
            apart.append((begin, end))
    return apart


def _outside(data: bytes, spans: list[Span]) -> Iterator[bytes]:
    """Yield the parts of `data` before, between and after the spans."""
    at = 0
    for begin, end in spans:
        yield data[at:begin]
        at = end
    yield data[at:]


def _character(escape: re.Match[bytes]) -> bytes:
    """Return the character for which an escape stands; none for a backslash or a line's end."""
    if hexadecimal := escape[1] or escape[2]:
        number = int(hexadecimal, 16)
    elif decimal := escape[3]:
        number = int(decimal)
    else:
        return b""
    return bytes((number,)).replace(b"\\", b"")


def _in_escaped(data: bytes, spans: list[Span], length: int) -> list[Span]:
    """Return the places in `data` that correspond to `spans` of its unescaped text of `length`
    bytes. A span up to the end of the text goes to the end of the data.
    """
    edges = deque(chain.from_iterable(spans))  # those that have no place yet
    places: list[int] = []
    longer = 0  # by how much `data` up to here is longer than the unescaped text
    for escape in _ESCAPE.finditer(data):
        while edges and edges[0] <= escape.start() - longer:
            places.append(edges.popleft() + longer)
        longer += len(escape[0]) - len(_character(escape))
    places += [edge + longer for edge in edges]
    _unused, end = spans[-1]
    if end == length:
        places[-1] = len(data)
    return list(zip(places[::2], places[1::2], strict=True))
