"""The process that looks at videos: a decoder that crashes or never ends takes only this process
with it.

Reads a line of JSON for each video, its path. Prints a first line when it can begin, and then a
line of JSON for each video: its `Media`, or null for a file that cannot be opened. Ends with its
input, and so with its parent. `inspector.py` starts it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path

from klingflow import disk
from klingflow.media.probe import probe

READY = "ready"
_CPU_S = 30  # for one video
_MEMORY_BYTES = 2 << 30
_NICER = 10


def main() -> None:
    """Look at the videos that the input names."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal is for the run alone
    give_way()
    print(READY, flush=True)
    for line in sys.stdin:
        begin_count()
        print(json.dumps(_found(Path(json.loads(line)))), flush=True)


def _found(path: Path) -> object:
    try:
        file = disk.opened_itself(path)
    except OSError:
        return None
    with file:
        return asdict(probe(file))


def give_way() -> None:
    """Give way to other processes, and let the system bound memory, where it can. Nothing is ever
    written to a file.
    """
    if sys.platform == "win32":
        return
    import resource  # not there on Windows

    with contextlib.suppress(OSError):
        os.nice(_NICER)
    most = {resource.RLIMIT_AS: _MEMORY_BYTES, resource.RLIMIT_FSIZE: 0, resource.RLIMIT_CORE: 0}
    for limit, size in most.items():
        with contextlib.suppress(OSError, ValueError):  # macOS refuses some
            resource.setrlimit(limit, (size, size))


def begin_count() -> None:
    """Let the system end this process after so much more time of its CPU."""
    if sys.platform == "win32":
        return
    import resource  # not there on Windows

    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + _CPU_S, hard))


if __name__ == "__main__":
    main()
