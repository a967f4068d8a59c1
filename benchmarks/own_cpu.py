"""Run klingflow's command line, and print last what this process has used itself.

    python -m benchmarks.own_cpu run film.yaml -y

A process that it starts looks at videos, which the script on the SDK does not do.
"""

from __future__ import annotations

import os
import resource
from typing import NoReturn

from klingflow.terminal.cli import main

_end = os._exit


def own_use(out: str) -> tuple[float, int]:
    """Return what the last line of a run of this module says: seconds of CPU, and how often it
    waited.
    """
    cpu_s, waits = out.rsplit(maxsplit=2)[-2:]
    return float(cpu_s), int(waits)


def _say_and_end(status: int) -> NoReturn:
    used = resource.getrusage(resource.RUSAGE_SELF)
    os.write(1, f"{used.ru_utime + used.ru_stime} {used.ru_nvcsw}\n".encode())
    _end(status)


if __name__ == "__main__":
    os._exit = _say_and_end  # the command line's last step
    main()
