"""The process that looks at videos: a decoder that crashes or never ends takes only this process
with it.

Reads a line of JSON for each video, its path. Prints a first line when it can begin, and then a
line of JSON for each video: its `Media`, or null for a file that cannot be opened. Ends with its
input, and so with its parent. `inspector.py` starts it.
"""

from __future__ import annotations

import json
import signal
import sys
from dataclasses import asdict
from pathlib import Path

from klingflow import plain_files
from klingflow.media.probe import probe
from klingflow.media.process import READY, begin_count, give_way

_CPU_S = 30  # for one video


def main() -> None:
    """Look at the videos that the input names."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal is for the run alone
    give_way()
    print(READY, flush=True)
    for line in sys.stdin:
        begin_count(_CPU_S)
        print(json.dumps(_found(Path(json.loads(line)))), flush=True)


def _found(path: Path) -> object:
    try:
        file = plain_files.opened_itself(path)
    except OSError:
        return None
    with file:
        return asdict(probe(file))


if __name__ == "__main__":
    main()
