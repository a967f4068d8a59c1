"""What a terminal shows: diagnostics, tables, plain lines of a run. Text goes to stdout, complaints
to stderr. layout.py fits lines to a terminal, paint.py says where colours are.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TextIO

import click

from klingflow.errors import LINE_END, Cell, Diagnostic, KlingflowError, ManifestError
from klingflow.terminal.language import spoken
from klingflow.terminal.layout import (
    can_show,
    clean,
    columns,
    fitting,
    is_unicode,
    room,
    showable,
    width,
    wrapped,
)
from klingflow.terminal.paint import CODES, Painted, Part, Style, has_colour, text_of
from klingflow.terminal.streams import silence
from klingflow.words import _, filled, joined, many, word

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
_EXCERPT_LEAST = 20
_HANG = "    "  # before what a terminal has no room for in a diagnostic's first line
# By key; see `hide`.
_hidden: dict[str, Secret] = {}


def say(*parts: Part) -> None:
    """Write one line to stdout."""
    _write(parts, sys.stdout)


def warn(*parts: Part) -> None:
    """Write one line to stderr."""
    _write(parts, sys.stderr)


def prose(text: str, indent: str = "") -> None:
    """Write a sentence to stdout, in lines that the terminal has room for."""
    for line in wrapped(showable(text), room(), indent, indent + "  "):
        say(line)


def can_ask() -> bool:
    """True if there is a terminal on which the user can read a question and answer it."""
    streams = (sys.stdin, sys.stderr)
    return all(stream is not None and stream.isatty() for stream in streams)


def ask(question: str) -> bool:
    """Ask on stderr; only a yes is one. Raises click.Abort at Ctrl-C and at the end of input."""
    *lines, last = wrapped(clean(question), room(sys.stderr) - len(" [y/N]: "))
    for line in lines:
        warn(line)
    try:
        return click.confirm(last, default=False, err=True)
    except click.Abort:
        warn()  # the question's line ends here
        raise


def _write(parts: Sequence[Part], stream: TextIO | None) -> None:
    """Write a line. A reader that has gone, or a full disk, must not change the exit code."""
    if stream is None:
        return
    is_coloured = has_colour(stream)
    line = "".join(_coded(part) if is_coloured else clean(text_of(part)) for part in parts)
    try:
        click.echo(line, stream, color=is_coloured)
    except (OSError, ValueError):
        silence(stream)


def _coded(part: Part) -> str:
    """Return the part with the codes of its colour; what it holds itself is no code."""
    text = clean(text_of(part))
    if isinstance(part, str) or part.style is None:
        return text
    return click.style(text, **CODES[part.style])


def table(rows: Sequence[Sequence[Part]]) -> None:
    """Print rows of cells in aligned columns, within the terminal's width."""
    for line in columns(rows, room()):
        say(*line)


def error(problem: KlingflowError) -> None:
    """Print an error that was raised on purpose, on stderr: for a ManifestError every diagnostic
    with its source line.
    """
    if isinstance(problem, ManifestError):
        for diagnostic in problem.diagnostics:
            show_diagnostic(diagnostic, problem.sources, warn)
        warn(counted(problem.diagnostics))
    else:
        told, *others = map(redacted, problem.lines)
        warn(_("klingflow: "), Painted(word("error"), "error"), _(": {told}", told=told))
        for line in others:
            warn(line)


def crash(problem: BaseException) -> None:
    """Print an error that nobody foresaw, on stderr. The trace is on demand only, and never shows
    the key.
    """
    import traceback  # for start-up

    name = type(problem).__name__
    warn(redacted(_("klingflow: internal error: {name}: {problem}", name=name, problem=problem)))
    if os.environ.get("KLINGFLOW_TRACEBACK"):
        for line in redacted("".join(traceback.format_exception(problem))).splitlines():
            warn(line)
    else:
        warn(
            _(
                "Nothing that was bought is lost: what the ledger holds stays."
                " KLINGFLOW_TRACEBACK=1 shows where."
            )
        )


def hide(key: str) -> None:
    """Take the key out of what `redacted` gives from now on."""
    from klingflow.gateway.secret import Secret  # for start-up

    _hidden.setdefault(key, Secret(key))


def redacted(text: str) -> str:
    """Return `text` in the person's language, without the keys that were given to `hide`, however
    they are spelt there.
    """
    text = spoken(text)
    for secret in _hidden.values():
        text = secret.clean_text(text)
    return text


def show_diagnostic(
    diagnostic: Diagnostic,
    sources: Mapping[str, str],
    write: Callable[..., None],
    more: str = "",
) -> None:
    """Write a diagnostic with its source line, and `more` below it. `write` is `say` or `warn`."""
    stream = sys.stdout if write is say else sys.stderr
    columns = room(stream)
    told, *excerpt = excerpted(diagnostic, sources, columns).split("\n")
    first, *others = wrapped(told, columns, hang=_HANG)
    style: Style = "error" if diagnostic.severity == "error" else "warning"
    what = spoken(diagnostic.kind)
    before, found, after = first.partition(what)
    write(before, Painted(found, style), after)
    for line in (
        *others,
        *excerpt,
        *(wrapped(more, columns, _HANG * 2, _HANG * 2) if more else ()),
    ):
        write(line)


def excerpted(
    diagnostic: Diagnostic, sources: Mapping[str, str], most: float = float("inf")
) -> str:
    """Return the diagnostic's line, then the source line with a caret, in at most `most` columns,
    and a related place on a line of its own.
    """
    lines = [spoken(str(diagnostic))]
    text = sources.get(diagnostic.mark.file)  # None for a file that was not read, and for --var
    if text is not None and isinstance(diagnostic.mark, Cell):
        return "\n".join([*lines, _content(diagnostic.mark, text, most), *_related(diagnostic)])
    source = [] if text is None else _lines(text)
    if 0 < diagnostic.mark.line <= len(source):
        gutter = f"{diagnostic.mark.line:>5} | "
        left = max(_EXCERPT_LEAST, min(most - len(gutter), _EXCERPT_WIDTH))
        line, column = source[diagnostic.mark.line - 1], diagnostic.mark.column - 1
        before, shown = _around(line, column, int(left))
        lines.append(gutter + shown)
        lines.append(" " * (len(gutter) - 2) + "| " + " " * width(before) + "^")
    return "\n".join([*lines, *_related(diagnostic)])


def _related(diagnostic: Diagnostic) -> list[str]:
    if not diagnostic.related:
        return []
    return [" " * 8 + spoken(_("see also {place}", place=str(diagnostic.related)))]


def _content(cell: Cell, text: str, most: float) -> str:
    """Return what is in a cell of a sheet, behind its address."""
    from klingflow.manifest.sheets import shown_cell  # for start-up

    gutter = f"{cell.address:>5} | "
    left = max(_EXCERPT_LEAST, min(most - len(gutter), _EXCERPT_WIDTH))
    return gutter + fitting(_masked(shown_cell(text, cell)), int(left))


def _around(line: str, column: int, columns: int) -> tuple[str, str]:
    """Return the part of a line that is shown, in `columns`, and what of it stands before
    `column`.
    """
    # What announces a key may stand in front of the part.
    first = max(0, column - 2 * _EXCERPT_WIDTH)
    near = _masked(line[first : column + _EXCERPT_WIDTH].replace("\t", " "))
    column -= first
    start = 0
    if first or width(near) > columns:
        start = column - len(fitting(near[:column][::-1], columns // 2))
    return near[start:column], fitting(near[start:], columns)


@lru_cache(maxsize=4)
def _lines(text: str) -> list[str]:
    """Return the lines of a source, of which thousands of diagnostics may be shown."""
    return LINE_END.split(text)


def _masked(line: str) -> str:
    """Return the line with stars for what looks like a key: the log of a check may be public."""
    return _ANNOUNCED.sub(lambda found: found[0].removesuffix(found[1]) + "*" * len(found[1]), line)


def counted(diagnostics: Iterable[Diagnostic]) -> str:
    """Return `2 errors, 1 warning`."""
    severities = Counter(diagnostic.severity for diagnostic in diagnostics)
    kinds = [severity for severity in ("error", "warning") if severity in severities]
    said = (many(severities[kind], *_KINDS[kind]) for kind in kinds)
    return joined(", ", said) or _("no problems")


_KINDS = {
    "error": (_("{number} error"), _("{number} errors")),
    "warning": (_("{number} warning"), _("{number} warnings")),
}


def github(diagnostic: Diagnostic) -> str:
    """Return the diagnostic as a GitHub workflow command (docs.github.com, "Workflow commands")."""

    def escape(text: str, more: str = "") -> str:
        for c in "%\r\n" + more:
            text = text.replace(c, f"%{ord(c):02X}")
        return text

    from klingflow.manifest.sheets import split_sheet  # for start-up

    mark = diagnostic.mark
    file, title = escape(split_sheet(mark.file)[0], ":,"), escape(diagnostic.code, ":,")
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
    if isinstance(diagnostic.mark, Cell):
        data["cell"] = diagnostic.mark.address
    if diagnostic.related:
        data["related"] = dict(zip(("file", "line", "column"), diagnostic.related, strict=True))
    return data


def dump_json(value: Any) -> None:
    """Print indented JSON on stdout."""
    out(shown_json(value, indent=2))


def shown_json(value: Any, indent: int | None = None) -> str:
    """Return JSON for stdout: with Chinese as it is, or escaped where stdout is not UTF-8, which is
    what programs read.
    """
    return as_json(value, indent) if is_unicode(sys.stdout) else json.dumps(value, indent=indent)


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
    """Return the sentence `42s`, `3m 05s`, `2h 10m`."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    if minutes == 0:
        return _("{seconds}s", seconds=rest)
    if minutes < 60:
        return _("{minutes}m {seconds:02}s", minutes=minutes, seconds=rest)
    return _("{hours}h {minutes:02}m", hours=minutes // 60, minutes=minutes % 60)


# The steps in which a time left is said, by what it is below: it must not flicker.
_STEPS_S = ((120, 10), (600, 30), (3600, 60), (float("inf"), 300))


def roughly(seconds: float) -> str:
    """Return the sentence `40s`, `3m 30s`, `38m`, `2h 10m`: no finer than a forecast can be."""
    step_s = next(step for below, step in _STEPS_S if seconds < below)
    rounded_s = max(step_s, round(seconds / step_s) * step_s)
    is_whole = 60 <= rounded_s < 3600 and rounded_s % 60 == 0
    return _("{minutes}m", minutes=rounded_s // 60) if is_whole else duration(rounded_s)


def between(low_s: float, high_s: float) -> str:
    """Return the sentence `20–50 s`, `38–46 min`, `2.1–2.6 h`, in one unit and with one number
    where both are the same.
    """
    if high_s < 95:
        said, shown = _("{lengths} s"), [f"{max(10, round(s, -1)):g}" for s in (low_s, high_s)]
    elif high_s < 95 * 60:
        said, shown = _("{lengths} min"), [f"{max(1, round(s / 60)):g}" for s in (low_s, high_s)]
    else:
        said, shown = _("{lengths} h"), [f"{s / 3600:.1f}" for s in (low_s, high_s)]
    dash = "–" if can_show("–") else "-"
    return filled(said, {"lengths": dash.join(dict.fromkeys(shown))})
