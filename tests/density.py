"""How many decisions the lines hold: `python -m tests.density [DIR…]`, by default of klingflow.

Prints, for each folder, the branches in 10 lines of function code and how many functions hold over
10 decisions; of a single folder also which ones. Branches are if, elif, for, while, except, match
cases, conditional expressions, extra boolean operands, and comprehension fors and ifs. Lines are
code lines inside functions, without docstrings, comments and blanks.
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "klingflow"
MANY = 10
_BRANCHES = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.IfExp, ast.match_case)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_DOCUMENTED = (ast.Module, ast.ClassDef, *_FUNCTIONS)
_NO_CODE = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
    tokenize.ENDMARKER,
}  # fmt: skip


@dataclass(frozen=True)
class Density:
    """What one or more texts hold; `heavy` are functions of over 10 decisions, most first."""

    branches: int
    lines: int
    functions: int
    heavy: Sequence[tuple[int, str]]

    @property
    def in_ten_lines(self) -> float:
        return 10 * self.branches / max(1, self.lines)


def density(texts: dict[str, str]) -> Density:
    """Measure Python texts by the names under which `heavy` lists their functions."""
    found = [_of_text(name, text) for name, text in texts.items()]
    return Density(
        branches=sum(one.branches for one in found),
        lines=sum(one.lines for one in found),
        functions=sum(one.functions for one in found),
        heavy=sorted((item for one in found for item in one.heavy), reverse=True),
    )


def heavy(name: str, tree: ast.AST) -> list[tuple[int, str]]:
    """Return the decisions and the place of each function of a text that holds over 10."""
    decisions = (
        (1 + sum(map(_weight, ast.walk(function))), f"{name}:{function.lineno} {function.name}")
        for function in _functions(tree)
    )
    return [item for item in decisions if item[0] > MANY]


def _functions(tree: ast.AST) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, _FUNCTIONS)]


def _of_text(name: str, text: str) -> Density:
    tree = ast.parse(text)
    functions = _functions(tree)
    inside = {line for function in functions for line in _span(function)}
    branches = [node for node in ast.walk(tree) if _line(node) in inside]
    return Density(
        branches=sum(map(_weight, branches)),
        lines=len((inside & _code_lines(text)) - _docstring_lines(tree)),
        functions=len(functions),
        heavy=heavy(name, tree),
    )


def _weight(node: ast.AST) -> int:
    """How many ways a node adds to the ones through its function."""
    if isinstance(node, _BRANCHES):
        return 1
    if isinstance(node, ast.BoolOp):
        return len(node.values) - 1
    if isinstance(node, _COMPREHENSIONS):
        return sum(1 + len(part.ifs) for part in node.generators)
    return 0


def _line(node: ast.AST) -> int:
    """The line of a node; a match case has none of its own, its pattern has."""
    place = node.pattern if isinstance(node, ast.match_case) else node
    return getattr(place, "lineno", 0)


def _span(node: ast.stmt) -> range:
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


def _code_lines(text: str) -> set[int]:
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    return lines


def _docstring_lines(tree: ast.Module) -> set[int]:
    lines: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            lines.update(_span(node.body[0]))
    return lines


def main(folders: Sequence[str]) -> None:
    """Print a line for each folder."""
    for folder in folders or [str(PACKAGE)]:
        paths = sorted(Path(folder).rglob("*.py"))
        found = density({str(path): path.read_text(encoding="utf-8") for path in paths})
        print(
            f"{found.in_ten_lines:4.1f} branches in 10 lines, "
            f"{len(found.heavy)} of {found.functions} functions over {MANY} decisions: {folder}"
        )
        for decisions, where in found.heavy if len(folders) < 2 else ():
            print(f"    {decisions:3d} {where}")


if __name__ == "__main__":
    main(sys.argv[1:])
