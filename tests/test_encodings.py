"""Files of rows that are not UTF-8: read, or named for what they are."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klingflow.errors import ManifestError
from klingflow.manifest.compilation import compile
from klingflow.manifest.encodings import decode_utf16, kind_of
from klingflow.model import Manifest

CHINESE = "镜号,提示词,时长\nA1,雨夜街头的霓虹灯下，女侦探回头一瞥,5\n"
JAPANESE = "番号,プロンプト,秒\nA1,雨の夜の街でネオンが光る,5\n"
FRENCH = "numéro,scène,durée\nA1,la rue déserte près du café,5\n"
_FILM = """version: 1
defaults: { model: kling-2.5, resolution: 720P }
shots:
  ad: { foreach: "%s", key: "${{ row.镜号 }}", prompt: "${{ row.提示词 }}" }
"""


def compiled(name: str, data: bytes) -> Manifest:
    """A manifest whose rows are in a file of these bytes."""

    def read(path: str) -> str:
        return _FILM % name if path == "film.yaml" else data.decode()

    return compile("film.yaml", read, variables={}, environ={})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_utf_8_and_utf_16_are_read(encoding: str) -> None:
    """With their byte order marks: Excel writes both."""
    manifest = compiled("rows.csv", CHINESE.encode(encoding))
    assert [shot.fields["prompt"] for shot in manifest.shots] == [
        "雨夜街头的霓虹灯下，女侦探回头一瞥"
    ]


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (CHINESE.encode("gbk"), "saved in GBK"),
        (CHINESE.encode("gb18030"), "saved in GBK"),
        (CHINESE.replace("雨夜", "🌧").encode("gb18030"), "saved in GBK"),
        ("鏡號,提示,秒數\nA1,雨夜街頭的霓虹燈,5\n".encode("big5"), "saved in Big5"),
        (JAPANESE.encode("shift-jis"), "saved in Shift-JIS"),
        (FRENCH.encode("cp1252"), "saved in Windows-1252"),
        ("note\n“quoted” — it’s €5".encode("cp1252"), "saved in Windows-1252"),
        (CHINESE.encode("utf-32"), "saved in UTF-32"),
        (CHINESE.encode("utf-16")[:-1], "saved in UTF-16"),
        (CHINESE.encode("utf-16-le"), "saved in UTF-16 without its mark (BOM)"),
        (CHINESE.encode("utf-16-be"), "saved in UTF-16 without its mark (BOM)"),
        ("id,prompt\na,x\n".encode("utf-16-le"), "saved in UTF-16 without its mark (BOM)"),
        (codecs.BOM_UTF8 + CHINESE.encode("gbk"), "saved in GBK"),
        (b"PK\x03\x04\xff", "a workbook, though its name says otherwise"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a workbook, though its name says otherwise"),
        (b"caf\xe9", "not UTF-8 (byte 3)"),
        (bytes(range(128, 256)) * 4, "not UTF-8 (byte 0)"),
    ],
)
def test_another_encoding_is_named_with_the_menu_entry_that_saves_utf_8(
    data: bytes, kind: str
) -> None:
    """In English and in Chinese, for Excel, WPS and Numbers. Too little to tell is not guessed."""
    with pytest.raises(ManifestError) as refused:
        compiled("rows.csv", data)
    (found,) = refused.value.diagnostics
    assert (found.code, found.mark.line) == ("not-utf8", 4)
    assert found.message == (
        f"rows.csv is {kind}; save it as UTF-8:"
        " Excel: File > Save As > CSV UTF-8 (文件 > 另存为 > CSV UTF-8);"
        " WPS: File > Save As > .xlsx, which is read (文件 > 另存为 > .xlsx);"
        " Numbers: File > Export To > CSV > Advanced Options > Unicode (UTF-8)"
        " (文件 > 导出为 > CSV > 高级选项 > Unicode (UTF-8))"
    )


@pytest.mark.parametrize(
    ("name", "kind", "menu"),
    [
        ("商品.xlsb", "an Excel workbook", "Excel: File"),
        ("商品.XLS", "an Excel workbook", "Excel: File"),
        ("商品.et", "a WPS workbook", "WPS: File > Save As > .xlsx"),
        ("商品.numbers", "a Numbers spreadsheet", "Numbers: File"),
        ("商品.ods", "an OpenDocument spreadsheet", "LibreOffice: File"),
    ],
)
def test_a_spreadsheets_own_file_is_named_with_what_to_export(
    name: str, kind: str, menu: str
) -> None:
    """Whether it is there or not, it is never read."""
    with pytest.raises(ManifestError) as refused:
        compiled(name, b"\xff")
    (found,) = refused.value.diagnostics
    assert found.code == "rows-format"
    assert found.message.startswith(f"'{name}' is {kind}; save it as 商品.xlsx or 商品.csv: {menu}")


@given(st.binary())
def test_any_bytes_are_text_a_kind_or_nothing(data: bytes) -> None:
    """And nothing is raised."""
    assert isinstance(decode_utf16(data), str | None)
    assert isinstance(kind_of(data), str | None)
