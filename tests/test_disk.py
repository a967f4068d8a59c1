"""Files on disk: whole or absent, durable, and never through a link or from a device."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from klingflow import disk
from klingflow.disk import atomic_write, read_whole, second_name, stays_below

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="links and pipes as POSIX has them")


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    path = tmp_path / "precious"
    path.write_text("mine")
    return path


def broken(*_: object) -> None:
    raise OSError(5, "Input/output error")


def test_atomic_write_replaces_the_whole_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    atomic_write(tmp_path / "x", b"old and long")
    atomic_write(tmp_path / "x", b"n", b"ew")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"x": b"new"}


def test_atomic_write_failing_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "x"
    disk.atomic_write(target, b"old")
    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="Input/output"):
        disk.atomic_write(target, b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["x"] and target.read_bytes() == b"old"


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
    (tmp_path / "film.lock").write_bytes(b"bought")
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


@POSIX
def test_only_a_regular_file_is_read_whole(tmp_path: Path, precious: Path) -> None:
    assert read_whole(precious) == b"mine"
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(OSError):
            read_whole(path)


@POSIX
def test_the_first_folder_may_be_the_users_link(tmp_path: Path) -> None:
    """To a larger disk, say."""
    for name in ("disk", "film/sub"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "film" / "outputs").symlink_to(tmp_path / "disk")
    (tmp_path / "disk" / "out").symlink_to(tmp_path)
    (tmp_path / "disk" / "in").symlink_to(tmp_path / "disk")
    below = [stays_below(tmp_path / "film", name) for name in (
        "a.mp4", "sub/a.mp4", "new/b/a.mp4", "outputs/a.mp4", "outputs/film/a.mp4",
        "outputs/in/a.mp4",
    )]  # fmt: skip
    assert below == [True] * 6
    assert not stays_below(tmp_path / "film", "outputs/out/a.mp4")
    assert not stays_below(tmp_path / "film", "outputs/film/../out/a.mp4")
