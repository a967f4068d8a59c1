"""PURE. YAML text → Nodes: every value with its place. Knows YAML, nothing of manifests.

The C parser of PyYAML is used for its events alone: its composer recurses in C and dies on 100 KB
of `[`, and its constructor follows bombs of merge keys for hours. tree.py builds the tree,
syntax.py words the parser's complaints.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import yaml

from klingflow.errors import Diagnostic, ManifestError, Mark
from klingflow.manifest.comments import Comment
from klingflow.manifest.encodings import without_mark
from klingflow.manifest.surrogates import Halves
from klingflow.manifest.syntax import syntax_error, unfit
from klingflow.manifest.tree import Builder, Stop
from klingflow.model import Node
from klingflow.words import _

COMMENT: Final = "comment-in-text"
LOST: Final = _("the value is empty, because '#' begins a comment; put the text in quotes")


def parse(text: str, file: str) -> Node:
    """Return the one YAML document in `text`; an empty text is a Node of None.

    Raises:
        ManifestError: every mistake that could be found; after a broken syntax no more are.
    """
    root, found = parse_in_spite(text, file)
    if found or root is None:
        raise ManifestError(found)
    return root


def parse_in_spite(text: str, file: str) -> tuple[Node | None, list[Diagnostic]]:
    """Return the tree and its mistakes, for a reader who goes on to look for others.

    The tree is None if the rest could not be read. A mistake's own value is in it as text.
    """
    read = read_in_spite(text, file)
    return read.root, read.mistakes


class Read(NamedTuple):
    """What a text holds: its tree (None if the rest could not be read), its mistakes, its doubts,
    and the comments behind unquoted values, by the places of the values.
    """

    root: Node | None
    mistakes: list[Diagnostic]
    doubts: list[Diagnostic]
    comments: Mapping[Mark, Comment]


def read_in_spite(text: str, file: str) -> Read:
    """Return all that a text holds, whatever its mistakes."""
    text = without_mark(text)
    if forbidden := unfit(text, file):
        return Read(None, forbidden, [], {})
    halves = Halves(text)
    builder = Builder(file, text, halves)
    root: Node | None = None
    try:
        root = builder.build(halves.joined(yaml.parse(halves.text, Loader=yaml.CLoader)))
    except yaml.MarkedYAMLError as error:
        if all(found.code != "odd-blank" for found in builder.diagnostics):  # or it follows
            builder.diagnostics.append(syntax_error(error, text, file))
    except Stop:
        pass  # the builder has noted why
    mistakes = sorted(builder.diagnostics, key=lambda d: d.mark)
    doubts = [Diagnostic(mark, COMMENT, LOST, "warning") for mark in builder.comments.instead]
    return Read(root, mistakes, doubts, builder.comments.behind)
