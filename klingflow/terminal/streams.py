"""The end of what is written to stdout and stderr. A stream that takes nothing more is no error.

Apart from console.py, because `klingflow --help` ends here, too, and has to answer at once.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TextIO


def flush() -> None:
    """Write what is still buffered. Give up what cannot be written: the exit code has to stand."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            try:
                stream.flush()
            except (OSError, ValueError):
                silence(stream)


def silence(stream: TextIO) -> None:
    """Discard what is written to `stream` from now on."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
