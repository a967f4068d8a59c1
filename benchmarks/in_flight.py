"""Memory while thousands of tasks are unfinished: all are bought, none is done, and then Ctrl-C."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

from benchmarks.figures import Figure, python
from klingflow.sandbox.child import Sandbox
from tests.harness import sandboxed

_GIVE_UP_S = 600.0
# Long enough to see the record in the outputs folder written, which happens every 10 s.
_STAY_S = 12.0


def figures(tasks: int, folder: Path) -> list[Figure]:
    """Return the peak until some seconds after the last create, and the memory then."""
    with sandboxed(folder, task_time="2h") as (film, sandbox):
        film.write(
            tasks,
            run={"max_running": tasks, "poll_floor": "5s", "poll": "120/1m", "deadline": "3h"},
        )
        with subprocess.Popen(
            python("-m", "klingflow", "run", "film.yaml", "-y", "-q"),
            cwd=film.folder,
            env=film.environ,
            stdin=subprocess.DEVNULL,
        ) as process:
            _wait_for(sandbox, process, tasks)
            time.sleep(_STAY_S)
            status = Path(f"/proc/{process.pid}/status").read_text()
            process.send_signal(signal.SIGINT)
            code = process.wait(120)
        bought = len(sandbox.ledger()["charges"])
    if (code, bought) != (130, tasks):
        raise RuntimeError(f"exit {code} after Ctrl-C, {bought} tasks")
    target = "≤ 200 MB" if tasks == 10_000 else ""
    peak, now = _mb(status, "VmHWM"), _mb(status, "VmRSS")
    return [
        Figure(
            f"memory with {tasks:,} shots in flight",
            target,
            f"{peak:.0f} MB peak, {now:.0f} MB then",
        )
    ]


def _wait_for(sandbox: Sandbox, process: subprocess.Popen[bytes], tasks: int) -> None:
    """Wait until so many tasks have been bought. Raises RuntimeError if they will not be."""
    until = time.monotonic() + _GIVE_UP_S
    while sandbox.ledger()["requests"]["create"] < tasks:
        if process.poll() is not None or time.monotonic() > until:
            process.kill()
            raise RuntimeError(f"{tasks} tasks were not bought")
        time.sleep(2.0)


def _mb(status: str, name: str) -> float:
    line = next(line for line in status.splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) / 1024
