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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from klingflow.cluster import orders
from klingflow.cluster.address import account_named
from klingflow.cluster.orders import Terms
from klingflow.cluster.store import FolderStore
from klingflow.cluster.temporal.client import DeskClient, connect
from klingflow.cluster.temporal.server import Server, program, started
from klingflow.decide.caps import Caps
from klingflow.errors import ClusterAway
from klingflow.gateway.origin import normal_base
from klingflow.ledger.lines import parse_journal
from klingflow.ledger.uids import uid_of
from klingflow.model import Price, Purchase
from klingflow.sandbox.child import Sandbox, start
from klingflow.sandbox.options import Options
from tests.harness import charges

KEY = "sk-test-0123456789abcdef"


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
    python: Sequence[str] = ("-m", "klingflow")  # how Python is told to start a worker

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

    def work(self, host: str) -> None:
        """Start the worker of a host."""
        with (self.folder / f"{host}.log").open("ab") as log:
            self.hosts[host] = subprocess.Popen(
                [sys.executable, *self.python, "worker"],
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

    def batch(self, shots: int, settings: Mapping[str, Any]) -> Batch:
        """Put the orders of a batch into the store."""
        origin, store = normal_base(self.sandbox.base_url), self.store
        terms = Terms(
            *("batch", "lineage", "film", origin, store.identity, 0),
            deadline_s=600.0,
            poll_floor_s=1.0,
            caps=Caps().state(),
        )
        made = orders.pages(terms, [_intent(number, origin) for number in range(shots)])
        for page in made:
            assert store.put(orders.page_name("batch", page.number), orders.as_bytes(page))
        return Batch(self, made[0].terms, settings)

    def charged(self) -> Counter[str]:
        """How often each prompt was charged."""
        return Counter(charge["prompt"] for charge in charges(self.sandbox))

    def words(self, host: str) -> str:
        """What the worker of a host has said."""
        return (self.folder / f"{host}.log").read_text("utf-8")


def _intent(number: int, origin: str) -> Purchase:
    at = "2026-01-01T00:00:00.000Z"
    return Purchase(
        uid=uid_of("lineage", f"shot{number}", 1, 1),
        shot=f"shot{number}",
        take=1,
        attempt=1,
        state="intent",
        fingerprint=f"{number:064x}",
        body={"model": "kling-2.5", "prompt": f"street {number}", "seconds": "5", "size": "720P"},
        origin=origin,
        predicted_tier="kling-2.5-720p",
        seconds=5,
        price=Price(Decimal(2), "CNY", ""),
        times={"intent": at, "updated": at},
        output=f"outputs/{number}.mp4",
    )


@dataclass
class Batch:
    """A batch in the store, and the person who follows it."""

    cluster: Cluster
    terms: Terms
    settings: Mapping[str, Any]
    told: bool = False

    async def is_over(self) -> bool:
        """True if the desk has no more of it. Hands it over, again where the desk has forgotten."""
        try:
            client = await connect(self.cluster.server.address)
            desk = DeskClient(client, account_named(None, self.terms.origin))
            status = await desk.status() if self.told else None
            if status and self.terms.batch in status["over"]:
                return True
            if status is None or not status["batches"]:
                await desk.settle(self.settings)
                terms = self.terms
                await desk.hand_over(terms.batch, terms.film, terms.pages, terms.caps)
                self.told = True
        except ClusterAway:
            pass  # it is being killed
        return False

    def known(self) -> tuple[set[str], set[str]]:
        """The task ids that the store has, and the prompts of what is in doubt there."""
        ids, doubts = set(), {}
        store = self.cluster.store
        for name in store.names("purchases"):
            (purchase,) = parse_journal(store.get(name) or b"", name).accounts
            if purchase.task_id:
                ids.add(purchase.task_id)
            elif name.endswith(".doubt"):
                doubts[purchase.uid] = str(purchase.body["prompt"])
        return ids, set(doubts.values())


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
