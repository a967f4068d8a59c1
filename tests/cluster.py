"""A cluster on this machine: a server, a gateway, hosts with homes of their own, and a store that
all of them see.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from klingflow.cluster.store import FolderStore
from klingflow.cluster.temporal.server import Server, program, started
from klingflow.sandbox.child import Sandbox, start
from klingflow.sandbox.options import Options
from tests.harness import charges

KEY = "sk-test-0123456789abcdef"
# As long as any of these waits may take on a busy machine.
PATIENCE_S = 300.0


def has_server() -> bool:
    """True if the program `temporal` is installed."""
    return program() is not None


@dataclass
class Cluster:
    """What a campaign kills, cuts off and looks at."""

    folder: Path
    server: Server
    sandbox: Sandbox
    hosts: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def store(self) -> FolderStore:
        return FolderStore(self.folder / "store")

    def environ(self, host: str) -> Mapping[str, str]:
        """The environment of a host: nothing of this machine's own."""
        kept = {
            k: v
            for k, v in os.environ.items()
            if not k.startswith("KLINGFLOW_") and "proxy" not in k.lower()
        }
        home = self.folder / host
        home.mkdir(exist_ok=True)
        return kept | {
            "HOME": str(home),
            "PYTHONUTF8": "1",
            "NO_COLOR": "1",
            "KLINGFLOW_STATE_DIR": str(home / "state"),
            "KLINGFLOW_CLAIMS": str(self.folder / "store"),
            "KLINGFLOW_CLUSTER": str(self.server.address),
            "KLINGFLOW_BASE_URL": self.sandbox.base_url,
            "KLINGFLOW_API_KEY": KEY,
        }

    def work(self, host: str, *python: str) -> None:
        """Start the worker of a host."""
        with (self.folder / f"{host}.log").open("ab") as log:
            self.hosts[host] = subprocess.Popen(
                [sys.executable, *(python or ("-m", "klingflow")), "worker"],
                env=self.environ(host),
                cwd=self.folder / host,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self, host: str, number: int = signal.SIGKILL) -> None:
        """Kill the worker of a host, and everything that it started."""
        process = self.hosts[host]
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        process.wait(60)

    def forget(self) -> None:
        """Delete the server's database, and start it again with nothing."""
        self.server.kill()
        for path in self.folder.glob("temporal.db*"):
            path.unlink()
        self.server.start()

    def saved(self) -> Path:
        """Copy the database as a backup would, and return the copy."""
        copy = self.folder / f"backup-{time.monotonic_ns()}"
        copy.mkdir()
        for path in self.folder.glob("temporal.db*"):
            shutil.copy(path, copy)
        return copy

    def restore(self, copy: Path) -> None:
        """Start the server again with a copy of its database."""
        self.server.kill()
        for path in self.folder.glob("temporal.db*"):
            path.unlink()
        for path in copy.iterdir():
            shutil.copy(path, self.folder)
        self.server.start()

    def charged(self) -> Counter[str]:
        """How often each prompt was charged."""
        return Counter(charge["prompt"] for charge in charges(self.sandbox))

    def words(self, host: str) -> str:
        """What the worker of a host has said."""
        return (self.folder / f"{host}.log").read_text("utf-8")


@contextmanager
def clustered(folder: Path, **options: Any) -> Iterator[Cluster]:
    """A cluster without hosts, whose gateway has these sandbox options."""
    (folder / "store").mkdir(parents=True)
    with started(folder) as server, start(Options(state=str(folder / "gateway"), **options)) as box:
        cluster = Cluster(folder, server, box)
        try:
            yield cluster
        finally:
            for host in cluster.hosts:
                cluster.kill(host)


def wait_until(what: str, true: Callable[[], bool], seconds: float = PATIENCE_S) -> None:
    """Wait until something is true. Raises AssertionError."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, f"it never came true: {what}"
        time.sleep(0.1)
