"""PURE. Chinese punctuation where YAML's own belongs: `prompt：雨夜`, `【a】`, `“x, y”`.

YAML takes it for text, so that its complaint is at another place or does not help. Only the lines
of a mistake that was already found are searched: in a correct text such punctuation is never
touched.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from klingflow.errors import Diagnostic, Mark
from klingflow.words import _

CODE = "chinese-punctuation"
# Mistakes about a key or a value that its punctuation may have caused.
_OF_A_TOKEN = frozenset(
    {
        "wrong-type",
        "wrong-value",
        "empty-value",
        "unknown-value",
        "unknown-field",
        "unknown-model",
        "bad-id",
        "not-a-url",
    }
)
_OPENINGS = ("“", "‘", "【", "［")
_ADVICE = {
    "：": _("Chinese colon; write ': '"),
    "，": _("Chinese comma; write ', '"),
    "“": _("Chinese quotation mark; write '\"'"),
    "”": _("Chinese quotation mark; write '\"'"),
    "‘": _('Chinese quotation mark; write "\'"'),
    "’": _('Chinese quotation mark; write "\'"'),
    "【": _("Chinese bracket; write '['"),
    "】": _("Chinese bracket; write ']'"),
    "［": _("Chinese bracket; write '['"),
    "］": _("Chinese bracket; write ']'"),
    "｛": _("Chinese brace; write '{'"),
    "｝": _("Chinese brace; write '}'"),
}
_SCHEME = re.compile(r"https?(：)//", re.IGNORECASE)
_KEY = r"[\"'“‘]?[A-Za-z_][\w.@-]*[\"'”’]?\s*(：)"
_KEY_OR_OPENING = re.compile(rf"{_KEY}|([“‘【［｛])|[\w.-]+(，)", re.ASCII)
_IN_QUOTES_OR_COMMENT = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'[^']*'|(?<!\S)#.*")
_CUT = re.compile(r"[^,{}\[\]“‘【［]*[”’】］]")
_BLOCK_TEXT = re.compile(r"(?:^|\s)[|>][-+\d]*\s*(?:\s#.*)?$")
_VALUE = r"(?:[:：]\s*|[{\[,]\s*|^\s*-\s+)"
_SYNTAX = (
    re.compile(rf"(?:^\s*(?:-\s+)*|[{{,，]\s*){_KEY}"),
    re.compile(r"^\s*(?:-\s+)*[\w.-]+\s*(：)"),
    re.compile(rf"{_VALUE}([“‘【［])[^”’】］]*: [^”’】］]*[”’】］]"),
    re.compile(rf"[{{\[].*?{_VALUE}([“‘【［])[^”’】］]*[,{{}}\[\]][^”’】］]*[”’】］]"),
    re.compile(rf"{_VALUE}(｛)[^｝]*[:：,]"),
    re.compile(r"(，)\s*[A-Za-z_]\w*\s*[:：]"),
    re.compile(r"\{[^}]*(｝)"),
    re.compile(r"\[[^\]]*([】］])\s*(?:[,}]|$)"),
)


def explained(found: Diagnostic, lines: Sequence[str]) -> Sequence[Diagnostic]:
    """Return `found`, or the Chinese punctuation in the `lines` of its file that caused it."""
    at = found.mark.line - 1
    if at >= len(lines):
        return [found]
    if found.code == "yaml-syntax":
        slips = _around(lines, at, found.mark.file)
    elif found.code in _OF_A_TOKEN and (column := _in_token(lines[at], found)):
        slips = [_slip(found.mark._replace(column=column), lines[at])]
        if lines[at][column - 1] == "：":  # the mistake is repeated on every line, and found on one
            slips += _run(lines, range(at + 1, len(lines)), found.mark.file)
    else:
        return [found]
    return slips or [found]


def _slip(mark: Mark, line: str) -> Diagnostic:
    wrong = line[mark.column - 1]
    advice = _ADVICE[wrong]
    if line.startswith("：//", mark.column - 1):  # no space belongs into an address
        advice = _("Chinese colon; write ':'")
    return Diagnostic(mark, CODE, _("'{wrong}' is a {advice}", wrong=wrong, advice=advice))


def _in_token(line: str, found: Diagnostic) -> int | None:
    """Return the column of what is wrong in the key or value that begins at the mistake's place."""
    start = found.mark.column - 1
    if scheme := _SCHEME.match(line, start):
        return scheme.start(1) + 1
    if found.code == "not-a-url":
        return start + 1 if line[start : start + 1] in _OPENINGS else None
    token = _KEY_OR_OPENING.match(line, start)
    is_no_key = token is None or token[2]
    if found.code == "empty-value" and is_no_key:
        return _opening_before(line, start)
    if token is None or token.lastindex is None:
        return None
    return token.start(token.lastindex) + 1


def _opening_before(line: str, start: int) -> int | None:
    """Return the column of the Chinese quote or bracket whose text a comma has cut: its end has
    become a key at `start`.
    """
    if not _CUT.match(line, start):
        return None
    return max(line.rfind(opening, 0, start) for opening in _OPENINGS) + 1 or None


def _around(lines: Sequence[str], at: int, file: str) -> list[Diagnostic]:
    """Return the slips in a line and in those next to it: a parser complains only on the line after
    the one that is wrong.
    """
    before = at - 1
    while before >= 0 and not lines[before].strip():
        before -= 1
    above = _run(lines, range(before, -1, -1), file)
    below = _run(lines, range(at, len(lines)), file)
    return sorted([*above, *below], key=lambda slip: slip.mark)


def _run(lines: Sequence[str], numbers: range, file: str) -> list[Diagnostic]:
    """Return the slips of these lines, up to the first line without one."""
    found: list[Diagnostic] = []
    for number in numbers:
        columns = _in_line(lines[number])
        if not columns or _is_block_text(lines, number):
            break
        found += [_slip(Mark(file, number + 1, column), lines[number]) for column in columns]
    return found


def _is_block_text(lines: Sequence[str], number: int) -> bool:
    """Return True for a line of a text that a `|` or `>` begins."""
    indent = _indent(lines[number])
    for line in reversed(lines[:number]):
        if line.strip() and _indent(line) < indent:
            return bool(_BLOCK_TEXT.search(line))
    return False


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _in_line(line: str) -> list[int]:
    """Return the columns of Chinese punctuation where YAML needs its own."""
    bare = _IN_QUOTES_OR_COMMENT.sub(lambda text: "x" * len(text[0]), line)
    found: set[int] = set()
    for pattern in _SYNTAX:
        found.update(slip.start(1) + 1 for slip in pattern.finditer(bare))
    return sorted(found)
