"""`python -m klingflow`, and the `klingflow` entry point.

Ctrl-C ends the process in good order from the first moment that is ours on: while the command line
is being imported nothing has begun, so the process just ends. Afterwards klingflow.runner.signals
decides. Before this module Python itself starts, and shows its trace.
"""

from __future__ import annotations

import os
import signal

if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as a script's `&` has it
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))

TYPE_CHECKING = False  # as in klingflow/__init__.py
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> NoReturn:
    """Run the command line, and end the process with its exit code."""
    from klingflow.terminal.cli import main as run  # here: its imports take most of the start

    run()


if __name__ == "__main__":
    main()
