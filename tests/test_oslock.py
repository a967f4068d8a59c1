"""An exclusive lock on an open file: one process at a time, and only the file at its place."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from klingflow.errors import LedgerError
from klingflow.ledger import oslock
from klingflow.ledger.places import LedgerPaths
from klingflow.ledger.store import open_ledger
from tests.keeping import now


def test_a_child_process_does_not_inherit_the_lock(paths: LedgerPaths) -> None:
    with open_ledger(paths, now):
        child = subprocess.Popen(
            [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False
        )
    open_ledger(paths, now).close()
    child.communicate(b"\n")


POSIX = pytest.mark.skipif(sys.platform == "win32", reason="locks and links as POSIX has them")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "film.journal"


def taken(path: Path) -> int:
    """A lock on `path` that must be free."""
    fd = oslock.acquire(path)
    assert fd is not None
    return fd


def test_a_lock_that_keeps_nobody_out_is_none(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on network drives that grant every lock."""
    monkeypatch.setattr(oslock, "_try_lock", lambda fd: None)
    with pytest.raises(LedgerError, match=r"keep nobody out.*nothing is bought here"):
        oslock.acquire(file)


@POSIX
def test_nothing_is_bought_where_locks_keep_nobody_out(
    paths: LedgerPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger is not opened, and the journal is left as it was."""
    monkeypatch.setattr(oslock, "_try_lock", lambda fd: None)
    with pytest.raises(LedgerError, match="keep nobody out"):
        open_ledger(paths, now)
    assert paths.journal.read_bytes() == b"" and not paths.lock.exists()


def test_a_lock_keeps_others_out_until_it_is_released(file: Path) -> None:
    """The file is made; what is written to it goes to its end."""
    fd = taken(file)
    assert oslock.acquire(file) is None
    os.write(fd, b"a")
    os.lseek(fd, 0, os.SEEK_SET)
    os.write(fd, b"b")
    oslock.release(fd)
    oslock.release(taken(file))
    assert file.read_bytes() == b"ab"


@POSIX
def test_a_released_lock_is_free_though_a_copy_of_it_is_open(file: Path) -> None:
    """A child that is being started has one for a moment."""
    fd = taken(file)
    copy = os.dup(fd)
    oslock.release(fd)
    oslock.release(taken(file))
    os.close(copy)


@POSIX
def test_no_link_is_locked_in_place_of_a_journal(file: Path, tmp_path: Path) -> None:
    """A journal is emptied, and the link may lead to anything."""
    file.symlink_to(tmp_path / "precious")
    with pytest.raises(OSError):
        oslock.acquire(file)
    assert not (tmp_path / "precious").exists()


def fails(number: int) -> Callable[[int], None]:
    """A file system whose locks fail so."""

    def try_lock(fd: int) -> None:
        raise OSError(number, os.strerror(number))

    return try_lock


@pytest.mark.parametrize("number", [errno.EACCES, errno.EAGAIN, errno.EDEADLK])
def test_busy_means_that_another_process_holds_it(
    file: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Whichever way the system says so."""
    file.touch()
    monkeypatch.setattr(oslock, "_try_lock", fails(number))
    assert oslock.acquire(file) is None
    if sys.platform != "win32":
        with pytest.raises(BlockingIOError, match="locked"):
            oslock.anchor(file)


def test_without_locks_there_is_no_ledger_but_a_manifest_may_go_unlocked(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal decides; the manifest is locked where that is possible."""
    file.touch()
    monkeypatch.setattr(oslock, "_try_lock", fails(errno.ENOLCK))
    with pytest.raises(LedgerError, match=r"film\.journal: this file system has no locks"):
        oslock.acquire(file)
    assert oslock.anchor(file) is None


@POSIX
def test_a_file_deleted_while_it_is_locked_is_made_again(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock on a deleted file would keep nobody out."""
    times, lock = [1, 2, 3], oslock._try_lock

    def deleted(fd: int) -> None:
        if times:
            times.pop()
            file.unlink()
        lock(fd)

    monkeypatch.setattr(oslock, "_try_lock", deleted)
    fd = taken(file)
    assert oslock.is_at(fd, file)
    os.close(fd)
    monkeypatch.setattr(oslock, "_try_lock", lambda fd: file.unlink())
    with pytest.raises(LedgerError, match="deleted again and again"):
        oslock.acquire(file)


@POSIX
def test_an_anchor_is_locked_and_neither_made_nor_written(tmp_path: Path) -> None:
    """Only a file that is there, and that no other process holds."""
    manifest = tmp_path / "film.yaml"
    assert oslock.anchor(manifest) is None
    assert oslock.anchor(tmp_path) is None
    manifest.write_bytes(b"version: 1\n")
    manifest.chmod(0o400)
    fd = oslock.anchor(manifest)
    assert fd is not None
    with pytest.raises(BlockingIOError) as busy:
        oslock.anchor(manifest)
    assert (busy.value.args, busy.value.filename) == ((errno.EAGAIN, "locked"), str(manifest))
    oslock.release(fd)
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [
        ("film.yaml", b"version: 1\n")
    ]


@POSIX
def test_an_open_file_is_at_its_place_until_another_is(file: Path, tmp_path: Path) -> None:
    """Deleted, or replaced by one with the same content."""
    fd = taken(file)
    assert oslock.is_at(fd, file)
    (tmp_path / "other").touch()
    (tmp_path / "other").replace(file)
    assert not oslock.is_at(fd, file)
    file.unlink()
    assert not oslock.is_at(fd, file)
    os.close(fd)
