"""File to plan, as shots written out, as a matrix, and as rows of a CSV file.

Beside it stands the least that a script would do with the first of the three: PyYAML's C loader and
jsonschema, without positions, layers, expressions, rules, prices or a ledger.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.figures import ROOT, Figure, Spent, middle, python, spend

_HEAD = """version: 1
prices: prices.yaml
vars: { look: 35mm film }
defaults: { model: kling-2.5, resolution: 720P, style: "${{ vars.look }}" }
shots:
"""
_PRICES = 'currency: CNY\nas_of: 2026-01-01\ntiers: { "*": { per_second: 0.6 } }\n'


def figures(shots: int, folder: Path, *, runs: int) -> list[Figure]:
    """Return CPU and peak memory of whole processes, including the interpreter's start."""
    (folder / "prices.yaml").write_text(_PRICES)
    naive = _middle(runs, "benchmarks.planning", str(_explicit(folder, shots)))
    beside = f"yaml+jsonschema: {naive.cpu_s:.2f} s, {naive.peak_mb:.0f} MB"
    target = "≤ 3 s, ≤ 150 MB" if shots == 10_000 else "linear"
    found = []
    for name, write in (("written out", _explicit), ("a matrix", _matrix), ("CSV rows", _rows)):
        file = write(folder, shots)
        ours = _middle(runs, "klingflow", "plan", "-q", "--no-black-box", str(file))
        measured = f"{ours.cpu_s:.2f} s, {ours.peak_mb:.0f} MB"
        ratio = f"{ours.cpu_s / naive.cpu_s:.2f}"
        found.append(Figure(f"{shots:,} shots to a plan, {name}", target, measured, beside, ratio))
    return found


def _middle(runs: int, *module: str) -> Spent:
    return middle(spend(python("-m", *module)) for _ in range(runs))


def _explicit(folder: Path, shots: int) -> Path:
    shot = '  shot{0:06}: {{ prompt: "a quiet street, number {0}", seconds: {1}, tags: [t{2}] }}\n'
    lines = (shot.format(n, 5 + n % 2 * 5, n % 7) for n in range(shots))
    return _written(folder / "explicit.yaml", _HEAD + "".join(lines))


def _matrix(folder: Path, shots: int) -> Path:
    places, lights = [f"place{n}" for n in range(100)], [f"light{n}" for n in range(shots // 100)]
    shot = f"""  s:
    matrix: {{ place: {places}, light: {lights} }}
    prompt: "${{{{ matrix.place }}}} in ${{{{ matrix.light }}}}"
"""
    return _written(folder / "matrix.yaml", _HEAD + shot)


def _rows(folder: Path, shots: int) -> Path:
    rows = (f"SKU-{n:06},thing {n},{5 + n % 2 * 5}\n" for n in range(shots))
    _written(folder / "rows.csv", "sku,name,seconds\n" + "".join(rows))
    shot = """  ad:
    foreach: rows.csv
    key: ${{ row.sku }}
    prompt: ${{ row.name }} on marble
    seconds: ${{ row.seconds | int }}
"""
    return _written(folder / "csv.yaml", _HEAD + shot)


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def _naive(file: str) -> None:
    import json

    import jsonschema
    import yaml

    schema = json.loads((ROOT / "schemas" / "manifest.schema.json").read_text())
    with Path(file).open() as text:
        document = yaml.load(text, yaml.CSafeLoader)
    jsonschema.Draft202012Validator(schema).validate(document)


if __name__ == "__main__":
    _naive(sys.argv[1])
