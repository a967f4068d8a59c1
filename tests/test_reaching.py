"""The tests that `.ci/lowest` runs are those that a library may make fail."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.metadata import packages_distributions

import pytest

from tests import reaching

PROJECT = tomllib.loads((reaching.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OF_USERS = ("media", "upload", "sheet", "edit", "cluster")
# What klingflow has others import.
PARTS = {
    "python-multipart": "starlette",
    "otio-cmx3600-adapter": "opentimelineio",
    "otio-fcp-adapter": "opentimelineio",
}


@pytest.mark.parametrize(
    ("name", "foreign"),
    [("a", {"yaml.nodes", "subprocess"}), ("b", {"subprocess"}), ("c", set())],
)
def test_imports_are_followed_through_what_is_ours(name: str, foreign: set[str]) -> None:
    """To their ends, in circles too; a library's own imports are no matter."""
    imports = {
        "tests.a": frozenset({"klingflow.a", "pytest", "json"}),
        "klingflow.a": frozenset({"yaml.nodes", "tests.b", "tests.a"}),
        "tests.b": frozenset({"subprocess"}),
        "tests.c": frozenset({"hypothesis", "tests.c"}),
        "yaml.nodes": frozenset({"libyaml"}),
    }
    assert reaching.reached(f"tests.{name}", imports.__getitem__) == foreign


@pytest.mark.parametrize("name", ["test_run", "test_cases", "test_http", "test_docs"])
def test_what_runs_klingflow_or_reads_a_manifest_is_chosen(name: str) -> None:
    """By a process, or by what it imports, inside of functions too."""
    assert reaching.reached_by(f"tests.{name}")


@pytest.mark.parametrize("name", ["test_hazard", "test_lasting", "test_sums"])
def test_what_no_library_can_change_is_left_out(name: str) -> None:
    assert not reaching.reached_by(f"tests.{name}")


@pytest.mark.parametrize("requirement", [
    *PROJECT["dependencies"],
    *(text for name in OF_USERS for text in PROJECT["optional-dependencies"][name]),
])  # fmt: skip
def test_every_library_is_reached_by_what_is_chosen(requirement: str) -> None:
    """By its own name, where klingflow imports it, otherwise by that of what imports it."""
    (name,) = re.findall(r"^[\w-]+", requirement)
    modules = {module for module, names in _packed().items() if name in names}
    assert _reached() & {*modules, PARTS.get(name)}


@cache
def _packed() -> dict[str, set[str]]:
    """The distributions that a module is of, as pyproject.toml writes their names."""
    packed = packages_distributions().items()
    return {module: {_plain(name) for name in names} for module, names in packed}


@cache
def _reached() -> set[str]:
    """The libraries that some test module reaches."""
    every = (found for module in reaching.modules() for found in reaching.reached_by(module))
    return {found.partition(".")[0] for found in every}


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")
