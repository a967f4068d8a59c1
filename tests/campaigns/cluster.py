"""A cluster on this machine: a server, a gateway, hosts with homes of their own, and a store that
all of them see. Each host can be killed, stopped, and cut off from server, gateway and store.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

from klingflow.cluster.address import Address
from klingflow.cluster.store import PutOnce, open_store
from klingflow.cluster.temporal.server import Server, program, started
from klingflow.gateway.origin import normal_base
from klingflow.ledger.handed_over import claimant
from klingflow.ledger.lines import parse_journal
from klingflow.sandbox.child import Sandbox
from klingflow.sandbox.options import Options
from tests import forked
from tests.campaigns.relay import Relay, relayed
from tests.harness import Pipeline, charges

KEY = "sk-test-0123456789abcdef"
HOSTS = ("a", "b")
# What a host can be cut off from.
Peer = Literal["server", "gateway", "store"]
# Starts a worker as a host of its own would: with its own name, and a gateway that it reaches
# through a relay of its own.
_HOST = (
    "import functools, os, socket; socket.gethostname = lambda: os.environ['HOST'];"
    "from klingflow.api import working;"
    "working.work = functools.partial(working.work, origin=os.environ['ORIGIN']);"
)
_MAIN = "from klingflow.__main__ import main; main()"
# What came after the claim, of which one is there as soon as somebody knows what came of it.
_OUTCOMES = ("answer", "resolved")


def has_server() -> bool:
    """True if the program `temporal` is installed."""
    return program() is not None


@dataclass
class Cluster:
    """What a campaign kills, cuts off and looks at.

    `on_their_way` are the uids that a host had claimed, and told nobody the outcome of, when it was
    killed. `before_main` is Python that every host begins with. `bucket` is the store where that is
    no folder, and `secrets` are the environment that leads there.
    """

    folder: Path
    server: Server
    sandbox: Sandbox
    ways: Mapping[tuple[str, Peer], Relay]
    hosts: dict[str, subprocess.Popen[bytes] | forked.Running] = field(default_factory=dict)
    on_their_way: set[str] = field(default_factory=set)
    before_main: str = ""
    bucket: str | None = None
    secrets: Mapping[str, str] = field(default_factory=dict)

    @property
    def store(self) -> PutOnce:
        return open_store(self.bucket or str(self.folder / "store"), self.secrets, None)

    def person(self, name: str) -> Pipeline:
        """The folder of a person, with the environment that leads to the cluster."""
        store = self.bucket or str(self.folder / "store")
        environ = self._environ(name, store, self.server.address)
        folder = self.folder / name / "film"
        folder.mkdir(parents=True)
        return Pipeline(folder, {**environ, "KLINGFLOW_BASE_URL": self.sandbox.base_url})

    def _environ(self, name: str, store: str, address: Address) -> dict[str, str]:
        """The environment of a machine: nothing of this machine's own."""
        home = self.folder / name
        home.mkdir(exist_ok=True)
        kept = {
            k: v
            for k, v in os.environ.items()
            if not k.startswith(("KLINGFLOW_", "AWS_")) and "proxy" not in k.lower()
        }
        return {**kept, **self.secrets} | {
            "HOME": str(home),
            "PYTHONUTF8": "1",
            "NO_COLOR": "1",
            "KLINGFLOW_STATE_DIR": str(home / "state"),
            "KLINGFLOW_CLAIMS": store,
            "KLINGFLOW_CLUSTER": str(address),
            "KLINGFLOW_API_KEY": KEY,
        }

    def _host(self, host: str) -> Mapping[str, str]:
        link = self.folder / f"{host}-store"
        if not link.is_symlink():
            link.symlink_to(self.folder / "store")
        server = Address(f"127.0.0.1:{self.ways[host, 'server'].port}", "default")
        environ = self._environ(host, self.bucket or str(link), server)
        gateway = f"http://127.0.0.1:{self.ways[host, 'gateway'].port}"
        here = {"HOST": host, "ORIGIN": normal_base(self.sandbox.base_url)}
        return {**environ, **here, "KLINGFLOW_BASE_URL": gateway}

    def work(self, *hosts: str) -> None:
        """Start the workers of hosts."""
        for host in hosts:
            environ, before = self._host(host), _HOST + self.before_main
            with (self.folder / f"{host}.log").open("ab") as log:
                self.hosts[host] = _begun(self.folder / host, environ, before, log)

    def kill(self, host: str) -> None:
        """Kill the worker of a host, and note what it had on its way."""
        process = self.hosts[host]
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(60)
        self.on_their_way |= set(self._claimed(host))

    def _claimed(self, host: str) -> Iterator[str]:
        """The uids of the claims of a host that nobody knows the outcome of."""
        store, names = self.store, {*self.store.names("purchases")}
        for name in names:
            stem, _, chapter = name.rpartition(".")
            if chapter != "intent" or any(f"{stem}.{told}" in names for told in _OUTCOMES):
                continue
            (claim,) = parse_journal(store.get(name) or b"", name).accounts
            if (who := claimant(claim)) is not None and who[0] == host:
                yield claim.uid

    @contextmanager
    def stopped(self, host: str) -> Iterator[None]:
        """Stop a host meanwhile, as a machine that sleeps."""
        process = self.hosts[host]
        os.killpg(process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGCONT)

    @contextmanager
    def cut_off(self, host: str, peer: Peer) -> Iterator[None]:
        """Cut a host off from a peer meanwhile."""
        self._cut(host, peer)
        try:
            yield
        finally:
            self._mend(host, peer)

    def _cut(self, host: str, peer: Peer) -> None:
        if peer == "store":
            (self.folder / f"{host}-store").unlink()
        else:
            self.ways[host, peer].cut()

    def _mend(self, host: str, peer: Peer) -> None:
        if peer == "store":
            (self.folder / f"{host}-store").symlink_to(self.folder / "store")
        else:
            self.ways[host, peer].mend()

    def forget(self) -> None:
        """Delete the server's database, and start it again with nothing."""
        self.server.kill()
        for path in self.folder.glob("temporal.db*"):
            path.unlink()
        self.server.start()

    def saved(self) -> Path:
        """Copy the database as a snapshot of its disk would, and return the copy. The server
        stands still meanwhile: what is copied while it writes is no database.
        """
        copy = self.folder / f"backup-{time.monotonic_ns()}"
        copy.mkdir()
        assert self.server.process is not None
        os.kill(self.server.process.pid, signal.SIGSTOP)
        try:
            for path in self.folder.glob("temporal.db*"):
                shutil.copy(path, copy)
        finally:
            os.kill(self.server.process.pid, signal.SIGCONT)
        return copy

    def restore(self, copy: Path) -> None:
        """Start the server again with a copy of its database."""
        self.server.kill()
        for path in self.folder.glob("temporal.db*"):
            path.unlink()
        for path in copy.iterdir():
            shutil.copy(path, self.folder)
        self.server.start()

    def saved_whole(self) -> Path:
        """Copy the database, the store and what persons have, all at one moment: hosts stand still
        meanwhile, as under a snapshot of their disks.
        """
        with ExitStack() as stack:
            for host in self.hosts:
                stack.enter_context(self.stopped(host))
            copy = self.saved()
            for folder in ("store", "person"):
                shutil.copytree(self.folder / folder, copy / folder, symlinks=True)
        return copy

    def restore_whole(self, copy: Path) -> None:
        """Put back what `saved_whole` has copied. Hosts go on, with what they know."""
        self.server.kill()
        for folder in ("store", "person"):
            # Hosts write there: what was before is not deleted.
            (self.folder / folder).rename(self.folder / f"{folder} of {copy.name}")
            shutil.move(copy / folder, self.folder / folder)
        self.restore(copy)

    def charged(self) -> Counter[str]:
        """How often each prompt was charged."""
        return Counter(charge["prompt"] for charge in charges(self.sandbox))

    def words(self, host: str) -> str:
        """What the worker of a host has said."""
        return (self.folder / f"{host}.log").read_text("utf-8")


def _begun(
    folder: Path, environ: Mapping[str, str], before: str, log: IO[bytes]
) -> subprocess.Popen[bytes] | forked.Running:
    """Begin a worker with some Python `before` it, in a process group of its own."""
    if forked.can_have(environ):
        return forked.begin_apart(["worker"], folder, environ, before, log)
    return subprocess.Popen(
        [sys.executable, "-c", before + _MAIN, "worker"],
        env=environ,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )


@contextmanager
def clustered(
    folder: Path,
    *,
    bucket: str | None = None,
    secrets: Mapping[str, str] | None = None,
    **options: Any,
) -> Iterator[Cluster]:
    """A cluster whose gateway has these sandbox options, and whose hosts are not started. Its store
    is a folder, otherwise the `bucket` to which the environment `secrets` leads.
    """
    (folder / "store").mkdir(parents=True)
    with ExitStack() as stack:
        server = stack.enter_context(started(folder))
        gateway = Options(state=str(folder / "gateway"), plain_clips=True, **options)
        box = stack.enter_context(forked.sandbox_with(gateway))
        ports: Mapping[Peer, int] = {
            "server": server.port,
            "gateway": int(box.base_url.rpartition(":")[2]),
        }
        ways = {
            (host, peer): stack.enter_context(relayed(port))
            for host in HOSTS
            for peer, port in ports.items()
        }
        cluster = Cluster(folder, server, box, ways, bucket=bucket, secrets=secrets or {})
        try:
            yield cluster
        finally:
            for host in cluster.hosts:
                cluster.kill(host)
