"""File to plan, as shots written out, as a matrix, and as rows of a CSV file.

Beside it stands the least that a script would do with the first of the three: PyYAML's C loader and
jsonschema, without positions, layers, expressions, rules, prices or a ledger.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmarks.figures import ROOT, Figure, Spent, middle, python, spend

_REMEMBERED = 1000
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
    naive = _middle(runs, "benchmarks.planning", "naive", str(_explicit(folder, shots)))
    beside = f"yaml+jsonschema: {_said(naive)}"
    found = []
    for name, write in _FORMS.items():
        ours = _plan(write(folder, shots), runs)
        ratio = f"{ours.cpu_s / naive.cpu_s:.2f}"
        named = f"{shots:,} shots to a plan, {name}"
        found.append(Figure(named, "≤ 3 s, ≤ 150 MB", _said(ours), beside, ratio))
    return found


def learned(folder: Path, *, runs: int) -> list[Figure]:
    """Return what 10,000 shots take with a ledger that remembers 1,000 tasks of their tier, and
    without one. Only with one does a plan say how long its run will take.
    """
    (folder / "prices.yaml").write_text(_PRICES)
    file = _explicit(folder, 10_000)
    cold = _plan(file, runs)
    spend(python("-m", "benchmarks.planning", "remember", str(file.with_suffix(".lock"))))
    ours = _plan(file, runs)
    return [
        Figure(
            "10,000 shots to a plan, written out, 1,000 tasks remembered",
            "≤ 3 s, ≤ 150 MB",
            _said(ours),
            f"no ledger: {_said(cold)}",
            f"{ours.cpu_s / cold.cpu_s:.2f}",
        )
    ]


def growth(folder: Path, *, runs: int) -> list[Figure]:
    """Return what 100,000 shots take beside 10,000: linear is a ratio of at most 10."""
    (folder / "prices.yaml").write_text(_PRICES)
    found = []
    for name, write in _FORMS.items():
        few = _plan(write(folder, 10_000), runs)
        many = _plan(write(folder, 100_000), runs)
        ratio = f"{many.cpu_s / few.cpu_s:.1f}"
        named = f"100,000 shots to a plan, {name}"
        beside = f"10,000: {_said(few)}"
        found.append(Figure(named, "≤ 10 × 10,000's, ≤ 300 MB", _said(many), beside, ratio))
    return found


def _plan(file: Path, runs: int) -> Spent:
    return _middle(runs, "klingflow", "plan", "-q", "--no-black-box", str(file))


def _said(spent: Spent) -> str:
    return f"{spent.cpu_s:.2f} s, {spent.peak_mb:.0f} MB"


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


_FORMS: dict[str, Callable[[Path, int], Path]] = {
    "written out": _explicit,
    "a matrix": _matrix,
    "CSV rows": _rows,
}


def _naive(file: str) -> None:
    import json

    import jsonschema
    import yaml

    schema = json.loads((ROOT / "schemas" / "manifest.schema.json").read_text())
    with Path(file).open() as text:
        document = yaml.load(text, yaml.CSafeLoader)
    jsonschema.Draft202012Validator(schema).validate(document)


def _remember(lock: str) -> None:
    """Write a lock of purchases that are done, of shots that the manifest has no more."""
    from klingflow.ledger.headers import lock_header
    from klingflow.ledger.lines import lock_line
    from tests.purchases import done

    tier = "kling-2.5-720p-mute"
    lines = [
        lock_line(
            replace(
                done(f"before{number:04}", fingerprint=f"sha256:{number:064x}"),
                billed_tier=tier,
                finished_after_s=(60.0 + number % 120, 66.0 + number % 120),
            )
        )
        for number in range(_REMEMBERED)
    ]
    Path(lock).write_bytes(b"".join([lock_header("0" * 16, 1, len(lines)), *lines]))


if __name__ == "__main__":
    # In-function imports: only the children need them, and this process stays small.
    {"naive": _naive, "remember": _remember}[sys.argv[1]](sys.argv[2])
