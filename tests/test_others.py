"""What other ledgers of a manifest say, and what is no ledger."""

from __future__ import annotations

from pathlib import Path

import pytest

from klingflow.errors import LedgerError, UsageError
from klingflow.ledger.headers import lock_header
from klingflow.ledger.lines import journal_line, lock_line
from klingflow.ledger.others import Other, tell
from klingflow.ledger.places import SANDBOX, Site, ledger_paths, site_at
from klingflow.ledger.unite import Telling
from klingflow.model import Place, Problem
from tests.purchases import submitted

A, B = submitted("a"), submitted("b")
LOCK = lock_header("x", 3, 1) + lock_line(A)


@pytest.fixture
def ours(tmp_path: Path) -> Site:
    return site_at(tmp_path / "ours" / "film.yaml")


def written(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_a_lock_says_its_purchases_lineage_and_serial(tmp_path: Path, ours: Site) -> None:
    path = written(tmp_path / "film.lock", LOCK)
    telling = Telling([A], [], frozenset({"x"}), 3)
    assert tell(path, ours) == Other(path, telling, (), frozenset({""}))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("film.lock.damaged", lock_line(A)),
        ("film.journal", journal_line(A)),
        ("film.emergency.jsonl", b"\n" + journal_line(A)),
    ],
)
def test_what_is_left_of_a_ledger_says_its_purchases(
    tmp_path: Path, ours: Site, name: str, data: bytes
) -> None:
    """Whichever reader understands most of it; there is no lineage in it."""
    told = tell(written(tmp_path / name, data), ours)
    assert told.telling == Telling([A], [], frozenset(), 0)


@pytest.mark.parametrize("name", ["there", "there/film.yaml", "there/other.yml"])
def test_a_folder_or_a_manifest_says_all_files_of_its_ledger(
    tmp_path: Path, ours: Site, name: str
) -> None:
    """The journal counts, too; in a folder the manifest is the one that is called like ours."""
    manifest = tmp_path / "there" / ("other.yml" if "other" in name else "film.yaml")
    there = ledger_paths(manifest)
    written(there.lock, LOCK)
    written(there.journal, journal_line(B))
    telling = tell(tmp_path / name, ours).telling
    assert sorted(a.shot for a in telling.accounts) == ["a", "b"]
    assert (telling.lineages, telling.serial) == (frozenset("x"), 3)


def test_the_sandbox_of_another_manifest_is_another_ledger(tmp_path: Path, ours: Site) -> None:
    there = ledger_paths(tmp_path / "there" / "film.yml", sandbox=True)
    sandbox = site_at(tmp_path / "film.yaml", origin=SANDBOX)
    written(tmp_path / "there" / "film.yml", b"")
    written(there.lock, LOCK)
    assert tell(tmp_path / "there", sandbox).telling.accounts == [A]
    with pytest.raises(UsageError):
        tell(tmp_path / "there", ours)


def test_a_damaged_line_is_a_problem_and_a_doubt(tmp_path: Path, ours: Site) -> None:
    path = written(tmp_path / "film.lock", LOCK.replace(b"720p", b"721p"))
    told = tell(path, ours)
    assert [d.shot for d in told.telling.doubts] == ["a"]
    assert told.problems == (Problem("damaged_purchases", Place("film.lock", 2), ("a",)),)


def test_what_is_no_ledger_is_refused(tmp_path: Path, ours: Site) -> None:
    """A mistyped path, another program's lock, a folder without one."""
    with pytest.raises(UsageError, match=r"no\.lock: there is no such file$"):
        tell(tmp_path / "no.lock", ours)
    with pytest.raises(UsageError, match=r"uv\.lock: there is no ledger of klingflow; name a"):
        tell(written(tmp_path / "uv.lock", b"version = 1\n"), ours)
    with pytest.raises(UsageError, match="there is no ledger of klingflow"):
        tell(tmp_path, ours)


def test_what_cannot_be_read_is_said(tmp_path: Path, ours: Site) -> None:
    (tmp_path / "film.lock").mkdir()
    (tmp_path / "pipe.lock").symlink_to("/dev/null")
    with pytest.raises(LedgerError, match=r"pipe\.lock: cannot be read: not a regular file$"):
        tell(tmp_path / "pipe.lock", ours)
