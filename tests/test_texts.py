"""The texts that a manifest is made of: below its folder, visible, regular and of bounded size.

What a stranger's manifest may not read is tested through whole manifests in test_security_texts.py.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from klingflow.api import texts
from klingflow.api.texts import allowed_folders, reader
from klingflow.errors import OutsideError, UsageError

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="links and pipes as POSIX has them")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A manifest's folder, beside another one."""
    for name in ("film/rows", "film/.git", "shared/.hidden", "other"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("film/rows/a.csv", "film/.env", "film/.git/x", "shared/b.csv", "other/c.csv"):
        (tmp_path / name).write_text(f"雨 {name}", encoding="utf-8")
    (tmp_path / "shared" / ".hidden" / "d.csv").write_text("d")
    (tmp_path / "film" / "film.yaml").write_text("version: 1")
    return tmp_path / "film"


def read(folder: Path, name: str, *allowed: Path) -> str:
    """The text of a file, named from the manifest's folder."""
    return reader(str(folder / "film.yaml"), allowed)(str(folder / name))


def test_prices_are_read_where_the_user_says(tmp_path: Path) -> None:
    """Only that very path is read outside the manifest's folder."""
    film, prices = tmp_path / "film" / "film.yaml", tmp_path / "prices.yaml"
    film.parent.mkdir()
    prices.write_text("currency: CNY")
    assert reader(str(film), prices=str(prices))(str(prices)) == "currency: CNY"
    with pytest.raises(OSError, match="put the file itself below it"):
        reader(str(film))(str(prices))


def test_a_manifest_and_what_lies_below_its_folder_is_read(folder: Path) -> None:
    """As UTF-8."""
    assert read(folder, "film.yaml") == "version: 1"
    assert read(folder, "rows/a.csv") == "雨 film/rows/a.csv"
    assert read(folder, "../film/rows/a.csv") == "雨 film/rows/a.csv"


def test_a_folder_that_is_allowed_is_read_too(folder: Path) -> None:
    """And none beside it; the reason says how to allow one."""
    shared = folder.parent / "shared"
    assert read(folder, "../shared/b.csv", shared) == "雨 shared/b.csv"
    for name, allowed in (("../shared/b.csv", []), ("../other/c.csv", [shared])):
        with pytest.raises(OutsideError, match="allow its folder by KLINGFLOW_READ_BELOW"):
            read(folder, name, *allowed)


@pytest.mark.parametrize("name", [".env", ".git/x", "../shared/.hidden/d.csv"])
def test_hidden_files_and_folders_are_not_read(folder: Path, name: str) -> None:
    """Keys are kept in such files."""
    with pytest.raises(OSError, match="hidden files are not for manifests; rename it"):
        read(folder, name, folder.parent / "shared")


def test_a_folder_that_is_allowed_may_itself_be_hidden(folder: Path) -> None:
    """The user named it; what is hidden below it stays so."""
    assert read(folder, "../shared/.hidden/d.csv", folder.parent / "shared" / ".hidden") == "d"


def test_a_manifest_may_itself_be_hidden(folder: Path) -> None:
    """It is what the user typed."""
    (folder / ".film.yaml").write_text("version: 1")
    assert reader(str(folder / ".film.yaml"))(str(folder / ".film.yaml")) == "version: 1"


@pytest.mark.parametrize("name", ["a\0.csv", "rows/\0"])
def test_a_name_that_no_file_has_is_an_error(folder: Path, name: str) -> None:
    """`"a\\0"` is good YAML."""
    with pytest.raises(OSError, match="no file system has a file of such a name"):
        read(folder, name)


@POSIX
def test_only_a_regular_file_is_read(folder: Path) -> None:
    """A pipe that nobody writes to does not hold us."""
    if sys.platform == "win32":
        pytest.skip("as POSIX has it")
    os.mkfifo(folder / "pipe.csv")
    for name in ("pipe.csv", "rows"):
        with pytest.raises(OSError, match="no regular file"):
            read(folder, name)


@pytest.mark.parametrize("name", ["film.yaml", "rows/a.csv"])
def test_a_text_is_read_up_to_a_bound(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """One byte more is refused, in the manifest too; the bound is 64 MiB."""
    assert texts.MAX_BYTES == 64 * 1024 * 1024
    monkeypatch.setattr(texts, "MAX_BYTES", 4)
    (folder / name).write_bytes(b"1234")
    assert read(folder, name) == "1234"
    (folder / name).write_bytes(b"12345")
    with pytest.raises(OSError, match="larger than"):
        read(folder, name)


def test_what_is_no_text_is_an_error(folder: Path) -> None:
    """It is not guessed."""
    (folder / "rows" / "a.csv").write_bytes(b"\xff")
    with pytest.raises(UnicodeDecodeError):
        read(folder, "rows/a.csv")


@POSIX
def test_folders_are_allowed_as_in_path() -> None:
    """Separated by colons; nothing between two of them is no folder."""
    assert allowed_folders("/a::/b c/d:") == [Path("/a"), Path("/b c/d")]
    assert allowed_folders("") == []


@pytest.mark.parametrize("chosen", ["shared", "/", f"/a{os.pathsep}../b"])
def test_a_folder_that_is_relative_or_all_is_not_allowed(chosen: str) -> None:
    """It would be another folder wherever klingflow is called, or protect nothing."""
    with pytest.raises(UsageError, match=r"KLINGFLOW_READ_BELOW holds '[^']+'; name folders"):
        allowed_folders(chosen)
