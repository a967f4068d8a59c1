"""A folder that a web server shows: what is written there, and what never is."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from klingflow.assets.folders import FolderStore
from klingflow.assets.stores import Snapshot

NAME = f"{'a' * 64}.png"
STILL = b"a still"
LONG_AGO = 1_600_000_000


@pytest.fixture
def taken(tmp_path: Path) -> Snapshot:
    """A file to store, and a folder with the user's own file beside the store."""
    (tmp_path / "store").mkdir()
    (tmp_path / "precious").write_bytes(b"my own")
    (tmp_path / NAME).write_bytes(STILL)
    return Snapshot("a.png", tmp_path / NAME, NAME, len(STILL), STILL)


def keep(snapshot: Snapshot, folder: Path) -> Path:
    """Store a file; return where it lies."""
    anyio.run(FolderStore(folder, "https://cdn.example.com").keep, snapshot)
    return folder / NAME


def test_a_file_stays_when_its_copy_goes(taken: Snapshot, tmp_path: Path) -> None:
    """The folder is made; nothing but the file is left in it."""
    stored = keep(taken, tmp_path / "store" / "refs")
    taken.path.unlink()
    assert stored.read_bytes() == STILL and list(stored.parent.iterdir()) == [stored]


@pytest.mark.skipif(sys.platform == "win32", reason="links as POSIX has them")
@pytest.mark.parametrize("plant", [os.symlink, os.link])
@pytest.mark.parametrize("own", [b"my own", b"as long"])
def test_no_link_in_the_folder_is_written_through(
    taken: Snapshot, tmp_path: Path, plant: Callable[[Path, Path], None], own: bytes
) -> None:
    """Whoever made the folder knows what a content is called there."""
    precious = tmp_path / "precious"
    precious.write_bytes(own)
    plant(precious, tmp_path / "store" / NAME)
    stored = keep(taken, tmp_path / "store")
    assert precious.read_bytes() == own
    assert not stored.is_symlink()


def test_what_a_killed_upload_left_is_deleted_by_a_later_one(
    taken: Snapshot, tmp_path: Path
) -> None:
    """Not the upload that may still go on, and no file that is only called alike."""
    store, unfinished = tmp_path / "store", f".{'b' * 64}.png.{'0' * 16}.tmp"
    others = [".notes.tmp", f".{'b' * 64}.png.tmp", f"{'c' * 64}.png", f"x{unfinished}"]
    for name in (unfinished, *others):
        (store / name).write_bytes(b"half")
        os.utime(store / name, (LONG_AGO, LONG_AGO))
    going_on = store / unfinished.replace("b", "d")
    going_on.write_bytes(b"half")
    stored = keep(taken, store)
    assert {*store.iterdir()} == {stored, going_on, *(store / name for name in others)}
