"""The last resort of a ledger: files that are ours alone, and room kept for them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from klingflow.ledger import emergency
from klingflow.ledger.lines import journal_line
from klingflow.ledger.places import LedgerPaths, ledger_paths
from tests.purchases import submitted

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="links, pipes and owners as POSIX has them"
)


@pytest.fixture
def paths(tmp_path: Path) -> LedgerPaths:
    folder = tmp_path / "film"
    folder.mkdir()
    return ledger_paths(folder / "film.yaml")


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    path = tmp_path / "precious"
    path.write_text("mine")
    return path


def plant_link(place: Path, precious: Path) -> None:
    place.symlink_to(precious)


def plant_second_name(place: Path, precious: Path) -> None:
    place.hardlink_to(precious)


def plant_pipe(place: Path, precious: Path) -> None:
    os.mkfifo(place)


@pytest.mark.parametrize("plant", [plant_link, plant_second_name, plant_pipe])
def test_what_somebody_put_in_the_place_of_an_emergency_file_is_not_written_to(
    paths: LedgerPaths, precious: Path, plant: Callable[[Path, Path], None]
) -> None:
    """Its name can be foretold, and the temporary folder is everybody's: the next place is taken,
    or none.
    """
    first, second = emergency.places(paths.journal)
    first.parent.mkdir()
    try:
        plant(first, precious)
        assert emergency.save(paths.journal, journal_line(submitted("a"))) == second
        assert second.stat().st_mode & 0o077 == 0
        second.unlink()
        plant(second, precious)
        assert emergency.save(paths.journal, journal_line(submitted("a"))) is None
    finally:
        second.unlink(missing_ok=True)
    assert precious.read_text() == "mine"


@pytest.mark.skipif(
    sys.platform == "win32" or os.getuid() != 0, reason="only root can make a file another's"
)
def test_another_users_file_takes_and_gives_no_ids(paths: LedgerPaths) -> None:
    """What we wrote there its owner could read, and we would not believe it again; nor do we
    believe what is there.
    """
    first, _ = places = emergency.places(paths.journal)
    first.parent.mkdir()
    first.write_bytes(theirs := journal_line(submitted("a")))
    os.chown(first, 12345, -1)
    assert emergency.read(first) == b""
    where = emergency.save(paths.journal, journal_line(submitted("b")))
    try:
        assert where == places[1]
    finally:
        places[1].unlink(missing_ok=True)
    assert first.read_bytes() == theirs
