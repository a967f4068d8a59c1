"""Lines that fit a terminal: how wide a text is, what of it can be shown, and how it is shortened,
wrapped and set in columns. Nothing here writes.

A stream that is no terminal has no width: its lines are whole. Sentences are measured, and given
back, in the person's language.
"""

from __future__ import annotations

import codecs
import re
import shutil
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from typing import TextIO

from klingflow.terminal.language import spoken
from klingflow.terminal.paint import Painted, Part, text_of

# What is not broken: a command in backquotes, which is to be pasted, or a word.
_UNBROKEN = re.compile(r"`[^`]*`\S*|\S+")
# Between the characters of a Chinese word; what ends a phrase stays with it. The dot of `上海.mp4`
# ends none.
_CHARACTERS = re.compile(
    r"[\x21-\x7e]+|[^\x21-\x7e](?:[，。、；：？！）》”’]|[,.:;!?)]+(?![\x21-\x7e]))*"
)
_BLANKS = "\n\t"
_OBEYED = ("Cc", "Cf", "Zl", "Zp")  # of Unicode's categories
_INDENT = "  "  # of tables
_LEAST = 20  # columns for a text, however narrow the terminal is


def clean(text: str) -> str:
    """Return `text` as one line without control characters: what a server or a file says must
    neither move a terminal's cursor nor begin a line, which a build may read as a command.
    """
    text = spoken(text)
    if text.isprintable():
        return text
    return "".join(map(_cleaned, text))


def _cleaned(c: str) -> str:
    if c in _BLANKS:
        return " "
    return "\ufffd" if unicodedata.category(c) in _OBEYED else c


def is_unicode(stream: TextIO | None) -> bool:
    """True if the stream is in UTF-8, as what programs read has to be."""
    name = getattr(stream, "encoding", None) or "utf-8"
    return codecs.lookup(name).name == "utf-8"


def showable(text: str) -> str:
    """Return `text` as stdout shows it: clean, and with an escape for each character that the
    encoding lacks, so that columns can be counted.
    """
    text = clean(text)
    if text.isascii() or is_unicode(sys.stdout):
        return text
    encoding = sys.stdout.encoding
    return text.encode(encoding, "backslashreplace").decode(encoding)


def can_show(text: str) -> bool:
    """True if the encoding of stdout has every character of `text`."""
    return showable(text) == text


def room(stream: TextIO | None = None) -> float:
    """Return the columns of the terminal behind `stream`, stdout by default; without end where it
    is none.
    """
    stream = stream or sys.stdout
    if stream is not None and stream.isatty():
        return shutil.get_terminal_size().columns
    return float("inf")


def width(text: str) -> int:
    """Return the terminal columns that `text` takes; Chinese characters take two."""
    text = spoken(text)
    if text.isascii():
        return len(text)
    return sum(map(_columns, text))


def _columns(c: str) -> int:
    return 2 if unicodedata.east_asian_width(c) in "WF" else not unicodedata.combining(c)


def pad(text: str, columns: int, *, right: bool = False) -> str:
    """Return `text` with spaces up to `columns` terminal columns; in front if it goes `right`."""
    text = spoken(text)
    blanks = " " * max(0, columns - width(text))
    return blanks + text if right else text + blanks


def shortened(text: str, columns: int) -> str:
    """Return `text` in at most `columns` terminal columns: its beginning and its end, which tell
    the cells of a matrix apart, with an ellipsis between them.
    """
    text = spoken(text)
    if width(text) <= columns:
        return text
    ellipsis = "…" if can_show("…") else "..."
    left = columns - width(ellipsis)
    head = fitting(text, left - left // 2)
    tail = fitting(text[::-1], left // 2)[::-1]
    return head + ellipsis + tail


def fitting(text: str, columns: int) -> str:
    """Return the beginning of `text` that takes at most `columns`."""
    taken = 0
    for number, c in enumerate(text):
        taken += _columns(c)
        if taken > columns:
            return text[:number]
    return text


def wrapped(text: str, columns: float, head: str = "", hang: str = "") -> list[str]:
    """Return `text` in lines of at most `columns`, the first after `head`, the others after `hang`.

    Lines are broken between words, and Chinese ones between characters. A path, an address and a
    command in backquotes stay whole, however long.
    """
    text = spoken(text)
    if width(head) + width(text) <= columns:
        return [head + text]
    lines, line, is_begun = [], head, False
    for blank, word in _pieces(text):
        if is_begun and width(line) + width(blank + word) > columns:
            lines.append(line)
            line = hang + word
        else:
            line += blank + word if is_begun else word
        is_begun = True
    return [*lines, line]


def folded(text: str, columns: float, head: str, hang: str) -> list[str]:
    """Return `text` in lines of at most `columns`, the first after `head`, the others after `hang`.
    Lines are broken anywhere, and every blank stays: what is compared has to be seen as it is.
    """
    text = spoken(text)
    if width(head) + width(text) <= columns:
        return [head + text]
    lines, lead = [], head
    while text:
        part = fitting(text, int(max(columns - width(lead), _LEAST)))
        lines.append(lead + part)
        text, lead = text[len(part) :], hang
    return lines


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    """Yield the parts between which a line may be broken, each with the blank before it."""
    for found in _UNBROKEN.finditer(text):
        word = found[0]
        is_chinese = width(word) > len(word) and not word.startswith("`")
        first, *others = _CHARACTERS.findall(word) if is_chinese else [word]
        yield " ", first
        for other in others:
            yield "", other


def columns(rows: Sequence[Sequence[Part]], room: float) -> Iterator[Sequence[Part]]:
    """Yield rows of cells as lines in aligned columns. A last cell that does not fit stands below
    its row, and is broken where it is still too long.
    """
    shown = [[shown_part(cell) for cell in row] for row in rows]
    widths = _widths(shown, room)
    for *cells, last in shown:
        line = [_INDENT, *_aligned(cells, widths)]
        text = text_of(last)
        taken = sum(width(text_of(part)) for part in line)
        if not text or taken + width(text) <= room:
            yield _stripped([*line, last])
            continue
        if cells:
            yield _stripped(line)
        lead = 4 * _INDENT if cells else _INDENT
        for one in wrapped(text, max(room, _LEAST), lead, lead):
            yield [one]


def _aligned(cells: Sequence[Part], widths: Sequence[int]) -> Iterator[Part]:
    for cell, columns in zip(cells, widths, strict=True):
        part = _cut(cell, columns)
        yield part
        yield " " * (columns - width(text_of(part)) + 2)


def _widths(rows: Sequence[Sequence[Part]], room: float) -> list[int]:
    """Return the columns of all cells of a row except the last; the widest gives way."""
    by_column = [*zip(*rows, strict=True)][:-1]
    widths = [max(width(text_of(cell)) for cell in cells) for cells in by_column]
    over = width(_INDENT) + sum(columns + 2 for columns in widths) - 2 - room
    if widths and over > 0:
        widest = widths.index(max(widths))
        widths[widest] = max(_LEAST // 2, widths[widest] - int(over))
    return widths


def _cut(part: Part, columns: int) -> Part:
    return _painted(shortened(text_of(part), columns), part)


def shown_part(part: Part) -> Part:
    """Return what `showable` does, for a part of a line."""
    return _painted(showable(text_of(part)), part)


def _painted(text: str, part: Part) -> Part:
    """Return a text in the colour of a part."""
    return text if isinstance(part, str) else Painted(text, part.style)


def _stripped(line: list[Part]) -> list[Part]:
    """Return the line without the blank parts at its end."""
    while line and not text_of(line[-1]).strip():
        line = line[:-1]
    return line
