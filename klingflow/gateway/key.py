"""The key and the address of the gateway, from the environment or `.env`. The key is never shown or
written.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

KEY = "KLINGFLOW_API_KEY"
BASE_URL = "KLINGFLOW_BASE_URL"

_OTHERS = stat.S_IRWXG | stat.S_IRWXO

# Every key this process has read, so that an unforeseen error's text can be cleaned of it.
_known: set[str] = set()


def settings(folder: Path, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """`KLINGFLOW_*` of the environment over those of `.env` here, over those of `.env` beside the
    manifest.
    """
    from dotenv import dotenv_values

    environ = os.environ if environ is None else environ
    found: dict[str, str] = {}
    for path in (folder / ".env", Path(".env")):
        if path.is_file():
            # No interpolation: `$` is a common character in keys.
            found |= {k: v for k, v in dotenv_values(path, interpolate=False).items() if v}
    found |= {k: v for k, v in environ.items() if v}
    wanted = {name: found[name].strip() for name in (KEY, BASE_URL) if found.get(name, "").strip()}
    if KEY in wanted:
        _known.add(wanted[KEY])
    return wanted


def exposed(folder: Path) -> list[Path]:
    """Those `.env` files that `settings` reads and other users can read or change. POSIX tells,
    Windows does not.
    """
    if os.name != "posix":
        return []
    found = dict.fromkeys((folder / ".env", Path(".env")))
    return [path for path in found if path.is_file() and path.stat().st_mode & _OTHERS]


def said_of_exposed(path: Path) -> str:
    """What to do about it."""
    return f"{path} is open to other users: chmod 600 {path}"


def known_keys() -> frozenset[str]:
    """The keys read so far, longest first is the caller's concern: they never contain each other in
    practice.
    """
    return frozenset(_known)
