"""What is packed: the source archive holds all that its tests and pages need."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from tests import pages

# In every source archive, whatever pyproject.toml says.
ALWAYS = {"pyproject.toml", "PKG-INFO", ".gitignore"}


def project() -> dict[str, Any]:
    return tomllib.loads((pages.ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def packed() -> set[str]:
    """The names at the root of the source archive."""
    sdist = project()["tool"]["hatch"]["build"]["targets"]["sdist"]
    return {name.removeprefix("/") for name in sdist["include"]} | ALWAYS


def test_the_source_archive_names_what_is_there() -> None:
    """A name that is misspelt would leave a folder out in silence."""
    missing = {name for name in packed() - {"PKG-INFO"} if not (pages.ROOT / name).exists()}
    assert missing <= {".gitignore"}


def test_the_source_archive_holds_what_the_pages_link_to() -> None:
    """A reader of the archive follows every link, and test_docs.py runs in it."""
    linked = {
        (page.parent / link.partition("#")[0]).resolve().relative_to(pages.ROOT)
        for language in pages.LANGUAGES
        for page in pages.pages(language)
        for link in pages.links_of(page)
        if "://" not in link and not link.startswith("#")
    }
    assert {path.parts[0] for path in linked - {Path()}} <= packed()


def test_the_wheel_holds_the_schemas() -> None:
    """They are generated at the root, and a user's klingflow prints them."""
    wheel = project()["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["force-include"] == {"schemas": "klingflow/schemas"}
