"""Who holds a ledger, as its journal says, and only if that process still lives."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from klingflow.errors import LedgerHeld
from klingflow.ledger.places import LedgerPaths, ledger_paths
from klingflow.ledger.store import open_ledger
from tests.keeping import now


@pytest.fixture
def paths(tmp_path: Path) -> LedgerPaths:
    return ledger_paths(tmp_path / "film.yaml")


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
