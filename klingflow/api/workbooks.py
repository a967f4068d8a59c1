"""Workbooks (`.xlsx`, `.xlsm`) → the text of one of their sheets (klingflow.manifest.sheets).

python-calamine, the `sheet` extra, knows dates and shared texts; it is imported here alone. It
makes room for every cell up to the last one and gives no errors of formulas. So the XML is looked
at before: a workbook may come from a stranger.
"""

from __future__ import annotations

import datetime as dt
import posixpath
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final
from xml.parsers import expat

from klingflow.errors import LINE_END
from klingflow.manifest.sheets import written
from klingflow.words import _, joined

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

# More is no shot list. Looking at a workbook of this size takes a few seconds.
MAX_XML_BYTES: Final = 64 << 20
MAX_CELLS: Final = 2_000_000  # rows times columns
MAX_TEXT: Final = 64 << 20  # characters, a shared text as often as it is shown
_OLD: Final = b"\xd0\xcf\x11\xe0"
_WORKBOOK: Final = "xl/workbook.xml"
_BROKEN: Final = (
    zipfile.BadZipFile, zlib.error, struct.error, RuntimeError, NotImplementedError, EOFError,
    ValueError, LookupError, expat.ExpatError,
)  # fmt: skip
Faults = dict[tuple[int, int], str]


def text_of(data: bytes, sheet: str | None) -> str:
    """Return the text of the sheet called `sheet`, else of the first one that is shown.

    Raises OSError, with why it cannot be read, also where the `sheet` extra is missing.
    """
    if data.startswith(_OLD):
        raise OSError(
            _("it has a password, or the form of an old Excel; save it as .xlsx without a password")
        )
    try:
        parts = _unpacked(data)
        sheets = _looked_at(parts)
    except _BROKEN as error:
        raise OSError(
            _("it is no whole workbook ({error}); save it again as .xlsx", error=error)
        ) from error
    with _opened(parts) as workbook:
        name = _named(workbook, sheet)
        chosen = workbook.get_sheet_by_name(name)
        return _text(chosen, sheets.get(name, {}))


def pictures_in(data: bytes) -> int:
    """Return how many pictures a workbook holds. Raises what `zipfile` does for what is none."""
    with zipfile.ZipFile(BytesIO(data)) as packed:
        return sum(name.lower().startswith("xl/media/") for name in packed.namelist())


def _unpacked(data: bytes) -> dict[str, bytes]:
    """Return the XML of a workbook by name; pictures and macros are left out.

    Raises OSError for too much of it, and what `_BROKEN` names.
    """
    with zipfile.ZipFile(BytesIO(data)) as packed:
        infos = [i for i in packed.infolist() if i.filename.lower().endswith((".xml", ".rels"))]
        # zipfile gives no more than what a member says its size is.
        if sum(info.file_size for info in infos) > MAX_XML_BYTES:
            raise OSError(
                _(
                    "it holds over {max_xml_bytes} MB of XML; split it",
                    max_xml_bytes=MAX_XML_BYTES >> 20,
                )
            )
        return {info.filename: packed.read(info) for info in infos}


def _opened(parts: Mapping[str, bytes]) -> CalamineWorkbook:
    """Open what was looked at, and only that: two programs may see different members in one zip
    file. Raises OSError.
    """
    try:
        from python_calamine import CalamineError, CalamineWorkbook  # for start-up, and an extra
    except ImportError:
        raise OSError(_("it needs the sheet extra: pip install 'klingflow[sheet]'")) from None
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name, part in parts.items():
            file.writestr(name, part)
    packed.seek(0)
    try:
        return CalamineWorkbook.from_filelike(packed)
    except CalamineError as error:
        raise OSError(
            _("it is no whole workbook ({error}); save it again as .xlsx", error=error)
        ) from error


def _named(workbook: CalamineWorkbook, wanted: str | None) -> str:
    """Return the name of a sheet. Raises OSError where there is none such."""
    tables = [s for s in workbook.sheets_metadata if str(s.typ).endswith("WorkSheet")]
    names: list[str] = [s.name for s in tables]
    shown: list[str] = [s.name for s in tables if str(s.visible).endswith(".Visible")]
    if wanted is None:
        if shown:
            return shown[0]
        raise OSError(_("it has no sheet that is shown"))
    for name in names:
        if name.casefold() == wanted.casefold():
            return name
    raise OSError(
        _("it has no sheet '{wanted}'; it has {shown}", wanted=wanted, shown=joined(", ", shown))
    )


# --- its values ----------------------------------------------------------------------------------


def _text(sheet: CalamineSheet, faults: Faults) -> str:
    rows = [[_shown(value) for value in row] for row in sheet.to_python(skip_empty_area=False)]
    for y, x in faults:  # calamine leaves them out at the end of a sheet
        rows += [[] for _ in range(y + 1 - len(rows))]
        rows[y] += [""] * (x + 1 - len(rows[y]))
    width = max(map(len, rows), default=0)
    rows = [row + [""] * (width - len(row)) for row in rows]
    _fill_down(rows, sheet.merged_cell_ranges or [])
    return written(rows, faults)


def _fill_down(
    rows: Sequence[list[str]], merged: Sequence[tuple[tuple[int, int], tuple[int, int]]]
) -> None:
    """Write the text of merged cells into each row that has content of its own."""
    own = [bool("".join(row).strip()) for row in rows]
    filled: set[tuple[int, int]] = set()
    for (top, left), (bottom, _unused) in merged:
        if (top, left) in filled or top >= len(rows) or left >= len(rows[top]):
            continue
        for y in range(top + 1, min(bottom + 1, len(rows))):
            if (y, left) in filled:  # no program merges a cell twice
                break
            filled.add((y, left))
            if own[y]:
                rows[y][left] = rows[top][left]


def _shown(value: Any) -> str:
    """Return a value as a spreadsheet shows it by itself; the format of a number is not known."""
    match value:
        case str():
            return LINE_END.sub("\n", value)
        case bool():
            return str(value).upper()
        case int() | float():
            return f"{value:.15g}"
        case dt.datetime():
            midnight = dt.datetime.combine(value, dt.time())
            return f"{midnight.date().isoformat()} {_clock(value - midnight)}"
        case dt.time():
            return _clock(dt.datetime.combine(dt.date.min, value) - dt.datetime.min)
        case _:
            return _clock(value) if isinstance(value, dt.timedelta) else str(value)


def _clock(time: dt.timedelta) -> str:
    minutes, seconds = divmod(round(time.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}" + (f":{seconds:02}" if seconds else "")


# --- what is looked at before --------------------------------------------------------------------


def _looked_at(parts: Mapping[str, bytes]) -> dict[str, Faults]:
    """Return the faults of each sheet by its name. Raises OSError for a sheet that is too large,
    and what `_BROKEN` names.
    """
    shared = next((parts[name] for name in parts if name.lower() == "xl/sharedstrings.xml"), b"")
    lengths = _Lengths(shared).found if shared else []
    faults = {
        name: _Cells(part, lengths).faults for name, part in parts.items() if b"sheetData" in part
    }
    targets = dict(_targets(parts))
    return {
        name: faults.get(targets.get(relation, ""), {})
        for name, relation in _attributes(parts[_WORKBOOK], "sheet", ("name", "id"))
    }


def _targets(parts: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    """Yield the relations of the workbook with the names of their members."""
    relations = parts["xl/_rels/workbook.xml.rels"]
    for relation, target in _attributes(relations, "Relationship", ("Id", "Target")):
        yield relation, posixpath.normpath(posixpath.join("/xl", target)).lstrip("/")


def _attributes(part: bytes, wanted: str, names: tuple[str, str]) -> list[tuple[str, str]]:
    """Return two attributes of each element called `wanted`, without their namespaces."""
    found = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        if _local(tag) == wanted:
            by_name = {_local(name): value for name, value in attributes.items()}
            found.append((by_name[names[0]], by_name[names[1]]))

    _parse(part, start)
    return found


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _parse(part: bytes, start: Any, end: Any = None, text: Any = None) -> None:
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.Parse(part, True)


class _Lengths:
    """How long each shared text is."""

    def __init__(self, part: bytes) -> None:
        self.found: list[int] = []
        _parse(part, self._start, text=self._text)

    def _start(self, tag: str, _attributes: dict[str, str]) -> None:
        if _local(tag) == "si":
            self.found.append(0)

    def _text(self, text: str) -> None:
        if self.found:
            self.found[-1] += len(text)


class _Cells:
    """The cells of one sheet that have content: how far they reach, and which have no result."""

    def __init__(self, part: bytes, lengths: Sequence[int]) -> None:
        self.faults: Faults = {}
        self._lengths = lengths
        self._characters = 0
        self._rows = self._columns = 0  # up to the last cell with content
        self._at = (0, 0)  # row and column, from 1
        self._type = ""
        self._texts = {"v": "", "f": ""}
        self._inside = ""
        _parse(part, self._start, self._end, self._text)

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        match _local(tag):
            case "row":
                row = int(attributes.get("r", self._at[0] + 1))
                self._at = (row, 0)
            case "c":
                place = attributes.get("r")
                self._at = _place(place) if place else (self._at[0], self._at[1] + 1)
                self._type = attributes.get("t", "")
                self._texts = {"v": "", "f": ""}
            case "v" | "f" as name:
                self._inside = name
            case "is":
                self._count("")

    def _text(self, text: str) -> None:
        if self._inside:
            self._texts[self._inside] += text

    def _end(self, tag: str) -> None:
        match _local(tag):
            case "v" | "f":
                self._inside = ""
            case "c":
                self._cell(self._texts["v"], self._texts["f"])

    def _cell(self, value: str, formula: str) -> None:
        row, column = self._at
        has_no_result = bool(formula) and not value and self._type != "str"
        if value or has_no_result or self._type == "e":
            self._count(value)
        if self._type == "e":
            self.faults[row - 1, column - 1] = value or "#N/A"
        elif has_no_result:
            self.faults[row - 1, column - 1] = f"={formula}"

    def _count(self, value: str) -> None:
        """Count a cell with content. Raises OSError where there are too many."""
        self._rows = max(self._rows, self._at[0])
        self._columns = max(self._columns, self._at[1])
        if self._rows * self._columns > MAX_CELLS:
            raise OSError(
                _(
                    "a sheet reaches to row {rows:,} and column {columns:,};"
                    " delete what stands far away, or split it",
                    rows=self._rows,
                    columns=self._columns,
                )
            )
        if self._type == "s" and value and int(value) < len(self._lengths):
            self._characters += self._lengths[int(value)]
        if self._characters > MAX_TEXT:
            raise OSError(
                _(
                    "a sheet shows over {max_text} million characters; split it",
                    max_text=MAX_TEXT >> 20,
                )
            )


def _place(address: str) -> tuple[int, int]:
    """Return the row and the column of an address such as `C17`, from 1."""
    letters = address.rstrip("0123456789")
    column = 0
    for letter in letters.upper():
        column = column * 26 + ord(letter) - ord("A") + 1
    return int(address[len(letters) :]), column
