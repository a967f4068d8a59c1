"""Workbooks as bytes, written by hand so that they may be wrong in any way."""

from __future__ import annotations

import zipfile
from io import BytesIO
from xml.sax.saxutils import escape

_MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_DOC = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"


def cell(
    address: str, value: str | float | None = None, *, kind: str = "", formula: str = ""
) -> str:
    """One cell as XML; `kind` is its type, which otherwise follows from the value."""
    shown = f"<f>{escape(formula)}</f>" if formula else ""
    if isinstance(value, str) and not kind:
        text = f'<t xml:space="preserve">{escape(value)}</t>'
        return f'<c r="{address}" t="inlineStr"><is>{text}</is></c>'
    typed = f' t="{kind}"' if kind else ""
    return f'<c r="{address}"{typed}>{shown}<v>{"" if value is None else value}</v></c>'


def rows(*given: list[str | float | None]) -> str:
    """Rows as XML, from the first one of the sheet; None leaves a cell out."""
    return "".join(
        f'<row r="{y}">'
        + "".join(cell(f"{chr(64 + x)}{y}", v) for x, v in enumerate(row, 1) if v is not None)
        + "</row>"
        for y, row in enumerate(given, 1)
    )


def workbook(
    *, merged: tuple[str, ...] = (), more: dict[str, str] | None = None, **sheets: str
) -> bytes:
    """A workbook of sheets by name; `merged` are ranges of the first, `more` other members."""
    names = list(sheets)
    ranges = "".join(f'<mergeCell ref="{ref}"/>' for ref in merged)
    members = {
        "[Content_Types].xml": "<Types/>",
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}"><Relationship Id="rId1"'
        f' Type="{_DOC}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook {_MAIN} xmlns:r="{_DOC}"><sheets>'
        + "".join(
            f'<sheet name="{escape(n)}" sheetId="{i}" r:id="rId{i}"/>'
            for i, n in enumerate(names, 1)
        )
        + "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}">'
        + "".join(
            f'<Relationship Id="rId{i}" Type="{_DOC}/worksheet" Target="worksheets/sheet{i}.xml"/>'
            for i in range(1, len(names) + 1)
        )
        + f'<Relationship Id="rId99" Type="{_DOC}/sharedStrings" Target="sharedStrings.xml"/>'
        "</Relationships>",
        "xl/sharedStrings.xml": f"<sst {_MAIN}/>",
    }
    for i, content in enumerate(sheets.values(), 1):
        of_first = f"<mergeCells>{ranges}</mergeCells>" if ranges and i == 1 else ""
        members[f"xl/worksheets/sheet{i}.xml"] = (
            f"<worksheet {_MAIN}><sheetData>{content}</sheetData>{of_first}</worksheet>"
        )
    return zipped({**members, **(more or {})})


def zipped(members: dict[str, str]) -> bytes:
    """A zip file of texts."""
    made = BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in members.items():
            file.writestr(
                zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED
            )  # always the same bytes
    return made.getvalue()
