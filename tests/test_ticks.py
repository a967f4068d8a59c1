"""Ticks: a host notices a store that was put back from a backup."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from klingflow.cluster.store import FolderStore
from klingflow.cluster.ticks import EVERY_S, Ticks, note_of

TICKS = "probes/ticks"


class Host:
    """A host that looks at a store, by a clock of its own."""

    def __init__(self, store: FolderStore, state: Path) -> None:
        self.now, self.paused = 0.0, 0
        self._made = (store, note_of(state, store.identity, "a"))
        self.start()

    def start(self) -> None:
        """Begin again with nothing but the note."""
        self.ticks = Ticks(*self._made, clock=lambda: self.now, pause=self._pause)

    def _pause(self, seconds: float) -> None:
        self.paused += 1


def put_back(store: FolderStore, backup: Path) -> None:
    """Put a copy in the place of a store."""
    shutil.rmtree(store.folder)
    shutil.copytree(backup, store.folder)


def saved(store: FolderStore) -> Path:
    """A copy of a store."""
    copy = store.folder.with_name("backup")
    shutil.copytree(store.folder, copy)
    return copy


def test_who_buys_leaves_a_tick_now_and_then(store: FolderStore, tmp_path: Path) -> None:
    """All hosts together one in ten seconds."""
    one, other = Host(store, tmp_path / "one"), Host(store, tmp_path / "other")
    assert other.ticks.look()
    for _ in range(3):
        assert one.ticks.leave() and other.ticks.leave()
    assert len(store.names(TICKS)) == 1
    one.now = EVERY_S
    assert one.ticks.leave() and one.ticks.leave() and other.ticks.look()
    assert len(store.names(TICKS)) == 2


@pytest.mark.parametrize("restarts", [False, True])
def test_a_store_without_the_last_tick_is_noticed(
    store: FolderStore, tmp_path: Path, restarts: bool
) -> None:
    """Also by a host that has only seen the tick of another, and after a restart."""
    one, other = Host(store, tmp_path / "one"), Host(store, tmp_path / "other")
    one.ticks.leave()
    backup = saved(store)
    one.now = EVERY_S
    assert one.ticks.leave() and other.ticks.look()
    put_back(store, backup)
    for host in (one, other):
        if restarts:
            host.start()
        assert not host.ticks.leave()
        assert not host.ticks.look()


def test_ticks_of_another_time_are_noticed(store: FolderStore, tmp_path: Path) -> None:
    """A number may have been given again meanwhile."""
    one, late = Host(store, tmp_path / "one"), Host(store, tmp_path / "late")
    backup = saved(store)
    one.ticks.leave()
    put_back(store, backup)
    late.ticks.leave()
    assert len(store.names(TICKS)) == 1 and not one.ticks.look()


def test_a_store_without_our_last_claim_is_noticed(store: FolderStore, tmp_path: Path) -> None:
    """No tick was left since the backup."""
    one = Host(store, tmp_path / "one")
    one.ticks.leave()
    backup = saved(store)
    store.put("purchases/a.intent", b"x")
    one.ticks.claimed("purchases/a.intent", b"x")
    assert one.ticks.look()
    put_back(store, backup)
    assert not one.ticks.look()


class Stale(FolderStore):
    """A bucket that shows now and then what it had before."""

    misses = 0

    def get(self, name: str) -> bytes | None:
        """Return what is there; nothing, the next few times."""
        self.misses -= 1
        return None if self.misses >= 0 else super().get(name)


@pytest.mark.parametrize(("misses", "holds"), [(2, True), (3, False)])
def test_a_tick_is_missed_only_when_it_stays_away(
    store: FolderStore, tmp_path: Path, misses: int, holds: bool
) -> None:
    """Three times in a row."""
    bucket = Stale(store.folder)
    one = Host(bucket, tmp_path / "one")
    one.ticks.leave()
    bucket.misses = misses
    assert (one.ticks.look(), one.paused) == (holds, 2)


@pytest.mark.parametrize("restarts", [False, True])
def test_a_person_lets_it_go_on(store: FolderStore, tmp_path: Path, restarts: bool) -> None:
    """Until then it is remembered which word of a person is too old."""
    one = Host(store, tmp_path / "one")
    backup = saved(store)
    one.ticks.leave()
    put_back(store, backup)
    assert not one.ticks.look()
    one.ticks.stop(7)
    if restarts:
        one.start()
    assert not one.ticks.look() and one.ticks.stopped == 7
    one.ticks.accept()
    assert one.ticks.leave() and one.ticks.stopped is None


def _nothing(note: Path) -> None:
    note.unlink()


def _garbage(note: Path) -> None:
    note.write_bytes(b'{"number": "x"}')


@pytest.mark.parametrize("lose", [_nothing, _garbage])
def test_a_host_without_a_note_takes_a_store_as_it_is(
    store: FolderStore, tmp_path: Path, lose: Callable[[Path], None]
) -> None:
    """With the newest tick there is; what is no tick there does not count."""
    one = Host(store, tmp_path / "one")
    one.ticks.leave()
    lose(note_of(tmp_path / "one", store.identity, "a"))
    store.put(f"{TICKS}/readme.txt", b"x")
    one.start()
    assert one.ticks.look()
    assert one.ticks.leave()
    assert len(store.names(TICKS)) == 3  # how old the other is nobody knows
