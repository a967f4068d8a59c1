"""PURE. A character of a scalar's value → its place in the file: also in block texts, in folded
texts and behind escapes, where lines and columns of value and file differ.

The sign that begins there, such as `${{`, is counted in the value, and found in the file by its
number. So Nodes need not store places that are rarely asked for.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping

from klingflow.errors import Mark
from klingflow.manifest.encodings import without_mark
from klingflow.manifest.syntax import line_starts
from klingflow.model import Node


def place_in(node: Node, offset: int, sign: str, sources: Mapping[str, str]) -> Mark:
    """Return the place of the `sign` that stands at `offset` of a text; where the text begins if
    the sign cannot be found. `sources` are the texts of files by name.
    """
    if node.plain:
        return node.mark._replace(column=node.mark.column + node.inset + offset)
    text = without_mark(sources.get(node.mark.file, ""))
    lines = line_starts(text)
    if node.mark.line > len(lines):
        return node.mark
    at = lines[node.mark.line - 1] + node.mark.column - 1
    if text.startswith("*", at):  # an alias: its text stands elsewhere
        return node.mark
    at -= 1
    for _ in range(node.value.count(sign, 0, offset) + 1):
        at = text.find(sign, at + 1)
        if at < 0:
            return node.mark
    line = bisect_right(lines, at)
    return Mark(node.mark.file, line, at - lines[line - 1] + 1)
