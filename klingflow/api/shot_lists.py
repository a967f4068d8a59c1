"""A shot list, as a CSV or a workbook, → the manifest that `init --from` writes.

What each cell says is decided by klingflow.manifest.shotlist. Here the file is read, and the
manifest is checked as any other: a value that the checks refuse is taken out and listed.
"""

from __future__ import annotations

import bisect
import codecs
import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from klingflow.api.beginning import starter
from klingflow.api.loading import without_collector
from klingflow.api.texts import MAX_BYTES
from klingflow.api.workbooks import pictures_in, text_of
from klingflow.errors import Diagnostic, ManifestError, UsageError
from klingflow.manifest.compilation import compile as compile_manifest
from klingflow.manifest.encodings import MENUS, WORKBOOKS, decode_utf16, kind_of
from klingflow.manifest.fields import ADDRESS_LISTS, ADDRESSES
from klingflow.manifest.grids import SUFFIXES_READ, Grid, grid_of
from klingflow.manifest.sheets import SUFFIXES, split_sheet, suffix_of
from klingflow.manifest.shotlist import Entry, Left, ShotList, read_list
from klingflow.manifest.transcript import Transcript, shown, transcript, why_of
from klingflow.words import _, cause, joined

_MANIFEST: Final = (".yaml", ".yml")
_PRICES: Final = "prices.yaml"
_ROUNDS_MOST: Final = 40  # of checks; each takes out at least one value


class Made(NamedTuple):
    """A manifest that was made of a shot list: where it goes, and its text. `encoding` is the
    list's where it is not UTF-8.
    """

    path: Path
    text: str
    listed: ShotList
    encoding: str


def make(source: str, target: str) -> Made:
    """Return the manifest of the shot list at `source`, such as `分镜.xlsx#Sheet2`, for a folder or
    a file that ends with `.yaml`. Raises UsageError.
    """
    path = _target(source, target)
    if os.path.lexists(path):
        raise UsageError(
            _(
                "{path} is there, and stays as it is; name another file:"
                " klingflow init --from {source} NAME.yaml",
                path=path,
                source=shlex.quote(source),
            )
        )
    table = _read(source)
    try:
        listed = read_list(table.grid)
    except ValueError as error:
        raise UsageError(
            _(
                "{source}: {error}{other_sheet}",
                source=source,
                error=error,
                other_sheet=_other_sheet(source),
            )
        ) from error
    if table.pictures:
        listed.left.append(
            Left("", "", _("{pictures} × xl/media", pictures=table.pictures), "pictures")
        )
    read, named = _reader(path), _from_there(source, path)
    with without_collector():
        _take_out_what_is_refused(listed, source, read)
        text = transcript(listed, named).text
        if _mistakes(text, read):  # never seen: the plain form has just been checked
            text = transcript(listed, named, plainly=True).text
    return Made(path, text, listed, table.encoding)


def missing(made: Made) -> list[str]:
    """Return the local files that the manifest names and that are not there, each once."""
    values = [value for entry in made.listed.shots for value in _references(entry)]
    paths = dict.fromkeys(value for value in values if "://" not in value)
    return [path for path in paths if not (made.path.parent / path).exists()]


def _references(entry: Entry) -> Iterator[str]:
    for name in (*ADDRESSES, *ADDRESS_LISTS):
        value = entry.fields.get(name)
        yield from (str(part) for part in (value if isinstance(value, list) else [value]) if part)


def said(left: Left) -> str:
    """Return one thing that was not taken, and why."""
    return _("{left}: {why}", left=shown(left), why=why_of(left))


def _from_there(source: str, path: Path) -> str:
    """Return a list's path relative to the folder of the manifest at `path`, which goes to other
    machines; only its name where there is no such path.
    """
    file, sheet = split_sheet(source)
    named = Path(file).name
    with suppress(ValueError):  # another drive of Windows
        named = Path(os.path.relpath(file, path.parent)).as_posix()
    return named if sheet is None else f"{named}#{sheet}"


def _target(source: str, target: str) -> Path:
    path = Path(target)
    if path.suffix.lower() in _MANIFEST:
        return path
    return path / f"{Path(split_sheet(source)[0]).stem}.yaml"


# --- reading -------------------------------------------------------------------------------------


class _Table(NamedTuple):
    """The cells of a shot list, its encoding where that is not UTF-8, and how many pictures lie in
    the workbook.
    """

    grid: Grid
    encoding: str = ""
    pictures: int = 0


def _other_sheet(source: str) -> str:
    """Return what to do where a sheet of a workbook is no shot list."""
    file, sheet = split_sheet(source)
    is_first = sheet is None and suffix_of(source) in SUFFIXES
    return (
        _("; name another sheet of it: {file}", file=shlex.quote(f"{file}#NAME"))
        if is_first
        else ""
    )


def _read(source: str) -> _Table:
    """Return the table of a shot list. Raises UsageError."""
    file, sheet = split_sheet(source)
    suffix = suffix_of(source)
    if suffix not in SUFFIXES_READ:
        raise UsageError(_("{file}: {not_read}", file=file, not_read=_not_read(suffix)))
    try:
        data = _bytes(Path(file))
        if suffix in SUFFIXES:
            grid = grid_of(text_of(data, sheet), suffix)
            return _Table(grid, pictures=pictures_in(data))
        text, encoding = _decoded(data)
        return _Table(grid_of(text, suffix), encoding)
    except OSError as error:
        raise UsageError(
            _("{file} cannot be read: {error}", file=file, error=cause(error))
        ) from error
    except ValueError as error:
        raise UsageError(_("{file}: {error}", file=file, error=error)) from error


def _not_read(suffix: str) -> str:
    if suffix in WORKBOOKS:
        kind, menu = WORKBOOKS[suffix]
        return _("it is {kind}; save it as .xlsx, or as CSV: {menu}", kind=kind, menu=menu)
    return _("a shot list is one of {suffixes_read}", suffixes_read=joined(", ", SUFFIXES_READ))


def _bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise OSError(_("larger than {max_bytes} MB", max_bytes=MAX_BYTES >> 20))
    return data


def _decoded(data: bytes) -> tuple[str, str]:
    """Return a text and its encoding where that is not UTF-8. GBK is read, since what is written is
    UTF-8 for good. Raises ValueError.
    """
    if (wide := decode_utf16(data)) is not None:
        return wide, "UTF-16"
    try:
        return data.removeprefix(codecs.BOM_UTF8).decode(), ""
    except UnicodeDecodeError:
        kind = kind_of(data)
    if kind == "saved in GBK":
        return data.decode("gb18030"), "GBK"
    raise ValueError(
        _("it is {kind}; save it as UTF-8: {menus}", kind=kind or _("not UTF-8"), menus=MENUS)
    )


# --- checking ------------------------------------------------------------------------------------


def _reader(path: Path) -> Callable[[str, str], str]:
    """Return what reads the manifest, whose text is given, and the prices beside it."""
    beside = path.parent / _PRICES

    def read(text: str, name: str) -> str:
        if name != _PRICES:
            return text
        return beside.read_text(encoding="utf-8") if beside.is_file() else starter(_PRICES).decode()

    return read


def _mistakes(text: str, read: Callable[[str, str], str]) -> list[Diagnostic]:
    """Return what is wrong with a manifest, not with its prices."""
    name = "list.yaml"
    try:
        compile_manifest(name, lambda file: read(text, file), variables={}, environ={})
    except ManifestError as error:
        return [found for found in error.diagnostics if found.mark.file == name]
    return []


def _take_out_what_is_refused(
    listed: ShotList, source: str, read: Callable[[str, str], str]
) -> None:
    """Take values out of the list until the checks of manifests have nothing against it, and note
    each. Raises UsageError if nothing is left.
    """
    for _unused in range(_ROUNDS_MOST):
        made = transcript(listed, source, plainly=True)
        mistakes = [found for found in _mistakes(made.text, read) if found.severity == "error"]
        if not mistakes:
            return
        _take_out(listed, made, mistakes)
        if not listed.shots:
            break
    raise UsageError(_("{source}: no row of it makes a shot that is valid", source=source))


def _take_out(listed: ShotList, made: Transcript, mistakes: list[Diagnostic]) -> None:
    """Take out the value of each mistake; the shot, where it is the shot's own."""
    gone: set[int] = set()
    lines = sorted(made.lines)
    for mistake in mistakes:
        entry, name = _place(made, lines, mistake)
        if entry is None:
            raise UsageError(
                _("the manifest of this list would be wrong: {text}", text=mistake.text)
            )
        if name in entry.fields:
            text = str(entry.fields.pop(name))
            called = _column_of(listed, name)
            listed.left.append(Left(entry.at.get(name, ""), called, text, "check", mistake.message))
        elif name == "tags":  # the names of its characters
            listed.left.append(Left("", name, joined("、", entry.names), "check", mistake.message))
            entry.names = []
        elif not name and id(entry) not in gone:
            gone.add(id(entry))
            text = _("{id}: {fields}", id=entry.id, fields=entry.fields.get("prompt", ""))
            at = entry.at.get("prompt") or next(iter(entry.at.values()), "")
            listed.left.append(Left(at, "", text, "check", mistake.message))
    listed.shots[:] = [entry for entry in listed.shots if id(entry) not in gone]


def _column_of(listed: ShotList, name: str) -> str:
    """Return what the author calls the first column that feeds a field."""
    return next((feed.columns[0].name for feed in listed.feeds if feed.field == name), name)


def _place(made: Transcript, lines: Sequence[int], mistake: Diagnostic) -> tuple[Entry | None, str]:
    """Return the shot and the field in which a mistake stands: the last one that begins before."""
    at = bisect.bisect_right(lines, mistake.mark.line)
    return made.lines[lines[at - 1]] if at else (None, "")
