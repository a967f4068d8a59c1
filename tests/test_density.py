"""The script that counts decisions counts what its docstring says."""

from __future__ import annotations

import pytest

from tests.density import PACKAGE, Density, density, main

SAMPLE = '''
def choose(values):
    """Not a line of code."""
    # Nor this one.
    found = [v for v in values if v and v > 1]
    match found:
        case []:
            return 1 if values else 0
    return None
'''


def test_branches_and_lines_are_counted() -> None:
    """A comprehension's for and if, an extra operand, a case and a conditional make five."""
    assert density({"sample.py": SAMPLE}) == Density(branches=5, lines=6, functions=1, heavy=[])


def test_a_function_of_many_decisions_is_named() -> None:
    """Over ten, the way into the function included."""
    lines = "".join(f"    if {n}: pass\n" for n in range(10))
    found = density({"long.py": f"def long():\n{lines}"})
    assert found.heavy == [(11, "long.py:1 long")]


def test_the_package_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    """Without arguments the script prints the figures of klingflow."""
    main([])
    assert f"over 10 decisions: {PACKAGE}\n" in capsys.readouterr().out
