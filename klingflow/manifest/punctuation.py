"""PURE. Chinese punctuation where YAML's own belongs: `prompt：雨夜`, `【a】`, `“x, y”`.

YAML takes it for text, so that what it then complains of stands elsewhere or says nothing. This
looks at the lines of a mistake that was found already; in a text that is right, such punctuation is
never touched.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from klingflow.errors import Diagnostic, Mark

CODE = "chinese-punctuation"
# Mistakes about a key or a value that may be one only because of its punctuation.
_OF_A_TOKEN = frozenset(
    {
        "wrong-type",
        "wrong-value",
        "empty-value",
        "unknown-value",
        "unknown-field",
        "unknown-model",
        "bad-id",
    }
    | {"not-a-url"}
)
_ADVICE = {
    "：": "Chinese colon; write ': '",
    "，": "Chinese comma; write ', '",
    "“": "Chinese quotation mark; write '\"'",
    "”": "Chinese quotation mark; write '\"'",
    "‘": 'Chinese quotation mark; write "\'"',
    "’": 'Chinese quotation mark; write "\'"',
    "【": "Chinese bracket; write '['",
    "】": "Chinese bracket; write ']'",
    "［": "Chinese bracket; write '['",
    "］": "Chinese bracket; write ']'",
    "｛": "Chinese brace; write '{'",
    "｝": "Chinese brace; write '}'",
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
    """`found`, or in its place what Chinese punctuation in the `lines` of its file has caused it."""
    at = found.mark.line - 1
    if at >= len(lines):
        return [found]
    if found.code == "yaml-syntax":
        slips = _around(lines, at, found.mark.file)
    elif found.code in _OF_A_TOKEN and (column := _in_token(lines[at], found)):
        slip = _slip(found.mark._replace(column=column), lines[at])
        more = (
            _run(lines, range(at + 1, len(lines)), found.mark.file) if "：" in slip.message else []
        )
        slips = [slip, *more]
    else:
        return [found]
    return slips or [found]


def _slip(mark: Mark, line: str) -> Diagnostic:
    wrong = line[mark.column - 1]
    advice = (
        "Chinese colon; write ':'" if line.startswith("：//", mark.column - 1) else _ADVICE[wrong]
    )
    return Diagnostic(mark, CODE, f"'{wrong}' is a {advice}")


def _in_token(line: str, found: Diagnostic) -> int | None:
    """The column of what is wrong in the key or value that begins at the mistake's place."""
    start = found.mark.column - 1
    if scheme := _SCHEME.match(line, start):
        return scheme.start(1) + 1
    if found.code == "not-a-url":
        return start + 1 if line[start : start + 1] in tuple("“‘【［") else None
    token = _KEY_OR_OPENING.match(line, start)
    if token and not (token[2] and found.code == "empty-value"):
        return next(token.start(group) for group in (1, 2, 3) if token[group]) + 1
    if found.code == "empty-value" and _CUT.match(line, start):
        # A comma has cut the text in Chinese quotes or brackets: its end has become a key.
        return max(line.rfind(opening, 0, start) for opening in "“‘【［") + 1 or None
    return None


def _around(lines: Sequence[str], at: int, file: str) -> list[Diagnostic]:
    """The slips in a line and those next to it; a parser stumbles only over the line after a key
    that is none.
    """
    before = next((number for number in range(at - 1, -1, -1) if lines[number].strip()), -1)
    above = _run(lines, range(before, -1, -1), file)
    return sorted([*above, *_run(lines, range(at, len(lines)), file)], key=lambda slip: slip.mark)


def _run(lines: Sequence[str], numbers: range, file: str) -> list[Diagnostic]:
    """The slips of these lines, up to the first line that has none."""
    found: list[Diagnostic] = []
    for number in numbers:
        columns = [] if _is_block_text(lines, number) else _in_line(lines[number])
        if not columns:
            break
        found += [_slip(Mark(file, number + 1, column), lines[number]) for column in columns]
    return found


def _is_block_text(lines: Sequence[str], number: int) -> bool:
    """Whether the line belongs to a text that a `|` or `>` begins."""
    indent = _indent(lines[number])
    above = (line for line in reversed(lines[:number]) if line.strip() and _indent(line) < indent)
    return bool(_BLOCK_TEXT.search(next(above, "")))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _in_line(line: str) -> list[int]:
    """The columns of Chinese punctuation where the line's syntax wants other."""
    bare = _IN_QUOTES_OR_COMMENT.sub(lambda text: "x" * len(text[0]), line)
    return sorted({slip.start(1) + 1 for pattern in _SYNTAX for slip in pattern.finditer(bare)})
