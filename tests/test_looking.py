"""Local files looked at, and the cache of their hashes."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

import pytest

from klingflow.assets.looking import look
from klingflow.model import LocalFile
from tests.pictures import mp4, png

LONG_AGO = 1_600_000_000


def settled(path: Path, data: bytes) -> Path:
    """A file that nobody has touched for years, as far as its own time says."""
    path.write_bytes(data)
    os.utime(path, (LONG_AGO, LONG_AGO))
    return path


def test_a_file_has_its_hash_its_kind_and_its_sides(tmp_path: Path) -> None:
    """A video's sides are not looked for."""
    image, film = settled(tmp_path / "a.jpg", png(400, 300)), settled(tmp_path / "b", mp4())
    assert look({"a.jpg": image, "b": film}, None) == {
        "a.jpg": LocalFile("a.jpg", len(png(400, 300)), sha256(png(400, 300)), "png", 400, 300),
        "b": LocalFile("b", len(mp4()), sha256(mp4()), "mp4"),
    }


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_what_cannot_be_read_is_an_error_in_its_place(tmp_path: Path) -> None:
    """The others are looked at all the same."""
    if sys.platform == "win32":
        pytest.skip("as POSIX has it")
    os.mkfifo(tmp_path / "pipe")
    places: dict[str, Path | OSError] = {"nul": Path("a\0b"), "not": OSError("not yours")}
    places |= {"no": tmp_path / "no", "pipe": tmp_path / "pipe"}
    found = look(places, None)
    assert {name: str(error).split(":")[0] for name, error in found.items()} == {
        "no": "[Errno 2] No such file or directory",
        "pipe": "it is no regular file",
        "nul": "no file system has a file of such a name",
        "not": "not yours",
    }


def test_a_file_of_holes_is_not_hashed(tmp_path: Path) -> None:
    """Nobody waits for hours for what a folder brings."""
    with (tmp_path / "a.png").open("wb") as file:
        file.write(png())
        file.truncate((1 << 30) + 1)
    found = look({"a.png": tmp_path / "a.png"}, None)
    assert str(found["a.png"]) == "larger than 1024 MB"


def cached(cache: Path, file: Path) -> list[object]:
    """Let the cache know another hash of a file than it has."""
    stat = file.stat()
    entry = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, "e" * 64, "png", 1, 2]
    cache.write_text(json.dumps({f"{stat.st_dev}:{stat.st_ino}": entry}))
    return entry


def test_a_file_that_has_not_changed_is_not_read_again(tmp_path: Path) -> None:
    """Size, both times and number of the file are the same."""
    file, cache = settled(tmp_path / "a.png", png()), tmp_path / "hashes.json"
    cached(cache, file)
    assert look({"a": file}, cache)["a"] == LocalFile("a", len(png()), "e" * 64, "png", 1, 2)


def test_a_file_that_was_written_in_place_is_read_again(tmp_path: Path) -> None:
    """Also where somebody sets its time back: that sets another time, which nobody can choose."""
    file, cache = settled(tmp_path / "a.png", png(shade=1)), tmp_path / "hashes.json"
    cached(cache, file)
    settled(file, png(shade=2))
    found = look({"a": file}, cache)["a"]
    assert isinstance(found, LocalFile) and found.sha256 == sha256(png(shade=2))


def test_a_file_that_has_just_changed_is_not_remembered(tmp_path: Path) -> None:
    """Within one tick of the clock it may change again and keep its times."""
    file, cache = settled(tmp_path / "a.png", png()), tmp_path / "hashes.json"
    look({"a": file}, cache)
    assert not cache.exists()


@pytest.mark.parametrize("text", ["", "[]", '{"1:2": [1]}', '{"1:2": null}', "\xff"])
def test_a_cache_that_is_damaged_is_none(tmp_path: Path, text: str) -> None:
    """It only saves time."""
    file, cache = settled(tmp_path / "a.png", png()), tmp_path / "hashes.json"
    cache.write_text(text)
    found = look({"a": file}, cache)["a"]
    assert isinstance(found, LocalFile) and found.sha256 == sha256(png())
