"""PURE. What is wrong with a text before there is a tree: characters that YAML forbids, and the
parser's complaints in words that say what to do.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import lru_cache
from itertools import islice
from typing import Final

import yaml

from klingflow.errors import LINE_END, Diagnostic, Mark, in_one_line
from klingflow.manifest.misreading import Broken, explained
from klingflow.words import _

MAX_CHARACTERS = 64 * 1024 * 1024
MAX_DEPTH = 64
TOO_DEEP: Final = _("nested deeper than {max_depth} levels; flatten it", max_depth=MAX_DEPTH)

_SHOWN_MOST = 20  # a binary file has thousands, and nobody reads them
_UNFIT = re.compile(
    r"[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_LINE_BREAKS = frozenset("\x85\u2028\u2029")
# Newer versions of libyaml say so at 1,000 brackets, which they read ahead of their events.
_LIBYAML_TOO_DEEP = "exceeded maximum nesting depth"


@lru_cache(maxsize=4)
def line_starts(text: str) -> list[int]:
    """Return the offset of each line. The result is kept, because thousands of places may be asked
    for in one text.
    """
    return [0, *(end.end() for end in LINE_END.finditer(text))]


def mark_at(text: str, offset: int, file: str) -> Mark:
    """Return the place of the character at `offset`, for texts that are searched and not parsed."""
    starts = line_starts(text)
    line = bisect_right(starts, offset)
    return Mark(file, line, offset - starts[line - 1] + 1)


def unfit(text: str, file: str, kind: str = "YAML") -> list[Diagnostic]:
    """Return a diagnostic for each character that YAML forbids, or that breaks lines without being
    seen. `kind` is what the text is.
    """
    if len(text) > MAX_CHARACTERS:
        return [Diagnostic(Mark(file, 1, 1), "too-large", _("the file is over 64 MB; split it"))]
    found: list[Diagnostic] = []
    for match in islice(_UNFIT.finditer(text), _SHOWN_MOST):
        code, what = "control-character", _("is not allowed in {kind}", kind=kind)
        if match[0] in _LINE_BREAKS:
            code, what = "line-break", _("is an invisible line break")
        message = _("U+{code:04X} {what}; delete it", code=ord(match[0]), what=what)
        found.append(Diagnostic(mark_at(text, match.start(), file), code, message))
    return found


def syntax_error(error: yaml.MarkedYAMLError, text: str, file: str) -> Diagnostic:
    """Return the parser's complaint, with what to do about it."""
    problem = str(error.problem)
    mark = _place(error, file)
    if problem == _LIBYAML_TOO_DEEP:
        return Diagnostic(mark, "too-deep", TOO_DEEP)
    found = explained(Broken(problem, LINE_END.split(text), mark.line, mark.column))
    mark = mark._replace(line=found.line, column=found.column)
    return Diagnostic(mark, "yaml-syntax", in_one_line(found.message))


def _place(error: yaml.MarkedYAMLError, file: str) -> Mark:
    """Return where the parser gave up; for a quote without an end and a key without a colon, return
    where they begin.
    """
    begun = error.problem in ("found unexpected end of stream", "could not find expected ':'")
    at = error.context_mark if begun and error.context_mark else error.problem_mark
    return Mark(file, at.line + 1, at.column + 1) if at else Mark(file, 1, 1)
