"""A journal that this process holds: durable, begun again when it is lost, and nobody else's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from klingflow import disk
from klingflow.errors import KlingflowError, LedgerBroken, LedgerHeld
from klingflow.ledger import oslock
from klingflow.ledger.places import LedgerPaths, ledger_paths
from klingflow.ledger.store import open_ledger, read
from tests.keeping import keep, now, write, write_one
from tests.purchases import submitted

LINKS = pytest.mark.skipif(sys.platform == "win32", reason="links as POSIX has them")


@pytest.fixture
def paths(tmp_path: Path) -> LedgerPaths:
    return ledger_paths(tmp_path / "film.yaml")


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    path = tmp_path / "precious"
    path.write_text("mine")
    return path


@pytest.mark.parametrize("left_behind", [False, True])
def test_the_journals_name_is_durable_before_anything_is_bought(
    paths: LedgerPaths, monkeypatch: pytest.MonkeyPatch, left_behind: bool
) -> None:
    """Also where a runner made it that died before it could sync the folder."""
    paths.hidden.mkdir()
    if left_behind:
        paths.journal.touch()
    named: list[bool] = []

    def fsync(fd: int) -> None:
        if os.fstat(fd).st_ino == paths.hidden.stat().st_ino:
            named.append(paths.journal.exists())

    monkeypatch.setattr(os, "fsync", fsync)
    with open_ledger(paths, now):
        assert any(named)


@pytest.mark.parametrize("which", ["manifest", "journal"])
def test_a_lock_of_somebody_who_does_not_say_so_is_named_by_its_file(
    paths: LedgerPaths, which: str
) -> None:
    """Another program's, or that of klingflow by a hard link; not the last run's, which is over."""
    assert paths.anchor
    paths.anchor.write_text("version: 1")
    code = (
        "from klingflow.ledger.places import ledger_paths\n"
        "from klingflow.ledger.store import open_ledger\n"
        f"open_ledger(ledger_paths({str(paths.anchor)!r}), lambda: '2026').close()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    locked = paths.anchor if which == "manifest" else paths.journal
    fd = oslock.anchor(locked)
    assert fd
    with pytest.raises(LedgerHeld, match=re.escape(f"another process has locked {locked}")) as held:
        open_ledger(paths, now)
    assert (held.value.pid, held.value.host) == (None, None)
    oslock.release(fd)


def test_a_journal_that_vanishes_is_begun_anew_with_all_it_held(paths: LedgerPaths) -> None:
    """`git clean -xfd` during a run."""
    ledger = open_ledger(paths, now)
    write(ledger, submitted("a"))
    for path in paths.hidden.iterdir():
        path.unlink()
    paths.hidden.rmdir()
    write(ledger, submitted("b"))
    assert read(paths).task_ids.keys() == {"task_a", "task_b"}
    with pytest.raises(LedgerHeld):
        open_ledger(paths, now)
    ledger.close()


def test_a_journal_that_another_runner_took_over_stops_buying(paths: LedgerPaths) -> None:
    ledger = open_ledger(paths, now)
    paths.journal.unlink()
    with open_ledger(paths, now), pytest.raises(LedgerBroken):
        write_one(ledger, submitted("a"))
    ledger.close()
    keep(paths)
    assert read(paths).task_ids.keys() == {"task_a"}


def test_a_cleared_folder_lets_no_second_runner_in(paths: LedgerPaths) -> None:
    """`rm -rf .klingflow` leaves the manifest, which is locked too, also after an editor has
    replaced it.
    """
    assert paths.anchor
    paths.anchor.write_text("version: 1")
    with open_ledger(paths, now) as ledger:
        write(ledger, submitted("a"))
        disk.atomic_write(paths.anchor, b"version: 1\n")
        anyio.run(ledger.fold)
        shutil.rmtree(paths.hidden)
        with pytest.raises(LedgerHeld):
            open_ledger(paths, now)
    open_ledger(paths, now).close()


@LINKS
def test_a_refused_journal_leaves_no_lock_behind(paths: LedgerPaths, precious: Path) -> None:
    """Once the link is gone, the ledger opens."""
    paths.hidden.mkdir()
    paths.journal.symlink_to(precious)
    with pytest.raises(KlingflowError):
        open_ledger(paths, now)
    paths.journal.unlink()
    with open_ledger(paths, now) as ledger:
        anyio.run(ledger.record, submitted("a"))
    assert list(read(paths).task_ids) == ["task_a"]


@LINKS
def test_a_link_to_nothing_is_not_followed_into_being(paths: LedgerPaths, tmp_path: Path) -> None:
    """Nor is what it leads to made."""
    absent = tmp_path / "absent"
    paths.hidden.mkdir()
    (paths.hidden / ".gitignore").symlink_to(absent)
    with open_ledger(paths, now):
        pass
    assert not absent.exists()
