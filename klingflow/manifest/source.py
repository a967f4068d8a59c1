"""PURE. YAML text → Nodes: every value with its place. Knows YAML, nothing of manifests.

The C parser of PyYAML is used for its events alone: its composer recurses in C and dies on 100 KB
of `[`, and its constructor follows merge-key bombs for ever. The tree is built here with a stack of
our own, scalars follow the YAML 1.2 core schema, and whatever YAML would silently take for
something else is a diagnostic.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import yaml

from klingflow.errors import Diagnostic, ManifestError, Mark
from klingflow.model import Json, Node

MAX_CHARACTERS = 64 * 1024 * 1024
MAX_DEPTH = 64
# Whole numbers are below it: 64 bits with a sign, as most readers of JSON have them.
MAX_INTEGER = 2**63
_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels; flatten it"
# Of newer ones, at 1,000 brackets, which it reads ahead of what it tells of.
_LIBYAML_TOO_DEEP = "exceeded maximum nesting depth"
# What aliases and merges may add: enough for 100,000 shots that share presets, far below a bomb.
FREE_COPIES = 200_000
COPIES_PER_VALUE = 10

_UNFIT = re.compile(
    r"[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
LINE_END = re.compile(r"\r\n|\r|\n")
_LINE_BREAKS = frozenset("\x85\u2028\u2029")

_CONSTANTS: dict[str, Json] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_MAYBE_NUMBER = frozenset("+-.0123456789")
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?")

_TAG = "tag:yaml.org,2002:"
# libyaml's words for the mistakes people make → what to do about them.
_SYNTAX_HINTS = {
    "mapping values are not allowed in this context": "quote text with ': ' in it, and check the indentation",
    "found character that cannot start any token": "indent by spaces; quote text that begins with @, ` or %",
    "could not find expected ':'": "a key needs ': ' behind it",
    "found unexpected end of stream": "a closing quote is missing",
    "did not find expected key": "check the indentation and the quotes",
    "did not find expected ',' or '}'": "close the {, and put the texts in it in quotes",
    "did not find expected ',' or ']'": "close the [, and put the texts in it in quotes",
    "did not find expected alphabetic or numeric character": "put a text that begins with * or & in quotes",
}
_QUOTE_EXPRESSION = "inside {…} or […] a text with ${{ … }} must be in quotes"


class _Value(Exception):
    """A scalar that cannot be taken as written: its code and what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def parse(text: str, file: str) -> Node:
    """The one YAML document in `text`; an empty text is a Node of None.

    Raises:
        ManifestError: every mistake that could be found; after a broken syntax no more are.
    """
    root, found = parse_in_spite(text, file)
    if found or root is None:
        raise ManifestError(found)
    return root


def parse_in_spite(text: str, file: str) -> tuple[Node | None, list[Diagnostic]]:
    """As `parse`, with the mistakes beside the tree, for a reader who goes on to look for others.

    The tree is None where the rest could not be read. A mistake's own value is in it as text.
    """
    text = text.removeprefix("\ufeff")
    if unfit := _unfit(text, file):
        return None, unfit
    builder = _Builder(file)
    try:
        builder.build(yaml.parse(text, Loader=yaml.CLoader))
    except yaml.MarkedYAMLError as error:
        builder.note(*_syntax_error(error, text, file))
        builder.root = None
    except _Stop:
        builder.root = None
    found = sorted(builder.diagnostics, key=lambda d: d.mark)
    return builder.root or (None if found else Node(None, Mark(file, 1, 1))), found


def mark_at(text: str, offset: int, file: str) -> Mark:
    """The place of the character at `offset`, for texts that are searched and not parsed."""
    line, start = 1, 0
    for end in LINE_END.finditer(text, 0, offset):
        line, start = line + 1, end.end()
    return Mark(file, line, offset - start + 1)


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """`; did you mean 'alley'?`, or nothing when no name is near."""
    near = [n for n in names if abs(len(n) - len(word)) <= 3 and n.isprintable()]
    found = difflib.get_close_matches(word, near[:5000], 1)
    return f"; did you mean '{found[0]}'?" if found else ""


def _unfit(text: str, file: str) -> list[Diagnostic]:
    """The characters that YAML forbids or that break lines without being seen."""
    if len(text) > MAX_CHARACTERS:
        return [Diagnostic(Mark(file, 1, 1), "too-large", "the file is over 64 MB; split it")]
    found: list[Diagnostic] = []
    for match in _UNFIT.finditer(text):
        name = f"U+{ord(match[0]):04X}"
        mark = mark_at(text, match.start(), file)
        if match[0] in _LINE_BREAKS:
            found.append(
                Diagnostic(mark, "line-break", f"{name} is an invisible line break; delete it")
            )
        else:
            found.append(
                Diagnostic(mark, "control-character", f"{name} is not allowed in YAML; delete it")
            )
        if len(found) == 20:  # a binary file: no one reads more
            break
    return found


def _syntax_error(error: yaml.MarkedYAMLError, text: str, file: str) -> tuple[Mark, str, str]:
    """Place, code and message; an endless quote is placed where it begins."""
    problem = str(error.problem)
    at = error.problem_mark
    if problem == "found unexpected end of stream" and error.context_mark:
        at = error.context_mark
    mark = Mark(file, at.line + 1, at.column + 1) if at else Mark(file, 1, 1)
    if problem == _LIBYAML_TOO_DEEP:
        return mark, "too-deep", _TOO_DEEP
    hint = _SYNTAX_HINTS.get(problem, "")
    lines = LINE_END.split(text)
    line = lines[mark.line - 1] if mark.line <= len(lines) else ""
    if "tab character" in problem or line[mark.column - 1 :].startswith("\t"):
        problem, hint = "a tab indents this line", "YAML takes spaces only"
    elif line[mark.column - 2 :].startswith("${{") and "expected ','" in problem:
        hint, mark = _QUOTE_EXPRESSION, mark._replace(column=mark.column - 1)
    return mark, "yaml-syntax", f"{problem}; {hint}" if hint else problem


def _plain(text: str) -> Json:
    """An untagged, unquoted scalar by the YAML 1.2 core schema. Raises _Value."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] not in _MAYBE_NUMBER:
        return text
    if _LEADING_ZERO.fullmatch(text):
        raise _Value(
            "ambiguous-number", f'{text} begins with 0: quote it ("{text}") or drop the zero'
        )
    if _INTEGER.fullmatch(text):
        return _integer(text)
    if _FLOAT.fullmatch(text):
        return _finite(text)
    if _NOT_FINITE.fullmatch(text):
        raise _Value(
            "number-range", f"{text} is no number that JSON can hold; quote it if it is text"
        )
    return text


def _integer(text: str) -> int:
    number = int(text, 0) if text[:2] in ("0o", "0x") else int(text) if len(text) < 25 else 2**64
    if abs(number) >= 2**63:
        raise _Value("number-range", f"{text[:40]} is too large a number; quote it if it is text")
    return number


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _Value("number-range", f"{text[:40]} is too large a number; quote it if it is text")
    return number


def _tagged(text: str, tag: str) -> Json:
    """A scalar with one of the core tags. Raises _Value."""
    name = tag.removeprefix(_TAG)
    if name == "str":
        return text
    wanted = {"null": type(None), "bool": bool, "int": int, "float": float}.get(name)
    if not tag.startswith(_TAG) or wanted is None:
        raise _Value("unknown-tag", f"unknown tag {_shown(tag)}; delete it")
    value = _plain(text)
    if wanted is float and type(value) is int:
        value = float(value)
    if type(value) is not wanted:
        raise _Value(
            "unknown-tag", f"'{text[:40]}' is not what its tag {_shown(tag)} says; delete the tag"
        )
    return value


def _shown(tag: str) -> str:
    return tag.replace(_TAG, "!!")[:60]


class _Stop(Exception):
    """The rest cannot be read; the builder has noted why."""


class _Open:
    """A mapping or list whose end has not come yet. `size` counts the values in it, aliases
    expanded.
    """

    __slots__ = ("anchor", "flow", "items", "key", "key_mark", "mark", "merge", "size")

    def __init__(self, items: Any, mark: Mark, anchor: str | None, flow: bool) -> None:
        self.items = items
        self.mark = mark
        self.anchor = anchor
        self.flow = flow
        self.key: str | None = None
        self.key_mark: Mark | None = None
        self.merge: Node | None = None
        self.size = 1


class _Builder:
    """Events → the tree, iteratively. Mistakes that leave the rest readable are collected; others
    stop it.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.root: Node | None = None
        self.diagnostics: list[Diagnostic] = []
        self.stack: list[_Open] = []
        self.anchors: dict[str, tuple[Node, int] | None] = {}  # None: not finished yet
        self.documents = 0
        self.values = 0
        self.copies = 0
        self.handlers: dict[type, Callable[[Any], None]] = {
            yaml.ScalarEvent: self.scalar,
            yaml.AliasEvent: self.alias,
            yaml.MappingStartEvent: self.open,
            yaml.SequenceStartEvent: self.open,
            yaml.MappingEndEvent: self.close,
            yaml.SequenceEndEvent: self.close,
            yaml.DocumentStartEvent: self.document,
        }

    def build(self, events: Iterable[Any]) -> None:
        """Read events until they end. Raises _Stop when a mistake leaves no sense in reading on."""
        handlers = self.handlers
        for event in events:
            if handler := handlers.get(type(event)):
                handler(event)

    def note(self, mark: Mark, code: str, message: str, related: Mark | None = None) -> None:
        # What is quoted may be a text of many lines; a message is one.
        self.diagnostics.append(
            Diagnostic(mark, code, " ".join(message.splitlines()), related=related)
        )

    def stop(self, mark: Mark, code: str, message: str) -> NoReturn:
        """Note a mistake after which there is nothing more to read."""
        self.note(mark, code, message)
        raise _Stop

    def mark(self, event: Any) -> Mark:
        start = event.start_mark
        return Mark(self.file, start.line + 1, start.column + 1)

    def document(self, event: Any) -> None:
        self.documents += 1
        if self.documents == 2:
            self.stop(
                self.mark(event),
                "second-document",
                "a second YAML document begins; one file holds one",
            )

    def scalar(self, event: Any) -> None:
        start, end, text = event.start_mark, event.end_mark, event.value
        mark = Mark(self.file, start.line + 1, start.column + 1)
        top = self.stack[-1] if self.stack else None
        if top and top.key is None and type(top.items) is dict:
            self.key(top, text, mark, event)
            return
        if (
            not text
            and event.tag is None
            and event.implicit[0]
            and top
            and top.flow
            and type(top.items) is dict
        ):
            self.note(top.key_mark or mark, "empty-value", _empty_value(top.key or ""))
        surplus = end.column - start.column - len(text) if start.line == end.line else -1
        node = Node(self.resolve(event, mark), mark, None, surplus in (0, 2), surplus == 2)
        self.values += 1
        if event.anchor:
            self.anchors[event.anchor] = (node, 1)
        self.add(node, 1)

    def resolve(self, event: Any, mark: Mark) -> Json:
        text = event.value
        try:
            if event.tag is not None:
                return text if event.tag == "!" else _tagged(text, event.tag)
            return _plain(text) if event.implicit[0] else text
        except _Value as error:
            self.note(mark, error.code, str(error))
            return text

    def key(self, top: _Open, text: str, mark: Mark, event: Any) -> None:
        """A key is its text as written, as JSON has it."""
        if not text and event.implicit[0]:
            self.note(
                mark,
                "key-not-text",
                "a key is missing before the ':'; write one, or quote the text",
            )
        if event.anchor:
            self.anchors[event.anchor] = (Node(text, mark), 1)
        top.key, top.key_mark = text, mark
        if text == "<<" and event.implicit[0]:
            if top.merge:
                self.note(
                    mark,
                    "duplicate-key",
                    "'<<' is there twice; write one with a list",
                    top.merge.key_mark,
                )
            top.merge = Node(None, mark, mark)
        elif (first := top.items.get(text)) is not None:
            self.note(mark, "duplicate-key", f"'{text}' is there twice (first on line {first.key_mark.line})",
                      first.key_mark)  # fmt: skip

    def alias(self, event: Any) -> None:
        mark = self.mark(event)
        if event.anchor not in self.anchors:
            self.stop(mark, "unknown-alias", f"no anchor &{event.anchor} before this"
                      f"{did_you_mean(event.anchor, self.anchors)}")  # fmt: skip
        found = self.anchors[event.anchor]
        if found is None:
            self.stop(mark, "recursive-alias", f"*{event.anchor} holds itself; name another anchor")
        node, size = found
        self.copy(size, mark)
        self.add(Node(node.value, mark), size)

    def copy(self, size: int, mark: Mark) -> None:
        """Count what an alias or a merge adds."""
        self.copies += size
        most = FREE_COPIES + COPIES_PER_VALUE * self.values
        if self.copies > most:
            self.stop(
                mark, "alias-bomb", f"the aliases stand for over {most:,} values; write fewer"
            )

    def open(self, event: Any) -> None:
        mark = self.mark(event)
        mapping = type(event) is yaml.MappingStartEvent
        if len(self.stack) == MAX_DEPTH:
            self.stop(mark, "too-deep", _TOO_DEEP)
        if event.tag not in (None, "!", _TAG + ("map" if mapping else "seq")):
            self.note(mark, "unknown-tag", f"unknown tag {_shown(event.tag)}; delete it")
        if self.stack and type(self.stack[-1].items) is dict and self.stack[-1].key is None:
            self.stop(mark, "key-not-text", "a key must be text; quote it if it begins with { or [")
        if event.anchor:
            self.anchors[event.anchor] = None
        self.stack.append(_Open({} if mapping else [], mark, event.anchor, bool(event.flow_style)))

    def close(self, _event: Any) -> None:
        top = self.stack.pop()
        if top.merge:
            top.items, added = self.merged(top)
            top.size += added
        node = Node(top.items, top.mark)
        self.values += 1
        if top.anchor:
            self.anchors[top.anchor] = (node, top.size)
        self.add(node, top.size)

    def add(self, node: Node, size: int) -> None:
        """Put a finished value into what holds it."""
        if not self.stack:
            self.root = node
            return
        top = self.stack[-1]
        top.size += size
        if type(top.items) is list:
            top.items.append(node)
            return
        if top.key is None:
            self.stop(node.mark, "key-not-text", "an alias cannot be a key; write the key out")
        node.key_mark = top.key_mark
        if top.merge and top.merge.mark is top.key_mark:
            top.merge = Node(node.value, node.mark, top.key_mark)
        elif top.key not in top.items:
            top.items[top.key] = node
        top.key = None

    def merged(self, top: _Open) -> tuple[dict[str, Node], int]:
        """The mapping with its `<<` applied (its own keys win, then the first source); and the size
        added.
        """
        merge = top.merge
        assert merge is not None
        sources = merge.value if type(merge.value) is list else [merge]
        found: dict[str, Node] = {}
        for source in sources:
            if type(source.value) is not dict:
                self.note(
                    source.mark,
                    "merge-value",
                    "'<<' takes a mapping or a list of mappings, such as *name",
                )
                continue
            self.copy(len(source.value) + 1, source.mark)
            found |= {key: node for key, node in source.value.items() if key not in found}
        return {**found, **top.items}, len(found)


def _empty_value(key: str) -> str:
    return f"'{key}' has no value; inside {{…}} a comma ends unquoted text: quote the whole text, or write null"
