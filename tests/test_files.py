"""Files: whole or absent, and known without being read again."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

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
