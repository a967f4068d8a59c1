"""A journal that came from another manifest's folder counts there, and nowhere else."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from klingflow.errors import UsageError
from klingflow.ledger import neighbours
from klingflow.ledger.headers import lock_header
from klingflow.ledger.lines import journal_line, lock_line, parse_journal, runner_line
from klingflow.ledger.places import LedgerPaths, ledger_paths
from klingflow.ledger.store import open_ledger, read
from klingflow.model import Purchase
from tests.keeping import now
from tests.purchases import LATER, submitted

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="links as POSIX has them")


def folder(tmp_path: Path, name: str) -> LedgerPaths:
    """A manifest in a folder of its own, with an empty `.klingflow`."""
    (tmp_path / name / ".klingflow").mkdir(parents=True)
    (tmp_path / name / "film.yaml").write_text("version: 1\n")
    return ledger_paths(tmp_path / name / "film.yaml")


def killed(paths: LedgerPaths, *purchases: Purchase) -> None:
    """Leave the journal as a runner that was killed leaves it."""
    runner = runner_line(7, "host", LATER, str(paths.anchor))
    paths.journal.write_bytes(b"".join([runner, *map(journal_line, purchases)]))


@pytest.fixture
def theirs(tmp_path: Path) -> LedgerPaths:
    return folder(tmp_path, "theirs")


@pytest.fixture
def ours(tmp_path: Path) -> LedgerPaths:
    return folder(tmp_path, "ours")


def test_a_copied_journal_is_set_aside_and_reported(theirs: LedgerPaths, ours: LedgerPaths) -> None:
    """Its purchases are the other manifest's, which has them too; the lines are kept."""
    bought = submitted("a")
    killed(theirs, bought)
    theirs.lock.write_bytes(lock_header("theirs", 1, 0))
    ours.lock.write_bytes(lock_header("ours", 1, 0))
    shutil.copy(theirs.journal, ours.journal)
    book = read(ours)
    assert (book.purchases, [p.kind for p in book.problems]) == ({}, ["foreign_journal"])
    with open_ledger(ours, now) as ledger:
        assert ledger.book.purchases == {}
    kept = parse_journal(ours.journal_damaged.read_bytes(), "x")
    assert kept.accounts == [bought]
    assert read(ours).problems == []
    assert list(read(theirs).purchases) == [bought.uid]


@pytest.mark.parametrize("lineages", [("one", "one"), ("one", None), (None, "one"), (None, None)])
def test_a_folder_that_was_copied_whole_keeps_its_journal(
    theirs: LedgerPaths, ours: LedgerPaths, lineages: tuple[str | None, str | None]
) -> None:
    """Its lock has the same lineage, or there was none yet: its purchases must not be bought again
    in the copy.
    """
    bought = submitted("a")
    killed(theirs, bought)
    shutil.copy(theirs.journal, ours.journal)
    for paths, lineage in zip((theirs, ours), lineages, strict=True):
        if lineage:
            paths.lock.write_bytes(lock_header(lineage, 1, 0))
    assert (list(read(ours).purchases), read(ours).problems) == ([bought.uid], [])


def test_what_the_other_ledger_does_not_have_is_ours(
    theirs: LedgerPaths, ours: LedgerPaths
) -> None:
    """The folder was moved, and another manifest lies at its old place by now."""
    killed(theirs, submitted("a"))
    theirs.journal.rename(ours.journal)
    book = read(ours)
    assert (len(book.purchases), book.problems) == (1, [])


def test_what_our_lock_has_stays_ours(theirs: LedgerPaths, ours: LedgerPaths) -> None:
    """A folder that was copied whole keeps the purchases of its lock."""
    bought = submitted("a")
    killed(theirs, bought)
    shutil.copy(theirs.journal, ours.journal)
    ours.lock.write_bytes(lock_header("l", 1, 1) + lock_line(bought))
    assert (list(read(ours).purchases), read(ours).problems) == ([bought.uid], [])


@pytest.mark.parametrize("named", ["/nowhere/film.yaml", "film.yaml", "", "\0", "/", 7, None, []])
def test_a_manifest_that_is_not_there_has_no_journal(ours: LedgerPaths, named: object) -> None:
    """Another machine's path, or none: the journal is ours."""
    assert neighbours.of_journal(ours, {"manifest": named}) is None
    assert neighbours.of_journal(ours, {}) is None
    assert neighbours.of_journal(ours, None) is None


@POSIX
def test_another_name_of_our_own_manifest_is_ours(ours: LedgerPaths, tmp_path: Path) -> None:
    """The folder may be reached by a link."""
    (tmp_path / "way").symlink_to(ours.lock.parent)
    assert neighbours.of_journal(ours, {"manifest": str(tmp_path / "way" / "film.yaml")}) is None


def test_a_sandboxs_journal_names_the_sandboxs_lock(tmp_path: Path) -> None:
    """Which lies beside that journal."""
    theirs, ours = (folder(tmp_path, name) for name in ("a", "b"))
    theirs, ours = (
        ledger_paths(paths.lock.with_suffix(".yaml"), sandbox=True) for paths in (theirs, ours)
    )
    for paths in (theirs, ours):
        paths.lock.parent.mkdir()
    bought = submitted("a")
    theirs.lock.write_bytes(lock_header("l", 1, 1) + lock_line(bought))
    ours.lock.write_bytes(lock_header("m", 1, 0))
    runner = runner_line(7, "host", LATER, str(theirs.lock))
    ours.journal.write_bytes(runner + journal_line(bought))
    assert [p.kind for p in read(ours).problems] == ["foreign_journal"]


@POSIX
def test_one_journal_under_two_manifests_is_refused(theirs: LedgerPaths, tmp_path: Path) -> None:
    """A link to the folder of another project, even an allowed one: emptying its journal would lose
    its purchases.
    """
    killed(theirs, submitted("a"))
    before = theirs.journal.read_bytes()
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "film.yaml").write_text("version: 1\n")
    (tmp_path / "linked" / ".klingflow").symlink_to(theirs.hidden)
    linked = ledger_paths(tmp_path / "linked" / "film.yaml")
    with pytest.raises(UsageError, match=f"also the journal of {theirs.anchor}.*remove the link"):
        open_ledger(linked, now)
    assert theirs.journal.read_bytes() == before and not linked.lock.exists()
