"""PURE. CSV text as spreadsheets save it → rows, and the place of each cell.

A cell is always text. The ends of lines inside a cell are equal, so that a file that git checks out
with other ends buys nothing again.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final, NoReturn

from klingflow.errors import LINE_END, Diagnostic, ManifestError, Mark
from klingflow.manifest.invisible import hidden, named
from klingflow.words import _, many

# For one file: a wrong separator makes every row wrong.
MISTAKES_MOST = 20
# A first line that names the separator, as Excel writes it.
DECLARATION: Final = re.compile(r'"?sep=([^\w\s"\']|\t)"?(?:\n|\Z)', re.IGNORECASE)
_MARKUP = re.compile(r"<(?:!|\?|html|table)", re.IGNORECASE)
# What stands between cells where CSV has a comma.
_SEPARATORS: Final = {
    ";": _("semicolons"),
    "\t": _("tabs"),
    "|": _("vertical bars"),
    "，": _("Chinese commas"),
    "；": _("Chinese semicolons"),
    "、": _("Chinese commas"),
}
_CALLED: Final = {",": _("a comma"), "\t": _("a tab")}
_NO_QUOTES: Final = ("“", "”", "「", "‘")
# What Python's reader says, and what an author can do.
_UNCLOSED: Final = _("a cell that begins with '\"' has no end; close it with '\"'")
_COMPLAINTS: Final = (
    ("unexpected end of data", _UNCLOSED),
    ("field larger than", _UNCLOSED),
    ("expected after", _("text follows a quoted cell; write each '\"' inside a quoted cell twice")),
)

Row = tuple[Mark, dict[str, str]]


def read_csv(text: str, file: str) -> Iterator[Row]:
    """Yield the rows of a CSV text; those without any content are left out.

    Raises ManifestError, with each row that has too many or too few cells.
    """
    return Table(text, file).rows()


class Table:
    """A CSV text. The first row with any content is its header.

    A first line `sep=;` names the separator, as Excel writes it; otherwise it is the format's own.
    """

    def __init__(self, text: str, file: str, separator: str = ",") -> None:
        self.file = file
        text = LINE_END.sub("\n", text) if "\r" in text else text
        declared = DECLARATION.match(text)
        self._declared = declared is not None
        self._separator: str = declared[1] if declared else separator
        self._text = text[declared.end() :] if declared else text
        self._before = 1 if declared else 0  # lines of the file before the text
        self._starts: list[int] = []  # of the lines; made for the first place
        self._header = Mark(file, 1, 1)

    def rows(self) -> Iterator[Row]:
        """Yield the rows, each with its place. Raises ManifestError."""
        records = self._records()
        names = self._checked_names(records)
        unnamed = [at for at, name in enumerate(names) if not name]
        wrong: list[Diagnostic] = []
        for mark, cells in records:
            if len(cells) != len(names):
                wrong.append(Diagnostic(mark, "rows-syntax", self._ragged(cells, len(names))))
                if len(wrong) == MISTAKES_MOST:
                    break
                continue
            row = dict(zip(names, cells, strict=True))
            if unnamed:
                self._check_unnamed(cells, unnamed, names)
                del row[""]
            yield mark, row
        if wrong:
            raise ManifestError(self._mistaken_header(names) or wrong)

    def cell(self, row: Mark, name: str) -> Mark:
        """Return the place of the cell under the column `name` in the row at `row`; `row` itself if
        there is no such column.
        """
        names = _names(next(self._records(), (row, []))[1])
        return self._place(row, names.index(name)) if name in names else row

    def _records(self) -> Iterator[tuple[Mark, list[str]]]:
        """Yield the rows with any content, the header included. Raises ManifestError."""
        lines = io.StringIO(self._text, newline="")
        reader = csv.reader(lines, delimiter=self._separator, strict=True)
        line = self._before + 1
        try:
            for cells in reader:
                mark, line = Mark(self.file, line, 1), reader.line_num + self._before + 1
                if "".join(cells).strip():
                    yield mark, cells
        except csv.Error as error:
            text = next((ours for theirs, ours in _COMPLAINTS if theirs in str(error)), str(error))
            _refuse(Mark(self.file, line, 1), _("not CSV: {text}", text=text))

    def _checked_names(self, records: Iterator[tuple[Mark, list[str]]]) -> list[str]:
        """Take the header off the records; return its names. Raises ManifestError."""
        header = next(records, None)
        if header is None:
            return []
        self._header, cells = header
        if _MARKUP.match(cells[0].strip()):
            message = _("this is a web page or XML, as some programs export it; save it as CSV")
            _refuse(self._header, message)
        self._check_separator(cells)
        names = _names(cells)
        first: dict[str, int] = {}
        for at, name in enumerate(names):
            if (unseen := _unseen(name)) is not None:
                message = _(
                    "the name of column {column} holds {unseen}, which is"
                    " invisible; delete the name and type it again",
                    column=self._column(at),
                    unseen=named(unseen),
                )
                _refuse(self._place(self._header, at), message)
            if name and (before := first.setdefault(name, at)) != at:
                both = _(
                    "columns {first} and {second}",
                    first=self._column(before),
                    second=self._column(at),
                )
                message = _("{both} are both named '{name}'; rename one", both=both, name=name)
                _refuse(self._place(self._header, at), message)
        return names

    def _check_separator(self, cells: Sequence[str]) -> None:
        """Refuse a header of one cell that holds another separator. Raises ManifestError."""
        if len(cells) != 1 or self._declared or self._text.lstrip().startswith('"'):
            return
        if found := _separator_in(cells[0]):
            mark = self._header._replace(column=cells[0].index(found) + 1)
            shown = _("sep= and a tab") if found == "\t" else f"sep={found}"
            own = _SEPARATORS.get(self._separator, _("commas"))
            message = _(
                "the columns are separated by {found}, not by {own}; save it as"
                " comma-separated CSV, or write {shown} as the first line",
                found=_SEPARATORS[found],
                own=own,
                shown=shown,
            )
            _refuse(mark, message)

    def _column(self, at: int) -> str:
        """Return what a person calls the column at an index."""
        return str(at + 1)

    def _mistaken_header(self, names: Sequence[str]) -> list[Diagnostic]:
        """Return a diagnostic for a header with only one name, as a title or a note above the table
        makes; none for another header.
        """
        titles = list(filter(None, names))
        if len(titles) != 1:
            return []
        message = _(
            "this line names the columns, and it names only '{title}'; delete all that"
            " stands above the names of the columns",
            title=titles[0],
        )
        return [Diagnostic(self._header, "rows-syntax", message)]

    def _ragged(self, cells: Sequence[str], wanted: int) -> str:
        """Return what is wrong with a row that has more or fewer cells than the header."""
        number = many(len(cells), "{number} cell", "{number} cells")
        text = "".join(cells)
        if len(cells) > wanted:
            quote = next((c for c in _NO_QUOTES if c in text), None)
            advice = _("quote a cell that holds {separator}", separator=_called(self._separator))
            advice += _(" with '\"'; '{quote}' is no quote of CSV", quote=quote) if quote else ""
        elif found := _separator_in(text):
            advice = _(
                "'{found}' separates no cells; write {separator}",
                found=found,
                separator=_called(self._separator),
            )
        else:
            advice = _(
                "write {separator} for each cell that is empty", separator=_called(self._separator)
            )
        return _(
            "this row has {number}, the header {wanted}; {advice}",
            number=number,
            wanted=wanted,
            advice=advice,
        )

    def _check_unnamed(
        self, cells: Sequence[str], unnamed: Sequence[int], names: Sequence[str]
    ) -> None:
        """Refuse content below a column without a name; such an empty column is left out."""
        for at in unnamed:
            if cells[at].strip():
                if title := self._mistaken_header(names):
                    raise ManifestError(title)
                message = _(
                    "column {column} has no name; write one in the first line",
                    column=self._column(at),
                )
                _refuse(self._place(self._header, at), message)

    def _place(self, row: Mark, column: int) -> Mark:
        """Return the place of a cell in the row at `row`."""
        if not self._starts:
            self._starts = [0, *(end.end() for end in re.finditer("\n", self._text))]
        line = row.line - self._before - 1
        at = self._starts[line]
        for _unused in range(column):
            at = self._text.index(self._separator, _end_of_quoted(self._text, at)) + 1
        while line + 1 < len(self._starts) and self._starts[line + 1] <= at:
            line += 1
        return Mark(self.file, line + self._before + 1, at - self._starts[line] + 1)


def _refuse(mark: Mark, message: str) -> NoReturn:
    raise ManifestError([Diagnostic(mark, "rows-syntax", message)])


def _names(cells: Sequence[str]) -> list[str]:
    """Return the names of columns. Blanks around a name do not count, and a line break inside it is
    a blank.
    """
    return [unicodedata.normalize("NFC", " ".join(cell.split())) for cell in cells]


def _unseen(name: str) -> str | None:
    """Return the first character of a name that is invisible."""
    at = hidden(name)
    if at is not None:
        return name[at]
    return next((character for character in name if not character.isprintable()), None)


def _separator_in(text: str) -> str | None:
    """Return the most frequent separator that is no comma."""
    found = max(_SEPARATORS, key=text.count)
    return found if found in text else None


def _called(separator: str) -> str:
    return _CALLED.get(separator, f"'{separator}'")


def _end_of_quoted(text: str, at: int) -> int:
    """Return where the quoted cell that begins at `at` ends; `at` where it is not quoted."""
    if text[at : at + 1] != '"':
        return at
    end = text.index('"', at + 1)
    while text[end + 1 : end + 2] == '"':
        end = text.index('"', end + 2)
    return end + 1
