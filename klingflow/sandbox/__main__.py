"""The process that `klingflow.sandbox.child` starts.

Its options are stdin's first line. It writes its address to stdout, and to stderr what the person
who started it should know.
"""

from __future__ import annotations

import os
import sys
import threading

from klingflow.errors import KlingflowError
from klingflow.sandbox.options import options_from_json
from klingflow.sandbox.server import serve


def _die_with_parent() -> None:
    sys.stdin.read()
    # At once and without ceremony: whatever was charged is in the state file already.
    os._exit(0)


def _say(address: str) -> None:
    sys.stdout.write(address + "\n")
    sys.stdout.flush()
    # The parent reads stderr only at the end, and a full pipe would stop the server.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def main() -> int:
    """Serve until stdin ends. Return 2, with a message on stderr, for options that are wrong."""
    pipe = os.dup(2)
    try:
        options = options_from_json(sys.stdin.readline())
        threading.Thread(target=_die_with_parent, daemon=True).start()
        serve(options, _say, lambda line: _tell(pipe, line))
    except (KlingflowError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _tell(pipe: int, line: str) -> None:
    """Write a line that the parent reads at the end; there are few enough to fit into the pipe."""
    os.write(pipe, f"{line}\n".encode())


if __name__ == "__main__":
    sys.exit(main())
