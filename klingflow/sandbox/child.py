"""A sandbox as a child process, which dies with its parent however that dies."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from klingflow.errors import KlingflowError
from klingflow.sandbox.options import Options

_STOP_S = 5.0
# start_new_session is "POSIX only" (Python's page on `subprocess`). On Windows Ctrl-C goes to every
# process of the console, except to "a new process group".
_OWN_GROUP = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
# A proxy in the environment has no business with loopback.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A running sandbox. `base_url` is like `http://127.0.0.1:40123`.

    It accepts any key, except where the options set one.
    """

    base_url: str

    def ledger(self) -> Any:
        """Return what was charged and refunded: `GET /sandbox/ledger`."""
        with _DIRECT.open(f"{self.base_url}/sandbox/ledger") as reply:
            return json.load(reply)

    def set(self, **values: Any) -> None:
        """Change options while the sandbox runs: `PUT /sandbox/options`.

        For instance `set(faults=["create:cut=first:1"])`.
        """
        body = json.dumps(values).encode()
        request = urllib.request.Request(f"{self.base_url}/sandbox/options", body, method="PUT")
        with _DIRECT.open(request) as reply:
            reply.read()


@dataclass(frozen=True, slots=True)
class Child(Sandbox):
    """A sandbox that is a child of this process."""

    process: subprocess.Popen[str]

    def kill(self) -> None:
        """End the sandbox at once, as a crash would; what its state file holds stays."""
        self.process.kill()
        self.process.wait()


def _ignore(line: str) -> None:
    """Tell nobody."""


@contextlib.contextmanager
def start(options: Options | None = None, tell: Callable[[str], None] = _ignore) -> Iterator[Child]:
    """Start a sandbox on a free port, or on the one that the options name; stop it on leaving.

    `tell` gets, at the end, each line that the sandbox has for a person. The options go through a
    pipe, so that no process list shows a key; the pipe's end tells the child that its parent is
    gone. The user's own key does not reach the child. The child has a session of its own: Ctrl-C
    in the terminal goes to the parent alone. Raises KlingflowError, with the child's words, if the
    sandbox does not start.
    """
    process = subprocess.Popen(
        # -P: a folder from elsewhere may hold a `yaml.py`, which Python would run first.
        # utf8: on Windows a pipe's text is in the locale's encoding otherwise.
        [sys.executable, "-P", "-X", "utf8", "-m", "klingflow.sandbox"],
        env=_environ(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        start_new_session=True,
        creationflags=_OWN_GROUP,
    )
    assert process.stdin and process.stdout and process.stderr
    try:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write((options or Options()).as_json() + "\n")
            process.stdin.flush()
        address = process.stdout.readline().strip()
        if not address:
            raise KlingflowError(f"the sandbox did not start: {process.stderr.read().strip()}")
        yield Child(address, process)
    finally:
        for line in _stopped(process):
            tell(line)


def _environ() -> dict[str, str]:
    ours = "KLINGFLOW_"
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def _stopped(process: subprocess.Popen[str]) -> list[str]:
    """End the process and return the lines that it had to say and nobody has read."""
    assert process.stdin and process.stdout and process.stderr
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    with process.stdout, process.stderr:
        return process.stderr.read().splitlines()
