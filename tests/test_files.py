"""Files: whole or absent, and known without being read again."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from klingflow import disk
from klingflow.disk import atomic_write, second_name
from klingflow.ledger import files
from klingflow.ledger.files import facts
from klingflow.model import FileFact

OLD = 1_600_000_000


def put(path: Path, content: bytes, at: int = OLD) -> FileFact:
    path.write_bytes(content)
    os.utime(path, (at, at))
    return FileFact(len(content), hashlib.sha256(content).hexdigest())


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if every file had been written long ago."""
    monkeypatch.setattr(files, "_SETTLED_NS", -1)


def test_only_files_have_facts(tmp_path: Path) -> None:
    fact = put(tmp_path / "a.mp4", b"video")
    (tmp_path / "folder").mkdir()
    asked = ["a.mp4", "absent.mp4", "folder", "", "a.mp4/x", "nul\0"]
    assert facts(tmp_path, asked, tmp_path / "cache") == {"a.mp4": fact}


def test_an_unchanged_file_is_not_read_again(
    tmp_path: Path, settled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "a.mp4", b"video")
    first = facts(tmp_path, ["a.mp4"], tmp_path / "cache")
    monkeypatch.setattr(files, "_sha256", lambda path: pytest.fail("was read again"))
    assert facts(tmp_path, ["a.mp4"], tmp_path / "cache") == first
    assert facts(tmp_path, [], tmp_path / "cache") == {}
    assert facts(tmp_path, ["a.mp4"], tmp_path / "cache") == first


def test_a_file_of_the_same_size_and_time_but_other_content_is_seen(
    tmp_path: Path, settled: None
) -> None:
    put(tmp_path / "a.mp4", b"video")
    facts(tmp_path, ["a.mp4"], tmp_path / "cache")
    fact = put(tmp_path / "a.mp4", b"VIDEO")
    assert facts(tmp_path, ["a.mp4"], tmp_path / "cache") == {"a.mp4": fact}


def test_a_file_that_was_just_written_is_not_trusted_to_the_cache(tmp_path: Path) -> None:
    put(tmp_path / "a.mp4", b"video")
    facts(tmp_path, ["a.mp4"], tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("rubbish", [b"", b"{", b"[]", b'{"a.mp4": [1]}', b"[" * 100_000])
def test_a_damaged_cache_is_no_cache(tmp_path: Path, rubbish: bytes) -> None:
    fact = put(tmp_path / "a.mp4", b"video")
    (tmp_path / "cache").write_bytes(rubbish)
    assert facts(tmp_path, ["a.mp4"], tmp_path / "cache") == {"a.mp4": fact}


def test_a_cache_that_cannot_be_written_is_only_slow(tmp_path: Path, settled: None) -> None:
    fact = put(tmp_path / "a.mp4", b"video")
    assert facts(tmp_path, ["a.mp4"], tmp_path / "absent" / "cache") == {"a.mp4": fact}


def test_atomic_write_replaces_the_whole_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    atomic_write(tmp_path / "x", b"old and long")
    atomic_write(tmp_path / "x", b"n", b"ew")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"x": b"new"}


def test_write_all_goes_on_after_a_short_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:3]))
    fd = os.open(tmp_path / "x", os.O_WRONLY | os.O_CREAT)
    disk.write_all(fd, b"0123456789")
    os.close(fd)
    assert (tmp_path / "x").read_bytes() == b"0123456789"


def test_a_folder_that_is_made_is_durable_with_all_above_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each one's name is in the folder above, which is synced once it holds it."""
    synced: set[Path] = set()
    monkeypatch.setattr(disk, "sync_folder", lambda folder: synced.update(folder.iterdir()))
    disk.make_folder(tmp_path / "outputs" / "film")
    assert synced == {tmp_path / "outputs", tmp_path / "outputs" / "film"}
    synced.clear()
    disk.make_folder(tmp_path / "outputs" / "film")
    assert not synced


def test_a_second_name_that_cannot_be_given_leaves_nothing(tmp_path: Path) -> None:
    put(tmp_path / "film.lock", b"bought")
    (tmp_path / "film.folded").mkdir()
    second_name(tmp_path / "film.lock", tmp_path / "film.folded")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.folded", "film.lock"]


def test_a_second_name_that_is_there_already_leaves_no_temporary_one(tmp_path: Path) -> None:
    lock, second = tmp_path / "film.lock", tmp_path / "film.folded"
    lock.write_bytes(b"x")
    for _ in range(2):
        second_name(lock, second)
        assert second.samefile(lock)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["film.folded", "film.lock"]
