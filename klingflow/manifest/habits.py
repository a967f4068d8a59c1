"""PURE. Texts that probably mean something else than they say: a `#` that begins a comment, braces
of other template languages, quotation marks around a whole prompt, tags with Chinese commas.

Each is a warning with a code that `allow:` silences. Only written text is checked: what a cell or
an expression holds is data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, Protocol

from klingflow.errors import Diagnostic, Mark
from klingflow.manifest.coerce import as_list
from klingflow.manifest.comments import Comment
from klingflow.manifest.invisible import shown
from klingflow.manifest.offsets import place_in
from klingflow.model import Node
from klingflow.words import _, joined

COMMENT: Final = "comment-in-text"
BRACES: Final = "foreign-braces"
QUOTES: Final = "quoted-text"
ONE_TAG: Final = "one-tag"
# The codes, each with what it says.
HABITS: Final[dict[str, str]] = {
    COMMENT: _("A '#' begins a comment where a text seems to go on."),
    BRACES: _("Braces of another template language stand around a name that exists here."),
    QUOTES: _("Quotation marks around the whole text are sent with it."),
    ONE_TAG: _("Chinese commas and dashes do not separate tags."),
}
# Fields of free text: there a comment stands off by two blanks before the '#' and one behind it,
# as yamllint and Prettier have comments.
_TEXTS: Final = frozenset({"prompt", "style", "scene", "title", "note", "dialogue", "text"})
# Fields that may hold text: there only a '#' without a blank behind it is one of the text.
_MAY_BE_TEXT: Final = frozenset({"vars", "matrix", "foreach", "tags", "extra", "request"})
_SENT: Final = frozenset({"prompt", "style"})
_PAIRS: Final = {"“": "”", "「": "」", "『": "』", "‘": "’", "＂": "＂"}
# A dash that YAML does not know, or that has no plain blank behind it: all of it is one tag.
_DASH = re.compile(r"(?:[－—–−·•]\s?|-[^\S ])(?=\S)")
_COMMAS = re.compile("[，、；]")
_NAME = r"(?:(vars|matrix|row)\s*\.\s*)?([^\W\d][\w-]*)"
_BRACES = re.compile(
    rf"(?<!\$)\{{\{{\s*{_NAME}\s*\}}\}}|\$\{{\s*{_NAME}\s*\}}|(?<![\${{])\{{\s*{_NAME}\s*\}}(?!\}})"
)
_SUSPECT = re.compile("[“「『‘＂，、；]|" r"(?m:^ *(?:[－—–−·•]|-[^\S \n]))|" + _BRACES.pattern)


class Written(Protocol):
    """The files as they were written: their texts, and the comments in them."""

    sources: dict[str, str]
    comments: dict[Mark, Comment]


def is_suspect(text: str) -> bool:
    """Return True if a file's text holds what may be one of the habits; comments are not asked."""
    return bool(_SUSPECT.search(text))


def doubts_of(
    node: Node, subject: str, names: Mapping[str, str], written: Written
) -> list[Diagnostic]:
    """Return the doubts about a shot's merged layers. `names` are those that expressions may use,
    each with its root.
    """
    allow = node.value.get("allow")
    silent = {code.value for code in as_list(allow.value)} if allow else set()
    found = []
    for field, part in node.value.items():
        for name, leaf in _leaves(field, part):
            found += [*_comment(field, name, leaf, written.comments), *_value(field, name, leaf)]
            found += _braces(leaf, names, written)
    return [
        Diagnostic(mark, code, message, "warning", subject=subject)
        for mark, code, message in found
        if code not in silent
    ]


def doubts_of_rows(rows: Node, comments: Mapping[Mark, Comment]) -> list[Diagnostic]:
    """Return a warning for each comment that took words from a cell of a YAML file of rows, a list
    of maps.
    """
    leaves = (leaf for row in rows.value for leaf in _leaves("", row))
    found = [doubt for name, leaf in leaves for doubt in _comment("foreach", name, leaf, comments)]
    return [Diagnostic(mark, code, message, "warning") for mark, code, message in found]


_Doubt = tuple[Mark, str, str]


def _leaves(name: str, node: Node) -> Iterator[tuple[str, Node]]:
    """Yield the texts below a node, each with the name of the field that holds it."""
    todo = [(name, node)]
    while todo:
        name, node = todo.pop()
        if type(node.value) is dict:
            todo.extend(node.value.items())
        elif type(node.value) is list:
            todo.extend((name, item) for item in node.value)
        elif type(node.value) is str:
            yield name, node


def _comment(
    field: str, name: str, leaf: Node, comments: Mapping[Mark, Comment]
) -> Iterator[_Doubt]:
    comment = comments.get(leaf.mark)
    if comment is None:
        return
    of_text = name in _TEXTS and not comment.apart
    perhaps = field in _MAY_BE_TEXT and comment.glued and "://" not in leaf.value
    if of_text or perhaps:
        message = _(
            "the text ends here, because '#' begins a comment; put the whole text in quotes, or"
            " write two blanks before the '#' and one behind it"
        )
        yield comment.mark, COMMENT, message


def _value(field: str, name: str, leaf: Node) -> Iterator[_Doubt]:
    text = leaf.value
    closing = _PAIRS.get(text[:1]) if name in _SENT else None
    if closing and text.find(closing, 1) == len(text) - 1:
        message = _(
            "{opening} and {closing} are sent with the text; delete them if they only quote",
            opening=text[0],
            closing=closing,
        )
        yield leaf.mark, QUOTES, message
    if field == "tags" and (message := _of_one_tag(text)):
        yield leaf.mark, ONE_TAG, message


def _of_one_tag(text: str) -> str:
    """Return what to say about a tag that was probably meant as several; "" for another one."""
    if dash := _DASH.match(text):
        return _(
            "this is one tag that begins with {dash}; write '- ' and the tag",
            dash=shown(dash[0][0]),
        )
    comma = _COMMAS.search(text)
    if comma is None:
        return ""
    tags = joined(", ", filter(None, map(str.strip, _COMMAS.split(text))))
    return _("this is one tag with a '{comma}' in it; write [{tags}]", comma=comma[0], tags=tags)


def _braces(leaf: Node, names: Mapping[str, str], written: Written) -> Iterator[_Doubt]:
    for braces in _BRACES.finditer(leaf.value) if "{" in leaf.value else ():
        if meant := _meant(braces, names):
            message = _(
                "{braces} is sent as it stands; write ${{{{ {meant} }}}} for the value of {meant}",
                braces=braces[0],
                meant=meant,
            )
            place = place_in(leaf, braces.start(), braces[0], written.sources)
            yield place, BRACES, message


def _meant(braces: re.Match[str], names: Mapping[str, str]) -> str | None:
    """Return the name that stands in foreign braces as an expression has it, if it exists here."""
    groups = braces.groups()
    for root, name in zip(groups[::2], groups[1::2], strict=True):
        if name in names and root in (None, names[name]):
            return f"{names[name]}.{name}"
    return None
