"""The lowest versions that pyproject.toml allows; `.ci/lowest` installs them and runs the tests."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
REQUIREMENTS = [
    *PROJECT["build-system"]["requires"],
    *PROJECT["project"]["dependencies"],
    *(text for extra in PROJECT["project"]["optional-dependencies"].values() for text in extra),
]
# What `all` asks for is named in the extras that it is made of.
REQUIREMENTS.remove(*PROJECT["project"]["optional-dependencies"]["all"])


@pytest.mark.parametrize("requirement", REQUIREMENTS)
def test_every_requirement_names_its_lowest_version(requirement: str) -> None:
    """A bare name would let pip keep a version that nobody here has tried."""
    assert re.match(r"[\w.-]+(\[\w+(,\w+)*\])?>=\d", requirement)
