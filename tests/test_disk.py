"""Files on disk: whole or absent, durable, and never through a link or from a device."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from klingflow import disk
from klingflow.disk import append, append_new, atomic_write, second_name, write_new, write_whole_new
from klingflow.plain_files import stays_below

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="links and pipes as POSIX has them")


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


def seen_at_each_sync(monkeypatch: pytest.MonkeyPatch, path: Path) -> list[tuple[bool, bytes]]:
    """For each fsync, in order: True for a folder's, and what `path` holds at that moment."""
    seen: list[tuple[bool, bytes]] = []

    def fsync(fd: int) -> None:
        content = path.read_bytes() if path.exists() else b"absent"
        seen.append((stat.S_ISDIR(os.fstat(fd).st_mode), content))

    monkeypatch.setattr(disk, "sync", fsync)
    return seen


@POSIX
def test_a_file_is_durable_before_it_takes_its_place_and_its_name_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a power cut could leave an empty file under the old one's name."""
    atomic_write(tmp_path / "x", b"old")
    seen = seen_at_each_sync(monkeypatch, tmp_path / "x")
    written = atomic_write(tmp_path / "x", b"new!")
    assert seen == [(False, b"old"), (True, b"new!")]
    assert written.st_size == 4
    assert os.path.samestat(written, (tmp_path / "x").stat())


def test_a_file_that_cannot_take_its_place_is_not_left_beside_it(tmp_path: Path) -> None:
    """A folder of that name stays as it is."""
    (tmp_path / "x").mkdir()
    with pytest.raises(OSError):
        atomic_write(tmp_path / "x", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@POSIX
@pytest.mark.parametrize(
    ("name", "write"),
    [
        (".x.tmp", lambda path: atomic_write(path, b"theirs")),
        ("x", lambda path: append(path, [b"theirs"])),
        ("x", lambda path: append_new(path, [b"theirs"])),
        ("x", lambda path: write_new(path, b"theirs")),
    ],
    ids=["atomic_write", "append", "append_new", "write_new"],
)
def test_nothing_is_written_through_a_link(
    tmp_path: Path, precious: Path, name: str, write: Callable[[Path], object]
) -> None:
    """A folder from elsewhere may hold a link to anything."""
    (tmp_path / name).symlink_to(precious)
    with suppress(OSError):
        write(tmp_path / "x")
    assert precious.read_bytes() == b"mine"


def test_a_second_name_keeps_the_version_that_it_was_given_to(tmp_path: Path) -> None:
    """Until it is given again."""
    lock, second = tmp_path / "film.lock", tmp_path / "film.folded"
    atomic_write(lock, b"1")
    second_name(lock, second)
    atomic_write(lock, b"2")
    assert second.read_bytes() == b"1"
    second_name(lock, second)
    assert (second.read_bytes(), lock.read_bytes()) == (b"2", b"2")


def test_a_second_name_is_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is synced once it holds the name."""
    (tmp_path / "film.lock").write_bytes(b"1")
    named: list[bool] = []
    second = tmp_path / "film.folded"
    monkeypatch.setattr(disk, "sync_folder", lambda folder: named.append(second.exists()))
    second_name(tmp_path / "film.lock", second)
    assert named == [True]


@pytest.mark.parametrize(
    ("before", "after"),
    [(None, b"a\nb\n"), (b"", b"a\nb\n"), (b"x\n", b"x\na\nb\n"), (b"x", b"x\na\nb\n")],
    ids=["absent", "empty", "whole", "torn"],
)
def test_whole_lines_are_added_below_whatever_is_there(
    tmp_path: Path, before: bytes | None, after: bytes
) -> None:
    """A torn last line is ended first, so that no line runs into it."""
    if before is not None:
        (tmp_path / "log").write_bytes(before)
    append(tmp_path / "log", [b"a", b"b\n"])
    assert (tmp_path / "log").read_bytes() == after


@POSIX
def test_lines_are_durable_when_they_are_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the name of the file after them."""
    seen = seen_at_each_sync(monkeypatch, tmp_path / "log")
    append(tmp_path / "log", [b"a"])
    assert seen == [(False, b"a\n"), (True, b"a\n")]


def test_only_lines_that_are_new_are_added(tmp_path: Path) -> None:
    """Each once and in order; where none is new, nothing is written."""
    append_new(tmp_path / "log", [])
    assert not (tmp_path / "log").exists()
    append_new(tmp_path / "log", [b"b\n", b"a\n", b"b\n"])
    append_new(tmp_path / "log", [b"a\n", b"c\n"])
    before = (tmp_path / "log").stat()
    append_new(tmp_path / "log", [b"c\n", b"b\n"])
    assert (tmp_path / "log").read_bytes() == b"b\na\nc\n"
    assert (tmp_path / "log").stat() == before


def test_a_new_file_replaces_none(tmp_path: Path) -> None:
    """Whoever made the file first wrote what it holds."""
    write_new(tmp_path / "x", b"first")
    write_new(tmp_path / "x", b"2nd")
    assert (tmp_path / "x").read_bytes() == b"first"


@POSIX
@pytest.mark.skipif(sys.platform == "darwin", reason="has a stronger call than fsync")
def test_durable_means_fsync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the file or of the folder itself."""
    synced: list[os.stat_result] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.fstat(fd)))
    with (tmp_path / "x").open("wb") as file:
        disk.sync(file.fileno())
    disk.sync_folder(tmp_path)
    assert [s.st_ino for s in synced] == [(tmp_path / "x").stat().st_ino, tmp_path.stat().st_ino]


@POSIX
@pytest.mark.parametrize("fails", [False, True])
def test_a_synced_folder_is_closed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    """Also where it could not be synced."""
    opened: list[int] = []

    def fsync(fd: int) -> None:
        opened.append(fd)
        if fails:
            broken()

    monkeypatch.setattr(disk, "sync", fsync)
    with suppress(OSError):
        disk.sync_folder(tmp_path)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(opened[0])


def test_a_line_is_kept_to_its_last_character(tmp_path: Path) -> None:
    """Only the newline is ours; `a b` is one line."""
    append(tmp_path / "log", [b"a b \n", b"aX"])
    append_new(tmp_path / "log", [b"a b \n", b"aX\n", b"b\n", b"a b\n"])
    assert (tmp_path / "log").read_bytes() == b"a b \naX\nb\na b\n"


# ---------------------------------------------------------------- other names


def no_links(source: object, target: object, **options: object) -> None:
    """A file system without hard links."""
    raise OSError(errno.EPERM, "Operation not permitted")


def other_disk(source: object, target: object, **options: object) -> None:
    """Two names on two file systems."""
    raise OSError(errno.EXDEV, "Invalid cross-device link")


@pytest.mark.parametrize("link", [None, no_links, other_disk])
def test_a_file_gets_another_name_over_no_other_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, link: object
) -> None:
    """With links, without them, and across file systems."""
    if link:
        monkeypatch.setattr(os, "link", link)
    one, two, three = (tmp_path / name for name in "abc")
    one.write_bytes(b"one")
    two.write_bytes(b"two")
    with pytest.raises(FileExistsError):
        disk.rename_new(one, two)
    assert (one.read_bytes(), two.read_bytes()) == (b"one", b"two")
    disk.rename_new(one, three)
    assert (one.exists(), three.read_bytes()) == (False, b"one")


def test_a_rename_that_was_cut_off_is_finished(tmp_path: Path) -> None:
    """It left two names of one file."""
    one, two = tmp_path / "a", tmp_path / "b"
    one.write_bytes(b"one")
    two.hardlink_to(one)
    disk.rename_new(one, two)
    assert (one.exists(), two.read_bytes()) == (False, b"one")


def test_a_file_is_not_renamed_to_its_own_name(tmp_path: Path) -> None:
    """Its only name must not be taken away."""
    one = tmp_path / "a"
    one.write_bytes(b"one")
    with pytest.raises(FileExistsError):
        disk.rename_new(one, one)
    assert one.read_bytes() == b"one"


@pytest.mark.parametrize("link", [None, no_links, other_disk])
def test_a_file_is_copied_over_no_other_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, link: object
) -> None:
    """By a second name, or byte by byte."""
    if link:
        monkeypatch.setattr(os, "link", link)
    one, two, three = (tmp_path / name for name in "abc")
    one.write_bytes(b"one")
    two.write_bytes(b"two")
    with pytest.raises(FileExistsError):
        disk.copy_new(one, two)
    disk.copy_new(one, three)
    assert (one.read_bytes(), two.read_bytes(), three.read_bytes()) == (b"one", b"two", b"one")


def test_a_copy_that_cannot_be_finished_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk leaves no half of a video under a name."""

    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "link", other_disk)
    monkeypatch.setattr(shutil, "copyfileobj", full)
    one, two = tmp_path / "a", tmp_path / "b"
    one.write_bytes(b"one")
    with pytest.raises(OSError, match="No space left"):
        disk.rename_new(one, two)
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_what_is_put_aside_is_put_over_nothing(tmp_path: Path) -> None:
    """`.bak`, `.bak2`, and so on; folders and links too."""
    target = tmp_path / "a.mp4"
    names = []
    for content in (b"1", b"2", b"3"):
        target.write_bytes(content)
        names.append(disk.put_aside(target))
    target.mkdir()
    names.append(disk.put_aside(target))
    target.symlink_to("nowhere")
    names.append(disk.put_aside(target))
    assert [p and p.name for p in names] == [f"a.mp4.bak{n}" for n in ("", 2, 3, 4, 5)]
    assert (tmp_path / "a.mp4.bak2").read_bytes() == b"2"
    assert (tmp_path / "a.mp4.bak5").is_symlink()
    assert disk.put_aside(target) is None


# What Windows does otherwise, on values: nobody here runs it


class Busy:
    """A file that another program has open for the first `times` that it is to be replaced."""

    def __init__(self, times: int) -> None:
        self.times = times

    def replace(self, target: Path) -> None:
        self.times -= 1
        if self.times >= 0:
            raise PermissionError(errno.EACCES, "Access is denied", str(target))


def test_a_file_that_is_in_use_is_replaced_a_little_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a virus scanner or git holds a lock for a moment on Windows."""
    monkeypatch.setattr(disk, "_TRIES", 3)
    monkeypatch.setattr(disk, "_TRY_AGAIN_S", 0)
    file: Any = Busy(2)
    disk._put_in_place(file, tmp_path / "film.lock")
    assert file.times == -1


def test_a_file_that_stays_in_use_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number of tries has an end."""
    monkeypatch.setattr(disk, "_TRIES", 3)
    monkeypatch.setattr(disk, "_TRY_AGAIN_S", 0)
    file: Any = Busy(9)
    with pytest.raises(PermissionError):
        disk._put_in_place(file, tmp_path / "film.lock")
    assert file.times == 6


@pytest.mark.skipif(sys.platform == "win32", reason="there it is tried again")
def test_elsewhere_a_file_that_may_not_be_replaced_is_tried_once(tmp_path: Path) -> None:
    """No such error passes by itself on POSIX, and buying must stop at once."""
    file: Any = Busy(9)
    with pytest.raises(PermissionError):
        disk._put_in_place(file, tmp_path / "film.lock")
    assert file.times == 8


def test_a_whole_new_file_is_there_or_is_not(tmp_path: Path) -> None:
    """What is there stays, also a link that leads nowhere; nothing else is left in the folder."""
    (tmp_path / "link").symlink_to("nowhere")
    found = [write_whole_new(tmp_path / name, b"x") for name in ("new", "new", "link")]
    assert found == [True, False, False]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link", "new"]
    assert (tmp_path / "new").read_bytes() == b"x"


def test_a_working_folder_that_is_gone_has_no_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who writes there hears from the system that there is no such folder."""
    if sys.platform == "win32":
        pytest.skip("no folder in use can be deleted there")
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert stays_below(Path(), "outputs/film/a.mp4")
    with pytest.raises(FileNotFoundError):
        atomic_write(Path("a.mp4"), b"x")
