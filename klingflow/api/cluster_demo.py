"""A cluster on this machine, for a trial without money: a server and two hosts as children of one
process, which ends all of them when its standard input ends. So they die with whoever started it,
however that dies, as the sandbox's child does, which this room may not know.

Reads one line of JSON: the folder, and the gateway's address. Prints the server's address.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from klingflow.api.cluster_place import ACCOUNT
from klingflow.api.stores import WRITE_BELOW
from klingflow.api.working import work
from klingflow.cluster.address import CLAIMS, CLUSTER
from klingflow.cluster.temporal.server import started, without_ours
from klingflow.errors import UsageError
from klingflow.gateway.env_file import BASE_URL, KEY
from klingflow.ledger.places import SANDBOX
from klingflow.words import _

HOSTS: Final = ("host-a", "host-b")
_STOP_S: Final = 20.0
_PYTHON: Final = (sys.executable, "-P", "-X", "utf8", "-m")


@contextlib.contextmanager
def demo(folder: Path, base_url: str) -> Iterator[str]:
    """Start a cluster in a folder, whose store is its `store`; yield the server's address.

    Raises UsageError where it does not start.
    """
    (folder / "store").mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        [*_PYTHON, "klingflow.api.cluster_demo"],
        env=without_ours(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        start_new_session=True,
    )
    assert process.stdin and process.stdout and process.stderr
    try:
        with contextlib.suppress(BrokenPipeError):  # it has ended, and says why
            process.stdin.write(json.dumps([str(folder.absolute()), base_url]) + "\n")
            process.stdin.flush()
        address = process.stdout.readline().strip()
        if not address:
            raise UsageError(process.stderr.read().strip() or _("the cluster did not start"))
        yield address
    finally:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
        with process.stdout, process.stderr:
            process.wait()


def main() -> None:
    """Serve until standard input ends."""
    folder, base_url = json.loads(sys.stdin.readline())
    try:
        with started(Path(folder)) as server, contextlib.ExitStack() as stack:
            environ = {
                CLUSTER: str(server.address),
                CLAIMS: str(Path(folder) / "store"),
                BASE_URL: base_url,
                KEY: "sandbox",
                WRITE_BELOW: str(Path(folder).parent / "refs"),  # frames go where the sandbox reads
            }
            for host in HOSTS:
                stack.enter_context(_worker(Path(folder) / host, environ))
            print(server.address, flush=True)
            sys.stdin.read()
    except UsageError as error:
        sys.exit(str(error))


@contextlib.contextmanager
def _worker(home: Path, environ: dict[str, str]) -> Iterator[None]:
    home.mkdir(parents=True, exist_ok=True)
    with (home / "worker.log").open("ab") as log:
        worker = subprocess.Popen(
            [*_PYTHON, "klingflow.api.cluster_demo", home.name],
            env={**without_ours(), **environ, "KLINGFLOW_STATE_DIR": str(home / "state")},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield
    finally:
        worker.terminate()
        try:
            worker.wait(_STOP_S / 2)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()


if __name__ == "__main__":
    if sys.argv[1:]:
        work(ACCOUNT, 4, partial(print, flush=True), origin=SANDBOX, host=sys.argv[1])
        os._exit(0)  # as terminal/cli.py does, since the engine's threads outlive Python's own end
    else:
        main()
