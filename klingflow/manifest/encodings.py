"""PURE. Bytes that are not UTF-8: which encoding or program they come from, and how an author saves
them as UTF-8.

UTF-16 begins with a mark, so that it can be read. Other encodings are guessed from how often the
characters they make are common ones; a guess is only named, never used to read a file.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable
from typing import Final

from klingflow.words import _

# Enough for a guess, and never a second of work.
_SAMPLE_BYTES = 100_000
_CHARACTERS_LEAST = 4
_SURE = 0.7
_ZEROS_LEAST = 0.2  # of the characters of a table: its names, commas and ends of lines are ASCII

# The menu entries, in English and in Chinese, that save UTF-8.
_EXCEL: Final = _("Excel: File > Save As > CSV UTF-8 (文件 > 另存为 > CSV UTF-8)")
# Whether its menu has an entry for UTF-8 differs by version.
_WPS: Final = _("WPS: File > Save As > .xlsx, which is read (文件 > 另存为 > .xlsx)")
_NUMBERS: Final = _(
    "Numbers: File > Export To > CSV > Advanced Options > Unicode (UTF-8)"
    " (文件 > 导出为 > CSV > 高级选项 > Unicode (UTF-8))"
)
_CALC: Final = _(
    "LibreOffice: File > Save As > Text CSV > UTF-8 (文件 > 另存为 > 文本 CSV > UTF-8)"
)
MENUS: Final = _("{excel}; {wps}; {numbers}", excel=_EXCEL, wps=_WPS, numbers=_NUMBERS)
# What a spreadsheet's own file is called, and the menu entry that makes CSV of it, by its suffix.
WORKBOOKS: Final = {
    ".xlsx": (_("an Excel workbook"), _EXCEL),
    ".xlsm": (_("an Excel workbook"), _EXCEL),
    ".xlsb": (_("an Excel workbook"), _EXCEL),
    ".xls": (_("an Excel workbook"), _EXCEL),
    ".et": (_("a WPS workbook"), _WPS),
    ".ods": (_("an OpenDocument spreadsheet"), _CALC),
    ".numbers": (_("a Numbers spreadsheet"), _NUMBERS),
}
# What begins with these bytes is a workbook, whatever its name says.
_MAGIC: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_WIDE_MARKS: Final = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
UTF16_MARKS: Final = tuple(_WIDE_MARKS)
MARK: Final = "\ufeff"  # what some programs write before a text


def without_mark(text: str) -> str:
    """Return a text without the mark (BOM) that may stand before it."""
    return text.removeprefix(MARK)


def decode_utf16(data: bytes) -> str | None:
    """Return the text of UTF-16 that begins with its mark, as Excel's "Unicode Text" does; None for
    other data.
    """
    encoding = _WIDE_MARKS.get(data[:2])
    if encoding is None or data[:4] == codecs.BOM_UTF32_LE:
        return None
    try:
        return data[2:].decode(encoding)
    except UnicodeDecodeError:
        return None


def kind_of(data: bytes) -> str | None:
    """Return what completes "is …" about bytes that are not UTF-8; None if no encoding fits."""
    if data.startswith(_MAGIC):
        return _("a workbook, though its name says otherwise")
    if data.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return _("saved in UTF-32")
    if data[:2] in _WIDE_MARKS:
        return _("saved in UTF-16")
    if is_wide(data[:_SAMPLE_BYTES]):
        return _("saved in UTF-16 without its mark (BOM)")
    # Some programs write the mark of UTF-8 before whatever they have.
    data = data.removeprefix(codecs.BOM_UTF8)
    name = _guess(data[:_SAMPLE_BYTES])
    return _("saved in {name}", name=name) if name else None


def is_wide(data: bytes) -> bool:
    """Return True if as many bytes are 0 as in a table or manifest in UTF-16: nearly all of them at
    the same place of each pair.
    """
    halves = data[::2], data[1::2]
    zeros = sorted(half.count(0) for half in halves)
    return zeros[1] >= max(_ZEROS_LEAST * len(halves[0]), 5 * zeros[0], 1)


def _guess(data: bytes) -> str | None:
    """Return the encoding that makes most characters common ones."""
    scores = {name: _score(data, codec, common) for name, (codec, common) in _GUESSES.items()}
    best = max(scores, key=lambda name: scores[name])
    return best if scores[best] >= _SURE else None


def _score(data: bytes, codec: str, common: Callable[[bytes], bool]) -> float:
    """Return the share of common characters among those beyond ASCII; 0 if the data is not in this
    encoding, or if there are too few to tell.
    """
    try:
        # Not final: a sample may end inside a character.
        text = codecs.getincrementaldecoder(codec)().decode(data)
    except UnicodeDecodeError:
        return 0
    beyond = [character for character in text if not character.isascii()]
    if len(beyond) < _CHARACTERS_LEAST:
        return 0
    return sum(common(character.encode(codec, "replace")) for character in beyond) / len(beyond)


def _common_in_gbk(code: bytes) -> bool:
    """Return True for punctuation and the 3,755 characters of GB 2312's first level."""
    return (
        len(code) == 2 and code[1] >= 0xA1 and (0xB0 <= code[0] <= 0xD7 or 0xA1 <= code[0] <= 0xA3)
    )


def _common_in_big5(code: bytes) -> bool:
    return len(code) == 2 and 0xA1 <= code[0] <= 0xC6


def _common_in_shift_jis(code: bytes) -> bool:
    """Return True for kana, punctuation and the kanji of JIS X 0208."""
    return len(code) == 2 and (0x81 <= code[0] <= 0x83 or 0x88 <= code[0] <= 0x9F)


def _common_in_latin(code: bytes) -> bool:
    """Return True for letters with accents, quotation marks, dashes, € and °."""
    return code[0] >= 0xC0 or code in _LATIN_SIGNS


_LATIN_SIGNS: Final = [bytes([byte]) for byte in b"\x80\x85\x91\x92\x93\x94\x96\x97\xa3\xb0"]
_GUESSES: Final[dict[str, tuple[str, Callable[[bytes], bool]]]] = {
    "GBK": ("gb18030", _common_in_gbk),
    "Big5": ("cp950", _common_in_big5),
    "Shift-JIS": ("cp932", _common_in_shift_jis),
    "Windows-1252": ("cp1252", _common_in_latin),
}
