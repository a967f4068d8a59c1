"""PURE. The rows of a `foreach` file: CSV, JSON, JSONL or YAML text → maps, each with its place.

All of it is data: a CSV cell is always text, and nothing in a row is taken for an expression.
"""

from __future__ import annotations

import bisect
import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from klingflow.errors import Diagnostic, ManifestError, Mark
from klingflow.manifest.scalars import MAX_INTEGER
from klingflow.manifest.source import parse
from klingflow.manifest.tables import read_csv
from klingflow.manifest.values import content_of
from klingflow.model import Json

Rows = list[tuple[Mark, dict[str, Json]]]


def read_rows(text: str, file: str, suffix: str) -> Rows:
    """Return the rows in `text`; `suffix` is the file's, such as `.csv`.

    Raises ManifestError for a malformed text and for an unknown format.
    """
    reader = FORMATS.get(suffix.lower())
    if reader is None:
        _refuse(
            Mark(file, 1, 1),
            "rows-format",
            f"rows come from {', '.join(FORMATS)} files; rename or convert it",
        )
    if "\0" in text:
        message = "holds NUL characters, as UTF-16 without its mark does; save it as UTF-8"
        _refuse(Mark(file, 1, 1), "rows-syntax", message)
    return list(reader(text.removeprefix("\ufeff"), file))


def _refuse(mark: Mark, code: str, message: str) -> NoReturn:
    raise ManifestError([Diagnostic(mark, code, message)])


def _json(text: str, file: str) -> Iterator[tuple[Mark, dict[str, Json]]]:
    """Yield a list of objects, decoded one by one so that each has its place."""
    lines = [0, *(end.end() for end in re.finditer("\n", text))]

    def mark(at: int) -> Mark:
        line = bisect.bisect_right(lines, at)
        return Mark(file, line, at - lines[line - 1] + 1)

    at = _blank(text, 0)
    if text[at : at + 1] != "[":
        _refuse(mark(at), "rows-syntax", "a JSON file of rows is a list: [{…}, {…}]")
    at = _blank(text, at + 1)
    while text[at : at + 1] != "]":
        value, end = _decode(text, at, mark)
        yield _row(value, mark(at))
        at = _blank(text, end)
        if text[at : at + 1] == ",":
            at = _blank(text, at + 1)
        elif text[at : at + 1] != "]":
            _refuse(mark(at), "rows-syntax", "not JSON: expected ',' or ']'")
    if (rest := _blank(text, at + 1)) != len(text):
        _refuse(mark(rest), "rows-syntax", "not JSON: something follows the list")


def _jsonl(text: str, file: str) -> Iterator[tuple[Mark, dict[str, Json]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        at = _blank(line, 0)
        mark = Mark(file, number, at + 1)
        value, end = _decode(line, at, lambda offset: Mark(file, number, offset + 1))  # noqa: B023 called at once
        if line[end:].strip():
            _refuse(
                Mark(file, number, end + 1),
                "rows-syntax",
                "not JSONL: one object stands on each line",
            )
        yield _row(value, mark)


def _yaml(text: str, file: str) -> Iterator[tuple[Mark, dict[str, Json]]]:
    root = parse(text, file)
    if not isinstance(root.value, list):
        _refuse(
            root.mark,
            "rows-syntax",
            "a YAML file of rows is a list of maps; begin each row with '- '",
        )
    for node in root.value:
        yield _row(content_of(node), node.mark)


def _row(value: Json, mark: Mark) -> tuple[Mark, dict[str, Json]]:
    if not isinstance(value, dict):
        _refuse(mark, "rows-syntax", "a row is a map of names and values")
    return mark, value


def _blank(text: str, at: int) -> int:
    while text[at : at + 1] in (" ", "\t", "\r", "\n"):
        at += 1
    return at


def _decode(text: str, at: int, mark: Callable[[int], Mark]) -> tuple[Any, int]:
    """Return one JSON value and where it ends; `mark` makes a place of an offset."""
    try:
        return _DECODER.raw_decode(text, at)
    except json.JSONDecodeError as error:
        _refuse(mark(error.pos), "rows-syntax", f"not JSON: {error.msg}")
    except RecursionError:
        _refuse(mark(at), "too-deep", "nested too deep; flatten it")
    except ValueError as error:
        _refuse(mark(at), "rows-syntax", f"not JSON: {error}")


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    made: dict[str, Json] = {}
    for key, value in pairs:
        if key in made:
            raise ValueError(f"'{key}' is there twice in one object")
        made[key] = value
    return made


def _float(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text[:40]} is too large a number")
    return number


def _int(text: str) -> int:
    if len(text) > 20 or abs(number := int(text)) >= MAX_INTEGER:
        raise ValueError(f"{text[:40]} is too large a number; write it as text")
    return number


def _constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a JSON number")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_float, parse_int=_int, parse_constant=_constant
)
FORMATS: dict[str, Callable[[str, str], Iterator[tuple[Mark, dict[str, Json]]]]] = {
    ".csv": read_csv,
    ".json": _json,
    ".jsonl": _jsonl,
    ".yaml": _yaml,
    ".yml": _yaml,
}
