"""Which test modules reach a library, by the imports of all of ours that they import; or start a
program, which may use any library. The others say the same with any version of the libraries.

`python -m tests.reaching` prints the files of those that do: `.ci/lowest` runs them.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
OURS = frozenset({"klingflow", "tests", "benchmarks"})
# What runs the tests themselves.
_OF_TESTS = frozenset({"pytest", "_pytest", "hypothesis", "ruff", "mypy"})
_PROGRAMS = "subprocess"


def is_foreign(name: str) -> bool:
    """True if a module is of a library, or starts programs, of which each may use any library."""
    top = name.partition(".")[0]
    known = OURS | sys.stdlib_module_names | _OF_TESTS
    return top not in known or name == _PROGRAMS


def reached(module: str, imports: Callable[[str], frozenset[str]]) -> frozenset[str]:
    """Return the foreign modules that a module of ours imports, itself or by others of ours."""
    seen, left = {module}, [module]
    while left:
        found = imports(left.pop()) - seen
        seen |= found
        left += [name for name in found if name.partition(".")[0] in OURS]
    return frozenset(filter(is_foreign, seen))


@cache
def imports_of(module: str) -> frozenset[str]:
    """Return the modules that one of ours names in its imports, wherever these stand; nothing for a
    name inside a module.
    """
    path = _path(module)
    return frozenset() if path is None else frozenset(_named(ast.parse(path.read_bytes())))


def _path(module: str) -> Path | None:
    place = ROOT.joinpath(*module.split("."))
    found = (path for path in (place.with_suffix(".py"), place / "__init__.py") if path.exists())
    return next(found, None)


def _named(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module and not node.level, "no import here is relative"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def reached_by(module: str) -> frozenset[str]:
    """Return the foreign modules that a module here imports."""
    return reached(module, imports_of)


def modules() -> dict[str, Path]:
    """Return each test module outside of campaigns and peers, and its file."""
    return {f"tests.{path.stem}": path for path in sorted((ROOT / "tests").glob("test_*.py"))}


if __name__ == "__main__":
    for module, path in modules().items():
        if reached_by(module):
            print(path.relative_to(ROOT))
