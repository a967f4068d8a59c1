"""An exclusive lock on an open file: one process at a time, and only the file at its place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from klingflow.ledger.places import LedgerPaths, ledger_paths
from klingflow.ledger.store import open_ledger
from tests.keeping import now


@pytest.fixture
def paths(tmp_path: Path) -> LedgerPaths:
    return ledger_paths(tmp_path / "film.yaml")


def test_a_child_process_does_not_inherit_the_lock(paths: LedgerPaths) -> None:
    with open_ledger(paths, now):
        child = subprocess.Popen(
            [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False
        )
    open_ledger(paths, now).close()
    child.communicate(b"\n")
