"""What is packed: the source archive holds all that its tests and pages need."""

from __future__ import annotations

import gettext
import re
import runpy
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests import catalogues, pages

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


def test_the_catalogues_are_compiled_from_their_parts(tmp_path: Path) -> None:
    """What the build packs, and an install in place writes, says all that is translated."""
    locale = tmp_path / "locale"
    shutil.copytree(catalogues.LOCALE, locale, ignore=shutil.ignore_patterns("*.mo"))
    hook = runpy.run_path(str(pages.ROOT / "hatch_build.py"))
    hook["compile_catalogues"](locale)
    for language in catalogues.LANGUAGES:
        found = gettext.translation("klingflow", locale, [language])
        for template, said in catalogues.translations(language).items():
            assert found.gettext(template) == said


@pytest.mark.skipif(shutil.which("bash") is None, reason="CI is a shell script")
def test_ci_runs_the_command_of_the_readme() -> None:
    """What .ci/run cuts out of the README is the test command, whole, in both languages."""
    script = (pages.ROOT / ".ci/run").read_text(encoding="utf-8")
    (cut,) = re.findall(r"^command=\$\((.+)\)$", script, re.M)
    found = subprocess.run(
        ["bash", "-c", cut], cwd=pages.ROOT, capture_output=True, check=True, encoding="utf-8"
    )
    for language in pages.LANGUAGES:
        assert found.stdout == pages.labelled(language, "test-command")


def test_ci_installs_every_extra_that_a_test_needs() -> None:
    """Where an extra is missing, its tests are skipped and nobody notices. `fuzz` and `dev` are for
    commands that CI does not run.
    """
    extras = project()["project"]["optional-dependencies"]
    (everything,) = extras["all"]
    (of_users,) = re.findall(r"^klingflow\[(.+)\]$", everything)
    assert {*of_users.split(",")} == extras.keys() - {"all", "test", "fuzz", "dev"}
    for script in ("README.md", "README.zh-CN.md", ".ci/lowest"):
        text = (pages.ROOT / script).read_text(encoding="utf-8")
        (installed,) = re.findall(r"-e '\.\[(.+)\]'", text)
        assert {*installed.split(",")} == {"all", "test"}, script


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_ci_checks_the_types_of_systems_that_it_does_not_run(platform: str) -> None:
    """Windows and macOS, each with a cache of its own."""
    commands = (pages.ROOT / ".ci/platforms").read_text(encoding="utf-8")
    assert f"--platform {platform} --cache-dir .mypy_cache/{platform}" in commands
    assert "\n.ci/platforms &\n" in (pages.ROOT / ".ci/run").read_text(encoding="utf-8")
