"""PURE. Events of YAML's parser → Nodes. Built with a stack of our own, since the parser's composer
recurses in C; whatever YAML would silently take for something else is a diagnostic.

source.py runs the parser, scalars.py reads values, comments.py judges each `#`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final, NoReturn

import yaml

from klingflow.errors import Diagnostic, Mark, in_one_line
from klingflow.manifest.comments import GLUED, NEVER, Comments
from klingflow.manifest.invisible import BLANKS, NOTHING, named
from klingflow.manifest.scalars import CORE_TAG, ScalarError, plain, shown_tag, tagged
from klingflow.manifest.spelling import did_you_mean
from klingflow.manifest.surrogates import Halves
from klingflow.manifest.syntax import MAX_DEPTH, TOO_DEEP, mark_at
from klingflow.model import Json, Node
from klingflow.words import _

# Aliases and merges may add so much: enough for 100,000 shots that share presets, far below a bomb.
FREE_COPIES = 200_000
COPIES_PER_VALUE = 10
# Texts of so many characters, such as tags, are often repeated.
SHORT: Final = 8
_OLDER: Final = (1, 1)
_IS_OLDER: Final = _(
    "this line says that the file is YAML 1.1, where yes, no, on and off are booleans and 16:9 is"
    " the number 969; klingflow reads YAML 1.2, where all of them are text: delete the line"
)
NO_TAG: Final = _(
    "the '!' is a tag, which is no part of the text; put the whole text in quotes, or delete it"
)
_ODD_INDENT = re.compile(f"[{BLANKS}{NOTHING}]")


class Stop(Exception):
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


class Builder:
    """Events → the tree, iteratively. Mistakes that leave the rest readable are collected; others
    stop it.
    """

    def __init__(self, file: str, text: str, halves: Halves) -> None:
        self.file = file
        self.text = text
        self.halves = halves
        self.comments = Comments(text, file)
        self.last: Any = None  # the event of the last scalar
        self.last_node: Node | None = None  # its value, unless it was a key
        self.unused: dict[str, Mark] = {}  # anchors in front of words, without an alias so far
        self.diagnostics: list[Diagnostic] = []
        # At the bottom is the file itself, as a list of documents.
        self.documents: list[Node] = []
        self.stack = [_Open(self.documents, Mark(file, 1, 1), None, False)]
        self.anchors: dict[str, tuple[Node, int] | None] = {}  # None: not finished yet
        self.values = 0
        self.copies = 0
        self.first = Mark(file, 1, 1)  # of the last place's line
        self.texts: dict[str, str] = {}  # keys and short texts, each once
        self.handlers: dict[type, Callable[[Any], None]] = {
            yaml.ScalarEvent: self.scalar,
            yaml.AliasEvent: self.alias,
            yaml.MappingStartEvent: self.open,
            yaml.SequenceStartEvent: self.open,
            yaml.MappingEndEvent: self.close,
            yaml.SequenceEndEvent: self.close,
            yaml.DocumentStartEvent: self.document,
        }

    def build(self, events: Iterable[Any]) -> Node:
        """Return the tree of the events. Raises Stop when a mistake makes the rest unreadable."""
        handlers = self.handlers
        try:
            for event in events:
                if handler := handlers.get(type(event)):
                    handler(event)
        finally:
            self.finish()
            self.handlers = {}  # which hold this builder: a circle would keep the tree
        return next(iter(self.documents), Node(None, Mark(self.file, 1, 1)))

    def finish(self) -> None:
        """Note what only the end of the text shows."""
        self.comments.look(NEVER, NEVER, "", self.last, self.last_node)
        for mark in self.comments.wrong:
            self.note(mark, "yaml-syntax", GLUED)
        if any(found.code == "unknown-alias" for found in self.diagnostics):
            return  # a misspelt alias: its anchor is not unused
        for anchor, mark in self.unused.items():
            message = _(
                "no *{anchor} uses the anchor &{anchor}, which is no part of the text;"
                " put the whole text in quotes, or delete it",
                anchor=anchor,
            )
            self.note(mark, "unused-anchor", message)

    def note(self, mark: Mark, code: str, message: str, related: Mark | None = None) -> None:
        # A quoted text may have many lines; a message has one.
        self.diagnostics.append(Diagnostic(mark, code, in_one_line(message), related=related))

    def stop(self, mark: Mark, code: str, message: str) -> NoReturn:
        """Note a mistake after which there is nothing more to read."""
        self.note(mark, code, message)
        raise Stop

    def mark(self, event: Any) -> Mark:
        return self.place(event.start_mark)

    def place(self, start: Any) -> Mark:
        """Return a place that the parser gives, as a Mark."""
        if start.line != self.first.line - 1:
            self.first = Mark(self.file, start.line + 1, start.column + 1)
            return self.first
        return Mark(self.file, self.first.line, start.column + 1)

    def document(self, event: Any) -> None:
        if self.documents:
            message = _("a second YAML document begins; one file holds one")
            self.stop(self.mark(event), "second-document", message)
        if event.version == _OLDER:
            self.note(self.mark(event), "yaml-version", _IS_OLDER)

    def scalar(self, event: Any) -> None:
        start, end, text = event.start_mark, event.end_mark, event.value
        if len(text) <= SHORT:
            text = event.value = self.texts.setdefault(text, text)
        mark = self.place(start)
        top = self.stack[-1]
        if end.index > self.comments.watch:
            self.comments.look(start.index, end.index, event.style, self.last, self.last_node)
        self.last = event
        if top.key is None and type(top.items) is dict:
            self.last_node = None
            self.key(top, text, mark, event)
            return
        if not text and top.flow:
            self.check_empty(top, mark, event)
        surplus = end.column - start.column - len(text) if start.line == end.line else -1
        node = Node(self.resolve(event, mark), mark, None, surplus in (0, 2), surplus == 2)
        node.share_line(self.first)
        self.values += 1
        self.last_node = node
        if event.anchor:
            self.anchor(event, node)
        if self.halves.found:
            self.check_halves(event, node)
        self.add(node, 1)

    def anchor(self, event: Any, node: Node) -> None:
        """Keep an anchor's value, and note an anchor in front of words: the author may have meant
        it as one of them.
        """
        self.anchors[event.anchor] = (node, 1)
        if not event.style and event.tag is None and (type(node.value) is str or not event.value):
            self.unused[event.anchor] = node.mark

    def check_halves(self, event: Any, node: Node) -> None:
        """Note half of a character in a text, and replace it."""
        if not self.halves.lone(event.value):
            return
        at, half = self.halves.place(event.start_mark.index, event.value)
        found = mark_at(self.text, at, self.file) if at >= 0 else node.mark
        message = _(
            "{half} is half of a character; write both halves, or the character itself", half=half
        )
        self.note(found, "half-character", message)
        node.value = self.halves.without(event.value)

    def check_empty(self, top: _Open, mark: Mark, event: Any) -> None:
        """Note a value that nobody wrote: `{a: x, y, z}` has two of them."""
        unwritten = event.tag is None and event.implicit[0]
        if not unwritten or type(top.items) is not dict:
            return
        message = _(
            "'{key}' has no value; inside {{…}} a comma ends unquoted text:"
            " quote the whole text, or write null",
            key=top.key or "",
        )
        self.note(top.key_mark or mark, "empty-value", message)

    def resolve(self, event: Any, mark: Mark) -> Json:
        text = event.value
        try:
            if event.tag == "!":
                if text and not event.style and plain(text) == text:
                    raise ScalarError("unknown-tag", NO_TAG)
                return text
            if event.tag is not None:
                return tagged(text, event.tag)
            return plain(text) if event.implicit[0] else text
        except ScalarError as error:
            self.note(mark, error.code, str(error))
            return text

    def key(self, top: _Open, text: str, mark: Mark, event: Any) -> None:
        """Begin the entry of a key, which is its text as written, as JSON has it."""
        self.check_key(top, text, mark, event)
        if event.anchor:
            self.anchors[event.anchor] = (Node(text, mark), 1)
        text = self.texts.setdefault(text, text)
        top.key, top.key_mark = text, mark
        if text == "<<" and event.implicit[0]:
            if top.merge:
                message = _("'<<' is there twice; write one with a list")
                self.note(mark, "duplicate-key", message, top.merge.key_mark)
            top.merge = Node(None, mark, mark)
        elif (first := top.items.get(text)) is not None:
            message = _(
                "'{text}' is there twice (first on line {line})",
                text=text,
                line=first.key_mark.line,
            )
            self.note(mark, "duplicate-key", message, first.key_mark)

    def check_key(self, top: _Open, text: str, mark: Mark, event: Any) -> None:
        """Note what is wrong with a key by itself."""
        if not text and event.implicit[0]:
            message = _("a key is missing before the ':'; write one, or quote the text")
            self.note(mark, "key-not-text", message)
        if top.flow and self.text[event.start_mark.index - 1] == "?":
            message = _("the '?' before '{text}' is dropped; put it in quotes", text=text)
            self.note(mark, "key-not-text", message)
        if event.style or text.isascii():
            return
        if odd := _ODD_INDENT.match(text):
            message = _(
                "{odd} stands before this key; indent it by plain spaces", odd=named(odd[0])
            )
            self.note(mark, "odd-blank", message)

    def alias(self, event: Any) -> None:
        mark = self.mark(event)
        self.unused.pop(event.anchor, None)
        if event.anchor not in self.anchors:
            hint = did_you_mean(event.anchor, self.anchors)
            hint = hint or _("; put a text that begins with * in quotes")
            self.stop(
                mark,
                "unknown-alias",
                _("no anchor &{anchor} before this{hint}", anchor=event.anchor, hint=hint),
            )
        found = self.anchors[event.anchor]
        if found is None:
            self.stop(
                mark,
                "recursive-alias",
                _("*{anchor} holds itself; name another anchor", anchor=event.anchor),
            )
        node, size = found
        self.copy(size, mark)
        self.add(Node(node.value, mark), size)

    def copy(self, size: int, mark: Mark) -> None:
        """Count what an alias or a merge adds."""
        self.copies += size
        most = FREE_COPIES + COPIES_PER_VALUE * self.values
        if self.copies > most:
            message = _("the aliases stand for over {most:,} values; write fewer", most=most)
            self.stop(mark, "alias-bomb", message)

    def open(self, event: Any) -> None:
        mark = self.mark(event)
        items: Any
        tag, items = ("map", {}) if type(event) is yaml.MappingStartEvent else ("seq", [])
        top = self.stack[-1]
        if len(self.stack) > MAX_DEPTH:
            self.stop(mark, "too-deep", TOO_DEEP)
        if event.tag not in (None, "!", CORE_TAG + tag):
            self.note(
                mark, "unknown-tag", _("unknown tag {tag}; delete it", tag=shown_tag(event.tag))
            )
        if top.key is None and type(top.items) is dict:
            self.stop(
                mark, "key-not-text", _("a key must be text; quote it if it begins with { or [")
            )
        if event.anchor:
            self.anchors[event.anchor] = None
        self.stack.append(_Open(items, mark, event.anchor, bool(event.flow_style)))

    def close(self, _event: Any) -> None:
        top = self.stack.pop()
        if top.merge:
            top.items, added = self.merged(top)
            top.size += added
        node = Node(top.items, top.mark)
        node.share_line(self.first)
        self.values += 1
        if top.anchor:
            self.anchors[top.anchor] = (node, top.size)
        self.add(node, top.size)

    def add(self, node: Node, size: int) -> None:
        """Put a finished value into what holds it."""
        top = self.stack[-1]
        top.size += size
        if type(top.items) is list:
            top.items.append(node)
            return
        if top.key is None:
            self.stop(node.mark, "key-not-text", _("an alias cannot be a key; write the key out"))
        assert top.key_mark is not None, "a key has a place"
        node.key_mark = top.key_mark
        if top.merge and top.merge.mark is top.key_mark:
            top.merge = Node(node.value, node.mark, top.key_mark)
        elif top.key not in top.items:
            top.items[top.key] = node
        top.key = None

    def merged(self, top: _Open) -> tuple[dict[str, Node], int]:
        """Return the mapping with its `<<` applied, and the size added.

        The mapping's own keys win, then those of the first source.
        """
        merge = top.merge
        assert merge is not None
        sources = merge.value if type(merge.value) is list else [merge]
        found: dict[str, Node] = {}
        for source in sources:
            if type(source.value) is not dict:
                message = _("'<<' takes a map or a list of maps, such as *name")
                self.note(source.mark, "merge-value", message)
                continue
            self.copy(len(source.value) + 1, source.mark)
            for key, node in source.value.items():
                found.setdefault(key, node)
        return {**found, **top.items}, len(found)
