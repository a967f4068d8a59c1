"""What all files of a ledger say together: gathered, folded, and what is wrong with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from klingflow.errors import LedgerError
from klingflow.ledger.book import doubt
from klingflow.ledger.headers import lock_header
from klingflow.ledger.lifecycle import advance
from klingflow.ledger.lines import Parsed, as_journal_line, journal_line, lock_line
from klingflow.ledger.places import LedgerPaths, ledger_paths
from klingflow.ledger.stored import Stored, load, newest_serial, read, set_aside
from klingflow.model import Place, Problem, Purchase
from tests.purchases import AT, LATER, done, intent, submitted


@pytest.fixture
def paths(tmp_path: Path) -> LedgerPaths:
    made = ledger_paths(tmp_path / "film.yaml", state=tmp_path / "state")
    made.journal.parent.mkdir()
    return made


def lock_of(*purchases: Purchase, lineage: str = "x", serial: int = 3) -> bytes:
    return lock_header(lineage, serial, len(purchases)) + b"".join(map(lock_line, purchases))


def loaded(paths: LedgerPaths) -> Stored:
    return load(paths, until=LATER)


def test_no_files_are_an_empty_ledger_of_a_lineage_of_its_own(paths: LedgerPaths) -> None:
    """Two that begin apart are told apart."""
    one, two = loaded(paths), loaded(paths)
    assert (one.book.purchases, one.book.serial, one.book.problems) == ({}, 0, [])
    assert one.book.lineage != two.book.lineage
    assert newest_serial(one.lock) == 0
    assert (one.signature, one.tidy) == (None, True)


def test_the_lock_and_the_journal_are_one_book(paths: LedgerPaths) -> None:
    """What the journal knows further counts, and the lock is then to be folded."""
    known, begun = submitted("a"), intent("b")
    after = advance(known, "succeeded", LATER)
    paths.lock.write_bytes(lock_of(known))
    without_body = as_journal_line(lock_line(after)[:-1], body=False)
    paths.journal.write_bytes(without_body + journal_line(begun))
    found = loaded(paths)
    assert found.book.purchases == {after.uid: after, begun.uid: doubt(begun, LATER)}
    assert (found.book.lineage, found.book.serial, found.tidy) == ("x", 3, False)


def test_who_only_looks_says_of_a_doubt_no_time_until_when(paths: LedgerPaths) -> None:
    begun = intent("a")
    paths.journal.write_bytes(journal_line(begun))
    assert read(paths).purchases == {begun.uid: doubt(begun, None)}


def test_a_lock_is_tidy_where_folding_would_write_the_same(paths: LedgerPaths) -> None:
    """Neither out of order, nor merged, nor damaged, nor with a line that explains no more."""
    a, b = submitted("a"), submitted("b")
    refused = replace(advance(intent("a"), "refused", AT), uid="0")
    tidy = lock_of(a, b)
    for text, is_tidy in (
        (tidy, True),
        (lock_of(b, a), False),
        (tidy + lock_header("x", 2, 2), False),
        (tidy.replace(b"720p", b"721p"), False),
        (lock_of(refused, a), False),
        (lock_of(intent("a")), False),
        (b"", False),
    ):
        paths.lock.write_bytes(text)
        assert loaded(paths).tidy is is_tidy, text


def test_what_is_wrong_is_reported_file_by_file(paths: LedgerPaths) -> None:
    """Lock, journal, what was pruned; then what they say together."""
    paths.lock.write_bytes(lock_of(submitted("a", task_id="1")).replace(b"720p", b"721p"))
    paths.journal.write_bytes(b"00000000 {}\n" + journal_line(submitted("b")))
    paths.pruned.write_bytes(lock_line(done("c")).replace(b"720p", b"721p"))
    ours = submitted("d", uid="d")
    theirs = replace(ours, task_id="t", times={**ours.times, "submitted": LATER})
    twice = submitted("b", task_id="u")
    paths.folded.write_bytes(lock_of(ours, theirs, twice))
    assert loaded(paths).book.problems == [
        Problem("damaged_purchases", Place("film.lock", 2), ("a",)),
        Problem("damaged_line", Place("film.journal", 1)),
        Problem("damaged_pruned", Place("film.pruned.jsonl", 1), ("c",)),
        Problem("contradicting_line", keys=("d",), tasks=("t",)),
        Problem("paid_twice", keys=("b", "b"), tasks=("task_b", "u"), attempts=(1, 1)),
    ]
    assert loaded(paths).contradicting == [theirs]


def test_of_two_lineages_the_smaller_one_is_the_ledgers(paths: LedgerPaths) -> None:
    """Whoever merges them takes the same; and of the serials the largest."""
    paths.lock.write_bytes(lock_of(serial=4, lineage="y") + lock_of(serial=2, lineage="x"))
    assert (loaded(paths).book.lineage, loaded(paths).book.serial) == ("x", 4)


def test_what_was_pruned_serves_its_shot_and_does_not_come_back(paths: LedgerPaths) -> None:
    """An older lock may hold it again and know less of it."""
    gone = done("a")
    paths.pruned.write_bytes(lock_line(gone))
    assert (loaded(paths).book.purchases, loaded(paths).book.pruned) == ({}, {gone.uid: gone})
    paths.lock.write_bytes(lock_of(submitted("a", uid=gone.uid)))
    assert loaded(paths).book.purchases == {gone.uid: gone}


def test_a_pruned_line_that_contradicts_stays_where_it_stands(paths: LedgerPaths) -> None:
    """It is reported, and nothing is set aside."""
    ours = submitted("a", uid="u", task_id="1")
    gone = replace(ours, task_id="2", times={**ours.times, "submitted": LATER})
    paths.pruned.write_bytes(lock_line(gone))
    paths.lock.write_bytes(lock_of(ours))
    assert (loaded(paths).contradicting, loaded(paths).book.purchases) == ([], {"u": ours})


def test_what_cannot_be_read_stops_everything(paths: LedgerPaths) -> None:
    paths.lock.mkdir()
    with pytest.raises(LedgerError, match=r"film\.lock: the ledger cannot be read: "):
        read(paths)


def test_what_is_set_aside_is_kept_in_files_of_its_own(paths: LedgerPaths) -> None:
    """Damaged lines of each file, and accounts that contradict; nothing where there is nothing."""
    paths.lock.write_bytes(lock_of() + b"{lock\n")
    paths.journal.write_bytes(b"journal\n")
    found, apart = loaded(paths), submitted("a")
    set_aside(paths, found.journal, found.lock, [apart])
    assert paths.lock_damaged.read_bytes() == b"{lock\n" + lock_line(apart)
    assert paths.journal_damaged.read_bytes() == b"journal\n"
    paths.journal_damaged.unlink()
    set_aside(paths, Parsed(), found.lock, [])
    assert not paths.journal_damaged.exists()


def test_what_a_lock_has_lost_is_counted(paths: LedgerPaths) -> None:
    """Its header counts it, and no file names it. What was begun since is no part of the lock. Of
    locks that were merged, the lower count has to be left.
    """
    lines = lock_of(submitted("a"), submitted("b"), submitted("c"))
    assert _lost(paths, lines) == 0
    torn = lines[: lines.rindex(b"\n", 0, -1) + 1]
    assert _lost(paths, torn) == 1
    assert _lost(paths, torn, since=journal_line(intent("d"))) == 1
    assert _lost(paths, torn, since=journal_line(advance(submitted("a"), "succeeded", LATER))) == 1
    assert _lost(paths, torn + lock_header("x", 4, 3)) == 1
    assert _lost(paths, torn + lock_header("x", 4, 2)) == 0
    assert _lost(paths, b"") == 1 and _lost(paths, lock_of()) == 0


def _lost(paths: LedgerPaths, lock: bytes, since: bytes = b"") -> int:
    paths.lock.write_bytes(lock)
    paths.journal.write_bytes(since)
    return loaded(paths).book.lost
