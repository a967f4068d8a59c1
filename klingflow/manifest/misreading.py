"""PURE. A place where YAML's parser gave up: what the author probably did there, and what to write.

The parser names its own state, often lines below the mistake. This module searches the lines around
that place for what people do: a blank left out behind a colon, text behind a closing quote, a line
that is indented like no other. Otherwise it puts the parser's words into words for authors.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from klingflow.manifest.invisible import BLANKS, NOTHING, named
from klingflow.words import _


class Broken(NamedTuple):
    """The parser's complaint, and the place of it in the lines of the text; both count from 1."""

    problem: str
    lines: Sequence[str]
    line: int
    column: int

    @property
    def text(self) -> str:
        """Return the line of the place; "" behind the last line."""
        return self.lines[self.line - 1] if 0 < self.line <= len(self.lines) else ""

    @property
    def before(self) -> str:
        """Return the text before the place in its line."""
        return self.text[: self.column - 1]

    @property
    def rest(self) -> str:
        """Return the text from the place on in its line."""
        return self.text[self.column - 1 :]

    @property
    def above(self) -> int:
        """Return the number of the nearest line above that is not blank, 0 if there is none."""
        numbers = range(min(self.line - 1, len(self.lines)), 0, -1)
        return next((n for n in numbers if self.lines[n - 1].strip()), 0)


class Explained(NamedTuple):
    """What to say, and where."""

    line: int
    column: int
    message: str


_EXPECTS = ("did not find expected key", "did not find expected ',' or '}'")
_NO_KEY = "mapping values are not allowed in this context"
_GLUED_KEY = re.compile(r"\s*(?:- )?([^\s:#'\"{}\[\],]+):(?=[^\s/:])")
_SIGN = re.compile(r"(?:^|[\s\[{,])#")
# The parser misses one of these if a comment has taken the end of {…} or […].
_CLOSERS: Final = {
    "did not find expected ',' or '}'": "}",
    "did not find expected ',' or ']'": "]",
    "did not find expected node content": "]}",
}
# What the parser says about a text that goes on below a comment.
_ENDS_A_TEXT = ("could not find expected ':'", "did not find expected key")
_LINES_BACK = 200
_OPENS: Final = {"}": "{", "]": "["}
_KEY_AND_TEXT = re.compile(r"\s*(?:- )?[^\s:#]+: +[^\s#{\[|>&*]")


def explained(broken: Broken) -> Explained:
    """Return what to say of a text that is no YAML, and where."""
    for look in _LOOKS:
        if found := look(broken):
            return found
    return _here(broken, _WORDS.get(broken.problem, broken.problem))


def _here(broken: Broken, message: str) -> Explained:
    return Explained(broken.line, broken.column, message)


_NO_START: Final = "did not find expected <document start>"
_ODD_BLANK = re.compile(rf"\s*(-|[^\s#]+?:)([{BLANKS}{NOTHING}])")


def _directive(broken: Broken) -> Explained | None:
    """Return a line that begins with %, which YAML keeps for directives. The parser may complain
    of the line below it.
    """
    number = broken.line
    if not broken.text.startswith("%"):
        number = broken.above if broken.problem == _NO_START else 0
    if not number or not broken.lines[number - 1].startswith("%"):
        return None
    message = _(
        "a line that begins with % is a directive of YAML, of which %YAML 1.2 with --- below it can"
        " be read; delete the line, or begin a comment with #"
    )
    return Explained(number, 1, message)


def _end_mark(broken: Broken) -> Explained | None:
    """Return the line `...`, which ends a document, where the text goes on below it."""
    above = broken.lines[broken.above - 1] if broken.above else ""
    if broken.problem != _NO_START or above.rstrip() != "...":
        return None
    return Explained(broken.above, 1, _("... ends the text here; delete the line"))


def _odd_blank(broken: Broken) -> Explained | None:
    """Return a blank behind a colon or a dash that is no blank for YAML, so that the line is one
    word.
    """
    if broken.problem not in (_NO_KEY, *_ENDS_A_TEXT):
        return None
    for number in (broken.line, broken.above):
        line = broken.lines[number - 1] if 0 < number <= len(broken.lines) else ""
        if found := _ODD_BLANK.match(line):
            message = _(
                "{blank} stands behind '{text}'; write a plain space",
                blank=named(found[2]),
                text=found[1],
            )
            return Explained(number, found.start(2) + 1, message)
    return None


def _tab(broken: Broken) -> Explained | None:
    if "tab character" not in broken.problem and not broken.rest.startswith("\t"):
        return None
    return _here(broken, _("a tab indents this line; YAML takes spaces only"))


def _expression(broken: Broken) -> Explained | None:
    if "expected ','" not in broken.problem or not broken.text[broken.column - 2 :].startswith(
        "${{"
    ):
        return None
    message = _("a text with ${{ … }} inside {…} or […] is not in quotes; put it in quotes")
    return Explained(broken.line, broken.column - 1, message)


def _behind_a_quote(broken: Broken) -> Explained | None:
    last = broken.before.rstrip()[-1:]
    if broken.problem not in _EXPECTS or not last or last not in "\"'":
        return None
    double = last == '"'
    inner = (
        _('write \\" for a quotation mark in the text')
        if double
        else _("write '' for ' in the text")
    )
    return _here(
        broken, _("the text goes on behind its closing {last}; {inner}", last=last, inner=inner)
    )


def _open_above(broken: Broken) -> Explained | None:
    """Return the quotation mark that is missing above: the first one of this line closed the
    text.
    """
    last = broken.before.rstrip()[-1:]
    if broken.problem not in _EXPECTS or not last or last not in "\"'":
        return None
    if broken.before.count(last) % 2 == 0:
        return None
    for number in range(broken.line - 1, 0, -1):
        line = broken.lines[number - 1]
        if line.count(last) % 2:
            return Explained(
                number, line.rindex(last) + 1, _("a closing {last} is missing", last=last)
            )
    return None


def _behind_a_bracket(broken: Broken) -> Explained | None:
    last = broken.before.rstrip()[-1:]
    if broken.problem not in _EXPECTS or not broken.rest.strip() or last not in ("]", "}"):
        return None
    opening = "[" if last == "]" else "{"
    message = _(
        "the text goes on behind {last}; quote a text that begins with {opening}",
        last=last,
        opening=opening,
    )
    return _here(broken, message)


def _comment_above(broken: Broken) -> Explained | None:
    """Return the `#` above that begins a comment, where the author meant text: it took the end of a
    bracket with it, or ends the text that this line goes on with.
    """
    if closers := _CLOSERS.get(broken.problem):
        return _comment_in_a_bracket(broken, closers)
    line = broken.lines[broken.above - 1] if broken.above else ""
    at = _sign_in(line)
    if at is None or broken.problem not in _ENDS_A_TEXT or _indent(broken.text) <= _indent(line):
        return None
    message = _("what follows the # is a comment, which ends the text; put the text in quotes")
    return Explained(broken.above, at + 1, message)


def _comment_in_a_bracket(broken: Broken, closers: str) -> Explained | None:
    """Return the nearest `#` above whose comment holds the end of an open bracket.

    The parser gives up at the first line below that cannot stand in the bracket, which may be far.
    """
    last = max(0, broken.line - _LINES_BACK)
    for number in range(min(broken.line - 1, len(broken.lines)), last, -1):
        line = broken.lines[number - 1]
        at = _sign_in(line)
        if at is None:
            continue
        taken = [closing for closing in closers if _takes(line, at, closing)]
        if taken:
            message = _(
                "what follows the # is a comment, its {taken} too; put the text in quotes",
                taken=taken[0],
            )
            return Explained(number, at + 1, message)
    return None


def _takes(line: str, at: int, closing: str) -> bool:
    """Return True if the comment at `at` holds `closing`, whose bracket is open before it."""
    before, comment = line[:at], line[at + 1 :]
    return closing in comment and before.count(_OPENS[closing]) > before.count(closing)


def _sign_in(line: str) -> int | None:
    """Return where a `#` stands in a line as a comment begins, outside quotes, from 0."""
    signs = (found.end() - 1 for found in _SIGN.finditer(line))
    return next((at for at in signs if _is_outside(line, at)), None)


def _is_outside(line: str, column: int) -> bool:
    """Return True if no quotation mark is open at `column`, which counts from 0."""
    return all(line.count(mark, 0, column) % 2 == 0 for mark in "\"'")


def _glued_key(broken: Broken) -> Explained | None:
    """Return a blank left out behind a colon, in this line or in the one above, which then is text
    that goes on in this line.
    """
    if broken.problem not in (_NO_KEY, "could not find expected ':'"):
        return None
    number = broken.above
    glued = _GLUED_KEY.match(broken.lines[number - 1]) if number else None
    if glued is None:
        return None
    return Explained(number, glued.end(), _("write a blank behind '{glued}:'", glued=glued[1]))


def _deeper(broken: Broken) -> Explained | None:
    """Return a line that goes on with the text above because it is indented more."""
    above = broken.lines[broken.above - 1] if broken.above else ""
    if broken.problem != _NO_KEY or not _KEY_AND_TEXT.match(above):
        return None
    if _indent(broken.text) <= _indent(above):
        return None
    column = _indent(broken.text) + 1
    message = _(
        "this line is indented more than line {above}, so it goes on with the text there;"
        " align the two",
        above=broken.above,
    )
    return Explained(broken.line, column, message)


def _unaligned(broken: Broken) -> Explained | None:
    """Return a line whose indentation no line above has."""
    indent = _indent(broken.text)
    at_its_start = broken.rest.strip() and not broken.before.strip()
    if broken.problem != "did not find expected key" or not at_its_start:
        return None
    above = {_indent(line) for line in broken.lines[: broken.line - 1] if line.strip()}
    if indent in above:
        return None
    message = _(
        "no line above is indented by {indent} like this one; align it with its neighbours",
        indent=indent,
    )
    return _here(broken, message)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


_LOOKS: Final[tuple[Callable[[Broken], Explained | None], ...]] = (
    _directive,
    _end_mark,
    _odd_blank,
    _tab,
    _expression,
    _open_above,
    _behind_a_quote,
    _behind_a_bracket,
    _comment_above,
    _glued_key,
    _deeper,
    _unaligned,
)
_ESCAPE: Final = _("inside \"…\" a \\ begins an escape; write \\\\ for \\, or put the text in '…'")
# libyaml's words → what they mean to an author.
_WORDS: Final = {
    _NO_KEY: _("a second ': ' stands in this line; quote a text with ': ' in it"),
    "found character that cannot start any token": _(
        "no text begins with this character; quote text that begins with @, ` or %"
    ),
    "could not find expected ':'": _("a key needs ': ' behind it"),
    "found unexpected end of stream": _("a closing quote is missing"),
    "did not find expected key": _("write a key such as 'prompt:' here, or check the indentation"),
    "did not find expected '-' indicator": _("a list goes on with '- '; check the indentation"),
    "did not find expected ',' or '}'": _("close the {, and put the texts in it in quotes"),
    "did not find expected ',' or ']'": _("close the [, and put the texts in it in quotes"),
    "did not find expected alphabetic or numeric character": _(
        "put a text that begins with * or & in quotes"
    ),
    "did not find expected node content": _("a value is missing here; write one"),
    "did not find expected comment or line break": _(
        "text behind | or > begins on the next line, indented; or quote a text that begins so"
    ),
    "block sequence entries are not allowed in this context": _(
        "a list with - begins on the line below its key; or write [a, b]"
    ),
    "found unknown escape character": _ESCAPE,
    "did not find expected hexdecimal number": _ESCAPE,
    _NO_START: _(
        "the text goes on after its end; check the indentation, and begin each key at the left edge"
    ),
}
