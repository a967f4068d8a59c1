"""Who holds a ledger: what its journal says of the process, if that is still true.

How a journal is locked is for oslock.py.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from klingflow.ledger.lines import parse_journal
from klingflow.model import Json
from klingflow.plain_files import read_whole

T = TypeVar("T")

# A process that has just got the lock reads the ledger first, and then writes who it is.
_LOOKS, _PAUSE_S = 100, 0.05


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that holds a ledger, its host, and the manifest that it runs; all None for a
    process that does not say.
    """

    pid: int | None = None
    host: str | None = None
    manifest: str | None = None


def locked(path: Path, lock: Callable[[], T]) -> T | Holder:
    """Return what `lock` returns, or who holds it, as the file at `path` says. `lock` raises
    BlockingIOError where another process holds it.

    What the file says may be of a run that is over. Then another soon says who it is, or nobody
    holds it any more; so lock and look several times. Raises what else `lock` raises.
    """
    for _ in range(_LOOKS):
        with suppress(BlockingIOError):
            return lock()
        match _said_in(path):
            case {"pid": int(pid), "host": str(host), **more} if _lives(pid, host):
                manifest = more.get("manifest")
                return Holder(pid, host, manifest if isinstance(manifest, str) else None)
        time.sleep(_PAUSE_S)
    return Holder()


def _said_in(path: Path) -> dict[str, Json]:
    try:
        return parse_journal(read_whole(path), path.name).runner or {}
    except OSError:  # it is held all the same
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
