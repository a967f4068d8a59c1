"""The processes that decode what a server sent: how one is started, and how far it may go.

A decoder may crash, never end, or do what a video tells it. So it runs apart, without klingflow's
key or a store's, and the system bounds its time and memory.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from contextlib import suppress

READY = "ready"  # what such a process says first, where it answers more than one question
_NICER = 10
_MEMORY_BYTES = 2 << 30
# What Python, the libraries below it and fonts are found by.
_KEPT_VARIABLES = {
    "PATH", "HOME", "USERPROFILE", "APPDATA", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "LANG",
    "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH", "PYTHONHOME",
    "PYTHONPATH", "PYTHONUSERBASE", "FONTCONFIG_FILE", "FONTCONFIG_PATH", "XDG_CONFIG_HOME",
    "XDG_DATA_HOME", "XDG_CACHE_HOME",
}  # fmt: skip


# ---------------------------------------------------------------- for who starts one


def can_decode() -> bool:
    """Return True if the extra `media` is installed; it may still be broken."""
    return all(importlib.util.find_spec(name) for name in ("av", "PIL"))


def command(module: str, *arguments: str) -> tuple[str, ...]:
    """Return the command that runs a module of this room."""
    # -P: a folder from elsewhere may hold an `av.py`, which Python would run first.
    # utf8: on Windows a pipe's text is in the locale's encoding otherwise.
    options = ("-P", "-X", "utf8", "-m", f"klingflow.media.{module}")
    return sys.executable, *options, *arguments


def bare_environ() -> dict[str, str]:
    """Return what such a process gets of the environment."""
    return {name: value for name, value in os.environ.items() if name.upper() in _KEPT_VARIABLES}


# ---------------------------------------------------------------- for the process itself


def give_way(nicer: int = _NICER, memory_bytes: int = _MEMORY_BYTES, file_bytes: int = 0) -> None:
    """Give way to other processes, and let the system bound memory and the files that are written,
    where it can.
    """
    if sys.platform == "win32":
        return
    import resource  # not there on Windows

    with suppress(OSError):
        os.nice(nicer)
    most = {
        resource.RLIMIT_AS: memory_bytes,
        resource.RLIMIT_FSIZE: file_bytes,
        resource.RLIMIT_CORE: 0,
    }
    for limit, size in most.items():
        with suppress(OSError, ValueError):  # macOS refuses some
            resource.setrlimit(limit, (size, size))


def begin_count(cpu_s: int) -> None:
    """Let the system end this process after so much more time of its CPU."""
    if sys.platform == "win32":
        return
    import resource  # not there on Windows

    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + cpu_s, hard))
