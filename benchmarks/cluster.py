"""What a film costs at a cluster, by shot: the server's CPU and database, and a worker's memory.

Two hosts and a server on this machine, a desk that a person speaks to all the time, and a sandbox
that takes all there is.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from temporalio.client import Client

from benchmarks.figures import Figure
from klingflow.cluster.address import account_named
from klingflow.cluster.temporal.client import DeskClient, connect
from klingflow.cluster.temporal.flows import desk_of
from klingflow.gateway.origin import normal_base
from tests.campaigns.cluster import HOSTS, Cluster, clustered
from tests.campaigns.siege import commit, settle

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_RATE, _MOST = "240/1m", 40
_RUN: Final = {"submit": _RATE, "max_running": _MOST, "poll_floor": "1s"}
# A person says something so often.
_SAID_EVERY_S: Final = 0.5
# Longer than any film of so many shots takes at this rate, on a machine that does more.
_PATIENCE_S_A_SHOT: Final = 2.0


@dataclass
class _Watched:
    """What the server has used so far, and the most that a worker has held."""

    server_cpu_s: float = 0.0
    worker_mb: float = 0.0
    said: int = 0
    granted: int = 0  # one that comes too late is granted again
    runs: set[str] = field(default_factory=set)  # of the desk: it goes on as a new one
    events: Counter[str] = field(default_factory=Counter)  # of ended workflows, by their type


def figures(shots: int, folder: Path) -> list[Figure]:
    """Return the figures of a film of so many shots."""
    with clustered(folder, task_time="3s") as cluster:
        film = cluster.person("person")
        film.write(shots, run=_RUN)
        commit(film)
        cluster.work(*HOSTS)
        settle(film, "--submit", _RATE, "-j", str(_MOST))
        watched, empty_kb = _Watched(), _database_kb(cluster)
        began = time.monotonic()
        with _watching(cluster, watched):
            run = film.start("run", "film.yaml", "--cluster", "-y", "-q")
            said = _end_of(run, shots)
        wall_s = time.monotonic() - began
        used_kb = _database_kb(cluster) - empty_kb
        charged = cluster.charged()
        told = [path for path in (folder / "store").glob("purchases/**/*") if path.is_file()]
        told_kb = sum(path.stat().st_size for path in told) / 1024
    if run.returncode or len(charged) != shots or max(charged.values()) != 1:
        raise RuntimeError(f"exit {run.returncode}, {len(charged)} shots charged\n{said}")
    return [
        Figure(
            f"cluster: server's CPU a shot, {shots:,} shots",
            "≤ 0.15 s",
            f"{watched.server_cpu_s / shots:.3f} s",
            f"{wall_s:.0f} s in all, {watched.granted:,} grants",
        ),
        Figure(
            "cluster: events in the server's histories a shot",
            "",
            f"{watched.events.total() / shots:.1f}",
            ", ".join(f"{kind} {n / shots:.1f}" for kind, n in watched.events.items()),
        ),
        Figure("cluster: server's database a shot", "≤ 40 KB", f"{used_kb / shots:.1f} KB"),
        Figure(
            "cluster: objects in the store a shot, without its video",
            "",
            f"{len(told) / shots:.1f}",
            f"{told_kb / shots:.1f} KB",
        ),
        Figure("cluster: the larger worker's peak", "≤ 200 MB", f"{watched.worker_mb:.0f} MB"),
        Figure(
            "cluster: runs of the desk",
            "> 1",
            str(len(watched.runs)),
            f"{watched.said} signals of a person",
        ),
    ]


def _end_of(run: subprocess.Popen[str], shots: int) -> str:
    """Return what the run that follows has said in all."""
    try:
        return "".join(run.communicate(timeout=300 + _PATIENCE_S_A_SHOT * shots))
    except subprocess.TimeoutExpired:
        run.kill()
        return "".join(run.communicate())


@contextmanager
def _watching(cluster: Cluster, watched: _Watched) -> Iterator[None]:
    """Measure, and speak to the desk, in a thread of its own."""
    ends = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_watch(cluster, watched, ends)))
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join()
        _measure(cluster, watched)


async def _watch(cluster: Cluster, watched: _Watched, ends: threading.Event) -> None:
    client = await connect(cluster.server.address)
    account = account_named(None, normal_base(cluster.sandbox.base_url))
    desk = DeskClient(client, account)
    while not ends.is_set():
        await desk.stop("a batch that is over")
        watched.said += 1
        watched.runs.add(await _run_of(client, account))
        _measure(cluster, watched)
        await asyncio.sleep(_SAID_EVERY_S)  # as a person speaks, again and again
    async for ended in client.list_workflows("ExecutionStatus != 'Running'"):
        watched.events[str(ended.workflow_type)] += ended.history_length
    watched.granted = (await client.count_workflows("WorkflowType = 'Shot'")).count


async def _run_of(client: Client, account: str) -> str:
    told = await client.get_workflow_handle(desk_of(account)).describe()
    return str(told.run_id)


def _measure(cluster: Cluster, watched: _Watched) -> None:
    server = cluster.server.process
    assert server is not None
    watched.server_cpu_s = _cpu_s(server.pid)
    peaks = [_peak_mb(process.pid) for process in cluster.hosts.values()]
    watched.worker_mb = max([watched.worker_mb, *peaks])


def _cpu_s(pid: int) -> float:
    """Return the CPU that a process has used, by /proc/PID/stat."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def _database_kb(cluster: Cluster) -> float:
    """Return the size of the server's database with its log."""
    return sum(path.stat().st_size for path in cluster.folder.glob("temporal.db*")) / 1024
