"""Each file of a ledger is read in its latest version, and only if it is klingflow's."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from klingflow.errors import LedgerError
from klingflow.ledger import emergency
from klingflow.ledger.gathered import (
    forget_saved,
    load_lock,
    load_saved,
    read_log,
    signature_of,
)
from klingflow.ledger.lines import journal_line, lock_line
from klingflow.ledger.places import LedgerPaths, ledger_paths
from tests.purchases import submitted


@pytest.fixture
def paths(tmp_path: Path) -> LedgerPaths:
    made = ledger_paths(tmp_path / "film.yaml")
    made.journal.parent.mkdir()
    return made


def test_emergency_files_are_read_until_they_are_taken_in(paths: LedgerPaths) -> None:
    """One that somebody wrote to since is not deleted."""
    a, b = submitted("a"), submitted("b")
    assert emergency.save(paths.journal, journal_line(a))
    saved, versions = load_saved(paths)
    assert saved.accounts == [a]
    assert load_saved(paths, versions)[0].accounts == []
    emergency.save(paths.journal, journal_line(b))
    forget_saved(versions)
    assert load_saved(paths, versions)[0].accounts == [a, b]
    forget_saved(load_saved(paths)[1])
    assert load_saved(paths)[0].accounts == []


def test_a_lock_that_shows_no_trace_of_ours_is_refused(paths: LedgerPaths) -> None:
    """An empty one, or one that lost everything except a header's beginning, is ours."""
    paths.lock.write_bytes(b"version = 1\n")
    with pytest.raises(LedgerError, match=r"is not klingflow's; rename the manifest"):
        load_lock(paths)
    for text in (b"", b"\n", b'{"klingflow_lock":1,"lin', lock_line(submitted("a"))[:200]):
        paths.lock.write_bytes(text)
        assert load_lock(paths).headers == []


def test_a_version_of_a_file_is_known_by_its_signature(paths: LedgerPaths) -> None:
    assert signature_of(paths.lock) is None
    paths.lock.write_bytes(b"1")
    first = signature_of(paths.lock)
    assert first == signature_of(paths.lock)
    paths.lock.write_bytes(b"22")
    assert signature_of(paths.lock) != first


def test_a_log_is_read_once_its_last_line_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process may be writing a line, in however many pieces."""
    log, rest = tmp_path / "log", list(b"cond\n")
    log.write_bytes(b"first\nse")

    def write_on(_: float) -> None:
        with log.open("ab") as file:
            file.write(bytes([rest.pop(0)]))

    monkeypatch.setattr(time, "sleep", write_on)
    assert read_log(log) == b"first\nsecond\n"


@pytest.mark.parametrize(("data", "waits"), [(b"", 0), (b"whole\n", 0), (b"whole\ntorn", 1)])
def test_a_log_that_nobody_writes_is_read_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, waits: int
) -> None:
    """One look more tells that a torn line stays torn."""
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    (tmp_path / "log").write_bytes(data)
    assert read_log(tmp_path / "log") == data
    assert len(pauses) == waits
