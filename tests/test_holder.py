"""Who holds a ledger, as its journal says, and only if that process still lives."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest

from klingflow.errors import LedgerHeld
from klingflow.ledger.holder import Holder, locked
from klingflow.ledger.lines import runner_line
from klingflow.ledger.places import LedgerPaths
from klingflow.ledger.store import open_ledger
from tests.keeping import now
from tests.purchases import AT


def test_a_second_runner_is_told_who_holds_the_ledger(paths: LedgerPaths) -> None:
    code = (
        "import sys\n"
        "from klingflow.ledger.places import ledger_paths\n"
        "from klingflow.ledger.store import open_ledger\n"
        f"paths = ledger_paths({str(paths.lock.with_suffix('.yaml'))!r})\n"
        "with open_ledger(paths, lambda: '2026'):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout and other.stdout.readline() == "held\n"
        with pytest.raises(LedgerHeld) as held:
            open_ledger(paths, now)
        assert held.value.pid == other.pid and held.value.host
        other.kill()
    open_ledger(paths, now).close()


HOST = socket.gethostname()


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A journal's place; nobody waits for a line that never comes."""
    monkeypatch.setattr(time, "sleep", lambda _: None)
    return tmp_path / "film.journal"


def taken() -> int:
    """Try a lock that another process holds."""
    raise BlockingIOError


def ended() -> int:
    """The id of a process that is over."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize(
    ("pid", "host"),
    [(os.getpid(), HOST), (1, HOST), (1 << 80, HOST), (ended(), "elsewhere.example")],
    ids=["us", "another user's", "no id here", "another host's"],
)
def test_a_process_that_lives_or_cannot_be_seen_is_believed(
    journal: Path, pid: int, host: str
) -> None:
    """With its host and the manifest that it runs."""
    journal.write_bytes(runner_line(pid, host, AT, "/films/film.yaml"))
    assert locked(journal, taken) == Holder(pid, host, "/films/film.yaml")


@pytest.mark.skipif(sys.platform == "win32", reason="there is no looking for a process")
def test_a_process_that_is_over_holds_nothing(journal: Path) -> None:
    """What it left says who held the ledger last."""
    journal.write_bytes(runner_line(ended(), HOST, AT, "/films/film.yaml"))
    assert locked(journal, taken) == Holder()


@pytest.mark.parametrize("left", [None, b"", b"no line of ours\n"])
def test_nobody_is_named_where_nobody_says_so(journal: Path, left: bytes | None) -> None:
    """Without a journal too."""
    if left is not None:
        journal.write_bytes(left)
    assert locked(journal, taken) == Holder()


def test_a_process_that_has_just_begun_is_waited_for(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads the ledger first, and then writes who it is."""
    line = runner_line(os.getpid(), HOST, AT, "/films/film.yaml")
    monkeypatch.setattr(time, "sleep", lambda _: journal.write_bytes(line))
    assert locked(journal, taken) == Holder(os.getpid(), HOST, "/films/film.yaml")


def test_a_lock_that_is_given_back_meanwhile_is_taken(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever held it at the first look, and is over at the second, keeps nobody out."""
    journal.write_bytes(runner_line(ended(), HOST, AT, "/films/film.yaml"))
    free = list[bool]()
    monkeypatch.setattr(time, "sleep", lambda _: free.append(True))
    assert locked(journal, lambda: 7 if free else taken()) == 7


def test_a_file_that_cannot_be_read_names_nobody(journal: Path) -> None:
    """It is held all the same."""
    journal.mkdir()
    assert locked(journal, taken) == Holder()


@pytest.mark.parametrize("more", ["", ',"manifest":7'])
def test_a_manifest_that_is_not_said_is_not_known(journal: Path, more: str) -> None:
    """The process is."""
    said = f'{{"runner":{{"pid":{os.getpid()},"host":"{HOST}"{more}}}}}'.encode()
    journal.write_bytes(b"%08x %b\n" % (zlib.crc32(said), said))
    assert locked(journal, taken) == Holder(os.getpid(), HOST, None)
