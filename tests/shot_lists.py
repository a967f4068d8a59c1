"""The shot lists in pipelines/, as people keep them: `python -m tests.shot_lists` writes the
workbook, and the manifests that `init --from` makes of the lists.
"""

from __future__ import annotations

import csv
from itertools import pairwise
from pathlib import Path

from klingflow.api.shot_lists import make
from tests.workbooks import rows, workbook

PIPELINES = Path(__file__).parent.parent / "pipelines"
CELLS = Path(__file__).parent / "data" / "guitu.csv"
LISTS = ("guitu.xlsx", "lighthouse.csv")
_SCHEMA = "# yaml-language-server: $schema=../schemas/manifest.schema.json\n"


def chinese() -> bytes:
    """The workbook of a Chinese 分镜表: a title over the whole width, scenes in merged cells, empty
    rows, a row of totals.
    """
    with CELLS.open(encoding="utf-8", newline="") as file:
        cells = list(csv.reader(file))
    merged = ["A1:O1", *_scenes(cells)]
    return workbook(merged=tuple(merged), 分镜=rows(*map(_typed, cells)))


def _scenes(cells: list[list[str]]) -> list[str]:
    """The cells of each scene, over all its shots up to the next empty row."""
    begins = [y for y, row in enumerate(cells, 1) if y > 3 and row[0]]
    return [f"A{begin}:A{end - 2}" for begin, end in pairwise(begins)]


def _typed(row: list[str]) -> list[str | float | None]:
    return [float(cell) if cell.isdigit() or cell == "5.0" else cell or None for cell in row]


def manifest_of(name: str) -> str:
    """The manifest that stands in pipelines/ beside a list: what `init --from` makes of it, and the
    line by which an editor checks it.
    """
    made = make(str(PIPELINES / name), str(PIPELINES / "not-there.yaml"))
    return _SCHEMA + made.text


if __name__ == "__main__":
    (PIPELINES / "guitu.xlsx").write_bytes(chinese())
    for name in LISTS:
        (PIPELINES / f"{Path(name).stem}.yaml").write_text(manifest_of(name), "utf-8")
