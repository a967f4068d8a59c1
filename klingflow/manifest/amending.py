"""PURE. A picks file's text with lines added, removed or completed. Every other line stays as it
is, byte for byte: comments, order, blanks and what people wrote by hand.

The parser's events say where each entry begins and ends. The new text is parsed again, and returned
only if it says exactly what it should; otherwise the file is left to its author.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import yaml

from klingflow.errors import ManifestError, UsageError
from klingflow.manifest.encodings import MARK
from klingflow.manifest.picklist import parse
from klingflow.manifest.quoting import in_flow
from klingflow.model import PickLine
from klingflow.words import _

_LINES: Final = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_END: Final = re.compile(r"\r\n|\r|\n")
_DASH: Final = re.compile(r" *-(?: +|$)")


class Change(NamedTuple):
    """What to do to a picks file. `drop` are the lines to remove, `named` the purchases to write
    into lines, both by the numbers of the lines from 0; `add` are lines for the end.
    """

    drop: frozenset[int] = frozenset()
    named: Mapping[int, str] = {}
    add: tuple[PickLine, ...] = ()

    def __bool__(self) -> bool:
        """Return True if there is anything to do."""
        return bool(self.drop or self.named or self.add)


@dataclass(frozen=True, slots=True)
class _Item:
    """One entry of the list: its first and last line (from 0), the column of its value, and the
    column behind its end. `words` are its keys and values, as line, first column and column behind.
    """

    first: int
    last: int
    column: int
    behind: int
    flow: bool
    words: tuple[tuple[int, int, int], ...]


def amended(text: str, file: str, change: Change) -> str:
    """Return the text of a picks file with a change applied.

    Raises ManifestError for a text that is no picks file, and UsageError for one that cannot be
    changed without harm.
    """
    before = parse(text, file)
    wanted = [
        line._replace(purchase=change.named.get(number, line.purchase))
        for number, line in enumerate(before)
        if number not in change.drop
    ]
    try:
        made = _made(text, change)
        after = parse(made, file)
    except (_Unsafe, ManifestError) as error:
        raise _refusal(file) from error
    if [*map(_said, after)] != [*map(_said, (*wanted, *change.add))]:
        raise _refusal(file)
    return made


class _Unsafe(Exception):
    """The text is written so that an entry cannot be separated from its neighbours."""


def _refusal(file: str) -> UsageError:
    return UsageError(
        _(
            "{file} is written so that klingflow cannot change it without harm; nothing was"
            " written. Give each take a line of its own, such as - {{ shot: alley, take: 1 }}",
            file=file,
        )
    )


def _said(line: PickLine) -> tuple[object, ...]:
    """Return all that a line says, without its place."""
    return line[:-1]


def _made(text: str, change: Change) -> str:
    bom = MARK if text.startswith(MARK) else ""
    lines = _LINES.findall(text.removeprefix(bom))
    items = _items("".join(lines))
    end = next(iter(_END.findall(text)), "\n")
    for number in sorted({*change.drop, *change.named}, reverse=True):
        if number in change.drop:
            _take_out(lines, items[number])
        else:
            _complete(lines, items[number], change.named[number], end)
    indent = _indent(lines, items)
    if change.add and lines and not lines[-1].endswith(("\r", "\n")):
        lines[-1] += end
    return bom + "".join([*lines, *(indent + written(line) + end for line in change.add)])


def _indent(lines: Sequence[str], items: Sequence[_Item]) -> str:
    """Return the blanks before the dashes of the list."""
    if not items:
        return ""
    dashes = (_DASH.match(line) for line in lines)
    first = next((dash[0] for dash in dashes if dash), "")
    return first[: first.find("-")]


def _items(text: str) -> list[_Item]:
    """Return the entries of the list. Raises _Unsafe for a list in brackets."""
    found: list[_Item] = []
    depth = 0
    begun: Any = None
    scalars: list[Any] = []
    for event in _events(text):
        if isinstance(event, yaml.AliasEvent):
            raise _Unsafe
        if isinstance(event, yaml.ScalarEvent):
            scalars.append(event)
        elif isinstance(event, _BEGINNINGS):
            if depth == 0 and event.flow_style:
                raise _Unsafe
            if depth == 1:
                begun, scalars = event, []
            depth += 1
        elif isinstance(event, _ENDINGS):
            depth -= 1
            if depth == 1:
                found.append(_item(begun, event, scalars))
    return found


_BEGINNINGS: Final = (yaml.SequenceStartEvent, yaml.MappingStartEvent)
_ENDINGS: Final = (yaml.SequenceEndEvent, yaml.MappingEndEvent)


def _events(text: str) -> list[Any]:
    try:
        return list(yaml.parse(text, Loader=yaml.CLoader))
    except yaml.YAMLError as error:
        raise _Unsafe from error


def _item(begun: Any, ended: Any, scalars: Sequence[Any]) -> _Item:
    if not scalars or scalars[-1].style in ("|", ">"):
        raise _Unsafe
    start = begun.start_mark
    # The end of a block is known to the parser only where the next thing begins.
    end = (ended if begun.flow_style else scalars[-1]).end_mark
    words = tuple((s.start_mark.line, s.start_mark.column, s.end_mark.column) for s in scalars)
    return _Item(start.line, end.line, start.column, end.column, bool(begun.flow_style), words)


def _take_out(lines: list[str], item: _Item) -> None:
    """Remove an entry; a comment behind it keeps a line of its own. Raises _Unsafe."""
    dash = _DASH.match(lines[item.first])
    if dash is None or dash.end() != item.column:
        raise _Unsafe
    if item.first < item.last and _has_comment(lines, item):
        raise _Unsafe
    comment = lines[item.last][item.behind :].lstrip(" \t")
    indent = dash[0][: dash[0].find("-")]
    lines[item.first : item.last + 1] = [indent + comment] if comment.startswith("#") else []


def _has_comment(lines: Sequence[str], item: _Item) -> bool:
    """Return True if an entry may hold a comment, that is, a `#` outside its words."""
    inner = dict(enumerate(lines[item.first : item.last], item.first))
    inner[item.last] = lines[item.last][: item.behind]
    for line, begin, end in reversed(item.words):
        inner[line] = inner[line][:begin] + inner[line][end:]
    return any("#" in rest for rest in inner.values())


def _complete(lines: list[str], item: _Item, purchase: str, end: str) -> None:
    """Write a purchase into an entry: before its `}`, or on a line of its own."""
    line, said = lines[item.last], f"purchase: {in_flow(purchase)}"
    if not item.flow:
        if not line.endswith(("\r", "\n")):
            lines[item.last] += end
        lines.insert(item.last + 1, " " * item.column + said + end)
        return
    head = line[: item.behind - 1]
    content = head.rstrip(" \t")
    comma = " " if content.endswith((",", "{")) else ", "
    if not content:
        raise _Unsafe  # the brace has a line of its own
    blank = head[len(content) :]
    lines[item.last] = content + comma + said + blank + line[item.behind - 1 :]


def written(line: PickLine) -> str:
    """Return a line as klingflow writes it, without its end."""
    return f"- {{ {', '.join(_fields(line))} }}"


def _fields(line: PickLine) -> Iterator[str]:
    yield f"shot: {in_flow(line.shot)}"
    yield f"take: {line.take}"
    if line.rejects:
        yield "reject: true"
    if line.note:
        yield f"note: {in_flow(line.note)}"
    if line.purchase:
        yield f"purchase: {in_flow(line.purchase)}"
