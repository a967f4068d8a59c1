"""PURE. JSON's way to escape a character beyond U+FFFF: two halves, `\\ud83c\\udfac` for 🎬.

YAML takes each escape for a character by itself and refuses it. So the halves are made private
characters of the same length for the parser, and one character again in what it returns.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

_HALF = re.compile(r"(?<!\\)((?:\\\\)*\\u)([dD][89a-fA-F])([0-9a-fA-F]{2})")
_LONE = re.compile("[\ud800-\udfff]")
# Where 2048 private characters stand for the 2048 halves: the first place that a text does not use.
_PLACES = (0xF000, 0xE800, 0xE000)
_FIRST = 0xD800
_COUNT = 0x800


class Halves:
    """A text and its halves: `text` is the one for the parser, `found` says that it holds any."""

    def __init__(self, text: str) -> None:
        self.source = text
        self.text = text
        self.found = "\\ud" in text.lower() if "\\u" in text else False
        if not self.found:
            return
        self.place_at = next(filter(self._is_free, _PLACES), _PLACES[0])
        self.text = _HALF.sub(self._private, text)
        last = self.place_at + _COUNT - 1
        self._made = re.compile(rf"\\u(?i:{self.place_at >> 12:x})[0-9a-f]{{3}}")
        self._privates = re.compile(f"[{chr(self.place_at)}-{chr(last)}]")

    def _is_free(self, place: int) -> bool:
        literal = re.compile(f"[{chr(place)}-{chr(place + _COUNT - 1)}]")
        return not literal.search(self.source) and f"\\u{place >> 12:x}" not in self.source.lower()

    def _private(self, half: re.Match[str]) -> str:
        code = int(half[2] + half[3], 16) - _FIRST + self.place_at
        return f"{half[1]}{code:04x}"

    def joined(self, events: Iterable[Any]) -> Iterable[Any]:
        """Return the parser's events with whole characters in their texts."""
        return self._joined(events) if self.found else events

    def _joined(self, events: Iterable[Any]) -> Iterator[Any]:
        for event in events:
            if getattr(event, "style", None) == '"':
                event.value = self._whole(event.value)
            elif hasattr(event, "value"):
                event.value = self._made.sub(self._escape, event.value)
            yield event

    def _whole(self, text: str) -> str:
        halves = self._privates.sub(lambda c: chr(ord(c[0]) - self.place_at + _FIRST), text)
        return halves.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")

    def _escape(self, made: re.Match[str]) -> str:
        """Return an escape as it was written, in a text where it is none."""
        return f"\\u{int(made[0][2:], 16) - self.place_at + _FIRST:04x}"

    def lone(self, text: str) -> bool:
        """Return True for a text that holds half of a character."""
        return bool(_LONE.search(text))

    def without(self, text: str) -> str:
        """Return a text with U+FFFD for each half of a character."""
        return _LONE.sub("\ufffd", text)

    def place(self, start: int, text: str) -> tuple[int, str]:
        """Return the offset of the first half without its other, from `start` on, and its name."""
        lone = _LONE.search(text)
        half = f"\\u{ord(lone[0]):04x}" if lone else ""
        return self.source.lower().find(half, start), half
