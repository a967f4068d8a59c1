"""PURE. The files of a manifest: itself, its includes, rows and prices, each read once by a
function that is handed in.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable

from klingflow.errors import Diagnostic, ManifestError, Mark, OutsideError
from klingflow.manifest.comments import Comment
from klingflow.manifest.encodings import MENUS, WORKBOOKS, decode_utf16, is_wide, kind_of
from klingflow.manifest.habits import doubts_of_rows, is_suspect
from klingflow.manifest.identity import is_device
from klingflow.manifest.recognition import Found, Wanted, of_name, of_text, of_tree, said
from klingflow.manifest.rows import FORMATS, CellPlaces, Rows, cell_places, read_rows
from klingflow.manifest.sheets import suffix_of
from klingflow.manifest.source import read_in_spite
from klingflow.model import Node
from klingflow.words import _, cause

_YAML = (".yaml", ".yml")
_DRIVE = re.compile(r"[A-Za-z]:")


class Files:
    """The files read so far. Why one cannot be read goes to `diagnostics`.

    `paths` are in the order in which their diagnostics are shown, `sources` their texts; `misread`
    are the places where a text is not YAML, though the rest of it is read. `comments` stand behind
    unquoted values, by the places of these; `suspect` says that habits.py has something to look at.
    """

    def __init__(
        self, path: str, read: Callable[[str], str], diagnostics: list[Diagnostic]
    ) -> None:
        self.path = path
        self.paths: list[str] = [path]
        self.sources: dict[str, str] = {}
        self.misread: set[Mark] = set()
        self.comments: dict[Mark, Comment] = {}
        self.suspect = False
        self._read = read
        self._diagnostics = diagnostics
        self._rows: dict[str, Rows | None] = {}
        self._places: dict[str, CellPlaces] = {}

    def parsed(self, path: str, mark: Mark, wanted: Wanted = "manifest") -> Node | None:
        """Return a file's tree; None if it cannot be read or is something else than what is wanted,
        which is noted at `mark`.
        """
        if self._is_other(path, mark, of_name(path), wanted):
            return None
        text = self._text(path, mark)
        if text is None or self._is_other(path, mark, of_text(path, text), wanted):
            return None
        root, found, doubts, comments = read_in_spite(text, path)
        self._diagnostics += doubts
        self.comments.update(comments)
        self.suspect = self.suspect or bool(comments) or is_suspect(text)
        if root and self._is_other(path, mark, of_tree(root, wanted), wanted):
            return None
        self._diagnostics += found
        self.misread |= {mistake.mark for mistake in found}
        return root

    def _is_other(self, path: str, mark: Mark, found: Found | None, wanted: Wanted) -> bool:
        if found:
            self._note(mark, "other-file", said(path, found, wanted))
        return found is not None

    def beside(self, path: str, mark: Mark) -> str | None:
        """Return a path in the manifest as `read` takes it: a relative one, the same on every
        machine. Another one is noted, and gives None.
        """
        if "\\" in path or posixpath.isabs(path) or _DRIVE.match(path):
            message = _(
                "'{path}' does not begin at the manifest's folder; write it from there, with /",
                path=path,
            )
            self._note(mark, "path-outside", message)
            return None
        if device := next(filter(is_device, path.split("/")), None):
            message = _(
                "'{device}' is the name of a device on Windows; rename the file", device=device
            )
            self._note(mark, "path-outside", message)
            return None
        return posixpath.join(posixpath.dirname(self.path), posixpath.normpath(path))

    def rows(self, path: str, mark: Mark) -> Rows | None:
        """Return the rows of a foreach file, which is read once; None if it cannot be read."""
        full = self.beside(path, mark)
        if full is None:
            return None
        if full not in self._rows:
            self._rows[full] = self._read_rows(full, mark)
        return self._rows[full]

    def cell(self, row: Mark, name: str) -> Mark:
        """Return the place of a cell in a row of a foreach file; the row's place if there is no
        such cell.
        """
        path = row.file
        if path not in self._places:
            self._places[path] = cell_places(self.sources[path], path, suffix_of(path))
        return self._places[path](row, name)

    def _read_rows(self, path: str, mark: Mark) -> Rows | None:
        suffix = suffix_of(path)
        if suffix in WORKBOOKS and suffix not in FORMATS:
            kind, menu = WORKBOOKS[suffix]
            name = posixpath.splitext(posixpath.basename(path))[0]
            message = _(
                "'{path}' is {kind}; save it as {name}.xlsx or {name}.csv: {menu}",
                path=path,
                kind=kind,
                name=name,
                menu=menu,
            )
            self._note(mark, "rows-format", message)
            return None
        text = self._text(path, mark, of_rows=True)
        if text is None:
            return None
        try:
            rows = read_rows(text, path, suffix)
        except ManifestError as error:
            self._diagnostics += error.diagnostics
            return None
        if suffix in _YAML and "#" in text:
            root, _unused, doubts, comments = read_in_spite(text, path)
            self._diagnostics += doubts
            self._diagnostics += doubts_of_rows(root, comments) if root else []
        return rows

    def _text(self, path: str, mark: Mark, *, of_rows: bool = False) -> str | None:
        """Return the text of a file; of rows also one in UTF-16, which Excel saves."""
        text = self._decoded(path, mark, of_rows=of_rows)
        if text is None:
            return None
        if "\0" in text and is_wide(text.encode()):
            self._note(mark, "not-utf8", _saved_otherwise(path, text.encode()))
            return None
        self.sources[path] = text
        if path not in self.paths:
            self.paths.append(path)
        return text

    def _decoded(self, path: str, mark: Mark, *, of_rows: bool) -> str | None:
        try:
            return self._read(path)
        except OutsideError as error:
            message = _(
                "'{path}' leads out of the manifest's folder; {error}", path=path, error=error
            )
            self._note(mark, "path-outside", message)
        except UnicodeDecodeError as error:
            text = decode_utf16(error.object) if of_rows else None
            if text is not None:
                return text
            self._note(mark, "not-utf8", _saved_otherwise(path, error.object, error.start))
        except OSError as error:
            why = cause(error)
            message = _("{path} cannot be read: {error}", path=path, error=why)
            self._note(mark, "unreadable", message)
        return None

    def _note(self, mark: Mark, code: str, message: str) -> None:
        self._diagnostics.append(Diagnostic(mark, code, message))


def _saved_otherwise(path: str, data: bytes, at: int = 0) -> str:
    """Return what a file is saved in, and where a spreadsheet saves UTF-8. The byte `at` is not
    UTF-8.
    """
    kind = kind_of(data) or _("not UTF-8 (byte {at})", at=at)
    menus = _(": {menus}", menus=MENUS) if path.lower().endswith(".csv") else ""
    return _("{path} is {kind}; save it as UTF-8{menus}", path=path, kind=kind, menus=menus)
