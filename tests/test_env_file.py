"""A `.env` gives two variables, as text, or is refused by its name."""

from __future__ import annotations

import codecs
import os
import sys
from pathlib import Path

import pytest

from klingflow.errors import UsageError
from klingflow.gateway.env_file import BASE_URL, KEY, MAX_BYTES, env_files, read

BOTH = {KEY: "sk-1", BASE_URL: "https://gw.example.com"}
TEXT = f"# 密钥\n{KEY}=sk-1\r\nHOME=/elsewhere\nKLINGFLOW_VAR_x=1\n{BASE_URL}='https://gw.example.com'\n"
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="pipes and links as POSIX has them")


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        codecs.BOM_UTF8 + TEXT.encode(),
        TEXT.encode("utf-16"),
        codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
    ],
    ids=["utf-8", "utf-8 bom", "utf-16", "utf-16-le", "utf-16-be"],
)
def test_two_variables_are_read_in_any_unicode(tmp_path: Path, data: bytes) -> None:
    """Whatever an editor wrote; no other variable comes out."""
    path = tmp_path / ".env"
    path.write_bytes(data)
    assert read(path) == BOTH


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (TEXT.encode("gbk"), "it is neither UTF-8 nor UTF-16 with a mark (BOM); save it as UTF-8"),
        (
            TEXT.encode("utf-16-le"),
            "it is neither UTF-8 nor UTF-16 with a mark (BOM); save it as UTF-8",
        ),
        (
            TEXT.encode("utf-32"),
            "it is neither UTF-8 nor UTF-16 with a mark (BOM); save it as UTF-8",
        ),
        (
            codecs.BOM_UTF16_LE + b"\x00\xd8\x41",
            "it is neither UTF-8 nor UTF-16 with a mark (BOM); save it as UTF-8",
        ),
        (b"#" * (MAX_BYTES + 1), "it is larger than 64 KB"),
    ],
    ids=["gbk", "utf-16 without a mark", "utf-32", "half a character", "huge"],
)
def test_what_is_no_such_text_is_refused_by_name(tmp_path: Path, data: bytes, why: str) -> None:
    """Nothing is guessed."""
    path = tmp_path / ".env"
    path.write_bytes(data)
    with pytest.raises(UsageError) as refused:
        read(path)
    assert str(refused.value) == f"{path} is not read: {why}"


@POSIX
def test_a_link_out_of_the_folder_is_refused_by_name(tmp_path: Path) -> None:
    """A folder from elsewhere may hold links to anything; a link within it is the folder's own."""
    (tmp_path / "secret").write_text(TEXT)
    folder = tmp_path / "film"
    folder.mkdir()
    (folder / ".env").symlink_to("../secret")
    with pytest.raises(UsageError, match=r"\.env is not read: it is a link out of its folder"):
        read(folder / ".env")
    (folder / ".env").unlink()
    (folder / "mine").write_text(TEXT)
    (folder / ".env").symlink_to("mine")
    assert read(folder / ".env") == BOTH


@POSIX
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    """It may have no end."""
    if sys.platform == "win32":
        pytest.skip("as POSIX has it")
    os.mkfifo(tmp_path / ".env")
    with pytest.raises(UsageError, match=r"\.env is not read: it is no regular file"):
        read(tmp_path / ".env")


@POSIX
def test_a_link_to_nothing_cannot_be_read(tmp_path: Path) -> None:
    """It is there, and so it is named."""
    (tmp_path / ".env").symlink_to("gone")
    assert env_files(tmp_path)[-1] == tmp_path / ".env"
    with pytest.raises(UsageError, match=r"\.env cannot be read: No such file"):
        read(tmp_path / ".env")


def test_a_folder_of_that_name_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """People keep virtual environments there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "film" / ".env").mkdir(parents=True)
    assert env_files(Path("film")) == []
    (tmp_path / ".env").write_text(TEXT)
    assert env_files(Path("film")) == [Path(".env")]


def test_a_variable_without_a_value_is_empty(tmp_path: Path) -> None:
    """The key may hold `$`: nothing in it is replaced."""
    path = tmp_path / ".env"
    path.write_text(f"{KEY}=a${{HOME}}$b\n{BASE_URL}\n")
    assert read(path) == {KEY: "a${HOME}$b", BASE_URL: ""}
