"""What a terminal shows: diagnostics, tables, plain lines of a run. Text goes to stdout, complaints
to stderr.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

from klingflow.errors import Diagnostic, KlingflowError, ManifestError

if TYPE_CHECKING:
    from klingflow.gateway.secret import Secret

# Of the characters up to U+FFFF: C1 and DEL, the invisible and the directing ones (category Cf),
# line separators, and half characters. All are text in JSON, never a part of its form.
_OBEYED = re.compile(
    "[\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
# In a source line, what stands behind a word that announces a secret.
_ANNOUNCED = re.compile(
    r"(?i)(?:api[_-]?key|token|secret|password|authorization|bearer)[\"']?\s*[:=]?\s*[\"']?([^\s\"',}]{8,})"
)
# A source line longer than this is shown around the place only: a pasted body can be one line of
# 100 KB.
_EXCERPT_WIDTH = 120
# By key; see `hide`.
_hidden: dict[str, Secret] = {}


def can_show(text: str) -> bool:
    """True if the encoding of stdout has every character of `text`."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def say(text: str = "") -> None:
    """One line on stdout."""
    _write(text, sys.stdout)


def warn(text: str) -> None:
    """One line on stderr."""
    _write(text, sys.stderr)


def can_ask() -> bool:
    """True if there is a terminal on which the user can read a question and answer it."""
    streams = (sys.stdin, sys.stderr)
    return all(stream is not None and stream.isatty() for stream in streams)


def ask(question: str) -> bool:
    """Ask on stderr; only a yes is one. Raises click.Abort at Ctrl-C and at the end of input."""
    import click  # for start-up: modules that only show need no command line

    return click.confirm(clean(question), default=False, err=True)


def _write(text: str, stream: TextIO | None) -> None:
    """Write a line. A reader that has gone, or a full disk, must not change the exit code."""
    if stream is None:
        return
    try:
        print(clean(text), file=stream, flush=True)
    except (OSError, ValueError):
        silence(stream)


def flush() -> None:
    """Write what is still buffered. Give up what cannot be written: the exit code has to stand."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            try:
                stream.flush()
            except (OSError, ValueError):
                silence(stream)


def silence(stream: TextIO) -> None:
    """Discard what is written to `stream` from now on."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def clean(text: str) -> str:
    """Return `text` without control characters: what a server or a file says must not move a
    terminal's cursor.
    """
    return "".join(
        c if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf") else "\ufffd" for c in text
    )


def width(text: str) -> int:
    """Return the terminal columns that `text` takes; Chinese characters take two."""
    return sum(
        2 if unicodedata.east_asian_width(c) in "WF" else not unicodedata.combining(c) for c in text
    )


def pad(text: str, columns: int) -> str:
    """Return `text` with spaces up to `columns` terminal columns."""
    return text + " " * max(0, columns - width(text))


def table(rows: Sequence[Sequence[str]], indent: str = "  ") -> None:
    """Print rows of cells in aligned columns. The last cell is on a line of its own where a
    terminal is too narrow for it.
    """
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)][:-1]
    room = _room()
    for *cells, last in rows:
        start = indent + "  ".join(map(pad, cells, widths))
        line = f"{start}  {last}".rstrip() if cells else f"{indent}{last}".rstrip()
        if last and width(line) > room:
            say(start.rstrip())
            line = 4 * indent + last
        say(line)


def _room() -> float:
    """The columns of the terminal; without end where stdout is none."""
    if sys.stdout is not None and sys.stdout.isatty():
        return shutil.get_terminal_size().columns
    return float("inf")


def error(problem: KlingflowError) -> None:
    """Print an error that was raised on purpose, on stderr: for a ManifestError every diagnostic
    with its source line.
    """
    if isinstance(problem, ManifestError):
        for diagnostic in problem.diagnostics:
            warn(excerpted(diagnostic, problem.sources))
        warn(counted(problem.diagnostics))
    else:
        warn(f"klingflow: error: {redacted(str(problem))}")


def crash(problem: BaseException) -> None:
    """Print an error that nobody foresaw, on stderr. The trace is on demand only, and never shows
    the key.
    """
    import traceback  # for start-up

    warn(redacted(f"klingflow: internal error: {type(problem).__name__}: {problem}"))
    if os.environ.get("KLINGFLOW_TRACEBACK"):
        warn(redacted("".join(traceback.format_exception(problem))))
    else:
        warn(
            "Nothing that was bought is lost: what the ledger holds stays."
            " KLINGFLOW_TRACEBACK=1 shows where."
        )


def hide(key: str) -> None:
    """From now on `redacted` takes the key out."""
    from klingflow.gateway.secret import Secret  # for start-up

    _hidden.setdefault(key, Secret(key))


def redacted(text: str) -> str:
    """Return `text` without the keys that were given to `hide`, however they are spelt there."""
    for secret in _hidden.values():
        text = secret.clean_text(text)
    return text


def excerpted(diagnostic: Diagnostic, sources: Mapping[str, str]) -> str:
    """Return the diagnostic's line, then the source line with a caret, and a related place on a
    line of its own.
    """
    lines = [str(diagnostic)]
    source = sources.get(diagnostic.mark.file, "").splitlines()
    if 0 < diagnostic.mark.line <= len(source):
        line, column = source[diagnostic.mark.line - 1], diagnostic.mark.column - 1
        start = max(0, column - _EXCERPT_WIDTH // 2) if len(line) > _EXCERPT_WIDTH else 0
        shown = _masked(line[start : start + _EXCERPT_WIDTH].replace("\t", " "))
        gutter = f"{diagnostic.mark.line:>5} | "
        lines.append(gutter + shown)
        lines.append(" " * (len(gutter) - 2) + "| " + " " * width(shown[: column - start]) + "^")
    if diagnostic.related:
        lines.append(f"        see also {diagnostic.related}")
    return "\n".join(lines)


def _masked(line: str) -> str:
    """Return the line with stars for what looks like a key: the log of a check may be public."""
    return _ANNOUNCED.sub(lambda found: found[0].removesuffix(found[1]) + "*" * len(found[1]), line)


def counted(diagnostics: Iterable[Diagnostic]) -> str:
    """Return `2 errors, 1 warning`."""
    severities = Counter(diagnostic.severity for diagnostic in diagnostics)
    kinds = [severity for severity in ("error", "warning") if severity in severities]
    return ", ".join(many(severities[kind], kind) for kind in kinds) or "no problems"


def many(number: int, noun: str) -> str:
    """Return `1 shot`, `2 shots`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def github(diagnostic: Diagnostic) -> str:
    """Return the diagnostic as a GitHub workflow command (docs.github.com, "Workflow commands")."""

    def escape(text: str, more: str = "") -> str:
        for c in "%\r\n" + more:
            text = text.replace(c, f"%{ord(c):02X}")
        return text

    mark = diagnostic.mark
    file, title = escape(mark.file, ":,"), escape(diagnostic.code, ":,")
    where = f"file={file},line={mark.line},col={mark.column},title={title}"
    return f"::{diagnostic.severity} {where}::{escape(diagnostic.text)}"


def as_data(diagnostic: Diagnostic) -> dict[str, Any]:
    """Return the diagnostic for `--format json`."""
    data: dict[str, Any] = {
        "file": diagnostic.mark.file,
        "line": diagnostic.mark.line,
        "column": diagnostic.mark.column,
        "severity": diagnostic.severity,
        "code": diagnostic.code,
        "message": diagnostic.text,
    }
    if diagnostic.related:
        data["related"] = dict(zip(("file", "line", "column"), diagnostic.related, strict=True))
    return data


def dump_json(value: Any) -> None:
    """Print indented JSON on stdout."""
    out(shown_json(value, indent=2))


def shown_json(value: Any, indent: int | None = None) -> str:
    """Return JSON for stdout: with Chinese as it is, or escaped where the encoding lacks it."""
    text = as_json(value, indent)
    return text if can_show(text) else json.dumps(value, indent=indent)


def as_json(value: Any, indent: int | None = None) -> str:
    """Return JSON with Chinese as it is. What a terminal would obey rather than show is escaped:
    JSON itself lets U+009B and U+202E through.
    """
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def out(text: str) -> None:
    """Print data on stdout, as it is. A reader that has gone (`| head`) is no error."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        silence(sys.stdout)


def duration(seconds: float) -> str:
    """Return `42s`, `3m 05s`, `2h 10m`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02}m"
