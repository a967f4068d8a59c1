"""PURE. Which part of an error's message the gateway wrote, and which it quotes of the request.

Relays and the service behind them quote the request in their errors, whole prompts included
(gateway.md 4), and a prompt may hold any word: 屏幕上写着余额不足 is no empty balance. Quotes are
found whatever was done to them: escaped for JSON, HTML or a URL, in other letters' case, width or
spacing, cut short. What an error means is then read by klingflow.gateway.wording.
"""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

from klingflow.model import Json

# What stands in place of a quote. A message from `payload.clean` never holds it, and no phrase is
# found across it.
QUOTE = "\0"
# How long a part of a text has to be, in columns (a Chinese character takes two), to be a quote
# wherever it stands, and how long where a mark beside it says so. A whole text needs the latter.
LONG_PART = 12
MARKED_PART = 4
# Characters of a body that are looked through: many times the longest prompt.
MOST_READ = 100_000

# Members of a body whose texts are names from the gateway's document, which its errors use too.
_NAMES = frozenset({"model", "type", "role"})
_ESCAPED = re.compile(r'\\(u[0-9a-fA-F]{4}|["\\/bfnrt])')
_ESCAPES = {"b": " ", "f": " ", "n": "\n", "r": "\r", "t": "\t"}
_LAYERS = 3  # of escapes: JSON in a text in JSON in a text, as `ext_info` is
_OPENING = "\"'`“‘「『《〈«‹[({<"
_CLOSING = "\"'`”’」』》〉»›])}>"
_WIDE_FROM = "\u1100"


def own_words(message: str, body: Mapping[str, Json]) -> str:
    """Return the message with `QUOTE` in place of what it quotes of the body's texts, and
    unescaped.
    """
    plain = _unescaped(message)
    texts = {_folded(_unescaped(text))[0] for text in _texts(body)}
    texts = {text for text in texts if _columns(text) >= MARKED_PART}
    return _Message(plain).without(texts) if texts else plain


class _Message:
    """A message, and the same without blanks, marks and capitals, in which quotes are found."""

    def __init__(self, plain: str) -> None:
        self.plain = plain
        # The plain place of each folded character, and which characters are of a quote.
        self._folded, self._places = _folded(plain)
        self._quoted = [False] * len(self._folded)

    def without(self, texts: set[str]) -> str:
        """Return the message without these texts, the longest first, and without their parts."""
        for text in sorted(texts, key=lambda text: (-len(text), text)):
            self._quote_whole(text)
        self._quote_parts(QUOTE + QUOTE.join(sorted(texts)) + QUOTE)
        return self._rest()

    def _quote_whole(self, text: str) -> None:
        start = self._folded.find(text)
        while start >= 0:
            end = start + len(text)
            if not (self._is_within_a_word(start) or self._is_within_a_word(end)):
                self._quote(start, end)
            start = self._folded.find(text, end)

    def _quote_parts(self, texts: str) -> None:
        start = 0
        while start < len(self._folded):
            end = self._reach(start, texts)
            if end > start and self._is_a_quote(start, end, texts):
                self._quote(start, end)
                start = end
            else:
                start += 1

    def _reach(self, start: int, texts: str) -> int:
        """Return the end of the longest part from `start` that the texts hold too."""
        end = start
        while end < len(self._folded) and not self._quoted[end]:
            if self._folded[start : end + 1] not in texts:
                break
            end += 1
        return end

    def _is_a_quote(self, start: int, end: int, texts: str) -> bool:
        part = self._folded[start:end]
        columns = _columns(part)
        if columns >= LONG_PART:
            return True
        return columns >= MARKED_PART and self._is_marked(start, end, part, texts)

    def _is_marked(self, start: int, end: int, part: str, texts: str) -> bool:
        """True if quotation marks stand beside the part, or dots in place of its text's rest."""
        before = self.plain[: self._places[start]].rstrip()
        after = self.plain[self._places[end - 1] + 1 :].lstrip()
        if before.endswith(tuple(_OPENING)) or after.startswith(tuple(_CLOSING)):
            return True
        is_beginning, is_end = QUOTE + part in texts, part + QUOTE in texts
        # Unescaping has made three dots of an ellipsis.
        return (is_beginning and after.startswith("..")) or (is_end and before.endswith(".."))

    def _is_within_a_word(self, place: int) -> bool:
        """True if letters of one word stand on both sides of a place."""
        if not 0 < place < len(self._folded):
            return False
        is_joined = self._places[place] - self._places[place - 1] <= 1
        return is_joined and self._folded[place - 1 : place + 1].isascii()

    def _quote(self, start: int, end: int) -> None:
        self._quoted[start:end] = [True] * (end - start)

    def _rest(self) -> str:
        """What is no quote. Marks between two characters of a quote go with them."""
        kept: list[str] = []
        since = 0
        for index, place in enumerate(self._places):
            if not self._quoted[index]:
                continue
            goes_on = index > 0 and self._quoted[index - 1]
            kept.append(QUOTE if goes_on else self.plain[since:place] + QUOTE)
            since = place + 1
        return re.sub(f"{QUOTE}+", QUOTE, "".join(kept)) + self.plain[since:]


def _texts(body: Mapping[str, Json]) -> Iterator[str]:
    """Yield every text of a body that an author may have written, also within JSON in a text."""
    waiting: list[tuple[str, Json, int]] = [("", body, 0)]
    left = MOST_READ
    while waiting and left > 0:
        name, value, layers = waiting.pop()
        waiting += _inside(name, value, layers)
        if isinstance(value, str):
            if name not in _NAMES:
                yield value[:left]
            left -= len(value)


def _inside(name: str, value: Json, layers: int) -> list[tuple[str, Json, int]]:
    """Return what lies in a value that stands under a name, in so many layers of JSON in a text."""
    if isinstance(value, Mapping):
        return [(key, inner, layers) for key, inner in value.items()]
    if isinstance(value, list):
        return [(name, inner, layers) for inner in value]
    if isinstance(value, str) and layers < _LAYERS and value.lstrip()[:1] in ("{", "["):
        return [(name, _json(value), layers + 1)]
    return []


def _json(text: str) -> Json:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _unescaped(text: str) -> str:
    """Return the text without the escapes of JSON, HTML and URLs, and in half-width characters."""
    for _ in range(_LAYERS):
        once = unquote(html.unescape(_ESCAPED.sub(_character, text)))
        if once == text:
            break
        text = once
    return unicodedata.normalize("NFKC", text)


def _character(escape: re.Match[str]) -> str:
    name = escape[1]
    return chr(int(name[1:], 16)) if name[0] == "u" else _ESCAPES.get(name, name)


def _folded(text: str) -> tuple[str, list[int]]:
    """Return the text's letters and digits without case, and the place of each in the text."""
    found = [
        (folded, place)
        for place, character in enumerate(text)
        for folded in character.casefold()
        if folded.isalnum()
    ]
    return "".join(folded for folded, _ in found), [place for _, place in found]


def _columns(text: str) -> int:
    return len(text) + sum(character >= _WIDE_FROM for character in text)
