"""Local references: hashed beside sha256sum, planned with beside the same film without them, and
uploaded to a folder that a server shows, beside the plain copy and a tenth as many.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from benchmarks.figures import Figure, Spent, middle, python, spend
from klingflow.assets.looking import look
from klingflow.sandbox.child import start
from klingflow.sandbox.options import Options
from tests.pictures import png

_SIZE = 2_000_000
_LONG_AGO = 1_600_000_000


def figures(files: int, folder: Path, *, runs: int) -> list[Figure]:
    """Return the figures of `files` stills of 2 MB; half of them are planned with and uploaded."""
    stills = _stills(folder, files)
    return [_hashing(stills), _planning(folder, files // 2, runs), _pushing(folder, files // 2)]


def _stills(folder: Path, files: int) -> list[Path]:
    (folder / "refs").mkdir()
    head, stills = png(), [folder / "refs" / f"{n:04}.png" for n in range(files)]
    for still in stills:
        still.write_bytes(head + os.urandom(_SIZE))
        os.utime(still, (_LONG_AGO, _LONG_AGO))
    return stills


def _hashing(stills: list[Path]) -> Figure:
    command = ["sha256sum", *map(str, stills)]
    spend(command)  # from here on the disk's cache has the files, or as many as it holds
    beside = spend(command).wall_s
    started = time.monotonic()
    look({still.name: still for still in stills}, None)
    ours = time.monotonic() - started
    name, target = f"{len(stills):,} references of 2 MB hashed and checked", "≤ 2 s"
    return Figure(name, target, f"{ours:.2f} s", f"sha256sum: {beside:.2f} s", _ratio(ours, beside))


def _planning(folder: Path, files: int, runs: int) -> Figure:
    (folder / "state").mkdir()
    with_refs, without = _film(folder, files), _film(folder, 0)
    _planned(with_refs, folder)  # from here on the hashes are remembered
    # In turns, so that what else the machine does falls on both.
    turns = [(_planned(with_refs, folder), _planned(without, folder)) for _ in range(runs)]
    ours, plain = (middle(column) for column in zip(*turns, strict=True))
    name = f"10,000 shots with {files} references to a plan"
    measured = f"{ours.cpu_s:.2f} s, {ours.peak_mb:.0f} MB"
    ratio = _ratio(ours.cpu_s, plain.cpu_s)
    return Figure(name, "≤ 1.3 × without", measured, f"without: {plain.cpu_s:.2f} s", ratio)


def _film(folder: Path, files: int) -> Path:
    shot = '  s{0:05}: {{ prompt: "a quiet street, number {0}"{1} }}\n'
    head = "version: 1\ndefaults: { model: kling-3.0-omni }\nshots:\n"
    named = (f", images: [refs/{n % files:04}.png]" if files else "" for n in range(10_000))
    text = head + "".join(shot.format(n, images) for n, images in enumerate(named))
    path = folder / f"film{files}.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def _planned(film: Path, folder: Path) -> Spent:
    env = {**os.environ, "KLINGFLOW_STATE_DIR": str(folder / "state")}
    return spend(python("-m", "klingflow", "plan", "-q", str(film)), env=env)


def _pushing(folder: Path, files: int) -> Figure:
    beside = _written(folder, files)
    few, ours = (_pushed(folder, number) for number in (files // 10, files))
    name = f"{files} references of 2 MB uploaded and read back"
    measured = f"{ours.wall_s:.1f} s, {ours.peak_mb:.0f} MB"
    said = f"{files // 10}: {few.peak_mb:.0f} MB; written and fsynced: {beside:.1f} s"
    return Figure(name, "flat memory", measured, said, _ratio(ours.wall_s, beside))


def _written(folder: Path, files: int) -> float:
    """Return how long it takes to write and fsync copies of so many stills, one after the other."""
    (copies := folder / "copies").mkdir()
    started = time.monotonic()
    for still in sorted((folder / "refs").iterdir())[:files]:
        with (copies / still.name).open("wb") as to:
            to.write(still.read_bytes())
            to.flush()
            os.fsync(to.fileno())
    took_s = time.monotonic() - started
    shutil.rmtree(copies)
    return took_s


def _pushed(folder: Path, files: int) -> Spent:
    """Push so many stills into an empty folder that a server shows."""
    store = folder / "store"
    with start(Options(refs=str(store), plain_clips=True)) as sandbox:
        film = _film(folder, files)
        assets = f"assets: {{ store: 'file://{store}', public_url: '{sandbox.base_url}/refs' }}\n"
        film.write_text(assets + film.read_text("utf-8"), encoding="utf-8")
        spent = spend(python("-m", "klingflow", "refs", str(film), "--push"))
    shutil.rmtree(store)
    return spent


def _ratio(ours: float, beside: float) -> str:
    return f"{ours / beside:.2f}"
