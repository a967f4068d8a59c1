"""Which test modules a version of a library may make fail: `.ci/lowest` runs them, and
`python -m tests.reaching` prints their files. A new test file is one of them, with two exceptions:

- It reaches no library, by the imports of all of ours that it imports, and starts no program.
- It is named after a module of ours, and neither of the two names a library. Such a file looks at
  what that module does. What a library does under it is looked at by the file that is named after
  the module that calls the library, and by the files that are named after no module: these run
  whole commands.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator, Mapping
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


def followed(module: str, imports: Callable[[str], frozenset[str]]) -> frozenset[str]:
    """Return all that a module of ours imports, itself or by others of ours."""
    seen, left = {module}, [module]
    while left:
        found = imports(left.pop()) - seen
        seen |= found
        left += [name for name in found if name.partition(".")[0] in OURS]
    return frozenset(seen)


def reached(module: str, imports: Callable[[str], frozenset[str]]) -> frozenset[str]:
    """Return the foreign modules that a module of ours imports, itself or by others of ours."""
    return frozenset(filter(is_foreign, followed(module, imports)))


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


def is_named_after(test: str, module: str) -> bool:
    """True if a test module has the name of one of ours: of a module, or with its room's before."""
    name, parts = test.rpartition(".test_")[2], module.split(".")
    return any(name == "_".join(parts[start:]) for start in range(1, len(parts)))


def is_near(test: str, ours: Mapping[str, bool]) -> bool:
    """True if a test module is to run that reaches a library. `ours` says of each of our modules
    whether it names one; a room does as its modules do.
    """
    named = [module for module in ours if is_named_after(test, module)]
    within = tuple(f"{module}." for module in named)
    return not named or any(
        ours[module] for module in ours if module in named or module.startswith(within)
    )


@cache
def reached_by(module: str) -> frozenset[str]:
    """Return the foreign modules that a module here imports."""
    return reached(module, imports_of)


def names_foreign(module: str) -> bool:
    """True if a module here imports a library itself, or what starts programs."""
    return any(map(is_foreign, imports_of(module)))


@cache
def ours() -> dict[str, bool]:
    """Return each module of klingflow, and whether it names a library."""
    files = (path.relative_to(ROOT) for path in (ROOT / "klingflow").rglob("*.py"))
    names = (".".join(file.with_suffix("").parts).removesuffix(".__init__") for file in files)
    return {name: names_foreign(name) for name in sorted(names)}


@cache
def chosen() -> dict[str, Path]:
    """Return each test module that a version of a library may make fail, and its file."""
    return {
        module: path
        for module, path in modules().items()
        if reached_by(module) and (names_foreign(module) or is_near(module, ours()))
    }


def modules() -> dict[str, Path]:
    """Return each test module outside of campaigns and peers, and its file."""
    return {f"tests.{path.stem}": path for path in sorted((ROOT / "tests").glob("test_*.py"))}


if __name__ == "__main__":
    for path in chosen().values():
        print(path.relative_to(ROOT))
