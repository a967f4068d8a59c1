"""Mutation scores: how many small changes of a module does the test file named after it notice?

    python -m tests.mutants                         # every module that is held to the score
    python -m tests.mutants decide/caps --survivors # one of them, with what survived

mutmut changes every function in small ways, one change at a time, in a copy of the project. A
change that the module's own tests do not notice survives. Needs `pip install -e '.[test,dev]'` and
a system that can fork.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.test_house import held_modules, nearest_tests

ROOT = Path(__file__).parent.parent
GOAL = 0.85

_CONFIG = """
[tool.mutmut]
source_paths = ["klingflow"]
only_mutate = ["klingflow/{module}.py"]
pytest_add_cli_args_test_selection = {tests}
pytest_add_cli_args = ["-p", "no:cacheprovider", "-p", "no:xdist", "-x", "-q"]
also_copy = {copied}
process_isolation = "forkserver"
timeout_multiplier = 4
timeout_constant = 10
"""
_COPIED = (
    "schemas",
    "pipelines",
    "docs",
    "benchmarks",
    "README.md",
    "README.zh-CN.md",
    "SECURITY.md",
)


@dataclass(frozen=True)
class Score:
    """What became of a module's mutants. `hung` ones were ended after a time, and count as killed;
    `untested` ones are run by no test at all.
    """

    module: str
    total: int
    killed: int
    hung: int
    survived: int
    untested: int

    @property
    def share(self) -> float:
        """Noticed changes among all, 0–1."""
        return self.killed / self.total if self.total else 1.0


def score(module: str, folder: Path, *, survivors: bool) -> Score:
    """Run mutmut on a copy of the project in `folder`."""
    tests = nearest_tests(module)
    if not tests:
        return Score(module, 0, 0, 0, 0, 0)
    _copy_project(folder)
    copied = [name for name in _COPIED if (folder / name).exists()]
    config = _CONFIG.format(module=module, tests=json.dumps(tests), copied=json.dumps(copied))
    with (folder / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(config)
    _mutmut(folder, "run")
    _mutmut(folder, "export-cicd-stats")
    counts = json.loads((folder / "mutants/mutmut-cicd-stats.json").read_text(encoding="utf-8"))
    if survivors:
        _show_survivors(folder)
    hung = counts["timeout"]
    killed = counts["killed"] + counts["segfault"] + hung
    return Score(module, counts["total"], killed, hung, counts["survived"], counts["no_tests"])


def _copy_project(folder: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout
    for name in listed.split("\0"):
        if name and (ROOT / name).is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target)


def _mutmut(folder: Path, *arguments: str) -> str:
    """Run mutmut in `folder`; raises SystemExit with its output if it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "mutmut", *arguments],
        cwd=folder,
        capture_output=True,
        check=False,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode:
        raise SystemExit(
            f"mutmut {' '.join(arguments)} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        )
    return done.stdout


def _show_survivors(folder: Path) -> None:
    for line in _mutmut(folder, "results").splitlines():
        name, _, verdict = line.strip().partition(": ")
        if verdict in ("survived", "no tests"):
            print(_mutmut(folder, "show", name).strip(), end="\n\n", flush=True)


def report(scores: Iterable[Score]) -> bool:
    """Print a row for each score and the sum; return True if the sum reaches the goal."""
    total = killed = 0
    print(_row("module", "mutants", "hung", "survived", "untested", "score"))
    for found in scores:
        total, killed = total + found.total, killed + found.killed
        said = f"{100 * found.share:5.1f} %" if found.total else "no tests"
        counts = (found.total, found.hung, found.survived, found.untested)
        print(_row(found.module, *counts, said), flush=True)
    share = killed / total if total else 0.0
    print(_row("all", total, "", total - killed, "", f"{100 * share:5.1f} %"))
    return share >= GOAL


def _row(module: str, *cells: object) -> str:
    return f"{module:24}" + "".join(f"{cell:>10}" for cell in cells)


def main() -> int:
    """Score the named modules, or all; 1 where the sum misses the goal."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "modules", nargs="*", metavar="MODULE", help="such as decide/caps; default: all"
    )
    parser.add_argument("--survivors", action="store_true", help="show each change that survived")
    options = parser.parse_args()
    names = options.modules or list(held_modules())

    def scores() -> Iterator[Score]:
        for name in names:
            with tempfile.TemporaryDirectory() as folder:
                yield score(name, Path(folder), survivors=options.survivors)

    return 0 if report(scores()) else 1


if __name__ == "__main__":
    sys.exit(main())
