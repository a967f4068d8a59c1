"""Who holds a ledger: what its journal says of the process, if that is still true.

How a journal is locked is for oslock.py.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from klingflow.disk import read_whole
from klingflow.ledger.lines import parse_journal
from klingflow.model import Json

# A process that has just got the lock reads the ledger first, and then writes who it is.
_LOOKS, _PAUSE_S = 40, 0.05


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that holds a ledger, its host, and the manifest that it runs; all None for a
    process that does not say.
    """

    pid: int | None = None
    host: str | None = None
    manifest: str | None = None


def holder(journal: Path) -> Holder:
    """Return who holds a journal, as the journal says.

    What it says may be of a run that is over, and is then soon replaced; so look several times.
    Raises OSError.
    """
    for _ in range(_LOOKS):
        match _said_in(journal):
            case {"pid": int(pid), "host": str(host), **more} if _lives(pid, host):
                manifest = more.get("manifest")
                return Holder(pid, host, manifest if isinstance(manifest, str) else None)
        time.sleep(_PAUSE_S)
    return Holder()


def _said_in(journal: Path) -> dict[str, Json]:
    try:
        return parse_journal(read_whole(journal), journal.name).runner or {}
    except FileNotFoundError:
        return {}


def _lives(pid: int, host: str) -> bool:
    """True if there is such a process, or if this host cannot see it."""
    # `os.kill` asks nothing on Windows: "Any other value for sig will cause the process to be
    # unconditionally killed by the TerminateProcess API" (Python's page on `os`).
    if host != socket.gethostname() or sys.platform == "win32":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True
