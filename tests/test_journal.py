"""A journal that this process holds: durable, begun again when it is lost, and nobody else's."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from klingflow import disk
from klingflow.errors import KlingflowError, LedgerBroken, LedgerHeld
from klingflow.ledger import journal as journal_module
from klingflow.ledger import oslock
from klingflow.ledger.journal import Journal, hold
from klingflow.ledger.lines import runner_line
from klingflow.ledger.places import LedgerPaths
from klingflow.ledger.store import open_ledger, read
from tests.keeping import keep, now, write, write_one
from tests.purchases import LATER, submitted

LINKS = pytest.mark.skipif(sys.platform == "win32", reason="links as POSIX has them")


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


@pytest.fixture
def held(paths: LedgerPaths) -> Iterator[Journal]:
    """A journal that this process holds, with its manifest."""
    assert paths.anchor
    paths.anchor.write_text("version: 1")
    journal = hold(paths, now)
    yield journal
    journal.release()


def broken(*_: object) -> None:
    raise OSError(5, "Input/output error")


def test_a_journal_says_who_holds_it(held: Journal, paths: LedgerPaths) -> None:
    """The process, its host, since when, and the manifest by its whole path."""
    who = runner_line(os.getpid(), socket.gethostname(), LATER, str(paths.anchor))
    assert held.runner() == who


def test_git_ignores_the_folder_of_a_journal(held: Journal, paths: LedgerPaths) -> None:
    """All of it, this file too."""
    assert (paths.hidden / ".gitignore").read_bytes() == b"*\n"


def test_lines_are_durable_when_they_are_appended(
    held: Journal, paths: LedgerPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole, in order, and remembered for a journal that has to begin again."""
    seen: list[list[bytes]] = []
    look = paths.journal.read_bytes
    monkeypatch.setattr(journal_module, "sync", lambda fd: seen.append(look().split()))
    held.append([b"a\n", b"b\n"])
    held.append([b"c\n"])
    assert seen == [[b"a", b"b"], [b"a", b"b", b"c"]]
    assert held.lines == [b"a\n", b"b\n", b"c\n"]


def test_an_emptied_journal_holds_who_holds_it(
    held: Journal, paths: LedgerPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Durably, and the next line goes below. An empty line ends each, whole or torn."""
    held.append([b"a\n"])
    seen: list[bytes] = []
    monkeypatch.setattr(journal_module, "sync", lambda fd: seen.append(paths.journal.read_bytes()))
    held.empty()
    assert (seen, held.lines, held.dead) == ([held.runner()], [], False)
    held.append([b"b\n"])
    assert paths.journal.read_bytes() == held.runner() + b"b\n\n"


@pytest.mark.parametrize("what", ["write_all", "sync"])
def test_a_journal_that_could_not_be_emptied_is_dead(
    held: Journal, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """What the kernel then holds cannot be known; its lines are still to be saved."""
    held.append([b"a\n"])
    monkeypatch.setattr(journal_module, what, broken)
    with pytest.raises(OSError, match="Input/output"):
        held.empty()
    assert (held.dead, held.lines) == (True, [b"a\n"])


def test_a_journal_that_was_deleted_is_begun_again_durably(
    held: Journal, paths: LedgerPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With who holds it and every line since the last fold; one at its place is left alone."""
    held.append([b"a\n"])
    seen: list[bytes] = []
    monkeypatch.setattr(journal_module, "sync", lambda fd: seen.append(paths.journal.read_bytes()))
    held.keep_hold()
    assert seen == []
    shutil.rmtree(paths.hidden)
    held.keep_hold()
    assert seen == [held.runner() + b"a\n"]
    assert oslock.acquire(paths.journal) is None


def test_a_journal_that_somebody_else_has_begun_is_dead(
    held: Journal, paths: LedgerPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of them would buy the same shots."""
    monkeypatch.setattr(time, "sleep", lambda _: None)
    paths.journal.unlink()
    other = oslock.acquire(paths.journal)
    assert other is not None
    with pytest.raises(LedgerHeld):
        held.keep_hold()
    assert held.dead
    oslock.release(other)


def test_a_manifest_that_somebody_else_has_locked_leaves_the_journal_to_decide(
    held: Journal, paths: LedgerPaths
) -> None:
    """An editor put another file in its place, and it was locked at once."""
    assert paths.anchor
    disk.atomic_write(paths.anchor, b"version: 1\n")
    other = oslock.anchor(paths.anchor)
    assert other is not None
    held.keep_hold()
    assert not held.dead
    oslock.release(other)


def test_a_journal_that_cannot_be_held_holds_nothing(
    paths: LedgerPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the manifest nor the journal, whichever step fails."""
    assert paths.anchor
    paths.anchor.write_text("version: 1")
    with monkeypatch.context() as patch:
        patch.setattr(journal_module, "sync_folder", broken)
        with pytest.raises(OSError, match="Input/output"):
            hold(paths, now)
    for lock in (oslock.anchor(paths.anchor), oslock.acquire(paths.journal)):
        assert lock is not None
        oslock.release(lock)


def test_a_released_journal_and_its_manifest_are_free(paths: LedgerPaths) -> None:
    """For the next runner."""
    assert paths.anchor
    paths.anchor.write_text("version: 1")
    hold(paths, now).release()
    hold(paths, now).release()
