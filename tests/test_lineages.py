"""Which film a ledger is of: a copy made a film of its own, and a lineage forgotten."""

from __future__ import annotations

from pathlib import Path

import pytest

from klingflow.api.lineages import Remembered, forget, fork
from klingflow.errors import UsageError
from klingflow.ledger.places import Site, site_at
from klingflow.ledger.store import open_ledger, read
from klingflow.terminal import lineage_commands
from tests.keeping import files_below, keep, now
from tests.purchases import submitted


def at(folder: Path) -> Site:
    folder.mkdir(exist_ok=True)
    (folder / "film.yaml").write_text("version: 1\n")
    return site_at(str(folder / "film.yaml"), state=folder.parent / "state")


@pytest.fixture
def home(tmp_path: Path) -> Site:
    site = at(tmp_path / "home")
    keep(site.paths, submitted("a"))
    return site


@pytest.fixture
def copy(home: Site, tmp_path: Path) -> Site:
    """A copy of its folder, before `b` was bought at home and `c` there."""
    site = at(tmp_path / "copy")
    site.paths.lock.write_bytes(home.paths.lock.read_bytes())
    keep(home.paths, submitted("b"))
    keep(site.paths, submitted("c"))
    return site


def lineage(site: Site) -> str:
    return read(site.paths).lineage


def test_a_fork_is_a_film_of_its_own(home: Site, copy: Site) -> None:
    """What the lock holds stays, and what was done at this place goes along."""
    before, place = lineage(home), copy.paths.box
    done = fork(copy)
    assert (lineage(copy), lineage(home)) == (done.lineage, before)
    assert done.lineage != before
    assert (done.purchases, done.others) == (2, [str(home.manifest)])
    assert read(copy.paths).task_ids.keys() == {"task_a", "task_c"}
    assert place and not place.folder(before).exists()
    # An older lock, or none, of the film that it is now.
    copy.paths.lock.write_bytes(copy.paths.lock.read_bytes().splitlines(True)[0])
    assert read(copy.paths).task_ids.keys() == {"task_c"}


def test_a_fork_before_anything_was_bought_holds_no_takes_of_the_film_before(home: Site) -> None:
    """Another film at the path of an earlier one, and the user has said so."""
    home.paths.lock.unlink()
    assert read(home.paths).former == {("a", 1)}
    fork(home)
    assert not read(home.paths).former
    assert read(home.paths).purchases == {}


def test_forgetting_says_what_is_lost_and_leaves_the_lock(home: Site, copy: Site) -> None:
    box = home.paths.box
    assert box
    before, lock = files_below(box.state), home.paths.lock.read_bytes()
    asked: list[Remembered] = []

    def says_no(found: Remembered) -> bool:
        asked.append(found)
        return False

    found, done = forget(home, says_no)
    assert (asked, done, files_below(box.state)) == ([found], False, before)
    assert sorted(found.places) == [(str(copy.manifest), 1), (str(home.manifest), 2)]
    assert found.lost == 1  # c, which only the copy's lock has
    assert forget(home, lambda found: True)[1]
    assert (files_below(box.state), home.paths.lock.read_bytes()) == ({}, lock)
    assert forget(home, lambda found: True)[0].places == []


def test_without_a_lock_the_films_of_this_place_are_forgotten(home: Site) -> None:
    home.paths.lock.unlink()
    assert forget(home, lambda found: True)[0].lost == 1
    assert read(home.paths).recallable == {}


def test_a_film_that_runs_is_not_forgotten(home: Site) -> None:
    with open_ledger(home.paths, now) as held:
        held.begin_box()
        with pytest.raises(UsageError, match="a run of this film is going on"):
            forget(home, lambda found: True)


def test_a_slip_of_the_pen_is_no_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KLINGFLOW_STATE_DIR", str(tmp_path / "state"))
    mistyped = str(tmp_path / "fim.yaml")
    with pytest.raises(UsageError, match=r"fim\.yaml: there is no such file"):
        lineage_commands.fork(mistyped)
    with pytest.raises(UsageError, match=r"fim\.yaml: there is no such file"):
        lineage_commands.forget(mistyped, True)
    assert list(tmp_path.iterdir()) == []


def test_forgetting_wants_a_yes(
    home: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    box = home.paths.box
    assert box
    monkeypatch.setenv("KLINGFLOW_STATE_DIR", str(box.state))
    with pytest.raises(UsageError, match="not a terminal: pass -y to forget these"):
        lineage_commands.forget(home.file, False)
    assert lineage_commands.forget(home.file, True) == 0
    assert f"forget   1 purchase of {home.manifest}" in capsys.readouterr().out
