"""A lock that has lost lines: what its header counts may have been paid for, so nothing that it
does not name is bought by itself.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.harness import Pipeline, charges, pipeline_at, sandboxed

SHOTS = 3


def bought(folder: Path, film: Pipeline) -> Pipeline:
    """Return a clone of a film of three shots, all bought, on a machine without a black box."""
    film.write(SHOTS)
    film.do("run", "film.yaml", "-y")
    clone = pipeline_at(folder / "clone", film.environ["KLINGFLOW_BASE_URL"])
    for name in ("film.yaml", "prices.yaml", "film.lock"):
        shutil.copy(film.folder / name, clone.folder / name)
    return clone


@pytest.mark.parametrize(
    "left",
    [
        pytest.param(lambda lock: b"".join(lock.splitlines(keepends=True)[:-1]), id="a line less"),
        pytest.param(lambda lock: lock[: len(lock) * 2 // 3], id="torn"),
        pytest.param(lambda lock: lock[: len(lock) // 2].ljust(len(lock), b"\0"), id="zeros"),
        pytest.param(lambda lock: b"", id="empty"),
    ],
)
def test_what_a_lock_may_have_lost_is_not_bought(tmp_path: Path, left: object) -> None:
    """Neither by the first run, which writes the lock anew, nor by those after it."""
    assert callable(left)
    with sandboxed(tmp_path / "here") as (film, sandbox):
        clone = bought(tmp_path, film)
        lock = clone.folder / "film.lock"
        lock.write_bytes(left(lock.read_bytes()))
        for _ in range(2):
            said = clone.do("run", "film.yaml", "-y", code=4)
            assert "fewer than its header counts: bring the lock back from git" in said
        assert len(charges(sandbox)) == SHOTS


def test_a_lock_that_comes_back_holds_nothing(tmp_path: Path) -> None:
    """By git, or by a merge. A film whose lock is whole buys what is new."""
    with sandboxed(tmp_path / "here") as (film, sandbox):
        clone = bought(tmp_path, film)
        lock = clone.folder / "film.lock"
        whole = lock.read_bytes()
        lines = whole.splitlines(keepends=True)
        lock.write_bytes(b"".join(lines[:-1]))
        clone.do("run", "film.yaml", "-y", code=4)
        (clone.folder / "whole.lock").write_bytes(whole)
        clone.do("lock", "merge", "film.yaml", "whole.lock")
        clone.write(SHOTS + 1)
        clone.do("run", "film.yaml", "-y")
        assert len(charges(sandbox)) == SHOTS + 1


def test_the_black_box_brings_back_what_was_bought_here(tmp_path: Path) -> None:
    """At the place of the purchases nothing is lost, and what is new is bought."""
    with sandboxed(tmp_path / "here") as (film, sandbox):
        film.write(SHOTS)
        film.do("run", "film.yaml", "-y")
        film.lock.write_bytes(film.lock.read_bytes().splitlines(keepends=True)[0])
        film.write(SHOTS + 1)
        film.do("run", "film.yaml", "-y")
        assert len(charges(sandbox)) == SHOTS + 1


def test_a_person_may_buy_it_all_the_same(tmp_path: Path) -> None:
    """One take, or all of them, as those of a film of its own."""
    with sandboxed(tmp_path / "here") as (film, sandbox):
        clone = bought(tmp_path, film)
        lock = clone.folder / "film.lock"
        lock.write_bytes(lock.read_bytes().splitlines(keepends=True)[0])
        clone.do("run", "film.yaml", "-y", "--buy-again", "-s", "shot001")
        assert len(charges(sandbox)) == SHOTS + 1
        clone.do("lock", "fork", "film.yaml")
        clone.do("run", "film.yaml", "-y")
        assert len(charges(sandbox)) == 2 * SHOTS
