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


OURS = {
    "klingflow": False,
    "klingflow.media": False,
    "klingflow.media.frames": True,
    "klingflow.media.sizes": False,
    "klingflow.desk": False,
    "klingflow.desk.orders": False,
}


@pytest.mark.parametrize(
    ("test", "is_near"),
    [
        ("frames", True),
        ("media_frames", True),
        ("sizes", False),
        ("media_sizes", False),
        ("media", True),  # by one of its modules
        ("desk", False),
        ("orders_again", True),  # of no module
        ("klingflow_media_sizes", True),
    ],
)
def test_a_file_is_left_out_if_its_module_names_no_library(test: str, is_near: bool) -> None:
    assert reaching.is_near(f"tests.test_{test}", OURS) is is_near


@pytest.mark.parametrize("name", [
    "test_run",  # of no module: whole runs
    "test_docs",
    "test_cases",
    "test_http",  # of a module that names a library
    "test_temporal",  # of a package that does
    "test_schema",  # which names one itself
])  # fmt: skip
def test_what_a_library_may_make_fail_is_chosen(name: str) -> None:
    assert f"tests.{name}" in reaching.chosen()


@pytest.mark.parametrize("name", [
    "test_hazard",  # reaches no library
    "test_moves",  # of a module that names none
    "test_take",
])  # fmt: skip
def test_what_no_library_can_change_is_left_out(name: str) -> None:
    assert f"tests.{name}" in reaching.modules()
    assert f"tests.{name}" not in reaching.chosen()


@pytest.mark.parametrize("module", [name for name, is_user in reaching.ours().items() if is_user])
def test_each_module_that_names_a_library_is_tried(module: str) -> None:
    """By a chosen file that imports it, itself or by what is ours."""
    assert module in _followed()


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
def _followed() -> set[str]:
    """All that some chosen test module imports, by what is ours."""
    every = (reaching.followed(name, reaching.imports_of) for name in reaching.chosen())
    return {module for found in every for module in found}


@cache
def _reached() -> set[str]:
    """The libraries that some chosen test module reaches."""
    return {found.partition(".")[0] for found in filter(reaching.is_foreign, _followed())}


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")
