"""Files are opened as what they are: through no link, and never from a device."""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from klingflow import plain_files
from klingflow.plain_files import read_ours, read_whole, stays_below

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="links and pipes as POSIX has them")


@POSIX
def test_only_a_regular_file_is_read_whole(tmp_path: Path, precious: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("as POSIX has it")
    assert read_whole(precious) == b"mine"
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(OSError):
            read_whole(path)


@POSIX
def test_the_first_folder_may_be_the_users_link(tmp_path: Path) -> None:
    """To a larger disk, say, where the user allows that target."""
    for name in ("disk", "film/sub"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "film" / "outputs").symlink_to(tmp_path / "disk")
    (tmp_path / "disk" / "out").symlink_to(tmp_path)
    (tmp_path / "disk" / "in").symlink_to(tmp_path / "disk")
    tops = {"outputs": tmp_path / "disk"}
    below = [stays_below(tmp_path / "film", name, tops) for name in (
        "a.mp4", "sub/a.mp4", "new/b/a.mp4", "outputs/a.mp4", "outputs/film/a.mp4",
        "outputs/in/a.mp4",
    )]  # fmt: skip
    assert below == [True] * 6
    assert not stays_below(tmp_path / "film", "outputs/out/a.mp4", tops)
    assert not stays_below(tmp_path / "film", "outputs/film/../out/a.mp4", tops)


@POSIX
@pytest.mark.parametrize("target", ["disk", "film", "gone"])
def test_a_link_that_nobody_allowed_leads_elsewhere(tmp_path: Path, target: str) -> None:
    """Also where another target was allowed: the link may have changed since."""
    for name in ("disk", "film"):
        (tmp_path / name).mkdir()
    (tmp_path / "film" / "outputs").symlink_to(tmp_path / target)
    for tops in ({}, {"outputs": tmp_path / "other"}):
        assert not stays_below(tmp_path / "film", "outputs/a.mp4", tops)


@POSIX
def test_what_is_no_regular_file_is_named(tmp_path: Path) -> None:
    """With the reason, as the system names its own."""
    if sys.platform == "win32":
        pytest.skip("as POSIX has it")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError) as error:
        read_whole(tmp_path / "pipe")
    assert error.value.args == (errno.EINVAL, "not a regular file")
    assert error.value.filename == str(tmp_path / "pipe")


@POSIX
@pytest.mark.parametrize("kind", ["absent", "link", "hard link", "pipe"])
def test_what_is_not_ours_alone_reads_as_nothing(tmp_path: Path, precious: Path, kind: str) -> None:
    """A link, a second name and a pipe are as good as no file."""
    if sys.platform == "win32":
        pytest.skip("as POSIX has it")
    place = tmp_path / "x"
    if kind == "link":
        place.symlink_to(precious)
    elif kind == "hard link":
        place.hardlink_to(precious)
    elif kind == "pipe":
        os.mkfifo(place)
    assert (read_ours(place), read_ours(tmp_path / "none")) == (b"", b"")


def test_what_is_ours_alone_is_read(precious: Path) -> None:
    """A regular file of one name is read whole."""
    assert read_ours(precious) == b"mine"


@POSIX
@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_WRONLY | os.O_CREAT])
def test_no_link_is_opened_where_the_system_has_no_flag_for_that(
    tmp_path: Path, precious: Path, monkeypatch: pytest.MonkeyPatch, flags: int
) -> None:
    """Neither one that leads somewhere nor one that leads nowhere yet."""
    monkeypatch.setattr(plain_files, "_NOFOLLOW", 0)
    for target in (precious, tmp_path / "nowhere"):
        (tmp_path / "link").unlink(missing_ok=True)
        (tmp_path / "link").symlink_to(target)
        with pytest.raises(OSError) as refused:
            plain_files.open_itself(tmp_path / "link", flags)
        assert refused.value.errno == errno.ELOOP
        assert read_ours(tmp_path / "link") == b""
    assert precious.read_text() == "mine" and not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    ("mode", "tag", "expected"),
    [
        (stat.S_IFDIR, 0xA0000003, True),  # a junction
        (stat.S_IFLNK, 0xA000000C, True),  # a symbolic link
        (stat.S_IFDIR, 0x9000001A, False),  # a folder that OneDrive keeps in the cloud
        (stat.S_IFREG, 0, False),
    ],
)
def test_a_junction_is_a_link(mode: int, tag: int, expected: bool) -> None:
    """By the tag of its reparse point; other tags stand for files that are where they are."""
    path: Any = SimpleNamespace(lstat=lambda: SimpleNamespace(st_mode=mode, st_reparse_tag=tag))
    assert plain_files.is_link(path) is expected


def test_what_is_not_there_is_no_link(tmp_path: Path) -> None:
    """Nor what cannot be a path."""
    assert not plain_files.is_link(tmp_path / "absent") and not plain_files.is_link(Path("a\0b"))
