"""Paths that lead to no file: the near name that there is."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from klingflow.api import nearby
from klingflow.api.loading import load
from klingflow.errors import ManifestError

MANIFEST = "version: 1\nshots:\n  a: { model: kling-3.0, prompt: x }\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with a manifest and a table of rows."""
    for name in (
        "film.yaml",
        "商品.csv",
        "nested/ep1.yml",
        unicodedata.normalize("NFD", "café.yaml"),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(MANIFEST, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("wanted", "found"),
    [("film.yml", "film.yaml"), ("flim.yaml", "film.yaml"), ("nested/ep1.yaml", "nested/ep1.yml")],
)
def test_a_missing_manifest_is_told_with_the_near_one(
    folder: Path, wanted: str, found: str
) -> None:
    """Row "film.yml for film.yaml" of the reported inputs."""
    with pytest.raises(ManifestError) as refused:
        load(folder / wanted)
    (diagnostic,) = refused.value.diagnostics
    assert diagnostic.message == (
        f"{folder / wanted} cannot be read: there is no such file; did you mean '{folder / found}'?"
    )


def test_what_a_manifest_names_is_told_as_the_manifest_writes_it(folder: Path) -> None:
    """Relative to the manifest's folder: rows, includes and prices."""
    text = MANIFEST.replace("prompt: x", 'prompt: x, foreach: 商品.cvs, key: "${{ row.a }}"')
    (folder / "rows.yaml").write_text(f"include: nested/ep2.yml\nprices: film.yml\n{text}", "utf-8")
    with pytest.raises(ManifestError) as refused:
        load(folder / "rows.yaml")
    said = [d.message.partition("; ")[2] for d in refused.value.diagnostics]
    assert said == [
        "did you mean 'nested/ep1.yml'?",
        "did you mean 'film.yaml'?",
        "did you mean '商品.csv'?",
    ]


def test_a_folder_is_told_with_the_manifests_in_it(folder: Path) -> None:
    """It is a common slip of completion in a shell."""
    with pytest.raises(
        ManifestError, match=r"it is a folder; name a file in it, such as '.*ep1\.yml'"
    ):
        load(folder / "nested")
    assert nearby.folder(str(folder / "nowhere")) == "it is a folder; name a file in it"


def test_a_missing_folder_is_named(folder: Path) -> None:
    """Then no file in it can be near."""
    assert (
        nearby.missing(str(folder / "no" / "film.yaml"))
        == f"there is no such file: there is no folder '{folder / 'no'}'"
    )


def test_hidden_files_are_never_proposed(tmp_path: Path) -> None:
    """Keys are kept in such files."""
    (tmp_path / ".env").write_text("x")
    assert nearby.missing(str(tmp_path / "env")) == "there is no such file"
