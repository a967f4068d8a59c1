"""What a person, or a run that follows its batch, asks of a desk; and how a server is reached."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from temporalio.client import (
    Client,
    TLSConfig,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
)
from temporalio.common import QueryRejectCondition, WorkflowIDConflictPolicy
from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter
from temporalio.service import RPCError, RPCStatusCode

from klingflow.cluster.account import Said
from klingflow.cluster.address import CLUSTER, Address
from klingflow.cluster.status import Status
from klingflow.cluster.temporal.flows import TASK_S, DeskFlow, Stage, desk_of, queue_of
from klingflow.errors import ClusterAway
from klingflow.words import _

if TYPE_CHECKING:
    from temporalio.api.workflow.v1 import PendingActivityInfo

_PATIENCE: Final = timedelta(seconds=10)
# A host asks for work at least once a minute.
_SEEN_S: Final = 75.0
# A host's last word is not later than now, except for the time that an answer takes.
_SPARE_S: Final = 5.0
# So many other accounts are looked at.
_MOST_DESKS: Final = 20
# So many shots are looked at to see which host does what, and so many of them at once.
_MOST_SHOTS: Final = 1000
_AT_ONCE: Final = 50


async def connect(address: Address, *, identity: str = "") -> Client:
    """Return a client of the server. Raises ClusterAway."""
    # The library's own log would come between the lines for people, in colours and Rust's words.
    quiet = LoggingConfig(filter=TelemetryFilter(core_level="OFF", other_level="OFF"))
    runtime = Runtime(telemetry=TelemetryConfig(logging=quiet))
    try:
        return await Client.connect(
            address.target,
            namespace=address.namespace,
            identity=identity or None,
            runtime=runtime,
            tls=_tls(os.environ),
            api_key=os.environ.get("TEMPORAL_API_KEY") or None,
        )
    except (RuntimeError, RPCError, OSError) as error:
        raise ClusterAway(
            _(
                "no server answers at {address}: start it (temporal server start-dev), or correct"
                " {cluster}",
                address=address,
                cluster=CLUSTER,
            )
        ) from error


def _tls(environ: Mapping[str, str]) -> TLSConfig | bool:
    """Return how connections are secured: by the variables of Temporal's own programs."""

    def content(name: str) -> bytes | None:
        path = environ.get(name)
        return Path(path).read_bytes() if path else None

    ca = content("TEMPORAL_TLS_SERVER_CA_CERT_PATH")
    cert = content("TEMPORAL_TLS_CLIENT_CERT_PATH")
    key = content("TEMPORAL_TLS_CLIENT_KEY_PATH")
    if ca or cert or key:
        return TLSConfig(server_root_ca_cert=ca, client_cert=cert, client_private_key=key)
    return bool(environ.get("TEMPORAL_API_KEY"))


@dataclass(slots=True)
class Host:
    """A worker, by its host and process, and how many shots it is at what with now: `buy`, `watch`,
    `bring`.
    """

    identity: str
    doing: Counter[str] = field(default_factory=Counter)

    @property
    def name(self) -> str:
        """The host alone."""
        return self.identity.partition("/")[0]


class DeskClient:
    """The desk of an account, as a person speaks to it. All raise ClusterAway. `wall` gives this
    machine's time, which may be wrong.
    """

    def __init__(
        self, client: Client, account: str, *, wall: Callable[[], float] = time.time
    ) -> None:
        self._client = client
        self._account = account
        self._wall = wall
        self._server_ahead_s: float | None = None  # of the monotonic clock; None: not measured

    @property
    def account(self) -> str:
        """The account."""
        return self._account

    async def hand_over(self, batch: str, film: str, pages: int, caps: Mapping[str, Any]) -> None:
        """Give the desk a batch, whose pages are in the store. May be said again."""
        await self._say("add", batch, film, pages, dict(caps))

    async def stop(self, batch: str) -> None:
        """Let the desk grant nothing more of a batch."""
        await self._say("stop", batch)

    async def halt(self) -> None:
        """Let the desk grant nothing more at all."""
        await self._say("halt", _("stopped by a person"))

    async def go_on(self) -> None:
        """Let the desk grant again."""
        await self._say("go_on")

    async def say(self, said: Said, *, spend: bool) -> None:
        """Let the desk work by what was said of the account; `spend`: also what to spend."""
        await self._say("say", said.number, said.as_json(), spend)

    async def status(self) -> Status | None:
        """Return what the desk says of itself; None where there is none, or one that has ended.
        Raises UsageError for one of another version.
        """
        try:
            told = await self._handle.query(
                DeskFlow.status,
                reject_condition=QueryRejectCondition.NOT_OPEN,
                rpc_timeout=_PATIENCE,
            )
            return Status.from_json(told)
        except WorkflowQueryRejectedError:
            return None
        except WorkflowQueryFailedError as error:
            raise ClusterAway(_("the desk cannot answer: {error}", error=error)) from error
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return None
            raise _away(error) from error

    async def clock_s(self) -> float:
        """Return how many seconds this machine's clock is ahead of the server's."""
        before = self._wall()
        return before - await self._server_s()

    async def _server_s(self) -> float:
        """Return the server's time, by a workflow of which nothing stays to be done."""
        name = f"clock-{uuid4()}"
        try:
            handle = await self._client.start_workflow(
                "Clock", id=name, task_queue="klingflow-clock", rpc_timeout=_PATIENCE
            )
            began = (await handle.describe()).start_time.timestamp()
            await handle.terminate(_("it has said what time it is"))
        except RPCError as error:
            raise _away(error) from error
        return began

    async def hosts(self) -> list[str]:
        """Return the hosts whose workers are there, by the server's clock."""
        from temporalio.api.enums.v1 import TaskQueueType  # for start-up
        from temporalio.api.taskqueue.v1 import TaskQueue
        from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest

        asked = DescribeTaskQueueRequest(
            namespace=self._client.namespace,
            task_queue=TaskQueue(name=queue_of(self._account)),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
        )
        try:
            told = await self._client.workflow_service.describe_task_queue(asked, timeout=_PATIENCE)
        except RPCError as error:
            raise _away(error) from error
        seen = {poller.identity: poller.last_access_time.seconds for poller in told.pollers}
        oldest = await self._now_s(max(seen.values(), default=0)) - _SEEN_S
        return sorted(identity for identity, seen_s in seen.items() if seen_s >= oldest)

    async def _now_s(self, newest: float) -> float:
        """Return the server's time, as far as it is needed to judge the last words of hosts, the
        `newest` of which is given. This machine's time will do unless that would be a strange word:
        then the server is asked, once, and again only for a word that comes from the future.
        """
        ahead_s = self._server_ahead_s
        now_s = self._wall() if ahead_s is None else time.monotonic() + ahead_s
        is_future = newest > now_s + _SPARE_S
        is_past = ahead_s is None and newest < now_s - _SEEN_S
        if not newest or not (is_future or is_past):
            return now_s
        now_s = await self._server_s()
        self._server_ahead_s = now_s - time.monotonic()
        return now_s

    async def others(self) -> list[str]:
        """Return the other accounts that have a desk here, and hosts."""
        query = "WorkflowType = 'Desk' AND ExecutionStatus = 'Running'"
        try:
            found = self._client.list_workflows(query, limit=_MOST_DESKS)
            names = {desk.id.removeprefix(desk_of("")) async for desk in found}
        except RPCError as error:
            raise _away(error) from error
        others = [
            DeskClient(self._client, name, wall=self._wall)
            for name in sorted(names - {self._account})
        ]
        return [other.account for other in others if await other.hosts()]

    async def busy(self) -> list[Host]:
        """Return the hosts whose workers are there, and what each is doing."""
        hosts = {identity: Host(identity) for identity in await self.hosts()}
        for identity, stage in await self._stages():
            host = hosts.setdefault(identity, Host(identity))
            host.doing[stage] += 1
        return [*hosts.values()]

    async def _stages(self) -> list[tuple[str, Stage]]:
        """Return what shots are at, each with its host; of many shots, some."""
        query = (
            f"WorkflowType = 'Shot' AND ExecutionStatus = 'Running'"
            f" AND TaskQueue = '{queue_of(self._account)}'"
        )
        turn, found = asyncio.Semaphore(_AT_ONCE), list[tuple[str, Stage]]()

        async def look(shot: str) -> None:
            async with turn:
                with suppress(RPCError):  # it has ended meanwhile
                    told = await self._client.get_workflow_handle(shot).describe()
                    for step in told.raw_description.pending_activities:
                        found.append((step.last_worker_identity, await self._stage(step)))

        try:
            shots = [s.id async for s in self._client.list_workflows(query, limit=_MOST_SHOTS)]
        except RPCError as error:
            raise _away(error) from error
        await asyncio.gather(*map(look, shots))
        return [(host, stage) for host, stage in found if host]

    async def _stage(self, step: PendingActivityInfo) -> Stage:
        """Return what a host is at: it says so as soon as that takes some seconds."""
        said = step.heartbeat_details.payloads
        stages: list[Stage] = await self._client.data_converter.decode(said)
        return stages[0] if stages else "buy"

    @property
    def _handle(self) -> WorkflowHandle[Any, Any]:
        return self._client.get_workflow_handle(desk_of(self._account))

    async def _say(self, signal: str, *arguments: Any) -> None:
        """Tell the desk, and begin it where there is none."""
        try:
            await self._client.start_workflow(
                DeskFlow.run,
                args=[self._account, {}],
                id=desk_of(self._account),
                task_queue=queue_of(self._account),
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                task_timeout=TASK_S,
                start_signal=signal,
                start_signal_args=list(arguments),
                rpc_timeout=_PATIENCE,
            )
        except RPCError as error:
            raise _away(error) from error


def _away(error: RPCError) -> ClusterAway:
    return ClusterAway(
        _("the cluster's server does not answer: {name}", name=error.status.name.lower())
    )
