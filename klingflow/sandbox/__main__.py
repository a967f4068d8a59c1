"""The process that `klingflow.sandbox.child` starts: options in stdin's first line, its address on
stdout.
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
    # From now on nobody reads what is said here, and a full pipe would stop the server.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def main() -> int:
    """Serve until stdin ends. Exit code 2 with a message on stderr when the options cannot be used."""
    try:
        options = options_from_json(sys.stdin.readline())
        threading.Thread(target=_die_with_parent, daemon=True).start()
        serve(options, _say)
    except (KlingflowError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
